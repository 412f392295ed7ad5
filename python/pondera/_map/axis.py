"""The logarithmic axis of tokens that maps have, and the span of rotary positions on it."""

import math
from dataclasses import dataclass

from pondera._map.facts import Facts
from pondera._numbers import exact_count
from pondera._svg import Anchor, Sheet, number


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis of tokens.

    Attributes:
        low: The tokens where it begins.
        high: And where it ends.
        left: Where `low` is.
        width: How long it is.
        mirrored: Whether it grows to the left.
    """

    low: int
    high: int
    left: float
    width: float
    mirrored: bool = False

    def at(self, tokens: int) -> float:
        """Where so many tokens are."""
        low, high = math.log2(self.low), math.log2(self.high)
        share = (math.log2(min(max(tokens, self.low), self.high)) - low) / (high - low)
        return self.left + self.width * (1 - share if self.mirrored else share)

    def ticks(self, room: float) -> list[int]:
        """Round numbers of tokens with so much room between them."""
        each = self.width / math.log2(self.high / self.low)
        step = max(1, math.ceil(room / each))
        first = math.ceil(math.log2(self.low))
        last = math.floor(math.log2(self.high))
        return [2**power for power in range(first, last + 1) if (power - 10) % step == 0]


def tokens_text(tokens: int) -> str:
    """A number of tokens in short: `128k`, `1M`, or all digits if it is not round."""
    if tokens >= 1 << 20 and tokens % (1 << 20) == 0:
        return f"{tokens >> 20}M"
    if tokens >= 1 << 10 and tokens % (1 << 10) == 0:
        return f"{tokens >> 10}k"
    return exact_count(tokens)


def axis_of(facts: list[Facts]) -> tuple[int, int]:
    """The tokens where the axis of these models begins and ends."""
    high = max(max(one.longest, one.given or 0) for one in facts)
    windows = [window for one in facts for window in one.windows]
    low = max(min([256, high // 64, *(window // 4 for window in windows)]), 1)
    return 1 << low.bit_length() - 1, max(high, 2)


def draw_rope(sheet: Sheet, facts: Facts, axis: Axis, top: float) -> None:
    """Draws how far rotary positions were learnt and how far they are stretched, and says it below."""
    rope = facts.shown["rope"]
    room = axis.width + 28
    x = axis.left + axis.width if axis.mirrored else axis.left
    anchor: Anchor = "end" if axis.mirrored else "start"
    if not rope:
        learnt = "position" in facts.shown["roles"]
        words = "positions: a table of them" if learnt else "positions: no rotary ones are stated"
        sheet.text(x, top + 11, words, 10.5, ink="soft", anchor=anchor, room=room)
        return
    context, origin, factor = facts.context, rope["original_context"], rope["factor"]
    stops: list[tuple[int, int, str | None]] = [(axis.low, context or axis.high, None)]
    lines = [f"rope: spans {tokens_text(context)}" if context else "rope: no end is stated"]
    tail = [] if rope["kind"] == "default" else [rope["kind"]]
    if context and origin and factor and origin < context:
        stops = [(axis.low, origin, None), (origin, context, "hatch")]
        lines = [f"rope: learnt to {tokens_text(origin)}, stretched to {tokens_text(context)}"]
        tail = [f"{rope['kind']} x {number(factor)}"]
    if rope["base"]:
        tail.append(f"base {exact_count(round(rope['base']))}")
    lines.append(", ".join(tail))
    with sheet.group("; ".join(lines)):
        for begin, end, pattern in stops:
            left, right = sorted((axis.at(begin), axis.at(end)))
            if right - left > 0.5:
                sheet.rect(left, top, right - left, 4, "deep", pattern=pattern)
        for at, line in enumerate(lines):
            sheet.text(x, top + 16 + 13 * at, line, 10.5, ink="soft", anchor=anchor, room=room)
