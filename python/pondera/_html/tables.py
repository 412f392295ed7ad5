"""Tables in a notebook."""

from numpy import integer

from pondera._html.frame import bar, block, hover, note, table, words
from pondera._native import Table
from pondera._numbers import plural, signed_bytes
from pondera._scan_data import shape_text

END_ROWS = 5
"""How many rows a table shows at its beginning and at its end."""

_DRAWN = ("bytes", "total_bytes")
"""The column that is drawn as bars too: the first of these that there is."""


def table_html(shown: Table) -> str:
    """A table: its first and last five rows, with bars of its bytes."""
    count = len(shown)
    places = range(count) if count <= 2 * END_ROWS else [*range(END_ROWS), *range(count - END_ROWS, count)]
    columns = {name: shown[name] for name in shown.columns}
    drawn = next((columns[name] for name in _DRAWN if name in columns), None)
    rows = [[_cell(name, values[place]) for name, values in columns.items()] for place in places]
    titles = [words(name) for name in columns]
    if drawn is not None and count:
        titles.append("")
        largest = int(drawn.max())
        for row, place in zip(rows, places, strict=True):
            row.append(bar(int(drawn[place]), largest))
    if len(rows) < count:
        rows.insert(END_ROWS, ["⋮" for _ in titles])
    left = {at for at, values in enumerate(columns.values()) if values.dtype == object} | {len(columns)}
    return block(
        table(titles, rows, None, left),
        note(f"{plural(count, 'row')}, {plural(len(columns), 'column')}"),
    )


def _cell(name: str, value: object) -> str:
    """A value; bytes are told in powers of 1024 when the mouse is over them."""
    text = words(shape_text(value) if isinstance(value, tuple) else str(value))
    if (name == "bytes" or name.endswith("_bytes")) and isinstance(value, (int, integer)):
        return hover(text, signed_bytes(int(value)))
    return text
