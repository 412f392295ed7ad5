"""Towers of a map: what encoders see, how wide each stack is, and experts that nobody knows to be lit."""

import math
import re

import pytest

import pondera
import writer
from map_minds import JAMBA, QWEN2_AUDIO, RWKV
from test_map import SVG, box, parsed, rects, texts
from test_model import CONFIG, weights


def titled(root, words):
    """The groups whose title has these words."""
    groups = root.iter(f"{SVG}g")
    return [group for group in groups if words in (group.findtext(f"{SVG}title") or "")]


def longest_bar(groups):
    return max(box(rect)[2] for group in groups for rect in rects(group) if rect.get("opacity") is None)


def streams(root):
    """The widths of residual streams that are told, each with the length of its bar."""
    found = []
    for group in titled(root, "residual stream, "):
        width = int(
            re.search(r"residual stream, ([\d,]+) wide", group.findtext(f"{SVG}title"))[1].replace(",", "")
        )
        found.append((width, box(rects(group)[0])[2]))
    return found


def test_an_encoder_has_rows_of_its_own():
    root = parsed(pondera.draw("t5-small"))
    assert "encoder: its whole input, of any length" in texts(root)
    for stack in ("encoder", "decoder"):
        rows = titled(root, f"{stack}, layer")
        numbers = [re.search(r"layers? (\d+)(?: to (\d+))?", row.findtext(f"{SVG}title")) for row in rows]
        assert sum(int(one[2] or one[1]) - int(one[1]) + 1 for one in numbers) == 6, stack
    assert "encoder: full" in pondera.draw("t5-small").text


def test_an_encoder_of_fixed_length_is_as_long_as_the_axis_says():
    root = parsed(pondera.draw("whisper-tiny"))
    assert "audio: its whole input, 1,500 tokens" in texts(root)
    decoder, audio = (longest_bar(titled(root, f"{stack}, layer")) for stack in ("decoder", "audio"))
    # 448 tokens and 1,500 positions, on an axis from the power of two below 1500 / 64.
    low = 16
    assert decoder / audio == pytest.approx(math.log2(448 / low) / math.log2(1500 / low), rel=0.001)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "bert-base-uncased", "gemma-4-26b-a4b"])
def test_no_panel_is_drawn_for_what_nobody_attends_to(name):
    assert not any(": its whole input" in text for text in texts(parsed(pondera.draw(name))))


def test_what_each_token_of_an_open_encoder_takes():
    # Keys and values of 8 heads of 64 in each of 6 layers, in 16 bits.
    each = 2 * 8 * 64 * 6 * 2
    drawing = pondera.draw("t5-small")
    assert drawing.to_dict()["memory"]["bytes_per_encoder_token"] == each == 12_288
    assert "and 12.00 KiB for each token of encoder" in texts(parsed(drawing))
    assert "and 12.00 KiB for each token of encoder" in drawing.text


def test_what_a_fixed_encoder_takes():
    # Of 6 heads of 64 in each of 4 layers, for 1,500 positions.
    assert 2 * 6 * 64 * 4 * 2 * 1500 == 9_216_000
    assert "8.79 MiB of it for 1,500 tokens of audio" in texts(parsed(pondera.draw("whisper-tiny")))


@pytest.mark.parametrize(
    "name", ["gemma-3-4b", "gemma-4-26b-a4b", "gemma-4-e2b", "llama-4-scout", "mistral-small-3.1-24b"]
)
def test_a_vision_tower_is_as_wide_as_its_config_states(name):
    stated = pondera.Architecture.from_config(name).config["vision_config"]["hidden_size"]
    stacks = {stack["name"]: stack for stack in pondera.draw(name).to_dict()["stacks"]}
    assert {kind["width"] for kind in stacks["vision"]["kinds"]} == {stated}
    assert f"residual stream, {stated:,} wide" in texts(parsed(pondera.draw(name)))


def test_an_audio_tower_is_as_wide_as_its_config_states():
    assert {width for width, _ in streams(parsed(pondera.draw(QWEN2_AUDIO)))} == {1280, 4096}


@pytest.mark.parametrize(
    "targets",
    [["gemma-4-e2b"], ["gemma-4-26b-a4b"], ["clip-vit-base-patch32"], ["llama-3.1-8b", "gemma-4-26b-a4b"]],
)
def test_bars_of_all_cards_are_on_one_scale(targets):
    found = streams(parsed(pondera.draw(*targets)))
    assert len({width for width, _ in found}) > 1
    scale = found[0][1] / found[0][0]
    for width, length in found:
        assert length == pytest.approx(width * scale, rel=0.001), width


def test_sizes_are_those_that_were_published():
    """52 billion parameters, 12 of them active: https://arxiv.org/abs/2403.19887; 169 million: the name."""
    jamba = pondera.draw(JAMBA).to_dict()["total"]
    assert round(jamba["parameters"] / 1e9) == 52
    assert round(jamba["active"] / 1e9) == 12
    assert round(pondera.draw(RWKV).to_dict()["total"]["parameters"] / 1e6) == 169


def test_experts_of_a_mind_that_is_not_known_are_not_lit(tmp_path):
    tensors = weights(CONFIG)
    for layer in range(3):
        tensors[f"model.layers.{layer}.mlp.gate.weight"] = ("BF16", [4, 8])
        for expert in range(4):
            tensors[f"model.layers.{layer}.mlp.experts.{expert}.down_proj.weight"] = ("BF16", [64, 64])
    writer.write(tmp_path / "model.safetensors", tensors)
    drawing = pondera.draw(tmp_path)
    assert drawing.to_dict()["roles"]["expert"]["parameters"] == 3 * 4 * 64 * 64
    words = texts(parsed(drawing))
    assert "experts" in words
    assert "lit" not in words
    assert "experts at rest" not in words
    assert "sees" not in drawing.text


def test_an_adapter_is_told_as_what_it_is(tmp_path):
    tensors = {
        f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{side}.weight": ("F32", shape)
        for layer in range(3)
        for side, shape in (("A", [4, 64]), ("B", [64, 4]))
    }
    writer.write(tmp_path / "adapter_model.safetensors", tensors)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}')
    drawing = pondera.draw(tmp_path)
    assert drawing.to_dict()["kind"] == "adapter"
    assert drawing.to_dict()["roles"]["adapter"]["parameters"] == 3 * 2 * 4 * 64
    words = " ".join(texts(parsed(drawing)))
    assert "is an adapter: the model that it belongs to has the config" in words
    assert "nobody knows" not in words
    assert "adapter ·" in drawing.text


def test_a_token_lights_as_many_more_as_it_visits_more():
    fewer, more = (
        parsed(pondera.draw("gpt-oss-20b", set={"num_experts_per_tok": count}, alone=True))
        for count in (4, 8)
    )
    for root, lit in ((fewer, 4), (more, 8)):
        cells = titled(root, f"{lit} of 32 experts lit")[0].findall(f"{SVG}path")
        assert [path.get("d").count("M") for path in cells] == [32 - lit, lit]
