"""Real-shaped models made up on the spot: true headers, and data areas that are holes in the file.

`build` writes them; a 60 GB model takes a few MB of disk on a file system that knows sparse files, as
those of Linux and macOS do. There are no weights in them: they serve to show and to test what headers tell.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from pondera import _demo_shapes as shapes
from pondera._demo_shapes import Config, Tensor

_BYTES = {"F32": 4, "I32": 4, "I64": 8, "BF16": 2, "F16": 2, "U8": 1}


@dataclass(frozen=True, slots=True)
class DemoModel:
    """One model of the demonstration.

    Attributes:
        folder: Name of its folder.
        config: What its configuration states, as far as shapes follow from it.
        tensors: The layout that gives its tensors.
        shard_bytes: Bytes of tensor data after which a new shard begins.
        first_shard: Number of the first shard.
        stem: Name of its files.
        metadata: What its files state under `__metadata__`.
        beside: Further JSON files, by path from the folder.
        missing_shard: Position of a shard that is left out, to show what a broken download looks like.
    """

    folder: str
    config: Config
    tensors: Callable[[Config], Iterator[Tensor]]
    shard_bytes: int = 5_000_000_000
    first_shard: int = 1
    stem: str = "model"
    metadata: Mapping[str, str] = field(default_factory=lambda: {"format": "pt"})
    beside: Mapping[str, Any] = field(default_factory=dict)
    missing_shard: int | None = None


# https://huggingface.co/meta-llama/Llama-3.1-8B/blob/main/config.json
LLAMA_8B: Config = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

# https://huggingface.co/meta-llama/Llama-3.2-1B/blob/main/config.json
LLAMA_1B: Config = LLAMA_8B | {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "head_dim": 64,
    "tie_word_embeddings": True,
}

# https://huggingface.co/Qwen/Qwen3-30B-A3B/blob/main/config.json
QWEN3_30B: Config = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

# https://huggingface.co/openai/gpt-oss-20b/blob/main/config.json
GPT_OSS_20B: Config = {
    "architectures": ["GptOssForCausalLM"],
    "model_type": "gpt_oss",
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_local_experts": 32,
    "num_experts_per_tok": 4,
    "num_hidden_layers": 24,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "attention_bias": True,
    "vocab_size": 201088,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "quantization_config": {"quant_method": "mxfp4"},
}

# https://huggingface.co/Qwen/Qwen2.5-7B-Instruct-AWQ/blob/main/config.json
QWEN2_7B_AWQ: Config = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True},
}

# https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/blob/main/config.json
MINILM: Config = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "type_vocab_size": 2,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
}

# Rank 16 on every linear, a usual choice; PEFT prints `trainable params: 41,943,040` for it.
LORA: Config = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "meta-llama/Llama-3.1-8B",
    "r": 16,
    "lora_alpha": 32,
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}

MODELS: tuple[DemoModel, ...] = (
    DemoModel("Llama-3.1-8B", LLAMA_8B, shapes.llama),
    DemoModel("Llama-3.1-8B-lora", LORA | {"base": LLAMA_8B}, shapes.llama_lora, stem="adapter_model"),
    DemoModel("Llama-3.2-1B-broken", LLAMA_1B, shapes.llama, shard_bytes=1_500_000_000, missing_shard=1),
    DemoModel("Qwen2.5-7B-Instruct-AWQ", QWEN2_7B_AWQ, shapes.qwen2_awq, shard_bytes=4_000_000_000),
    DemoModel("Qwen3-30B-A3B", QWEN3_30B, shapes.qwen3_moe, shard_bytes=4_000_000_000),
    DemoModel(
        "all-MiniLM-L6-v2",
        MINILM,
        shapes.bert,
        beside={
            "modules.json": [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {
                    "idx": 2,
                    "name": "2",
                    "path": "2_Normalize",
                    "type": "sentence_transformers.models.Normalize",
                },
            ],
            "1_Pooling/config.json": {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True},
        },
    ),
    # Its publisher counts shards from 0, and not the last one.
    DemoModel("gpt-oss-20b", GPT_OSS_20B, shapes.gpt_oss, 4_800_000_000, first_shard=0, metadata={}),
)
"""The models of the demonstration, sorted by folder."""


def build(folder: Path | str) -> list[Path]:
    """Write all models of the demonstration.

    Args:
        folder: Where to; it is made if it is not there.

    Returns:
        The folder of each model, in the order of `MODELS`.

    Raises:
        OSError: Something could not be written.
    """
    return [write_model(Path(folder) / model.folder, model) for model in MODELS]


def write_model(folder: Path, model: DemoModel) -> Path:
    """Write one model: its shards, the index if there are several, and its configuration.

    Raises:
        OSError: Something could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = _split(model.tensors(model.config), model.shard_bytes)
    weight_map: dict[str, str] = {}
    for position, shard in enumerate(shards):
        number, last = model.first_shard + position, model.first_shard + len(shards) - 1
        name = model.stem if len(shards) == 1 else f"{model.stem}-{number:05}-of-{last:05}"
        weight_map |= dict.fromkeys((tensor[0] for tensor in shard), f"{name}.safetensors")
        if position != model.missing_shard:
            write_sparse(folder / f"{name}.safetensors", shard, model.metadata)
    files = dict(model.beside)
    if model.stem == "adapter_model":
        files["adapter_config.json"] = {key: value for key, value in model.config.items() if key != "base"}
    else:
        files["config.json"] = model.config
    if len(shards) > 1:
        total = sum(_size(tensor) for shard in shards for tensor in shard)
        files[f"{model.stem}.safetensors.index.json"] = {
            "metadata": {"total_size": total},
            "weight_map": dict(sorted(weight_map.items())),
        }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2))
    return folder


def write_sparse(path: Path, tensors: list[Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file whose data area is a hole.

    As in files of the safetensors library, tensors of wide elements come first, then by name, and spaces fill
    the header up to a multiple of 8 bytes.

    Args:
        path: The file to write.
        tensors: Names, dtypes and shapes.
        metadata: What stands under `__metadata__`; left out if empty.

    Raises:
        OSError: The file could not be written.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: (-_BYTES[tensor[1]], tensor[0])):
        begin, end = end, end + _size(tensor)
        header[tensor[0]] = {"dtype": tensor[1], "shape": tensor[2], "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def _split(tensors: Iterator[Tensor], limit: int) -> list[list[Tensor]]:
    """Shards in the way of transformers: a new one whenever the next tensor would pass the limit."""
    shards: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if shards[-1] and size + _size(tensor) > limit:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += _size(tensor)
    return shards


def _size(tensor: Tensor) -> int:
    """Bytes of a tensor's data."""
    return prod(tensor[2]) * _BYTES[tensor[1]]
