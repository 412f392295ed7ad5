"""A map as text: what each layer sees, what is inside it, what the model is made of and remembers."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pondera._map.axis import Axis, axis_of, tokens_text
from pondera._map.cells import scattered
from pondera._map.facts import By, Facts, Run, anatomies, mixer_kind, mixer_kinds
from pondera._map.inks import MIXERS, ROLE_WORDS
from pondera._map.layer import mixer_words
from pondera._numbers import decimal_bytes, exact_count, plural, share, short_count
from pondera._text import Column, Row, Screen, display_width, printable, table

_MOST_ROWS = 18
_MOST_CELLS = 256
_SEEN = 26
"""Characters of the axis of tokens."""

_BLOCKS = {"full": "█", "sliding": "▒", "chunked": "▚", "latent": "▓", "compressed": "▞", "state": "░"}
_STYLES = {"full": "cyan", "latent": "cyan", "state": "yellow", "cross": "red"}
_MARKS = (4096, 32_768, 131_072)


def map_view(screen: Screen, facts: Sequence[Facts], by: By) -> list[str]:
    """The lines of a map.

    Args:
        screen: What they must fit.
        facts: One model, or two.
        by: What parts are listed by.
    """
    axis = axis_of(list(facts))
    lines: list[str] = []
    for one in facts:
        if lines:
            lines += ["", screen.paint(("─" if screen.unicode else "-") * min(screen.width, 80), "dim"), ""]
        lines += _view(screen, one, by, axis)
    return lines


def _view(screen: Screen, facts: Facts, by: By, axis: tuple[int, int]) -> list[str]:
    lines = [*_heading(screen, facts), ""]
    if facts.main.layers:
        lines += [*_layers(screen, facts, axis), ""]
        for count, kind in anatomies(facts.main.runs)[:3]:
            lines += _inside(screen, facts, count, kind)
        lines.append("")
    lines += [*_parts(screen, facts, by), ""]
    lines += _memory(screen, facts)
    return [*lines, *_serious(screen, facts)]


def _heading(screen: Screen, facts: Facts) -> list[str]:
    total, shown = facts.total, facts.shown
    parts = [shown["class"] or shown["model_type"], f"{short_count(total['parameters'])} parameters"]
    if facts.unknown is None and total["active"] != total["parameters"]:
        parts.append(f"{short_count(total['active'])} used per token")
    if not shown["bytes_unknown"]:
        parts.append(f"{decimal_bytes(total['bytes'])} {shown['storage'] or 'stored'}")
    if facts.context:
        parts.append(f"{exact_count(facts.context)} tokens of context")
    dot = " · " if screen.unicode else " - "
    words = dot.join(part for part in parts if part)
    return [screen.paint(screen.cut(_plain(facts.title), screen.width), "bold"), *_wrap(screen, words)]


def _plain(text: str) -> str:
    return printable(text[:1000])


def _wrap(screen: Screen, text: str) -> list[str]:
    text = _plain(text)
    width = min(screen.width, 100)
    # Characters that take two columns are counted as one where lines are broken.
    width //= 2 if display_width(text) > len(text) else 1
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _layers(screen: Screen, facts: Facts, ends: tuple[int, int]) -> list[str]:
    axis = Axis(*ends, 0, _SEEN)
    low, high = tokens_text(ends[0]), tokens_text(ends[1])
    columns = [
        Column("layers", "label"),
        Column("kind", "text", least=16),
        Column(f"sees {low} to {high} tokens back", "label"),
        Column("each"),
        Column("share", optional=1),
    ]
    rows = []
    shown, note = _folded(facts.main.runs)
    apart = any("order" in line for line in note)
    # The last layer is nearest to the answer, as in the picture.
    for run in reversed(shown):
        kind = mixer_kind(run.kind)
        last = run.first + run.count - 1
        numbers = str(run.first) if run.count == 1 else f"{run.first}-{last}"
        if apart:
            numbers = f"{run.count} of them"
        each = int(run.kind["parameters"])
        rows.append(
            Row(
                [
                    numbers,
                    " ".join(filter(None, [run.kind["words"], f"({run.lack})" if run.lack else ""])),
                    _seen(screen, facts, run, axis),
                    short_count(each),
                    share(run.count * each, facts.total["parameters"]),
                ],
                accents={2: _STYLES.get(kind, "")},
            )
        )
    lines = table(screen, columns, rows)
    if facts.main.name == "decoder" and not apart:
        lines.insert(2, screen.paint("  next token out", "dim"))
        lines.append(screen.paint("  tokens in", "dim"))
    return lines + note


def _folded(runs: Sequence[Run]) -> tuple[Sequence[Run], list[str]]:
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
    order += [f"    {letters[at : at + 64]}" for at in range(0, len(letters), 64)]
    kinds: dict[int, Run] = {}
    for run in runs:
        known = kinds.get(id(run.kind))
        kinds[id(run.kind)] = Run(run.first, run.count + (known.count if known else 0), run.kind)
    shown = sorted(kinds.values(), key=lambda run: run.count)
    return shown[-_MOST_ROWS:], order


def _seen(screen: Screen, facts: Facts, run: Run, axis: Axis) -> str:
    """A bar as long as the layer sees, which begins with the letter of its kind."""
    names = mixer_kinds(run.kind)
    kind = mixer_kind(run.kind)
    letter = MIXERS[kind].letter
    windows = [mixer["window"] for mixer in run.kind["mixers"] if mixer.get("window")]
    far = min([*windows, facts.longest]) if kind != "compressed" else facts.longest
    length = max(round(axis.at(far)), 1) if kind not in ("none", "cross") else 1
    block = _BLOCKS.get(kind, letter) if screen.unicode else letter
    if kind == "state":
        faded = length // 3
        body = "▓" * faded + "▒" * faded + "░" * (length - 2 * faded) if screen.unicode else letter * length
    else:
        body = block * length
    return letter + body[1:] + (" +X" if "cross" in names and kind != "cross" else "")


def _inside(screen: Screen, facts: Facts, count: int, kind: Mapping[str, Any]) -> list[str]:
    lines = [screen.paint(f"{count} x {kind['words'] or 'layer'}", "bold")]
    hidden = facts.shown["hidden_size"]
    if hidden:
        lines.append(f"  residual stream, {exact_count(hidden)} wide")
    for mixer in kind["mixers"]:
        lines += [f"  {mixer_words(mixer)}", *_heads(screen, mixer)]
    for part in kind["feed_forward"]:
        if part["kind"] == "dense":
            lines.append(f"  feed-forward, {exact_count(part['width'])} wide")
            continue
        many, wide = exact_count(part["experts"]), exact_count(part["width"])
        words = f"{part['chosen']} of {many} experts, each {wide} wide"
        if part["shared_width"]:
            words += f", and one for all, {exact_count(part['shared_width'])} wide"
        lines += [f"  {words}", *_experts(screen, part["experts"], part["chosen"])]
    return lines


def _heads(screen: Screen, mixer: Mapping[str, Any]) -> list[str]:
    heads, groups = mixer.get("heads") or 0, mixer.get("kv_heads") or 1
    if not 0 < heads <= _MOST_CELLS or heads % groups:
        return []
    cell = "▪" if screen.unicode else "o"
    words = [cell * (heads // groups)] * groups
    return _rows(" ".join(words) if heads > groups > 1 else cell * heads)


def _experts(screen: Screen, experts: int, chosen: int) -> list[str]:
    if experts > _MOST_CELLS:
        return []
    lit = scattered(min(chosen, experts), experts)
    on, off = ("■", "·") if screen.unicode else ("#", ".")
    return _rows("".join(on if at in lit else off for at in range(experts)))


def _rows(cells: str, width: int = 64) -> list[str]:
    """Cells in lines; groups are kept whole where they are narrower than a line."""
    lines = [""]
    for word in cells.split(" "):
        for at in range(0, len(word), width):
            piece = word[at : at + width]
            if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
                lines.append(piece)
            else:
                lines[-1] = f"{lines[-1]} {piece}".strip()
    return [f"    {line}" for line in lines]


def _parts(screen: Screen, facts: Facts, by: By) -> list[str]:
    roles = sorted(facts.shown["roles"].items(), key=lambda one: -one[1][by])
    columns = [
        Column("made of", "label"),
        Column(by),
        Column("share"),
        Column("", "bar", optional=1, style="cyan"),
    ]
    rows = [
        Row([ROLE_WORDS.get(role, role), facts.say(one[by], by), share(one[by], facts.size(by)), one[by]])
        for role, one in roles
        if one["tensors"]
    ]
    return table(screen, columns, rows, Row(["total", facts.say(facts.size(by), by), "100.0%", ""], "bold"))


def _memory(screen: Screen, facts: Facts) -> list[str]:
    curve = facts.memory["curve"] if facts.memory else []
    if not curve:
        return [
            "it keeps nothing between tokens" if facts.unknown is None else "what it remembers is not known"
        ]
    wanted = {*_MARKS, facts.context or curve[-1]["tokens"]}
    points = [point for point in curve if point["tokens"] in wanted]
    rows = [
        Row([exact_count(point["tokens"]), decimal_bytes(point["bytes"]), _length(point["bytes"], curve)])
        for point in points
    ]
    columns = [Column("remembers after"), Column("bytes"), Column("", "bar", style="cyan")]
    return table(screen, columns, rows)


def _length(count: int, curve: Sequence[Mapping[str, Any]]) -> int:
    """The length of a bar on a logarithmic scale, in thousandths."""
    low, high = (math.log10(max(curve[at]["bytes"], 1)) for at in (0, -1))
    span = max(high - low + 1, 1)
    return max(round(1000 * (math.log10(max(count, 1)) - low + 1) / span), 1)


def _serious(screen: Screen, facts: Facts) -> list[str]:
    lines: list[str] = []
    if facts.unknown:
        lines += [
            screen.paint(line, "yellow")
            for line in _wrap(screen, f"the config says no more: {facts.unknown}")
        ]
    lines += [screen.paint(line, "dim") for words in facts.assumed() for line in _wrap(screen, words)]
    for words in facts.disagreements():
        lines += [screen.paint(line, "red") for line in _wrap(screen, words)]
    return lines
