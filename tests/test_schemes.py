"""Schemes of quantization, against the tensors that published checkpoints hold."""

import gzip
import json
import math
from collections import Counter
from pathlib import Path

import pytest

import pondera
from pondera import _native

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
CONFIG = {
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 1000,
    "torch_dtype": "bfloat16",
}
SIZES = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1, "U8": 1, "I8": 1, "I32": 4}


def planned(config, scheme=None):
    return _native.planned_weights(pondera.Architecture.from_config(config), scheme)


def total(rows):
    return sum(row[-1] for row in rows)


def test_the_table_has_what_each_row_needs():
    rows = _native.weight_schemes()
    assert len(rows) > 50
    assert {"bf16", "fp8", "int4-g128", "nf4", "mxfp4", "nvfp4", "q4_k_m"} <= {row["name"] for row in rows}
    for row in rows:
        assert row["summary"]
        assert row["source"]
        assert row["bits"] > 0 < row["weights"]


def test_rows_add_up_and_say_what_is_kept():
    architecture = pondera.Architecture.from_config(CONFIG)
    name, rows, notes = _native.planned_weights(architecture, "FP8")
    assert (name, notes) == ("fp8", [])
    assert sum(parameters for *_, parameters, _ in rows) == architecture.parameters
    kept = {role for role, touched, *_ in rows if not touched}
    assert kept == {"embedding", "norm", "head"}
    # A matrix of one attention layer: a byte for each weight, and a scale.
    assert ("attention", True, 8, 8 * 512 * 512, 8 * (512 * 512 + 4)) in rows


def test_unknown_names_are_errors_with_a_hint():
    with pytest.raises(pondera.PonderaError, match=r"fp9.*did you mean"):
        planned(CONFIG, "fp9")


def test_a_quantization_stated_beside_the_config_is_read(tmp_path):
    asked = {"gpu": "h100", "engine": "vllm==0.19.0", "context": "1k"}
    statement = {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    plain = pondera.fit(file, **asked)
    (tmp_path / "hf_quant_config.json").write_text(
        json.dumps({"producer": {"name": "modelopt"}, "quantization": statement})
    )
    for target in (file, tmp_path):
        one = pondera.fit(target, **asked)
        assert (plain.to_dict()["storage"], one.to_dict()["storage"]) == ("bf16", "fp8")
        assert one.weights < 0.8 * plain.weights
    # What the config itself states goes before it.
    stated = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    file.write_text(json.dumps({**CONFIG, "quantization_config": stated}))
    assert pondera.fit(file, **asked).to_dict()["storage"] == "fp8-block"


corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")

# What a published file holds otherwise than its config says, in bytes more than planned.
EXPLAINED = {
    # Norms, indexers' keys and corrections of routers in 32 bits.
    "real_headers/deepseek-ai__DeepSeek-V3.2": 2_150_912,
    # Corrections of routers in 32 bits.
    "real_headers/moonshotai__Kimi-K2.5": 46_080,
    # The state's decays and norms in 32 bits.
    "real_headers/Qwen__Qwen3.5-35B-A3B": 9_600,
    # transformers makes the biases of experts in 32 bits; the published file, below, has 16.
    "truth_quantized/openai__gpt-oss-20b": 13_271_040,
    "real_headers/openai__gpt-oss-20b": 0,
}


def listings():
    for folder in ("truth_quantized", "real_headers"):
        for path in sorted((CORPUS / folder).glob("*.json.gz")):
            config = CORPUS / "configs" / path.name.removesuffix(".json.gz") / "config.json"
            if config.exists():
                yield pytest.param(path, config, id=f"{folder}/{path.name.removesuffix('.json.gz')}")


@corpus
@pytest.mark.parametrize(("path", "config"), list(listings()))
def test_planned_bytes_are_those_of_the_files(path, config, request):
    with gzip.open(path) as file:
        tensors = json.load(file)["tensors"]
    stored = sum(math.prod(shape) * SIZES[dtype] for _, dtype, shape in tensors)
    _, rows, _ = planned(json.loads(config.read_text()))
    bytes_planned = total(rows)
    if path.parent.name == "truth_quantized" and "DeepSeek" in path.name:
        # transformers makes no prediction layer, which the published files and the class here have.
        bytes_planned -= sum(row[-1] for row in rows if row[0] == "mtp")
    case = request.node.callspec.id
    assert stored - bytes_planned == EXPLAINED.get(case, 0)


@corpus
def test_scales_are_as_many_as_the_hub_counts():
    """The hub counts elements, scales with them. Corpus, published.json: second hand, each with how it is explained."""
    for model, elements, ours_too in [
        ("MiniMaxAI__MiniMax-M2.5", 13_880_064, ()),
        ("deepseek-ai__DeepSeek-V3", 41_540_496, ()),
        # Elements of the prediction layer are among those.
        ("zai-org__GLM-5-FP8", 9_998_805_600, ("mtp",)),
    ]:
        config = json.loads((CORPUS / "configs" / model / "config.json").read_text())
        _, rows, _ = planned(config)
        scales = sum(bytes_ - parameters for _, touched, _, parameters, bytes_ in rows if touched)
        assert scales % 4 == 0
        counted = sum(parameters for role, _, _, parameters, _ in rows if role in ours_too)
        assert scales // 4 + counted == elements, model


@corpus
def test_nf4_with_the_text_beside_it_is_the_published_index():
    """Molmo in NF4: its index states 6,661,964,712 bytes, the states of its 112 matrices as JSON among them."""
    folder = CORPUS / "configs" / "reubz__Molmo7B_D_NF4Quant"
    _, rows, _ = planned(json.loads((folder / "config.json").read_text()))
    index = json.loads((CORPUS / "index" / folder.name / "model.safetensors.index.json").read_text())
    shapes = Counter(name.split(".")[4] for name in index["weight_map"] if name.endswith("bitsandbytes__nf4"))
    assert set(shapes) == {"att_proj", "attn_out", "ff_proj", "ff_out"}
    sides = {
        "att_proj": [4608, 3584],
        "attn_out": [3584, 3584],
        "ff_proj": [37888, 3584],
        "ff_out": [3584, 18944],
    }
    text = sum(
        count
        * len(json.dumps({"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": sides[name]}))
        for name, count in shapes.items()
    )
    assert total(rows) + text == index["metadata"]["total_size"] == 6_661_964_712


@corpus
def test_gptq_with_the_biases_it_adds_is_the_published_index():
    """Qwen-VL-Chat-Int4: AutoGPTQ stores a bias for every matrix, where the model has some for three of five alone."""
    folder = CORPUS / "configs" / "Qwen__Qwen-VL-Chat-Int4"
    _, rows, _ = planned(json.loads((folder / "config.json").read_text()))
    index = json.loads((CORPUS / "index" / folder.name / "model.safetensors.index.json").read_text())
    added = 32 * 2 * (4096 + 11008 + 11008 + 4096)
    assert total(rows) + added == index["metadata"]["total_size"] == 9_731_786_240
