"""Packed weights in whole folders: what the configuration and the tensors around them make of their count.

The layouts scheme by scheme are tested in the core; here are those decisions that take a folder.
"""

import pytest

import pondera
import writer

UP = "model.layers.0.mlp.up_proj"


def scan(folder, tensors, quantization=None):
    writer.write(folder / "model.safetensors", tensors)
    if quantization is not None:
        writer.write_json(folder / "config.json", {"quantization_config": quantization})
    return pondera.scan(folder)


def codes(checkpoint):
    return [problem.code for problem in checkpoint.problems]


def test_one_pattern_may_have_codebooks_of_two_shapes(tmp_path):
    tensors: writer.Tensors = {}
    for layer, group in [(0, 8), (1, 16)]:
        stem = f"model.layers.{layer}.mlp.up_proj"
        tensors |= {
            f"{stem}.codes": ("I8", [64, 32, 1]),
            f"{stem}.codebooks": ("F16", [1, 256, 1, group]),
            f"{stem}.scales": ("F16", [64, 1, 1, 1]),
        }
    checkpoint = scan(tmp_path, tensors)
    assert (checkpoint.quantization, checkpoint.parameters) == ("aqlm", 64 * 32 * 8 + 64 * 32 * 16)
    assert codes(checkpoint) == []


def test_groups_of_targets_may_have_grids_of_their_own(tmp_path):
    tensors: writer.Tensors = {}
    for name, rows, bits in [("self_attn.q_proj", 256, 8), ("mlp.up_proj", 512, 4)]:
        stem = f"model.layers.0.{name}"
        tensors |= {
            f"{stem}.weight_packed": ("I32", [rows, 256 * bits // 32]),
            f"{stem}.weight_scale": ("BF16", [rows, 2]),
            f"{stem}.weight_shape": ("I64", [2]),
        }
    groups = {
        f"group_{bits}": {"targets": [target], "weights": {"num_bits": bits, "group_size": 128}}
        for bits, target in [(8, "re:.*self_attn.*"), (4, "re:.*mlp.*")]
    }
    checkpoint = scan(tmp_path, tensors, {"quant_method": "compressed-tensors", "config_groups": groups})
    assert {role: sums.parameters for role, sums in checkpoint.roles.items()} == {
        "attention": 256 * 256,
        "mlp": 512 * 256,
    }
    assert codes(checkpoint) == []


def test_experts_of_one_tensor_count_two_weights_per_byte(tmp_path):
    stem = "model.layers.0.mlp.experts.gate_up_proj"
    tensors: writer.Tensors = {
        stem: ("U8", [8, 128, 256]),
        f"{stem}_weight_scale": ("F8_E4M3", [8, 128, 32]),
        f"{stem}_weight_scale_2": ("F32", [8]),
    }
    checkpoint = scan(tmp_path, tensors)
    assert (checkpoint.quantization, checkpoint.parameters) == ("nvfp4", 8 * 128 * 512)


def test_bytes_with_a_scale_per_row_are_no_four_bit_format(tmp_path):
    checkpoint = scan(tmp_path, {f"{UP}.weight": ("I8", [64, 64]), f"{UP}.weight_scale": ("BF16", [64, 1])})
    assert (checkpoint.quantization, checkpoint.parameters) == ("int8", 64 * 64)


@pytest.mark.parametrize("stated", [True, False])
def test_bitnet_is_told_by_its_configuration(tmp_path, stated):
    tensors: writer.Tensors = {f"{UP}.weight": ("U8", [64, 512]), f"{UP}.weight_scale": ("BF16", [1])}
    checkpoint = scan(tmp_path, tensors, {"quant_method": "bitnet"} if stated else None)
    assert checkpoint.parameters == (4 * 64 * 512 if stated else 64 * 512)
    assert codes(checkpoint) == ([] if stated else ["packing-unknown"])


@pytest.mark.parametrize(
    ("tensors", "method", "said"),
    [
        ({f"{UP}.indices": ("I32", [1, 64, 64])}, "vptq", '"vptq"'),
        ({f"{UP}.weight._data": ("U8", [64, 64]), f"{UP}.weight._scale": ("F16", [128, 1])}, "quanto", '"quanto"'),
        ({f"{UP}.blob": ("U8", [64, 64]), f"{UP}.some_scales": ("F16", [128, 1])}, None, "looks packed"),
        # The suffix is that of GPTQ, the shape is not.
        ({f"{UP}.qweight": ("I32", [2, 64, 64])}, None, "looks packed"),
    ],
)  # fmt: skip
def test_a_layout_that_is_not_known_is_reported(tmp_path, tensors, method, said):
    checkpoint = scan(tmp_path, tensors, method and {"quant_method": method})
    (problem,) = checkpoint.problems
    assert (problem.code, problem.severity) == ("packing-unknown", "warning")
    assert problem.tensor.startswith("model.layers.*.mlp.up_proj.")
    assert said in problem.message


@pytest.mark.parametrize(
    "tensors",
    [
        # Tables of whole numbers that no quantization made.
        {"model.layers.0.ffn.gate.tid2eid": ("I64", [1000, 8]), f"{UP}.weight": ("BF16", [64, 64])},
        {"d2t": ("I64", [32000]), f"{UP}.weight": ("F8_E4M3", [64, 64])},
        {"model.embeddings.position_ids": ("I64", [1, 2048])},
    ],
)
def test_other_whole_numbers_are_no_packed_weights(tmp_path, tensors):
    assert codes(scan(tmp_path, tensors, {"quant_method": "fp8"})) == []
