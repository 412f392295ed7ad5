"""The map of one mind, or of two that face each other.

What draws is imported when it is asked for: importing `pondera` stays light.
"""

from __future__ import annotations

from os import PathLike

from pondera._native import Architecture, Checkpoint, Model, PonderaError, map_facts

# Annotations are never evaluated, and `typing` would double the time of the import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from pondera._map.facts import Facts
    from pondera._svg import Theme
    from pondera._text import Screen

    Target = str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model


class Map:
    """A map: as SVG, as text for a terminal, and as the facts it is drawn from.

    A notebook shows it as it is.
    """

    def __init__(self, facts: list[dict[str, Any]], by: str) -> None:
        """A map of one model or two.

        Args:
            facts: Each in schema `pondera.map/1`.
            by: `parameters` or `bytes`.
        """
        self._shown = facts
        self._by = by
        for one in facts:
            if by == "bytes" and one["bytes_unknown"]:
                raise PonderaError(f"{one['name']}: bytes are not known: {one['bytes_unknown']}")

    @property
    def _facts(self) -> list[Facts]:
        from pondera._map.facts import Facts

        return [Facts(one) for one in self._shown]

    @property
    def svg(self) -> str:
        """The map as SVG, for light and dark pages alike."""
        return self.drawn()

    def drawn(self, theme: Theme = "auto") -> str:
        """The map as SVG for pages of one kind.

        Args:
            theme: `light`, `dark`, or `auto` for what the reader prefers.
        """
        from pondera._map.pair import draw_pair
        from pondera._map.single import draw_single

        facts = self._facts
        if len(facts) == 1:
            return draw_single(facts[0], self._by, theme)
        return draw_pair(facts[0], facts[1], self._by, theme)

    def png(
        self,
        width: int = 0,
        theme: Literal["light", "dark"] = "light",
        fonts: Sequence[str | PathLike[str]] = (),
    ) -> bytes:
        """The map as a PNG image; needs `pip install 'pondera[png]'`.

        Args:
            width: Its width in pixels; two for each of the picture, if not given.
            theme: For which pages.
            fonts: Font files, or folders of them, beside those that the system has.

        Raises:
            PonderaError: The library that draws it is not installed, or there is no font for its words.
            FileNotFoundError: There is no such font.
        """
        from pondera._png import png_of

        return png_of(self.drawn(theme), width or 2 * self._width, fonts)

    @property
    def _width(self) -> int:
        from pondera._map.sheet import PAIR_WIDTH, WIDTH

        return WIDTH if len(self._shown) == 1 else PAIR_WIDTH

    def to_dict(self) -> dict[str, Any]:
        """The facts in schema `pondera.map/1`; of two models, `a` and `b` with theirs."""
        if len(self._shown) == 1:
            return self._shown[0]
        return {"schema": self._shown[0]["schema"], "a": self._shown[0], "b": self._shown[1]}

    def save(
        self,
        path: str | PathLike[str],
        *,
        theme: Theme | None = None,
        fonts: Sequence[str | PathLike[str]] = (),
    ) -> None:
        """Writes the map to a file: what it is, its ending says.

        Args:
            path: A path that ends with `.svg`, `.png`, `.txt` or `.json`.
            theme: For which pages a picture is; SVG serves both and PNG light ones, if not given.
            fonts: Font files, or folders of them, for a PNG beside those that the system has.

        Raises:
            PonderaError: The ending is another one, or a PNG cannot be drawn.
            OSError: The file cannot be written.
        """
        import json
        from pathlib import Path

        path = Path(path)
        match path.suffix.lower():
            case ".svg":
                path.write_text(self.drawn(theme or "auto"), encoding="utf-8")
            case ".png":
                path.write_bytes(self.png(theme="dark" if theme == "dark" else "light", fonts=fonts))
            case ".txt":
                path.write_text(self.text + "\n", encoding="utf-8")
            case ".json":
                path.write_text(json.dumps(self.to_dict()) + "\n", encoding="utf-8")
            case _:
                raise PonderaError(f"{path}: a map is written to .svg, .png, .txt or .json; name such a file")

    @property
    def text(self) -> str:
        """The map as text, 80 columns wide."""
        from pondera._text import Screen

        return "\n".join(self.lines(Screen(width=80)))

    def lines(self, screen: Screen) -> list[str]:
        """The lines of the map as text for a screen."""
        from pondera._map.text import map_view

        return map_view(screen, self._facts, self._by)

    @property
    def disagrees(self) -> bool:
        """Whether weights and config of a model disagree in more than a note."""
        all_ = [one for shown in self._shown for one in shown["disagreements"]]
        return any(one["severity"] != "info" for one in all_)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Map({' | '.join(one.full_title for one in self._facts)})"


def draw(
    target: Target,
    other: Target | None = None,
    *,
    by: Literal["parameters", "bytes"] = "parameters",
    assume: str | None = None,
    set: Mapping[str, Any] | None = None,
    alone: bool = False,
) -> Map:
    """Draws the map of a model, or of two that face each other on one scale.

    With fields of its config changed, a model faces itself with that other mind.

    Args:
        target: A folder, a config.json, a mapping, a built-in name, or what was read from one of them.
        other: The one that faces it.
        by: What areas are in proportion to: `parameters` or `bytes`.
        assume: A model type to take where that of a config is not known.
        set: Fields of the config by name with other values, instead of a second model.
        alone: Draw the changed model only.

    Raises:
        PonderaError: A target cannot be opened, the changed config cannot be derived, or bytes are asked for
            that are not known.
        FileNotFoundError: There is no such path and no built-in model of that name.
    """
    import json

    if by not in ("parameters", "bytes"):
        raise PonderaError(f"by must be parameters or bytes, not {by!r}")
    if set is None:
        if alone:
            raise PonderaError("alone draws a changed model: set fields of its config, too")
        targets = [target] if other is None else [target, other]
        return Map([json.loads(map_facts(one, assume)) for one in targets], by)
    if other is not None:
        raise PonderaError("a model faces another one or itself with fields set: give one of the two")
    from pondera._map.variant import variant

    changed = variant(target, set, assume)
    return Map([changed] if alone else [json.loads(map_facts(target, assume)), changed], by)
