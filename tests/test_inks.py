"""Inks of words can be read on what they stand on, on light pages and dark ones."""

from pathlib import Path

import pytest

from pondera._map.inks import INKS

GOLDEN = Path(__file__).parent / "golden"


def luminance(colour):
    """The relative luminance of WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """The contrast ratio of WCAG 2.2."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def test_the_ratio_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    # The grey that the guidelines' tools call the lightest that passes on white.
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "panel"])
@pytest.mark.parametrize("ink", ["ink", "soft", "alarm"])
def test_words_stand_out(ink, ground, theme):
    assert contrast(getattr(INKS[ink], theme), getattr(INKS[ground], theme)) >= 4.5


def test_no_picture_has_words_in_an_ink_for_areas():
    pictures = [*GOLDEN.glob("maps/*.svg"), *GOLDEN.glob("pictures/*.svg")]
    assert len(pictures) > 20
    for path in pictures:
        assert '<text class="f-vermilion"' not in path.read_text(encoding="utf-8"), path.name
