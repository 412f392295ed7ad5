"""Pictures as PNG images: with their words, or not at all."""

import sys

import pytest

import pondera

resvg_py = pytest.importorskip("resvg_py")

SANS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf")


@pytest.fixture
def no_fonts(monkeypatch):
    """A machine whose system has no fonts."""
    draw = resvg_py.svg_to_bytes
    monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda **given: draw(skip_system_fonts=True, **given))


def found_font(folders=("/usr/share/fonts", "/usr/local/share/fonts")):
    from pathlib import Path

    paths = [path for folder in folders for name in SANS for path in Path(folder).rglob(name)]
    if not paths:
        pytest.skip(f"none of {', '.join(SANS)} is at hand")
    return paths[0]


def width_of(image):
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(image[16:20], "big")


def test_png():
    drawing = pondera.draw("t5-small")
    light, dark = drawing.png(), drawing.png(theme="dark")
    assert width_of(light) == width_of(dark) == 1680
    assert width_of(drawing.png(width=840)) == 840
    assert width_of(pondera.draw("t5-small", "bart-large").png()) == 2560
    assert light != dark


def test_without_the_library(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(pondera.PonderaError, match=r"pip install 'pondera\[png\]'"):
        pondera.draw("t5-small").save(tmp_path / "it.png")


def test_without_a_font_there_is_no_picture_without_words(no_fonts, run, tmp_path):
    with pytest.raises(pondera.PonderaError, match="none was found; install one such as DejaVu Sans"):
        pondera.draw("t5-small").png()
    code, _, error = run("map", "t5-small", "-o", tmp_path / "it.png")
    assert code == 2
    assert "--fonts" in error
    assert not (tmp_path / "it.png").exists()


def test_a_font_can_be_given(no_fonts, run, tmp_path):
    font = found_font()
    drawing = pondera.draw("t5-small")
    image = drawing.png(fonts=[font])
    assert len(image) > 100_000  # a picture without words takes a third of that
    assert drawing.png(fonts=[font.parent])[:8] == image[:8]
    path = tmp_path / "it.png"
    assert run("map", "t5-small", "-o", path, "--fonts", font)[0] == 0
    assert path.read_bytes() == image
    with pytest.raises(FileNotFoundError, match="no such font"):
        drawing.png(fonts=[tmp_path / "none.ttf"])
