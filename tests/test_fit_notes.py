"""What an estimate must say of itself: what is missing, what was taken to hold, and what is not known."""

import json
import re

import pytest

import pondera
import writer
from test_fit import CONFIG


def noted(fit, field):
    return " ".join(one["reason"] for one in fit.assumptions if one["field"] == field)


def all_tensors():
    """Every tensor of the config, in bfloat16."""
    shapes = {"model.embed_tokens": [100, 8], "lm_head": [100, 8], "model.norm": [8]}
    for layer in range(3):
        within = {
            "self_attn.q_proj": [8, 8],
            "self_attn.k_proj": [4, 8],
            "self_attn.v_proj": [4, 8],
            "self_attn.o_proj": [8, 8],
            "mlp.gate_proj": [32, 8],
            "mlp.up_proj": [32, 8],
            "mlp.down_proj": [8, 32],
            "input_layernorm": [8],
            "post_attention_layernorm": [8],
        }
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in within.items()}
    return {f"{name}.weight": ("BF16", shape) for name, shape in shapes.items()}


def test_a_download_that_lacks_a_shard_is_weighed_as_a_whole_and_told(run, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    whole = pondera.fit(tmp_path, gpu="1GiB", engine="transformers", weights="bf16", context=1024)
    index = {"weight_map": {}}
    here = {}
    for name, (dtype, shape) in all_tensors().items():
        second = ".1." in name
        index["weight_map"][name] = f"model-0000{1 + second}-of-00002.safetensors"
        if not second:
            here[name] = (dtype, shape)
    assert 0 < len(here) < len(index["weight_map"])
    writer.write(tmp_path / "model-00001-of-00002.safetensors", here)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    part = pondera.fit(tmp_path, gpu="1GiB", engine="transformers", context=1024)
    assert part.weights == whole.weights
    [warning] = part.warnings
    assert "model-00002-of-00002.safetensors" in warning
    assert "warning: " + warning in part.explain()
    code, out, _ = run("fit", tmp_path, "--gpu", "1GiB", "--engine", "transformers", "--context", "1k")
    assert code == 0
    assert "warning: " in out
    assert part.to_dict()["warnings"] == [warning]


@pytest.mark.parametrize(
    ("engine", "weights", "loads"),
    [
        ("vllm", "exl2-4.0bpw", False),
        ("vllm", "q8_0", False),
        ("vllm", "fp8", True),
        ("llama.cpp", "awq", False),
        ("llama.cpp", "q8_0", True),
    ],
)
def test_a_scheme_that_the_engine_is_not_known_to_load_is_told(engine, weights, loads):
    fit = pondera.fit("llama-3.1-8b", gpu="h100", engine=engine, weights=weights, context=8192)
    said = [one for one in fit.warnings if "not known to load" in one]
    assert bool(said) is not loads
    assert all(fit.storage in one for one in said)


@pytest.mark.parametrize("name", ["gemma-3-27b", "falcon-180b"])
def test_a_context_that_a_config_leaves_out_is_that_of_its_class(name):
    fit = pondera.fit(name, gpu="b200", gpus=4, engine="transformers")
    assert "default of its model class" in " ".join(
        one["reason"] for one in fit.assumptions if one["field"].endswith("max_position_embeddings")
    )


@pytest.mark.parametrize("name", ["bloom-7b1", "mamba-codestral-7b"])
def test_a_model_without_a_limit_asks_for_a_context_by_the_name_of_the_option(name):
    with pytest.raises(pondera.PonderaError, match="--context 32k"):
        pondera.fit(name, gpu="h100")


def test_what_vllm_holds_beyond_its_budget_is_shown(run):
    more = ["--pp", "2", "--context", "8k", "--gpu-memory-utilization", "0.99"]
    code, out, _ = run("fit", "llama-3.1-8b", "--gpu", "rtx-3090", *more)
    assert code == 1
    assert "would hold" in out
    assert "smaller budget" in out
    assert "has the least to spare" in out


def test_replicas_that_share_experts_pay_for_their_talk():
    def context(name, **layout):
        return pondera.fit(
            name, gpu="h100", engine="vllm", context=8192, concurrency=8, **layout
        ).cuda_context

    alone = context("qwen3-30b-a3b")
    together = context("qwen3-30b-a3b", data_parallel=8, expert_parallel=8)
    assert together == context("qwen3-30b-a3b", tensor_parallel=4)
    assert together > alone
    # Replicas of a dense model have nothing to tell each other.
    assert context("llama-3.1-8b", data_parallel=8) == context("llama-3.1-8b")


def test_a_version_that_nobody_measured_is_not_surer_than_one_that_was():
    for version in ("0.19.0", "0.33.0"):
        band = pondera.fit("llama-3.1-8b", gpu="h100", engine=f"vllm=={version}").band["weights"]
        assert band is None or band[0] < band[1], version


def test_formulas_are_numbers_and_not_code():
    text = pondera.fit("llama-3.1-8b", gpu="h100", engine="vllm").explain()
    assert "{" not in text
    assert re.search(r"32 layers · \d+\.\d+ MiB", text)


def test_a_group_beyond_a_node_is_noted():
    def fit(ranks):
        return pondera.fit("llama-3.1-405b", gpu="h200", engine="vllm", context=8192, tensor_parallel=ranks)

    assert "16 tensor-parallel ranks" in noted(fit(16), "interconnect")
    assert noted(fit(8), "interconnect") == ""


def test_a_cache_of_8_bits_on_a_gpu_that_does_not_compute_in_them_is_noted():
    def said(gpu):
        fit = pondera.fit("llama-3.1-8b", gpu=gpu, gpus=2, engine="vllm", cache="fp8", context=8192)
        return noted(fit, "cache")

    assert "8-bit floats" in said("t4")
    assert "8-bit floats" not in said("h100")
