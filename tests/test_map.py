"""Maps: true to the numbers, the same from version to version, and whole whatever a config says."""

import json
import math
import re
from xml.etree import ElementTree

import pytest

import pondera
import refresh_maps
import writer
from architecture_truth import CORPUS
from map_minds import MINDS
from pondera._map.inks import INKS, MIXERS, PARTS, PATTERNS
from pondera._native import MAP_SCHEMA
from pondera._text import display_width
from test_model import CONFIG, make, weights  # noqa: F401 - a fixture

SVG = "{http://www.w3.org/2000/svg}"
NAMES = [model["name"] for model in pondera.built_in_models()]
BIDI = "\u202e\u2066\u200f"
STEERING = "\u200e\u200f\u202a-\u202e\u2066-\u2069\x00\x1b"


def parsed(drawing):
    return ElementTree.fromstring(drawing.svg)


def texts(root):
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def box(rect):
    return [float(rect.get(side)) for side in ("x", "y", "width", "height")]


def rects(element):
    """The rectangles in an element; those of patterns have no place."""
    return [rect for rect in element.iter(f"{SVG}rect") if rect.get("x") is not None]


def area_of(group):
    """The area of all that is filled in a group, patterns with it; what is drawn over it for words is not."""
    filled = [
        rect
        for rect in rects(group)
        if rect.get("opacity") is None and rect.get("rx") is None and rect.get("fill") != "none"
    ]
    return sum(width * height for _, _, width, height in map(box, filled))


def square(root):
    """What a picture says of its scale: the area of a square, and what it stands for."""
    words = next(text for text in root.iter(f"{SVG}text") if (text.text or "").startswith("= "))
    count, unit = re.fullmatch(r"= (\d+) ?([KMBTG]?i?B?) ?(?:parameters)?", words.text).groups()
    scale = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
    scale |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    x, y = float(words.get("x")), float(words.get("y"))
    for rect in rects(root):
        left, top, width, height = box(rect)
        if rect.get("fill") == "none" and width == height and abs(left + width + 7 - x) < 0.1:
            assert top < y < top + height + 5
            return width * height, int(count) * scale[unit]
    raise AssertionError("no square")


@pytest.mark.parametrize("name", sorted(refresh_maps.drawn()))
def test_golden(name):
    path = refresh_maps.FOLDER / name
    assert path.read_text(encoding="utf-8") == refresh_maps.drawn()[name], (
        f"run `{refresh_maps.COMMAND}` and look"
    )


def test_golden_maps_are_of_models_of_every_kind():
    drawn = [pondera.draw(one)._facts[0] for one in [*refresh_maps.MODELS, *MINDS.values()]]
    assert {kind for facts in drawn for kind in facts.kinds} == set(MIXERS)
    assert {tower.name for facts in drawn for tower in (facts.main, *facts.sides)} >= {
        "decoder",
        "encoder",
        "vision",
        "audio",
    }
    assert sum(facts.prediction is not None for facts in drawn) >= 2
    assert len(drawn) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_drawn(name):
    drawing = pondera.draw(name)
    root = parsed(drawing)
    width, height = float(root.get("width")), float(root.get("height"))
    assert width == 840
    assert 400 < height < 1400
    for rect in rects(root):
        x, y, wide, high = box(rect)
        assert x >= 0
        assert y >= 0
        assert x + wide <= width + 0.01
        assert y + high <= height + 0.01
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("y")) < height, text.text
        assert text.text, "an empty line of text"
    assert not re.search(r'[ "](nan|-?inf)[ "]', drawing.svg)
    assert all(display_width(line) <= 80 for line in drawing.text.splitlines())


@pytest.mark.parametrize("by", ["parameters", "bytes"])
@pytest.mark.parametrize(
    "name", ["llama-3.1-8b", "deepseek-v3", "t5-small", "clip-vit-base-patch32", "gpt-oss-20b"]
)
def test_areas_are_in_proportion(name, by):
    """Measured in the picture alone, with the square that it gives for a scale."""
    root = parsed(pondera.draw(name, by=by))
    area, count = square(root)
    stacks = {"decoder", "encoder", "vision", "audio"}
    towers = [group for group in root.iter(f"{SVG}g") if group.get("aria-label") in stacks]
    assert towers
    total = pondera.draw(name).to_dict()["total"][by]
    assert sum(map(area_of, towers)) / area * count == pytest.approx(total, rel=0.02)


def test_two_models_have_one_scale():
    names = "llama-3.1-8b", "qwen3-0.6b"
    root = parsed(pondera.draw(*names))
    area, count = square(root)
    towers = [group for group in root.iter(f"{SVG}g") if group.get("aria-label") == "decoder"]
    assert len(towers) == 2
    for name, tower in zip(names, towers, strict=True):
        total = pondera.draw(name).to_dict()["total"]["parameters"]
        assert area_of(tower) / area * count == pytest.approx(total, rel=0.04), name


def test_a_window_is_as_long_as_the_axis_says():
    root = parsed(pondera.draw("gpt-oss-20b"))
    rows = {}
    for group in root.iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        if title.startswith("layer") and "sees" not in title and ": " in title and "each" not in title:
            bars = [box(rect) for rect in rects(group) if rect.get("opacity") is None]
            if bars:
                rows.setdefault("sliding" if "sliding" in title else "full", bars[0])
    # The axis begins at 32 tokens, a quarter of the window, and ends at 131,072.
    ratio = rows["sliding"][2] / rows["full"][2]
    assert ratio == pytest.approx(math.log2(128 / 32) / math.log2(131072 / 32), rel=0.001)


def test_as_many_heads_and_experts_as_there_are():
    root = parsed(pondera.draw("gemma-4-26b-a4b"))
    cells = {}
    for group in root.iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        paths = [path for path in group.findall(f"{SVG}path") if "z" in path.get("d")]
        if "heads" in title or "experts lit" in title:
            cells.setdefault(title, [path.get("d").count("M") for path in paths])
    assert cells["16 heads of 256 share 8 keys and values"] == [16, 8]
    assert cells["16 heads of 512 share 2 keys and values"] == [16, 2]
    assert cells["8 of 128 experts lit for each token"] == [120, 8]


def test_the_json_is_of_its_schema():
    drawing = pondera.draw("llama-3.1-8b")
    shown = drawing.to_dict()
    assert shown["schema"] == MAP_SCHEMA == "pondera.map/1"
    assert shown["total"]["parameters"] == pondera.Architecture.from_config("llama-3.1-8b").parameters
    assert {point["tokens"]: point["bytes"] for point in shown["memory"]["curve"]}[131072] == 17179869184
    pair = pondera.draw("llama-3.1-8b", "t5-small").to_dict()
    assert pair["a"] == shown
    assert pair["schema"] == MAP_SCHEMA


def test_weights_are_drawn_as_they_are(make):  # noqa: F811
    tensors = {
        name: ("F8_E4M3" if "mlp" in name else "BF16", shape) for name, (_, shape) in weights(CONFIG).items()
    }
    drawing = pondera.draw(make(tensors))
    shown = drawing.to_dict()
    assert shown["source"] == "checkpoint"
    assert shown["total"]["bytes"] == writer.sizes(tensors)
    assert shown["dtypes"]["mlp"] == {"F8_E4M3": 3 * 3 * 32 * 8}
    words = texts(parsed(drawing))
    assert "F8_E4M3" in words
    assert "BF16" in words
    assert not drawing.disagrees


def test_layers_that_are_not_there_are_marked(make):  # noqa: F811
    tensors = {name: one for name, one in weights(CONFIG).items() if ".layers.2." not in name}
    drawing = pondera.draw(make(tensors))
    assert drawing.disagrees
    assert "✗ not stored" in texts(parsed(drawing))
    assert "layers from 2 on are not there" in drawing.svg
    assert "(not stored)" in drawing.text


def test_layers_that_the_config_does_not_have_are_marked(make):  # noqa: F811
    drawing = pondera.draw(make(weights({**CONFIG, "num_hidden_layers": 4})))
    assert drawing.disagrees
    assert "✗ not in the config" in texts(parsed(drawing))


def test_weights_alone_are_drawn(tmp_path):
    writer.write(tmp_path / "model.safetensors", weights(CONFIG))
    drawing = pondera.draw(tmp_path)
    shown = drawing.to_dict()
    assert shown["unknown"]
    assert [stack["name"] for stack in shown["stacks"]] == ["model.layers"]
    assert shown["total"]["bytes"] == writer.sizes(weights(CONFIG))
    assert any("Without a config" in text for text in texts(parsed(drawing)))
    assert "not known" in drawing.text


HOSTILE = [
    "<script>alert(1)</script>",
    f"a{BIDI}b",
    "x" * 10_000,
    "\x00\x1b[31m]]>",
    "&amp;\"'><",
    "名" * 500,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_a_config(name):
    config = {
        **CONFIG,
        "torch_dtype": name,
        "rope_scaling": {"rope_type": name, "factor": 2.0},
        "rope_theta": 1e4,
        "max_position_embeddings": 64,
        "quantization_config": {"quant_method": name},
    }
    drawing = pondera.draw(config, config)
    check_harmless(drawing)
    check_harmless(pondera.draw(config))


@pytest.mark.parametrize("name", HOSTILE[:5])
def test_hostile_names_in_a_body(name, make):  # noqa: F811
    tensors = weights(CONFIG)
    tensors[name] = ("BF16", [4, 4])
    tensors[f"model.layers.1.{name}.weight"] = ("BF16", [4, 4])
    tensors[f"{name}.3.weight"] = ("BF16", [4, 4])
    check_harmless(pondera.draw(make(tensors)))
    check_harmless(pondera.draw(make(tensors, {**CONFIG, "architectures": [name]})))
    check_harmless(pondera.draw(make(tensors, {**CONFIG, "model_type": name})))


@pytest.mark.parametrize("name", HOSTILE[:5])
def test_hostile_names_in_a_body_alone(name, tmp_path):
    writer.write(
        tmp_path / "model.safetensors", {f"{name}.layers.{at}.w": ("BF16", [4, 4]) for at in range(3)}
    )
    check_harmless(pondera.draw(tmp_path))


def test_a_hostile_folder(tmp_path):
    folder = tmp_path / f"<img src=x onerror=alert(1)>{BIDI}"
    folder.mkdir()
    writer.write(folder / "model.safetensors", weights(CONFIG))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    check_harmless(pondera.draw(folder))


def check_harmless(drawing):
    check_harmless_svg(drawing.svg)
    assert not re.search(f"[{STEERING}]", drawing.text)
    drawing.text.encode("utf-8")
    assert all(display_width(line) <= 100 for line in drawing.text.splitlines())


def check_harmless_svg(svg):
    root = ElementTree.fromstring(svg)
    known = {"svg", "title", "desc", "style", "defs", "pattern", "rect", "path", "text", "g"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= known
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in attributes)
    assert not re.search(f"[{STEERING}]", svg)
    svg.encode("utf-8")
    assert len(svg) < 200_000
    assert max(map(len, texts(root))) < 300


@pytest.mark.parametrize("layers", [0, 1, 2000])
def test_any_number_of_layers(layers):
    drawing = pondera.draw({**CONFIG, "num_hidden_layers": layers, "max_position_embeddings": 1 << 40})
    assert parsed(drawing).get("width") == "840"
    assert len(drawing.svg) < 100_000


def test_light_and_dark():
    drawing = pondera.draw("llama-3.1-8b")
    assert "prefers-color-scheme:dark" in drawing.svg
    light, dark = drawing.drawn("light"), drawing.drawn("dark")
    assert "@media" not in light + dark
    assert INKS["paper"].light in light
    assert INKS["paper"].dark in dark
    # Nothing but colours differs, and each goes by its own names, so that all may stand in one page.
    plain = [re.sub("<style>.*</style>", "", one) for one in (drawing.svg, light, dark)]
    name = re.search('class="(pm[0-9a-f]+)"', drawing.svg)[1]
    assert plain[0] == plain[1].replace(f"{name}-light", name) == plain[2].replace(f"{name}-dark", name)
    names = [set(re.findall(r'(?:class="|#|id=")(pm[^ ")]+)', one)) for one in plain]
    assert all(names)
    assert not names[1] & names[2]
    assert not names[0] & (names[1] | names[2])


def test_maps_in_one_page_do_not_share_names():
    first, second = (
        set(re.findall(r'id="([^"]+)"', pondera.draw(name).svg)) for name in ("dbrx", "t5-small")
    )
    assert first
    assert not first & second


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read(theme):
    """WCAG 2.2, success criterion 1.4.3: 4.5 for small text, and 1.4.11: 3 for what is drawn."""
    colours = {name: getattr(ink, theme) for name, ink in INKS.items()}
    for ink in ("ink", "soft"):
        for ground in ("paper", "panel"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["vermilion"], colours["paper"]) >= 3
    for look in PARTS.values():
        if look.pattern is None:
            assert contrast(colours[look.on], colours[look.ink]) >= 3, look


def test_nothing_is_told_by_colour_alone():
    looks = list(MIXERS.values())
    assert len({look.letter for look in looks}) == len(looks)
    assert len({(look.pattern, look.words) for look in looks}) == len(looks)
    assert {look.pattern for look in [*looks, *PARTS.values()]} <= {None, *PATTERNS}
    assert {look.ink for look in [*looks, *PARTS.values()]} <= set(INKS)
    # Mixers that stand side by side in real models differ in pattern too.
    assert (
        len({MIXERS[kind].pattern for kind in ("full", "sliding", "chunked", "latent", "state", "cross")})
        == 6
    )


def test_a_picture_says_what_it_shows():
    root = parsed(pondera.draw("gpt-oss-20b"))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Map of gpt-oss-20b"
    desc = root.findtext(f"{SVG}desc")
    assert "20,914,757,184 parameters" in desc
    assert "1 x sliding(128), 1 x full; 24 layers" in desc


@pytest.mark.parametrize("end", ["svg", "SVG", "txt", "json"])
def test_save(end, tmp_path):
    path = tmp_path / f"it.{end}"
    drawing = pondera.draw("t5-small")
    drawing.save(path)
    content = path.read_text(encoding="utf-8")
    whole = {"svg": drawing.svg, "txt": f"{drawing.text}\n", "json": json.dumps(drawing.to_dict()) + "\n"}
    assert content == whole[end.lower()]


def test_what_cannot_be_drawn(tmp_path):
    drawing = pondera.draw("t5-small")
    with pytest.raises(pondera.PonderaError, match=r"\.svg, \.png, \.txt or \.json"):
        drawing.save(tmp_path / "it.gif")
    with pytest.raises(pondera.PonderaError, match="by must be parameters or bytes"):
        pondera.draw("t5-small", by="layers")
    with pytest.raises(FileNotFoundError):
        pondera.draw("no-such-model")
    unknown = {**CONFIG, "quantization_config": {"quant_method": "gptq", "bits": 99}}
    assert "parameters" in pondera.draw(unknown).text
    with pytest.raises(pondera.PonderaError, match="bytes are not known"):
        pondera.draw(unknown, by="bytes")


def test_what_is_assumed_is_said():
    drawing = pondera.draw({**CONFIG, "quantization_config": {"quant_method": "of tomorrow"}})
    assert "assumed" in drawing.svg
    assert "of tomorrow" in drawing.text


def test_the_command(run, tmp_path, make):  # noqa: F811
    code, out, _ = run("map", "gpt-oss-20b")
    assert code == 0
    assert "\x1b" not in out
    assert "4 of 32 experts" in out
    _, out, _ = run("map", "gpt-oss-20b", "--json")
    assert json.loads(out) == pondera.draw("gpt-oss-20b").to_dict()
    path = tmp_path / "it.svg"
    assert run("map", "gpt-oss-20b", "t5-small", "-o", path, "--theme", "dark") == (0, "", "")
    assert path.read_text(encoding="utf-8") == pondera.draw("gpt-oss-20b", "t5-small").drawn("dark")
    code, _, error = run("map", "gpt-oss-20b", "-o", tmp_path / "it.gif")
    assert code == 2
    assert "it.gif" in error
    make({name: one for name, one in weights(CONFIG).items() if ".layers.2." not in name})
    assert run("map", tmp_path)[0] == 1


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not at hand")
def test_every_published_config_is_drawn():
    drawn = 0
    for path in sorted(CORPUS.glob("configs/*/config.json")):
        try:
            drawing = pondera.draw(json.loads(path.read_text()))
        except pondera.PonderaError:
            continue  # of a type that is not known
        check_harmless(drawing)
        drawn += 1
    assert drawn > 100


def test_a_notebook_shows_it():
    architecture = pondera.Architecture.from_config("t5-small")
    assert pondera.draw(architecture).svg in architecture._repr_html_()
    drawing = pondera.draw("t5-small")
    assert drawing._repr_svg_() == drawing.svg
    assert repr(drawing) == "Map(t5-small)"
