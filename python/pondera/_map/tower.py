"""The body of a map: towers of layers, their areas in proportion to what they hold, and the list of parts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pondera._map.facts import Facts, parts_of
from pondera._map.inks import Look
from pondera._map.parts import exactly, look_of
from pondera._map.stacks import By, Run, Tower
from pondera._numbers import exact_count, plural, share
from pondera._svg import Sheet, number, text_width, track

GAP = 14
"""Between towers that stand side by side."""

_LEAST = 0.2
_WIDEST = 0.62
_SLIMMEST = 0.3
_LABELS = {
    "attention": "attention",
    "state": "state",
    "mlp": "feed-forward",
    "expert": "experts",
    "lit": "lit",
    "embedding": "embedding",
    "head": "head",
    "vision": "vision",
    "audio": "audio",
    "mtp": "further tokens",
}


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the layers of the main tower stand: what the lines to the other panel begin at."""

    left: float
    right: float
    top: float
    bottom: float
    roof: float


@dataclass(frozen=True, slots=True)
class Box:
    """A drawn part."""

    role: str
    look: Look
    left: float
    top: float
    width: float
    height: float


def best_scale(facts: Facts, by: By, width: float, height: float) -> tuple[float, float]:
    """The largest area of a parameter with which all towers have room, and their width by their height."""
    main = _main_size(facts, by)
    sides = [side.size(by) for side in facts.sides]
    if not main:
        return 0, _WIDEST
    room = width - GAP * len(sides)
    roots = math.sqrt(main) + sum(map(math.sqrt, sides))
    aspect = min(max(room * math.sqrt(max([main, *sides])) / (height * roots), _SLIMMEST), _WIDEST)
    scale = min(height * height * aspect / max([main, *sides]), room * room / (aspect * roots * roots))
    return scale, aspect


def towers_width(facts: Facts, by: By, scale: float, aspect: float) -> float:
    """How wide all towers are together."""
    sizes = [_main_size(facts, by), *(side.size(by) for side in facts.sides)]
    return sum(math.sqrt(scale * size * aspect) for size in sizes) + GAP * len(facts.sides)


def draw_towers(
    sheet: Sheet,
    facts: Facts,
    by: By,
    left: float,
    ground: float,
    scale: float,
    aspect: float,
    *,
    mirrored: bool = False,
) -> Stand:
    """Draws the towers side by side on the ground; the main one stands on the inner side.

    Args:
        sheet: Where.
        facts: The model.
        by: What areas are in proportion to.
        left: Where the first begins.
        ground: What they stand on.
        scale: Area of one parameter or byte.
        aspect: Width of a tower by its height.
        mirrored: Whether the main tower comes first.
    """
    main_width = math.sqrt(scale * _main_size(facts, by) * aspect)
    widths = [(side, math.sqrt(scale * side.size(by) * aspect)) for side in facts.sides]
    at = left
    if mirrored:
        stand = _draw_main(sheet, facts, by, at, ground, main_width, scale)
        at += main_width + GAP
    for side, width in widths:
        _draw_side(sheet, facts, side, by, at, ground, width, scale)
        at += width + GAP
    if not mirrored:
        stand = _draw_main(sheet, facts, by, at, ground, main_width, scale)
    return stand


def _main_size(facts: Facts, by: By) -> int:
    return facts.main.size(by) + (facts.prediction.size(by) if facts.prediction else 0)


def _draw_side(
    sheet: Sheet, facts: Facts, side: Tower, by: By, left: float, ground: float, width: float, scale: float
) -> None:
    size = side.size(by)
    hover = f"{side.words}: {exactly(size, by)}, {plural(side.layers, 'layer')}"
    with sheet.group(hover, side.words):
        boxes, _ = _draw_column(sheet, facts, side, by, left, ground, width, scale)
        height = scale * size / width if width else 0
        _label_boxes(sheet, boxes)
        if width >= text_width(side.words, 10.5):
            sheet.text(left, ground + 15, side.words, 10.5, ink="soft")
        elif height > 8 and not any(_fits(box, _LABELS[box.role]) for box in boxes if box.role in _LABELS):
            sheet.text(left + width + 10, ground, side.words, 10.5, ink="soft", turned=True)


def _draw_main(
    sheet: Sheet, facts: Facts, by: By, left: float, ground: float, width: float, scale: float
) -> Stand:
    with sheet.group("", facts.main.words):
        boxes, (top, bottom) = _draw_column(sheet, facts, facts.main, by, left, ground, width, scale)
        height = scale * facts.main.size(by) / width if width else 0
        _label_boxes(sheet, boxes)
        roof = ground - height
        if facts.shown["tied_head"] and width > 20:
            hover = "the head is the embedding again: it is stored once"
            sheet.rect(left, roof - 7, width, 5, None, stroke="deep", dash="3 2", hover=hover)
            roof -= 7
        if facts.prediction and facts.prediction.size(by):
            boxes, (roof, _) = _draw_column(sheet, facts, facts.prediction, by, left, roof - 3, width, scale)
            _label_boxes(sheet, boxes)
    return Stand(left, left + width, top, bottom, roof)


def _draw_column(
    sheet: Sheet, facts: Facts, tower: Tower, by: By, left: float, ground: float, width: float, scale: float
) -> tuple[list[Box], tuple[float, float]]:
    """Draws what is below the layers, them, and what is above; gives the top and bottom of the layers."""
    boxes: list[Box] = []
    at = ground

    def whole(role: str, one: Mapping[str, int]) -> None:
        nonlocal at
        height = scale * one[by] / width if width else 0
        if height < _LEAST:
            return
        at -= height
        boxes.append(
            _draw_box(sheet, facts, by, Box(role, look_of(role, None), left, at, width, height), one)
        )

    for role, one in tower.below.items():
        whole(role, one)
    bottom = at
    for run in tower.runs:
        height = scale * run.count * run.kind[by] / width if width else 0
        if height < _LEAST:
            continue
        at -= height
        boxes += _draw_run(sheet, facts, by, run, left, at, width, height)
    top = at
    for role, one in tower.above.items():
        whole(role, one)
    return boxes, (top, bottom)


def _draw_box(sheet: Sheet, facts: Facts, by: By, box: Box, one: Mapping[str, int]) -> Box:
    hover = f"{box.look.words}: {exactly(one[by], by)}, {share(one[by], facts.size(by))} of the model"
    sheet.rect(
        box.left,
        box.top,
        box.width,
        max(box.height - 0.8, _LEAST),
        box.look.ink,
        pattern=box.look.pattern,
        hover=hover,
    )
    return box


def _draw_run(
    sheet: Sheet, facts: Facts, by: By, run: Run, left: float, top: float, width: float, height: float
) -> list[Box]:
    boxes = []
    each = run.kind[by]
    hover = f"{run.span}: {run.kind['words'] or 'a layer'}; each {exactly(each, by)}"
    hover += "".join(
        f"\n{look_of(role, run.kind).words if role == 'lit' else role}: {exact_count(size)}"
        for role, size in parts_of(run.kind, by)
    )
    foreign = facts.unknown is None and not run.kind["in_config"]
    if foreign:
        hover += "\nthe config has no such layer"
    with sheet.group(hover):
        at = left
        for role, size in parts_of(run.kind, by):
            own = width * size / each if each else 0
            if own >= _LEAST:
                look = look_of(role, run.kind)
                sheet.rect(at, top, own, height, look.ink, pattern=look.pattern)
                boxes.append(Box(role, look, at, top, own, height))
            at += own
        floor = height / run.count
        lines = [top] if floor < 2.4 else [top + floor * step for step in range(run.count)]
        d = "".join(f"M{number(left)} {number(line)}H{number(left + width)}" for line in lines)
        sheet.path(d, stroke="paper", width=0.8 if floor >= 1.2 else 0.4)
        if foreign:
            sheet.rect(left, top, width, height, None, stroke="vermilion", dash="3 2")
    return boxes


def _label_boxes(sheet: Sheet, boxes: list[Box]) -> None:
    """Writes on the parts what they are: on the largest box of each, or across them where all are low."""
    whole: dict[str, list[Box]] = {}
    for box in boxes:
        whole.setdefault(box.role, []).append(box)
    for role, own in whole.items():
        label = _LABELS.get(role)
        if not label:
            continue
        if role == "expert" and "lit" in whole:
            label = "experts at rest"
        best = max(own, key=lambda box: min(box.width, 200) * min(box.height, 200))
        if _fits(best, label):
            _write(sheet, best, label)
            continue
        across = Box(
            role,
            best.look,
            max(box.left for box in own),
            min(box.top for box in own),
            min(box.left + box.width for box in own) - max(box.left for box in own),
            max(box.top + box.height for box in own) - min(box.top for box in own),
        )
        # Only where these stripes are most of what they lie across.
        covered = sum(box.height for box in own)
        if across.width > 0 and covered > 0.6 * across.height and _fits(across, label):
            _write(sheet, across, label, backed=True)


def _fits(box: Box, label: str) -> bool:
    wide = text_width(label, 11) + 6
    return (box.width >= wide and box.height >= 13) or (box.height >= wide and box.width >= 13)


def _write(sheet: Sheet, box: Box, label: str, *, backed: bool = False) -> None:
    x, y = box.left + box.width / 2, box.top + box.height / 2
    wide = text_width(label, 11) + 6
    turned = box.width < wide
    backed = backed or box.look.pattern is not None
    high, broad = (wide, 15.0) if turned else (15.0, wide)
    # On lines between layers words would look struck out.
    under = "paper" if backed else box.look.ink
    sheet.rect(x - broad / 2, y - high / 2, broad, high, under, radius=3, opacity=0.88 if backed else 1)
    ink = "ink" if backed else box.look.on
    if turned:
        sheet.text(x + 4, y, label, 11, ink=ink, anchor="middle", turned=True)
    else:
        sheet.text(x, y + 4, label, 11, ink=ink, anchor="middle")


def draw_zoom(
    sheet: Sheet, stand: Stand, left: float, top: float, bottom: float, *, mirrored: bool = False
) -> None:
    """The lines from the layers of a tower to where they are drawn at one height each."""
    side = stand.left if mirrored else stand.right
    points = [(side, stand.top), (left, top), (left, bottom), (side, stand.bottom)]
    sheet.path(track(points, closed=True), fill="panel")
    sheet.line(points[:2], "rule")
    sheet.line(points[2:], "rule")
