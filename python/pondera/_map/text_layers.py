"""The layers of a map as text: a row for those that follow one another and are alike."""

from collections.abc import Sequence

from pondera._map.axis import Axis, tokens_text
from pondera._map.facts import Facts, mixer_kind, mixer_kinds
from pondera._map.inks import MIXERS
from pondera._map.stacks import Run
from pondera._numbers import plural, share, short_count
from pondera._text import Column, Row, Screen, table

_MOST_ROWS = 18
_NARROW = 72
_SEEN = 26, 18
"""Characters of the axis of tokens, on a screen and on one that is narrow."""

_BLOCKS = {"full": "█", "sliding": "▒", "chunked": "▚", "latent": "▓", "compressed": "▞", "state": "░"}
_STYLES = {"full": "cyan", "latent": "cyan", "state": "yellow", "cross": "red"}


def layers_view(screen: Screen, facts: Facts, ends: tuple[int, int]) -> list[str]:
    """The lines of the layers.

    Args:
        screen: What they must fit.
        facts: The model.
        ends: The tokens where the axis begins and ends.
    """
    narrow = screen.width < _NARROW
    axis = Axis(*ends, 0, _SEEN[narrow])
    low, high = tokens_text(ends[0]), tokens_text(ends[1])
    if facts.unknown is not None:
        return _bare(screen, facts)
    unit = " tokens" if facts.main.looks_ahead else " tokens back"
    unit = "" if narrow else unit
    columns = [
        Column("layers", "label"),
        Column("kind", "text", least=16),
        Column(f"sees {low} to {high}{unit}", "label"),
        Column("each"),
        Column("share", optional=1),
    ]
    shown, note = _folded(facts.main.runs, screen)
    apart = any("order" in line for line in note)
    rows = [_row(screen, facts, run, facts.longest, axis, apart=apart) for run in reversed(shown)]
    if reader := facts.reader:
        read, more = _folded(reader.runs, screen)
        note += [f"  {reader.words}: {line.strip()}" for line in more]
        far = facts.given or facts.longest
        rows += [_row(screen, facts, run, far, axis, of=f"{reader.words}: ") for run in reversed(read)]
    # The last layer is nearest to the answer, as in the picture.
    lines = table(screen, columns, rows)
    if facts.main.name == "decoder" and not apart:
        lines.insert(2, screen.paint("  next token out", "dim"))
        lines.append(screen.paint("  tokens in", "dim"))
    return lines + note


def _bare(screen: Screen, facts: Facts) -> list[str]:
    """The layers of a model whose mind is not known: their numbers and sizes."""
    rows = []
    for run in reversed(facts.main.runs[:_MOST_ROWS]):
        each = int(run.kind["parameters"])
        part = share(run.count * each, facts.total["parameters"])
        rows.append(Row([run.span.partition(" ")[2], short_count(each), part]))
    more = facts.main.layers - sum(run.count for run in facts.main.runs[:_MOST_ROWS])
    note = [f"  and {plural(more, 'further layer')}"] if more else []
    return table(screen, [Column("layers", "label"), Column("each"), Column("share")], rows) + note


def _row(
    screen: Screen, facts: Facts, run: Run, far: int, axis: Axis, *, of: str = "", apart: bool = False
) -> Row:
    """The row of layers that follow one another, or of all of one kind where their order is told apart."""
    last = run.first + run.count - 1
    numbers = str(run.first) if run.count == 1 else f"{run.first}-{last}"
    each = int(run.kind["parameters"])
    return Row(
        [
            f"{run.count} of them" if apart else numbers,
            " ".join(filter(None, [of + run.kind["words"], f"({run.lack})" if run.lack else ""])),
            _seen(screen, far, run, axis),
            short_count(each),
            share(run.count * each, facts.total["parameters"]),
        ],
        accents={2: _STYLES.get(mixer_kind(run.kind), "")},
    )


def _folded(runs: Sequence[Run], screen: Screen) -> tuple[Sequence[Run], list[str]]:
    """The runs; if they are many, those before they repeat, or each kind once with the order in letters."""
    if len(runs) <= _MOST_ROWS:
        return runs, []
    keys = [(run.count, id(run.kind)) for run in runs]
    for period in range(1, _MOST_ROWS + 1):
        # The last run may be cut short.
        if all(keys[at] == keys[at - period] for at in range(period, len(keys) - 1)):
            count = sum(run.count for run in runs)
            return runs[:period], [f"  and so on, {plural(count, 'layer')} in all"]
    letters = "".join(MIXERS[mixer_kind(run.kind)].letter * run.count for run in runs)
    order = ["  in this order, from the first:"]
    room = 64 if screen.width >= _NARROW else 48
    order += [f"    {letters[at : at + room]}" for at in range(0, len(letters), room)]
    kinds: dict[int, Run] = {}
    for run in runs:
        known = kinds.get(id(run.kind))
        kinds[id(run.kind)] = Run(run.first, run.count + (known.count if known else 0), run.kind)
    shown = sorted(kinds.values(), key=lambda run: run.count)
    return shown[-_MOST_ROWS:], order


def _seen(screen: Screen, whole: int, run: Run, axis: Axis) -> str:
    """A bar as long as the layer sees, which begins with the letter of its kind."""
    names = mixer_kinds(run.kind)
    kind = mixer_kind(run.kind)
    letter = MIXERS[kind].letter
    windows = [mixer["window"] for mixer in run.kind["mixers"] if mixer.get("window")]
    far = min([*windows, whole]) if kind != "compressed" else whole
    length = max(round(axis.at(far)), 1) if kind not in ("none", "cross") else 1
    block = _BLOCKS.get(kind, letter) if screen.unicode else letter
    if kind == "state":
        faded = length // 3
        body = "▓" * faded + "▒" * faded + "░" * (length - 2 * faded) if screen.unicode else letter * length
    else:
        body = block * length
    return letter + body[1:] + (" +X" if "cross" in names and kind != "cross" else "")
