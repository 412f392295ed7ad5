"""Body against mind: which differences are found, and what is said of them."""

import json

import pytest

import pondera
import writer
from test_architecture import QWEN

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_hidden_layers": 3,
    "tie_word_embeddings": False,
    "vocab_size": 100,
}


def weights(config):
    """Every tensor of a config, written out here by the definition of the class."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    dim = hidden // config["num_attention_heads"]
    keys = config["num_key_value_heads"] * dim
    tensors = {
        "model.embed_tokens.weight": ("BF16", [config["vocab_size"], hidden]),
        "model.norm.weight": ("BF16", [hidden]),
        "lm_head.weight": ("BF16", [config["vocab_size"], hidden]),
    }
    for layer in range(config["num_hidden_layers"]):
        inside = {
            "self_attn.q_proj": [hidden, hidden],
            "self_attn.k_proj": [keys, hidden],
            "self_attn.v_proj": [keys, hidden],
            "self_attn.o_proj": [hidden, hidden],
            "mlp.gate_proj": [inner, hidden],
            "mlp.up_proj": [inner, hidden],
            "mlp.down_proj": [hidden, inner],
            "input_layernorm": [hidden],
            "post_attention_layernorm": [hidden],
        }
        tensors |= {f"model.layers.{layer}.{name}.weight": ("BF16", shape) for name, shape in inside.items()}
    return tensors


@pytest.fixture
def make(tmp_path):
    def make(tensors, config=CONFIG):
        writer.write(tmp_path / "model.safetensors", tensors)
        (tmp_path / "config.json").write_text(json.dumps(config))
        return pondera.Model.open(tmp_path)

    return make


def found(model):
    return [(one.severity, one.kind, one.pattern, one.count) for one in model.disagreements]


def test_a_model_that_is_whole_agrees(make):
    model = make(weights(CONFIG))
    assert model.disagreements == ()
    assert model.checkpoint.parameters == model.architecture.parameters
    assert model.unknown is None


def test_a_resized_vocabulary(make):
    tensors = weights({**CONFIG, "vocab_size": 128})
    model = make(tensors)
    assert {(one.kind, one.pattern) for one in model.disagreements} == {
        ("shape", "lm_head.weight"),
        ("shape", "model.embed_tokens.weight"),
    }
    assert all("resized to 128" in one.cause for one in model.disagreements)
    assert model.disagreements[0].expected == [100, 8]
    assert model.disagreements[0].found == [128, 8]


def test_a_head_that_is_tied_in_fact(make):
    tensors = weights(CONFIG)
    del tensors["lm_head.weight"]
    (one,) = make(tensors).disagreements
    assert (one.severity, one.kind) == ("warning", "missing")
    assert "tied" in one.cause


def test_a_copy_of_a_tied_head_is_harmless(make):
    (one,) = make(weights(CONFIG), {**CONFIG, "tie_word_embeddings": True}).disagreements
    assert (one.severity, one.kind) == ("info", "unexpected")
    assert "ties" in one.cause


def test_pruned_layers(make):
    model = make(weights({**CONFIG, "num_hidden_layers": 2}))
    assert len(model.disagreements) == 9
    assert {one.severity for one in model.disagreements} == {"error"}
    assert all("layers from 2 on" in one.cause for one in model.disagreements)


def test_more_layers_than_the_config_has(make):
    model = make(weights({**CONFIG, "num_hidden_layers": 4}))
    assert {(one.kind, one.count) for one in model.disagreements} == {("unexpected", 1)}
    assert all("layers from 3 on" in one.cause for one in model.disagreements)


def test_the_config_of_another_model(make):
    model = make(weights({**CONFIG, "hidden_size": 16, "intermediate_size": 64}))
    assert model.disagreements
    assert all("of another model" in one.cause for one in model.disagreements if one.kind == "shape")
    model = make(weights(CONFIG), QWEN)
    assert any("of another model" in one.cause for one in model.disagreements)


def test_a_prefix_is_no_disagreement(make):
    tensors = {name.removeprefix("model."): value for name, value in weights(CONFIG).items()}
    (one,) = make(tensors).disagreements
    assert (one.severity, one.kind) == ("info", "name")


def test_old_buffers_are_harmless(make):
    tensors = weights(CONFIG) | {"model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", [2])}
    assert all(one.severity == "info" for one in make(tensors).disagreements)


def test_an_adapter_that_was_not_merged(make):
    tensors = weights(CONFIG) | {
        "model.layers.0.self_attn.q_proj.lora_A.weight": ("BF16", [4, 8]),
        "model.layers.0.self_attn.q_proj.lora_B.weight": ("BF16", [8, 4]),
    }
    causes = {one.cause for one in make(tensors).disagreements}
    assert len(causes) == 1
    assert "not merged" in causes.pop()


def test_biases_nobody_asked_for(make):
    tensors = weights(CONFIG) | {"model.layers.1.self_attn.q_proj.bias": ("BF16", [8])}
    (one,) = make(tensors).disagreements
    assert (one.severity, one.kind) == ("error", "unexpected")


def test_packed_weights_are_compared_by_what_they_stand_for(make):
    tensors = weights(CONFIG)
    config = {**CONFIG, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 8}}
    del tensors["model.layers.0.mlp.up_proj.weight"]
    # 32 outputs of 8 inputs at 4 bits: one word holds 8 inputs.
    tensors |= {
        "model.layers.0.mlp.up_proj.qweight": ("I32", [1, 32]),
        "model.layers.0.mlp.up_proj.qzeros": ("I32", [1, 4]),
        "model.layers.0.mlp.up_proj.scales": ("F16", [1, 32]),
        "model.layers.0.mlp.up_proj.g_idx": ("I32", [8]),
    }
    assert make(tensors, config).disagreements == ()


def test_weights_without_a_config_are_weighed_still(tmp_path):
    writer.write(tmp_path / "model.safetensors", weights(CONFIG))
    model = pondera.Model.open(tmp_path)
    assert model.architecture is None
    assert "config.json" in model.unknown
    assert model.checkpoint.tensors == 30


def test_an_unknown_type_keeps_the_weights(make):
    model = make(weights(CONFIG), {**CONFIG, "model_type": "unheard-of"})
    assert model.architecture is None
    assert "unheard-of" in model.unknown
    assert model.checkpoint.tensors == 30
    assert model.to_dict()["checkpoint"]["tensors"] == 30


def test_show_and_check(make, tmp_path, run):
    make(weights(CONFIG))
    code, out, _ = run("show", tmp_path)
    assert code == 0
    assert "3 x full" in out
    code, out, _ = run("check", tmp_path)
    assert code == 0
    assert "agree" in out
    make(weights({**CONFIG, "num_hidden_layers": 2}))
    code, out, _ = run("check", tmp_path)
    assert code == 1
    assert "layers from 2 on" in out
    code, out, _ = run("show", tmp_path, "--json")
    shown = json.loads(out)
    assert code == 1
    assert shown["schema"] == "pondera.show/1"
    assert shown["disagreements"][0]["kind"] == "missing"
    assert run("check", tmp_path / "absent")[0] == 2


def test_show_a_name(run):
    code, out, _ = run("show", "llama-3.1-8b", "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["parameters"] == 8_030_261_248
    assert shown["cache"]["bytes_per_token"] == 131_072
    assert shown["cache"]["bytes"]["131072"] == 16 * 2**30
    code, _, err = run("show", "llama-3.1-9b")
    assert code == 2
    assert "did you mean llama-3.1-8b" in err


def test_show_with_another_mind(run):
    code, out, _ = run("show", "llama-3.1-8b", "--set", "num_key_value_heads=32", "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["cache"]["bytes_per_token"] == 4 * 131_072
    assert shown["changes"][0]["class"] == "structural"
    assert run("show", "llama-3.1-8b", "--set", "oops")[0] == 2


def test_models_and_explain(run):
    code, out, _ = run("models", "llama-3.1", "--json")
    assert code == 0
    assert {"llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"} <= {one["name"] for one in json.loads(out)}
    assert run("models", "no such model")[0] == 1
    code, out, _ = run("explain", "30B")
    assert code == 0
    assert "60.00 GB" in out
    code, out, _ = run("explain", "num_key_value_heads", "llama-3.1-8b")
    assert code == 0
    assert "8 -> 16" in out
    assert run("explain", "num_unicorns")[0] == 2


def test_a_file_that_cannot_be_read_is_no_other_model(make, tmp_path):
    make(weights(CONFIG))
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    model = pondera.Model.open(tmp_path)
    assert model.disagreements
    assert all("model.safetensors" in one.cause for one in model.disagreements)


def test_a_config_without_layers_is_not_that_of_these_weights(make):
    model = make(weights(CONFIG), {**CONFIG, "num_hidden_layers": 0})
    assert {one.severity for one in model.disagreements} == {"error"}


def test_a_longer_name_leads_to_the_shorter():
    with pytest.raises(FileNotFoundError, match=r"did you mean llama-3\.1-8b"):
        pondera.Model.open("Llama-3.1-8B-Instruct-Extra")


def test_a_window_longer_than_the_context_is_never_full():
    cache = pondera.Model.open("phi-3-mini-128k").to_dict()["cache"]
    # 32 layers of 32 heads of 96 for keys and values, two bytes each.
    assert cache["bytes_per_token"] == cache["bytes_per_token_at_start"] == 32 * 32 * 96 * 2 * 2


def test_another_mind_is_held_against_the_weights(make, tmp_path, run):
    model = make(weights(CONFIG))
    changed, answer = model.what_if(num_attention_heads=4)
    assert not answer.same_body
    assert {one.kind for one in changed.disagreements} == {"shape"}
    same, answer = model.what_if(rope_theta=1e6)
    assert answer.same_body
    assert same.disagreements == ()
    code, out, _ = run("show", tmp_path, "--set", "vocab_size=2000", "--json")
    assert code == 1
    assert {one["kind"] for one in json.loads(out)["disagreements"]} == {"shape"}


def test_a_quantization_that_no_tensor_has(make):
    quantized = {**CONFIG, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 4}}
    (one,) = make(weights(CONFIG), quantized).disagreements
    assert (one.severity, one.kind) == ("warning", "storage")
    assert "without scales or packed weights" in one.cause
