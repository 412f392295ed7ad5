"""Two maps face to face, and a model beside itself with another mind."""

import json

import pytest

import pondera
from pondera._map.inks import INKS
from pondera._text import Screen, display_width
from test_map import HOSTILE, SVG, box, check_harmless, parsed, rects, texts
from test_model import CONFIG, make, weights  # noqa: F401 - a fixture

PAIR = "llama-3.1-8b", "gemma-4-26b-a4b"


def lines_of(drawing, width):
    return drawing.lines(Screen(width=width))


def heights(root, words):
    """The heights of lines of text that begin so."""
    return {float(text.get("y")) for text in root.iter(f"{SVG}text") if (text.text or "").startswith(words)}


@pytest.mark.parametrize(
    "pair",
    [
        PAIR,
        ("t5-small", "whisper-tiny"),
        ("nemotron-3-nano-30b-a3b", "deepseek-v3"),
        ("vit-base", "qwen3-0.6b"),
    ],
)
def test_a_pair_keeps_to_its_sheet(pair):
    root = parsed(pondera.draw(*pair))
    width, height = float(root.get("width")), float(root.get("height"))
    assert width == 1280
    assert height < 1500
    for rect in rects(root):
        x, y, wide, high = box(rect)
        assert x >= 0
        assert x + wide <= width + 0.01
        assert 0 <= y <= y + high <= height + 0.01
    for name in pair:
        assert name in texts(root)


def test_equal_parts_are_on_one_line():
    root = parsed(pondera.draw("llama-3.1-8b", "qwen3-8b"))
    for words in ("residual stream", "feed-forward, ", "32 heads of 128"):
        found = [text for text in texts(root) if text.startswith(words)]
        assert len(found) >= 2, words
        assert len(heights(root, words)) == 1, words


def test_what_is_equal_is_faint_and_what_is_not_has_its_ratio():
    root = parsed(pondera.draw("llama-3.1-8b", set={"num_key_value_heads": 2}))
    bars = {}
    for group in root.iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        if " against " in title:
            label = title.partition(":")[0]
            bars.setdefault(label, ([rect.get("class") for rect in rects(group)], texts(group)))
    assert bars["layers"][0] == ["f-pale", "f-pale"]
    assert bars["memory per token"][0] == ["f-deep", "f-vermilion"]
    assert "4 x" in bars["memory per token"][1]
    assert not any(text.endswith(" x") for text in bars["layers"][1])


def test_text_is_face_to_face_where_there_is_room():
    drawing = pondera.draw(*PAIR)
    wide, narrow = lines_of(drawing, 120), lines_of(drawing, 119)
    assert wide[0].split() == [PAIR[0], "│", PAIR[1]]
    assert all(display_width(line) <= 120 for line in wide)
    assert sum("remembers after" in line for line in wide) == 1
    assert next(line for line in wide if "remembers after" in line).count("remembers after") == 2
    assert narrow[0] == PAIR[0]
    assert PAIR[1] in narrow
    assert sum("remembers after" in line for line in narrow) == 2
    assert len(wide) < len(narrow)


def test_text_without_unicode():
    lines = pondera.draw(*PAIR).lines(Screen(width=120, unicode=False))
    assert "|" in lines[0]


@pytest.mark.parametrize(
    "name", ["deepseek-v3", "nemotron-3-nano-30b-a3b", "t5-small", "llama-3.2-11b-vision"]
)
def test_halves_keep_to_their_columns(name):
    drawing = pondera.draw(name, "gemma-4-e2b")
    assert {line.find("│") for line in lines_of(drawing, 120) if "│" in line} == {59}


def test_bars_of_text_are_on_one_scale():
    row = next(line for line in lines_of(pondera.draw(*PAIR), 120) if " 32,768 " in line)
    left, right = (half.count("█") for half in row.split("│"))
    # 4.00 GiB against 0.82 GiB, on a logarithmic scale.
    assert left > right > 0


def test_a_model_faces_itself_with_another_mind():
    drawing = pondera.draw("llama-3.1-8b", set={"num_key_value_heads": 2, "rope_theta": 1e6})
    shown = drawing.to_dict()
    assert shown["a"] == pondera.draw("llama-3.1-8b").to_dict()
    other = shown["b"]
    # Keys and values of 6 heads of 128 fewer in each of 32 layers.
    fewer = 2 * 6 * 128 * 4096 * 32
    assert shown["a"]["total"]["parameters"] - other["total"]["parameters"] == fewer
    assert [one["class"] for one in other["changes"]] == ["structural", "runtime"]
    assert other["same_body"] is False
    words = texts(parsed(drawing))
    assert "with num_key_value_heads 8 → 2, rope_theta 500000.0 → 1000000.0" in words
    assert "✗ the weights of llama-3.1-8b cannot wear this mind: it needs others" in words
    text = " ".join(drawing.text.split())
    assert "cannot wear this mind" in text
    assert (
        "num_key_value_heads 8 → 2 (structural): -201.33 M parameters, -96.00 KiB of memory per token" in text
    )
    assert repr(drawing).startswith("Map(llama-3.1-8b | llama-3.1-8b with num_key_value_heads 8")


def test_a_mind_that_is_not_known_faces_one_that_is(make):  # noqa: F811
    drawing = pondera.draw(make(weights(CONFIG), {**CONFIG, "model_type": "of_tomorrow"}), "llama-3.1-8b")
    words = texts(parsed(drawing))
    assert "not known" in words
    assert "none: each token by itself" not in words
    assert not any(word.partition(" x ")[2] == "layer" for word in words)
    assert any(word.startswith("Without a config that is known") for word in words)
    check_harmless(drawing)


def test_a_comparison_shows_the_same_map():
    fields = {"num_key_value_heads": 2}
    assert pondera.compare("llama-3.1-8b", set=fields).map.svg == pondera.draw("llama-3.1-8b", set=fields).svg


def test_the_changed_model_alone():
    drawing = pondera.draw("gpt-oss-20b", set={"num_experts_per_tok": 8}, alone=True)
    shown = drawing.to_dict()
    assert shown["same_body"] is True
    assert shown["total"]["active"] > pondera.draw("gpt-oss-20b").to_dict()["total"]["active"]
    words = texts(parsed(drawing))
    assert "✓ the weights of gpt-oss-20b can wear this mind as they are" in words
    assert drawing.svg != pondera.draw("gpt-oss-20b").svg


@pytest.mark.parametrize("given", ["name", "architecture", "mapping", "model"])
def test_whatever_is_given_can_be_changed(given):
    architecture = pondera.Architecture.from_config("t5-small")
    target = {
        "name": "t5-small",
        "architecture": architecture,
        "mapping": architecture.config,
        "model": pondera.Model.open("t5-small"),
    }[given]
    shown = pondera.draw(target, set={"num_decoder_layers": 3}, alone=True).to_dict()
    assert len(next(stack for stack in shown["stacks"] if stack["name"] == "decoder")["layers"]) == 3


def test_weights_that_can_wear_it_are_drawn(make):  # noqa: F811
    model = make(weights(CONFIG))
    for target in (model, model.checkpoint):
        drawing = pondera.draw(target, set={"rope_theta": 5e5})
        assert drawing.to_dict()["b"]["source"] == "checkpoint"
        assert not drawing.disagrees


def test_weights_that_cannot_wear_it_are_told_from(make):  # noqa: F811
    drawing = pondera.draw(make(weights(CONFIG)), set={"num_hidden_layers": 2})
    shown = drawing.to_dict()["b"]
    assert shown["source"] == "config"
    assert len(shown["stacks"][0]["layers"]) == 2
    assert shown["disagreements"]
    assert drawing.disagrees
    assert any(text.startswith("✗ where the weights of") for text in texts(parsed(drawing)))


@pytest.mark.parametrize("value", [*HOSTILE, [HOSTILE[0]] * 500, {"a": HOSTILE[1]}, 10**300, None, True])
def test_hostile_values(value):
    # Nothing reads the field, so any value can be.
    check_harmless(pondera.draw(CONFIG, set={"a_note": value}, alone=True))
    drawing = pondera.draw(CONFIG, set={"a_note": value})
    check_harmless(drawing)
    assert all(display_width(line) <= 120 for line in lines_of(drawing, 120))


def test_what_cannot_be_changed(tmp_path):
    with pytest.raises(pondera.PonderaError, match="give one of the two"):
        pondera.draw("t5-small", "bart-large", set={"d_ff": 1024})
    with pytest.raises(pondera.PonderaError, match="set fields of its config, too"):
        pondera.draw("t5-small", alone=True)
    with pytest.raises(pondera.PonderaError, match="num_hidden_layers"):
        pondera.draw("llama-3.1-8b", set={"num_hidden_layers": "many"})
    with pytest.raises(pondera.PonderaError, match="not known"):
        pondera.draw(unknown(tmp_path), set={"num_hidden_layers": 1})


def unknown(folder):
    (folder / "config.json").write_text(json.dumps({**CONFIG, "model_type": "of_tomorrow"}))
    return folder


def test_the_command(run, make, tmp_path):  # noqa: F811
    code, out, _ = run("map", "llama-3.1-8b", "--set", "num_key_value_heads=2")
    assert code == 0
    assert out == "".join(
        f"{line}\n" for line in lines_of(pondera.draw("llama-3.1-8b", set={"num_key_value_heads": 2}), 120)
    )
    code, out, _ = run("map", "gpt-oss-20b", "--set", "num_experts_per_tok=8", "--alone", "--json")
    assert code == 0
    assert json.loads(out)["changes"][0]["to"] == 8
    make(weights(CONFIG))
    assert run("map", tmp_path, "--set", "num_hidden_layers=2")[0] == 1
    code, _, error = run("map", "t5-small", "bart-large", "--set", "d_ff=1024")
    assert code == 2
    assert "give one of the two" in error


def test_both_themes():
    drawing = pondera.draw(*PAIR)
    assert INKS["vermilion"].dark in drawing.drawn("dark")
    assert INKS["vermilion"].dark not in drawing.drawn("light")
