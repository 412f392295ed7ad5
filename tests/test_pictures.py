"""Pictures of estimates: to scale, told in words too, and whole whatever names say."""

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import pondera
import refresh_pictures
from browser import clashes
from pondera._heat import CANNOT_BE, FITS, heat
from pondera._map.inks import PATTERNS
from pondera._picture.heat import draw_heat
from pondera._picture.inks import COMPONENTS, LEVELS, PICTURE_INKS
from pondera._picture.memory import draw_memory
from pondera._picture.place import NARROW, WIDE
from refresh_pictures import ENGINE, MODEL, estimates
from test_map import HOSTILE, SVG, box, check_harmless_svg, contrast, rects, texts

WIDTHS = (NARROW, WIDE, 1200)


def named(root, label):
    """The groups of that name."""
    return [group for group in root.iter(f"{SVG}g") if group.get("aria-label") == label]


def filled(group):
    """The rectangles of a group that stand for bytes; what is laid under words has round corners."""
    return [rect for rect in rects(group) if rect.get("rx") is None]


def usable_lines(root):
    """Where the memory of each bar ends, by what its line says."""
    found = []
    for group in root.iter(f"{SVG}g"):
        words = group.findtext(f"{SVG}title") or ""
        if words.startswith("usable memory ends"):
            path = group.find(f"{SVG}path").get("d")
            found.append((float(re.match(r"M([\d.]+)", path)[1]), number(words)))
    return found


def number(words):
    return int(re.search(r"([\d,]+) bytes", words)[1].replace(",", ""))


@pytest.mark.parametrize("name", sorted(refresh_pictures.drawn()))
def test_golden(name):
    path = refresh_pictures.FOLDER / name
    assert path.read_text(encoding="utf-8") == refresh_pictures.drawn()[name], (
        f"run `{refresh_pictures.COMMAND}` and look"
    )


@pytest.mark.parametrize("name", sorted(refresh_pictures.ESTIMATES))
def test_a_bar_is_to_scale(name):
    """Every stretch is as long as its bytes are many, by the scale that the end of the memory gives."""
    fit = estimates()[name]
    root = ElementTree.fromstring(draw_memory([fit.to_dict()]))
    ((end, usable),) = usable_lines(root)
    assert usable == fit.usable
    left = min(
        box(rect)[0]
        for look in COMPONENTS.values()
        for group in named(root, look.words)
        for rect in filled(group)
    )
    scale = (end - left) / usable
    done = 0
    for component, look in COMPONENTS.items():
        size = fit.to_dict()[component]
        groups = named(root, look.words)
        assert len(groups) == (size > 0)
        if not size:
            continue
        assert number(groups[0].findtext(f"{SVG}title")) == size
        parts = filled(groups[0])
        assert len(parts) == len(fit.parts[component])
        for rect, (part, count) in zip(parts, fit.parts[component].items(), strict=True):
            x, _, width, _ = box(rect)
            assert x == pytest.approx(left + done * scale, abs=0.012)
            assert width == pytest.approx(count * scale, abs=0.012)
            words = rect.findtext(f"{SVG}title")
            assert number(words) == count
            (reason,) = [
                one
                for one in fit.to_dict()["reasons"]
                if (one["component"], one["name"]) == (component, part)
            ]
            assert reason["formula"] in words
            assert f"{reason['origin']}: {reason['source']}"[:1000] in words
            done += count
    assert done == fit.total
    assert bracket(root) == pytest.approx(abs(fit.headroom) * scale, abs=0.022)


def bracket(root):
    """How long the line below a bar is that says what is to spare or too much."""
    found = [
        match
        for path in root.iter(f"{SVG}path")
        if (match := re.fullmatch(r"M([\d.]+) ([\d.]+)L\1 ([\d.]+)L([\d.]+) \3L\4 \2", path.get("d")))
    ]
    (one,) = found
    return float(one[4]) - float(one[1])


@pytest.mark.parametrize("name", sorted(refresh_pictures.ESTIMATES))
def test_a_bar_says_what_fit_says(name):
    fit = estimates()[name]
    words = texts(ElementTree.fromstring(draw_memory([fit.to_dict()])))
    spare = f"{pondera._numbers.binary_bytes(abs(fit.headroom))} {'to spare' if fit.fits else 'too much'}"
    assert f"{'✓ fits' if fit.fits else '✗ does not fit'}: {spare}" in words
    assert spare in words
    assert f"{pondera._numbers.binary_bytes(fit.usable)} usable" in words


def test_the_bars_differ_in_kind():
    kinds = {(fit.fits, fit.binds, fit.total <= fit.usable) for fit in estimates().values()}
    assert kinds >= {
        (True, None, True),
        (False, "cache", False),
        (False, "memory", True),
        (False, "weights", True),
    }


def test_several_bars_have_one_scale():
    fits = refresh_pictures.beside()
    root = ElementTree.fromstring(draw_memory([fit.to_dict() for fit in fits]))
    ends = usable_lines(root)
    assert [usable for _, usable in ends] == [fit.usable for fit in fits]
    left = min(box(rect)[0] for group in named(root, "weights") for rect in filled(group))
    scales = [(end - left) / usable for end, usable in ends]
    assert scales == pytest.approx([scales[0]] * len(scales), rel=0.001)
    words = texts(root)
    for fit in fits:
        assert fit.gpu in words
    assert words.count(MODEL) == 1


def test_what_differs_stands_at_each_bar():
    one = pondera.fit(MODEL, gpu="L4", engine=ENGINE, context="8k")
    two = pondera.fit("qwen3-8b", gpu="L4", engine=ENGINE, context="8k", weights="fp8")
    words = texts(ElementTree.fromstring(draw_memory([one.to_dict(), two.to_dict()])))
    assert words.count("llama-3.1-8b") == words.count("qwen3-8b") == 1
    assert any("weights fp8" in text for text in words)
    assert sum("vllm==0.19.0" in text for text in words) == 1


def test_no_estimate_is_no_picture():
    with pytest.raises(pondera.PonderaError, match="no estimate to draw"):
        draw_memory([])


@pytest.mark.parametrize("engine", [ENGINE, "transformers"])
def test_cells_are_what_fit_says(engine):
    gpus, contexts, requests = ["h100", "L4"], [2000, 16384, 131072, 200_000], [1, 6, 40]
    made = heat(MODEL, gpu=gpus, engine=engine, context=contexts, concurrency=requests)
    root = ElementTree.fromstring(draw_heat(made))
    seen = set()
    for at, gpu in enumerate(gpus):
        (group,) = named(root, made.gpus[at])
        cells = rects(group)
        assert len(cells) == len(contexts) * len(requests)
        places = [(context, count) for context in contexts for count in requests]
        for rect, (context, count) in zip(cells, places, strict=True):
            words = rect.findtext(f"{SVG}title")
            assert f"{context:,} tokens, {count} request" in words
            fill = rect.get("class") or rect.get("fill")
            try:
                fit = pondera.fit(MODEL, gpu=gpu, engine=engine, context=context, concurrency=count)
            except pondera.PonderaError:
                assert "cannot be" in words
                assert "crosses" in fill
                continue
            taken = -(-100 * (fit.usable - fit.headroom) // fit.usable)
            assert (f"{taken}% taken" if taken < 200 else "200% or more taken") in words
            assert pondera._numbers.binary_bytes(abs(fit.headroom)) in words
            assert ("does not fit" in words) != fit.fits
            assert fill.startswith("f-level") if fit.fits else "hatch" in fill
            if fit.fits:
                step = int(fill.removeprefix("f-level"))
                assert 20 * step < taken <= 20 * (step + 1)
            seen.add(fit.fits)
        columns = [box(rect)[0] for rect in cells]
        assert columns == sorted(columns), "longer contexts are further right"
        first = [box(rect)[1] for rect in cells[: len(requests)]]
        assert first == sorted(first, reverse=True), "more requests are further up"
    assert seen == {True, False}


def test_the_boundary_is_between_what_fits_and_what_does_not():
    made = heat(MODEL, gpu="h100", engine=ENGINE, context="4k..256k", concurrency="1..256")
    root = ElementTree.fromstring(draw_heat(made))
    (line,) = [path for path in root.iter(f"{SVG}path") if path.get("stroke-width") == "2.4"]
    fits = made.levels[0] <= FITS
    assert len(re.findall("v", line.get("d"))) == np.count_nonzero(fits[1:] != fits[:-1])
    assert len(re.findall("h", line.get("d"))) == np.count_nonzero(fits[:, 1:] != fits[:, :-1])
    everything = heat(MODEL, gpu="b200", engine=ENGINE, context="1k..2k", concurrency="1..2")
    assert 'stroke-width="2.4"' not in draw_heat(everything)


def test_the_picture_says_in_words_what_fits_most():
    made = heat(MODEL, gpu=["h100", "L4"], engine=ENGINE, context="4k..128k", concurrency="1..256")
    root = ElementTree.fromstring(draw_heat(made))
    desc = root.findtext(f"{SVG}desc")
    for row in made.frontier:
        for context, most in zip(made.contexts, row, strict=True):
            assert f"{context:,} tokens {most:,}" in desc
    first, *_, last = made.frontier[0]
    assert f"of those shown, {first} requests of 4k tokens fit, {last} of 128k" in texts(root)


def test_many_cells_are_thinned_and_it_says_so():
    made = heat(MODEL, gpu="h100", context="1k..128k:64", concurrency="1..256+1")
    for most in (32, 16):
        root = ElementTree.fromstring(draw_heat(made, most=most))
        (group,) = named(root, made.gpus[0])
        assert len(rects(group)) == most * most
        assert f"{most} of 64 contexts are drawn, at even distances" in texts(root)
        assert f"{most} of 256 numbers of requests are drawn, at even distances" in texts(root)
        hovers = [rect.findtext(f"{SVG}title") for rect in rects(group)]
        assert any("1,024 tokens, 1 request:" in words for words in hovers)
        assert any("131,072 tokens, 256 requests:" in words for words in hovers)


def test_a_gpu_on_which_nothing_fits_says_so():
    made = heat("llama-3.1-70b", gpu="L4", context="4k..8k", concurrency="1..2")
    assert "nothing of this fits" in texts(ElementTree.fromstring(draw_heat(made)))
    cannot = heat(MODEL, gpu="L4", context="4k..8k", concurrency="1..2", mind={"num_attention_heads": 7})
    assert (cannot.levels == CANNOT_BE).all()
    words = texts(ElementTree.fromstring(draw_heat(cannot)))
    assert any(text.startswith("cannot be (model)") for text in words)


def pictures(width=WIDE, theme="auto", framed=True):
    """Pictures of every kind."""
    options = {"width": width, "theme": theme, "framed": framed}
    made = heat(MODEL, gpu=["h100", "L4"], engine=ENGINE, context="1k..256k:20", concurrency="1..512:20")
    few = heat(MODEL, gpu="h100", engine=ENGINE, context=[1], concurrency=[1])
    return [
        *(draw_memory([fit.to_dict()], **options) for fit in estimates().values()),
        draw_memory([fit.to_dict() for fit in refresh_pictures.beside()], **options),
        draw_memory([fit.to_dict() for fit in estimates().values()], **options),
        draw_heat(made, **options),
        draw_heat(few, **options),
    ]


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("width", [1, *WIDTHS, 10_000])
def test_all_is_inside(width, framed):
    for svg in pictures(width, framed=framed):
        root = ElementTree.fromstring(svg)
        wide, high = float(root.get("width")), float(root.get("height"))
        assert wide == min(max(width, 280), 1600)
        for rect in rects(root):
            x, y, w, h = box(rect)
            assert x >= -0.01
            assert x + w <= wide + 0.01
            assert y >= -0.01
            assert y + h <= high + 0.01
        assert not re.search(r'[ "](nan|-?inf)[ "]', svg)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True])
def test_words_do_not_overlap(open_page, tmp_path, width, dark):
    """Measured by a browser: no word lies over another one, or outside of its picture."""
    page = tmp_path / "page.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><title>x</title><body>{"".join(pictures(width))}',
        encoding="utf-8",
    )
    opened = open_page(page.as_uri(), width=width + 40, dark=dark)
    found = clashes(opened)
    assert found == []
    assert opened.errors == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name):
    shown = estimates()["fits"].to_dict()
    text = json.dumps(shown)
    shown["model"] = shown["storage"] = shown["engine"] = name
    shown["gpu"]["name"] = name
    shown["settings"]["cache"] = name
    shown["parts"]["weights"] = {name: shown["weights"]}
    shown["reasons"] = [
        {"component": "weights", "name": name, "bytes": 1, "formula": name, "source": name, "origin": name}
    ]
    for width in WIDTHS:
        check_harmless_svg(draw_memory([shown], width=width))
        check_harmless_svg(draw_memory([shown, json.loads(text)], width=width))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_gpus_and_models(name):
    made = heat(MODEL, gpu="L4", context=[1024, 2048], concurrency=[1, 2])
    made.model, made.gpus = name, (name,)
    for width in WIDTHS:
        check_harmless_svg(draw_heat(made, width=width))


def test_pictures_in_one_page_do_not_share_names():
    ids = []
    for theme in ("auto", "light", "dark"):
        for width in WIDTHS:
            for svg in pictures(width, theme):
                found = set(re.findall(r'id="([^"]+)"', svg))
                assert set(re.findall(r"url\(#([^)]+)\)", svg)) == found
                ids.append(found)
    assert len(set().union(*ids)) == sum(map(len, ids)) > 100


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read(theme):
    """WCAG 2.2, success criterion 1.4.3: 4.5 for small text."""
    from pondera._picture.heat import _ON

    colours = {name: getattr(ink, theme) for name, ink in PICTURE_INKS.items()}
    for look in COMPONENTS.values():
        assert contrast(colours[look.on], colours[look.ink]) >= 3, look
    for at, ink in enumerate(_ON):
        assert contrast(colours[ink], colours[f"level{at}"]) >= 4.5, at


def test_levels_grow_darker_on_light_pages_and_lighter_on_dark_ones():
    from test_map import luminance

    light = [luminance(ink.light) for ink in LEVELS]
    dark = [luminance(ink.dark) for ink in LEVELS]
    assert light == sorted(light, reverse=True)
    assert dark == sorted(dark)
    # Neighbours are told apart without their hue.
    for one, two in pairwise(LEVELS):
        assert contrast(one.light, two.light) > 1.25
        assert contrast(one.dark, two.dark) > 1.25


def test_nothing_is_told_by_colour_alone():
    looks = list(COMPONENTS.values())
    assert len({look.letter for look in looks}) == len(looks)
    assert len({look.pattern for look in looks}) == len(looks)
    assert {look.pattern for look in looks} <= {None, *PATTERNS}
