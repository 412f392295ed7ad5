"""Where a picture stands: how wide it is, and whether it has paper of its own."""

from dataclasses import dataclass

from pondera._svg import Anchor, Sheet, Theme

WIDE = 720
"""How wide a picture is, if nothing is said."""

NARROW = 356
"""How wide one is for a telephone."""

_LEAST, _MOST = 280, 1600


@dataclass(frozen=True, slots=True)
class Frame:
    """The edges of a picture.

    Attributes:
        width: How wide it is.
        framed: Whether it has paper and an edge of its own; without, its words go on those of the page.
    """

    width: int
    framed: bool

    @property
    def edge(self) -> int:
        """How much is left free at each side."""
        return (24 if self.width > 480 else 14) if self.framed else 2

    @property
    def inside(self) -> int:
        """How wide that is which is drawn."""
        return self.width - 2 * self.edge

    def anchored(self, at: float, wide: float) -> tuple[float, Anchor]:
        """Where a text of that width is written: its middle is at a point, if that leaves it inside."""
        if at - wide / 2 < self.edge:
            return self.edge, "start"
        if at + wide / 2 > self.edge + self.inside:
            return self.edge + self.inside, "end"
        return at, "middle"

    def finished(self, sheet: Sheet, bottom: float, theme: Theme) -> str:
        """The picture, whose last line is there."""
        height = bottom + self.edge - 8
        if self.framed:
            sheet.lay_under(self.width, height, "paper", "rule", 10)
        return sheet.svg(self.width, height, theme)


def frame_of(width: int, framed: bool) -> Frame:
    """The frame of a picture that is as wide as asked, as far as it can be."""
    return Frame(min(max(width, _LEAST), _MOST), framed)
