"""Maps in a real browser: all words are inside their picture, and none lies over another."""

import pytest

import pondera
import refresh_maps
from browser import clashes
from pondera._map.inks import INKS

NAMES = [model["name"] for model in pondera.built_in_models()]


def page_of(folder, drawings):
    page = folder / "page.html"
    pictures = "\n".join(drawing if isinstance(drawing, str) else drawing.svg for drawing in drawings)
    page.write_text(
        f"<!doctype html><meta charset='utf-8'><body style='margin:0'>{pictures}", encoding="utf-8"
    )
    return page.as_uri()


def test_golden_maps(open_page, tmp_path):
    drawn = [text for name, text in refresh_maps.drawn().items() if name.endswith(".svg")]
    opened = open_page(page_of(tmp_path, drawn), width=1400)
    assert clashes(opened) == []
    assert opened.errors == []


def test_every_model(open_page, tmp_path):
    opened = open_page(page_of(tmp_path, map(pondera.draw, NAMES)), width=1400)
    assert clashes(opened) == []


def test_pairs(open_page, tmp_path):
    pairs = zip(NAMES[::6], NAMES[1::6], strict=False)
    opened = open_page(page_of(tmp_path, (pondera.draw(*pair) for pair in pairs)), width=1400)
    assert clashes(opened) == []


@pytest.mark.parametrize("dark", [False, True])
def test_an_image_follows_the_reader(dark, open_page, tmp_path):
    """As a README shows it: in an image, where only its own style sheet counts."""
    (tmp_path / "map.svg").write_text(pondera.draw("gemma-4-26b-a4b").svg, encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><body style='margin:0'><img src='map.svg'>", encoding="utf-8")
    opened = open_page(page.as_uri(), width=860, dark=dark)
    assert opened.page.evaluate("document.querySelector('img').naturalWidth") == 840
    shot = opened.page.screenshot(clip={"x": 400, "y": 8, "width": 1, "height": 1})
    paper = INKS["paper"].dark if dark else INKS["paper"].light
    plain = opened.page.context.new_page()
    plain.set_content(f"<body style='margin:0;background:{paper}'>")
    assert shot == plain.screenshot(clip={"x": 400, "y": 8, "width": 1, "height": 1})
