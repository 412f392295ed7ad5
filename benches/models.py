"""Sparse model folders for benchmarks: true headers over data areas that are holes in the file.

Shapes are those of the published DeepSeek-V3 (config.json of deepseek-ai/DeepSeek-V3: 61 layers, 3 of them dense,
256 experts, FP8 weights with one F32 scale per 128 x 128 block) and of an 8-billion-parameter Llama.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

Tensor = tuple[str, str, tuple[int, ...]]
BITS = {"F32": 32, "BF16": 16, "F8_E4M3": 8}


def blocks(size: int) -> int:
    """How many blocks of 128 cover a side."""
    return -(-size // 128)


def fp8(name: str, rows: int, columns: int) -> Iterator[Tensor]:
    """A weight in FP8 with its block scales."""
    yield f"{name}.weight", "F8_E4M3", (rows, columns)
    yield f"{name}.weight_scale_inv", "F32", (blocks(rows), blocks(columns))


def deepseek_v3() -> Iterator[Tensor]:
    """Every tensor of DeepSeek-V3 without its multi-token-prediction layer."""
    hidden, heads, vocabulary = 7168, 128, 129280
    yield "model.embed_tokens.weight", "BF16", (vocabulary, hidden)
    for layer in range(61):
        prefix = f"model.layers.{layer}"
        attention = f"{prefix}.self_attn"
        yield f"{prefix}.input_layernorm.weight", "BF16", (hidden,)
        yield f"{prefix}.post_attention_layernorm.weight", "BF16", (hidden,)
        yield f"{attention}.q_a_layernorm.weight", "BF16", (1536,)
        yield f"{attention}.kv_a_layernorm.weight", "BF16", (512,)
        yield from fp8(f"{attention}.q_a_proj", 1536, hidden)
        yield from fp8(f"{attention}.q_b_proj", heads * 192, 1536)
        yield from fp8(f"{attention}.kv_a_proj_with_mqa", 576, hidden)
        yield from fp8(f"{attention}.kv_b_proj", heads * 256, 512)
        yield from fp8(f"{attention}.o_proj", hidden, heads * 128)
        if layer < 3:
            feed_forward = [(f"{prefix}.mlp", 18432)]
        else:
            yield f"{prefix}.mlp.gate.weight", "BF16", (256, hidden)
            yield f"{prefix}.mlp.gate.e_score_correction_bias", "F32", (256,)
            feed_forward = [(f"{prefix}.mlp.experts.{expert}", 2048) for expert in range(256)]
            feed_forward.append((f"{prefix}.mlp.shared_experts", 2048))
        for name, width in feed_forward:
            yield from fp8(f"{name}.gate_proj", width, hidden)
            yield from fp8(f"{name}.up_proj", width, hidden)
            yield from fp8(f"{name}.down_proj", hidden, width)
    yield "model.norm.weight", "BF16", (hidden,)
    yield "lm_head.weight", "BF16", (vocabulary, hidden)


def llama_8b() -> Iterator[Tensor]:
    """Every tensor of Llama-3.1-8B: 291 of them."""
    hidden, vocabulary = 4096, 128256
    yield "model.embed_tokens.weight", "BF16", (vocabulary, hidden)
    for layer in range(32):
        prefix = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{prefix}.{norm}.weight", "BF16", (hidden,)
        for projection, rows in (("q", hidden), ("k", 1024), ("v", 1024), ("o", hidden)):
            yield f"{prefix}.self_attn.{projection}_proj.weight", "BF16", (rows, hidden)
        for projection in ("gate", "up"):
            yield f"{prefix}.mlp.{projection}_proj.weight", "BF16", (14336, hidden)
        yield f"{prefix}.mlp.down_proj.weight", "BF16", (hidden, 14336)
    yield "model.norm.weight", "BF16", (hidden,)
    yield "lm_head.weight", "BF16", (vocabulary, hidden)


def size(tensor: Tensor) -> int:
    """Bytes of a tensor."""
    _, dtype, shape = tensor
    elements = 1
    for side in shape:
        elements *= side
    return elements * BITS[dtype] // 8


def write(folder: Path, tensors: list[Tensor], shards: int) -> None:
    """Write tensors as so many shards of about equal size, with an index.

    As `save_pretrained` does: tensors by shard in the order given, within a shard by falling dtype size and then
    by name, the index sorted and indented.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(map(size, tensors))
    parts: list[list[Tensor]] = [[] for _ in range(shards)]
    passed = 0
    for tensor in tensors:
        parts[min(passed * shards // total, shards - 1)].append(tensor)
        passed += size(tensor)
    weight_map = {}
    for number, part in enumerate(parts, 1):
        name = f"model-{number:05}-of-{shards:05}.safetensors"
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        for tensor in sorted(part, key=lambda t: (-BITS[t[1]], t[0])):
            begin, end = end, end + size(tensor)
            header[tensor[0]] = {"dtype": tensor[1], "shape": tensor[2], "data_offsets": [begin, end]}
            weight_map[tensor[0]] = name
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with (folder / name).open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + end)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
