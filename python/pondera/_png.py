"""Pictures as PNG images: SVG drawn by resvg, with words in a font of this machine.

A PNG without its words would say nothing, so it is tried first whether any font writes a word. No font comes
with Pondera.
"""

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from pondera._native import PonderaError
from pondera._svg import FONT

_FAMILIES = (
    "DejaVu Sans",
    "Liberation Sans",
    "Noto Sans",
    "Open Sans",
    "FreeSans",
    "Nimbus Sans",
    "Ubuntu",
    "Cantarell",
    "Arial",
    "Helvetica",
)
"""Families that may stand for any font without serifs, the first that is there."""

_WORD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" font-family="{font}">'
    '<text x="2" y="15" font-size="12">{word}</text></svg>'
)


def png_of(svg: str, width: int, fonts: Sequence[str | PathLike[str]] = ()) -> bytes:
    """A picture as a PNG image; needs `pip install 'pondera[png]'`.

    Args:
        svg: The picture, for one kind of page.
        width: The width of the image in pixels.
        fonts: Font files, or folders of them, beside those that the system has.

    Raises:
        PonderaError: The library that draws it is not installed, or there is no font to write its words with.
        FileNotFoundError: There is no such font.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise PonderaError(
            "a PNG needs resvg-py, which is not there; pip install 'pondera[png]', or write .svg instead"
        ) from error
    paths = [Path(font) for font in fonts]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: there is no such font")
    given: dict[str, Any] = {
        "font_files": [fspath(path) for path in paths if path.is_file()] or None,
        "font_dirs": [fspath(path) for path in paths if path.is_dir()] or None,
    }

    def draw(text: str, **more: Any) -> bytes:  # noqa: ANN401
        return bytes(resvg_py.svg_to_bytes(svg_string=text, **given, **more))

    def writes(**more: Any) -> bool:  # noqa: ANN401
        blank, word = (_WORD.format(font=FONT, word=word) for word in ("", "word"))
        return draw(blank) != draw(word, **more)

    if writes():
        return draw(svg, width=width)
    for family in _FAMILIES:
        if writes(sans_serif_family=family):
            return draw(svg, width=width, sans_serif_family=family)
    raise PonderaError(
        "a PNG needs a font for its words, and none was found; install one such as DejaVu Sans, "
        "give one (--fonts FILE), or write .svg instead"
    )
