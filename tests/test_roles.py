"""The roles of published names, through a whole scan: the facts that the core is tested with too."""

import json
from pathlib import Path

import pytest

import pondera
import writer

GOLDEN = json.loads((Path(__file__).parent / "golden" / "roles.json").read_text())


def roles(folder, names, component=""):
    tensors: writer.Tensors = {name: ("BF16", [2, 2]) for name in names}
    if component:
        writer.write_json(folder / "model_index.json", {component: ["diffusers", "Model"]})
    writer.write(folder / component / "model.safetensors", tensors)
    table = pondera.scan(folder).table()
    return dict(zip(table["name"], table["role"], strict=True))


@pytest.mark.parametrize("family", GOLDEN)
def test_golden_facts_hold(tmp_path, family):
    _, _, component = family.partition("/")
    assert roles(tmp_path, GOLDEN[family], component) == GOLDEN[family]


def test_a_bare_letter_is_no_tower(tmp_path):
    """The roots of GGUF's projector files are towers only if something lies below them."""
    assert roles(tmp_path, ["a", "b", "v", "mm", "v.blk.0.attn_q.weight", "a.blk.0.attn_q.weight"]) == {
        "a": "other",
        "b": "other",
        "v": "other",
        "mm": "other",
        "v.blk.0.attn_q.weight": "vision",
        "a.blk.0.attn_q.weight": "audio",
    }


def test_a_backbone_with_a_linear_is_no_draft_model(tmp_path):
    layer = ["layers.0.self_attn.q_proj.weight", "layers.0.mlp.up_proj.weight"]
    draft = roles(tmp_path / "draft", ["embed_tokens.weight", "fc.weight", *layer])
    assert set(draft.values()) == {"mtp"}
    whole = roles(tmp_path / "whole", ["embed_tokens.weight", "fc.weight", "norm.weight", *layer])
    assert "mtp" not in whole.values()


def test_heads_of_reward_models_are_heads(tmp_path):
    names = ["regression_layer.weight", "gating.layers.0.weight", "gating.layers.1.weight"]
    assert set(roles(tmp_path, [*names, "model.norm.weight"]).values()) == {"head", "norm"}
