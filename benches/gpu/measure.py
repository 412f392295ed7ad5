"""Measures on a real GPU what no server log tells, and writes it as rows of JSON.

    python benches/gpu/measure.py OUT.json [--quick]

Needs torch with CUDA and transformers; models get random weights, so nothing is downloaded. Every row says what was run
and what PyTorch and the driver reported of it, in bytes:

- `driver`: what the device has in all, and what a process takes for its context before and after its first kernel;
- `allocator`: what PyTorch's allocator takes for a request of so many bytes;
- `workspace`: what the first matrix product keeps;
- `forward`: a model of transformers at prefill and at decoding: weights, cache, peak;
- `training`: one step of AdamW: weights, gradients, states, peak.

The rows that are kept in tests/golden/gpu_runs.json were measured with this script.
"""

import argparse
import gc
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

MODELS = Path(__file__).resolve().parents[2] / "rust" / "core" / "data" / "models.json"

# Name, batch and tokens of each prompt. The sizes are such that one 80 GB GPU holds them.
FORWARDS: list[tuple[str, list[tuple[int, int]]]] = [
    ("llama-3.1-8b", [(1, 512), (1, 8192), (4, 4096), (1, 32768)]),
    ("qwen2.5-7b", [(1, 8192), (8, 1024)]),
    ("qwen3-8b", [(1, 8192)]),
    ("gemma-2-2b", [(1, 2048), (1, 8192)]),
    ("gemma-3-1b", [(1, 8192), (4, 2048)]),
    ("phi-3.5-mini", [(1, 4096)]),
    ("deepseek-v2-lite", [(1, 2048), (1, 8192)]),
    ("qwen3-30b-a3b", [(1, 1024), (1, 8192)]),
    ("gpt-oss-20b", [(1, 2048)]),
    ("mamba-codestral-7b", [(1, 256)]),
    ("gpt2", [(8, 1024)]),
    ("olmo-3-7b", [(1, 8192)]),
    ("mistral-7b", [(1, 8192), (2, 8192)]),
    ("gemma-7b", [(1, 4096)]),
    ("qwen2.5-14b", [(2, 8192)]),
    ("qwen3-14b", [(1, 16384)]),
    ("gpt-j-6b", [(2, 2048)]),
    ("granite-3.1-1b-a400m", [(4, 4096)]),
    ("lfm2-1.2b", [(1, 8192)]),
]

# Name, batch, tokens, dtype, and whether activations are computed anew in the backward pass.
TRAININGS: list[tuple[str, int, int, str, bool]] = [
    ("qwen2.5-0.5b", 1, 2048, "bfloat16", False),
    ("qwen2.5-0.5b", 1, 2048, "bfloat16", True),
    ("qwen2.5-0.5b", 4, 1024, "float32", False),
    ("llama-3.2-1b", 1, 4096, "bfloat16", False),
    ("llama-3.2-1b", 1, 4096, "bfloat16", True),
    ("gpt2", 8, 1024, "float32", False),
]

REQUESTS = [
    1,
    512,
    513,
    100_000,
    1 << 20,
    (1 << 20) + 1,
    3 << 20,
    10 << 20,
    (10 << 20) + 1,
    21 << 20,
    1 << 30,
]


def settle() -> None:
    """Gives everything unused back to the driver and starts the peaks anew."""
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def taken() -> int:
    """Bytes of the device that are not free, whoever has them."""
    free, total = torch.cuda.mem_get_info()
    return total - free


def driver() -> dict[str, Any]:
    """What the device has, and what a process takes of it by itself."""
    properties = torch.cuda.get_device_properties(0)
    before = taken()
    one = torch.ones(1, device="cuda")
    torch.cuda.synchronize()
    after_first_kernel = taken() - torch.cuda.memory_reserved()
    a = torch.randn(1024, 1024, device="cuda", dtype=torch.bfloat16)
    (a @ a).sum().item()
    torch.nn.functional.scaled_dot_product_attention(
        *(a.view(1, 16, 1024, 64) for _ in range(3))
    ).sum().item()
    torch.nn.functional.silu(a).softmax(-1).sort(-1)
    torch.cuda.synchronize()
    after_libraries = taken() - torch.cuda.memory_reserved()
    del one, a
    return {
        "name": properties.name,
        "total_memory": properties.total_memory,
        "mem_get_info_total": torch.cuda.mem_get_info()[1],
        "context_before_first_kernel": before,
        "context_after_first_kernel": after_first_kernel,
        "context_with_libraries": after_libraries,
    }


def allocator() -> list[dict[str, Any]]:
    """What is allocated and reserved for single requests."""
    rows = []
    for request in REQUESTS:
        settle()
        allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
        block = torch.empty(request, dtype=torch.uint8, device="cuda")
        rows.append(
            {
                "request": request,
                "allocated": torch.cuda.memory_allocated() - allocated,
                "reserved": torch.cuda.memory_reserved() - reserved,
            }
        )
        del block
    return rows


def workspace() -> dict[str, Any]:
    """What a matrix product keeps after its first call."""
    settle()
    a = torch.randn(256, 256, device="cuda", dtype=torch.bfloat16)
    before = torch.cuda.memory_allocated()
    b = a @ a
    del b
    torch.cuda.synchronize()
    return {"dtype": "bfloat16", "kept": torch.cuda.memory_allocated() - before}


def built_in(name: str) -> dict[str, Any] | None:
    """The config of a built-in model."""
    for model in json.loads(MODELS.read_text()):
        if name in (model["name"], *model.get("aliases", [])):
            config: dict[str, Any] = model["config"]
            return config
    return None


def with_frequencies(fields: dict[str, Any]) -> dict[str, Any]:
    """The config with every number that its kind of rope asks for. They turn vectors and take no memory, so the built-in
    configs leave them out."""
    rope = dict(fields.get("rope_scaling") or fields.get("rope_parameters") or {})
    kind = rope.get("rope_type", rope.get("type"))
    if kind == "llama3":
        rope = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, **rope}
    elif kind in ("longrope", "su"):
        head = fields.get("head_dim") or fields["hidden_size"] // fields["num_attention_heads"]
        rope = {"long_factor": [1.0] * (head // 2), "short_factor": [1.0] * (head // 2), **rope}
    else:
        return fields
    key = "rope_scaling" if fields.get("rope_scaling") else "rope_parameters"
    return {**fields, key: rope}


def make(name: str, dtype: torch.dtype) -> Any:
    """A model of that config with whatever numbers lie in memory, and its config."""
    fields = built_in(name)
    if fields is None:
        raise LookupError(f"{name} is not built in")
    fields = {key: value for key, value in fields.items() if key != "quantization_config"}
    config = AutoConfig.for_model(**with_frequencies(fields))
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    finally:
        torch.set_default_dtype(previous)
    model = model.to_empty(device="cuda")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.01)
        for buffer in model.buffers():
            buffer.fill_(0.01) if buffer.is_floating_point() else buffer.zero_()
    model.tie_weights()
    return model


def cache_bytes(cache: Any) -> int:
    """Bytes of the storages behind every tensor of a cache, each counted once."""
    seen: dict[int, int] = {}

    def visit(thing: Any, depth: int) -> None:
        if isinstance(thing, torch.Tensor):
            storage = thing.untyped_storage()
            if storage.size() and thing.is_cuda:
                seen[storage.data_ptr()] = storage.size()
        elif isinstance(thing, dict):
            for value in thing.values():
                visit(value, depth + 1)
        elif isinstance(thing, (list, tuple)):
            for value in thing:
                visit(value, depth + 1)
        elif hasattr(thing, "__dict__") and depth < 4:
            visit(vars(thing), depth + 1)

    visit(cache, 0)
    return sum(seen.values())


@torch.inference_mode()
def forward(name: str, sizes: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """A prompt and some tokens after it, for each size."""
    settle()
    base = torch.cuda.memory_allocated()
    model = make(name, torch.bfloat16).eval()
    settle()
    weights = torch.cuda.memory_allocated() - base
    rows = []
    for batch, tokens in sizes:
        row: dict[str, Any] = {
            "model": name,
            "batch": batch,
            "tokens": tokens,
            "dtype": "bfloat16",
            "attention": model.config._attn_implementation,
            "parameters": sum(p.numel() for p in model.parameters()),
            "weights_allocated": weights,
        }
        try:
            ids = torch.zeros(batch, tokens, dtype=torch.long, device="cuda")
            # Once before, so that workspaces and compiled kernels are there.
            out = model(ids[:, :64], use_cache=True, logits_to_keep=1)
            del out
            settle()
            before = torch.cuda.memory_allocated()
            out = model(ids, use_cache=True, logits_to_keep=1)
            torch.cuda.synchronize()
            row["prefill_peak"] = torch.cuda.max_memory_allocated() - before
            row["prefill_reserved"] = torch.cuda.max_memory_reserved()
            cache = (
                out.past_key_values if hasattr(out, "past_key_values") else getattr(out, "cache_params", None)
            )
            row["logits_dtype"] = str(out.logits.dtype)
            row["logits_shape"] = list(out.logits.shape)
            del out
            row["cache_bytes"] = cache_bytes(cache)
            row["allocated_after"] = torch.cuda.memory_allocated() - before
            del cache
            settle()
            before = torch.cuda.memory_allocated()
            out = model.generate(ids, max_new_tokens=8, min_new_tokens=8, do_sample=False, pad_token_id=0)
            torch.cuda.synchronize()
            row["generate_peak"] = torch.cuda.max_memory_allocated() - before
            del out
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            row["error"] = f"{type(error).__name__}: {error}"[:300]
        rows.append(row)
        settle()
    del model
    settle()
    return rows


def training(name: str, batch: int, tokens: int, dtype: str, again: bool) -> dict[str, Any]:
    """One step of AdamW after a first one that makes its states."""
    settle()
    base = torch.cuda.memory_allocated()
    model = make(name, getattr(torch, dtype)).train()
    if again:
        model.gradient_checkpointing_enable()
    settle()
    row: dict[str, Any] = {
        "model": name,
        "batch": batch,
        "tokens": tokens,
        "dtype": dtype,
        "gradient_checkpointing": again,
        "attention": model.config._attn_implementation,
        "parameters": sum(p.numel() for p in model.parameters()),
        "weights_allocated": torch.cuda.memory_allocated() - base,
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    ids = torch.zeros(batch, tokens, dtype=torch.long, device="cuda")

    def step() -> None:
        loss = model(ids, labels=ids, use_cache=False).loss
        row["after_forward"] = torch.cuda.memory_allocated() - base
        row["forward_peak"] = torch.cuda.max_memory_allocated() - base
        loss.backward()
        row["after_backward"] = torch.cuda.memory_allocated() - base
        row["backward_peak"] = torch.cuda.max_memory_allocated() - base
        optimizer.step()
        row["after_step"] = torch.cuda.memory_allocated() - base
        optimizer.zero_grad(set_to_none=True)
        row["without_gradients"] = torch.cuda.memory_allocated() - base

    try:
        step()
        settle()
        step()
        torch.cuda.synchronize()
        row["peak"] = torch.cuda.max_memory_allocated() - base
        row["peak_reserved"] = torch.cuda.max_memory_reserved()
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        row["error"] = f"{type(error).__name__}: {error}"[:300]
    return row


def main() -> int:
    """Measure everything, row by row, and keep what is there even if a later row fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="the smallest of each only")
    parser.add_argument("--seconds", type=float, default=400.0, help="start nothing new after so long")
    parser.add_argument("--only", default="", help="names of models, with commas between; all if not given")
    options = parser.parse_args()
    began = time.monotonic()
    result: dict[str, Any] = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cuda": torch.version.cuda,
    }

    def keep() -> None:
        options.out.write_text(json.dumps(result, indent=1) + "\n")

    result["driver"] = driver()
    result["allocator"] = allocator()
    result["workspace"] = workspace()
    keep()
    result["forward"], result["training"], result["failed"] = [], [], []
    jobs = [("training", entry) for entry in TRAININGS] + [("forward", entry) for entry in FORWARDS]
    if options.only:
        jobs = [(kind, entry) for kind, entry in jobs if entry[0] in options.only.split(",")]
    for kind, entry in jobs[:: len(jobs) // 2] if options.quick else jobs:
        if time.monotonic() - began > options.seconds:
            result["failed"].append({"kind": kind, "entry": entry, "why": "no time left"})
            continue
        try:
            if kind == "forward":
                result["forward"] += forward(*entry)
            else:
                result["training"].append(training(*entry))
        except Exception as error:
            # One model that cannot be made must not lose the rows of the others.
            traceback.print_exc()
            result["failed"].append(
                {"kind": kind, "entry": entry, "why": f"{type(error).__name__}: {error}"[:300]}
            )
        settle()
        keep()
        print(f"{time.monotonic() - began:6.1f} s  {kind} {entry}", file=sys.stderr, flush=True)
    keep()
    return 0


if __name__ == "__main__":
    sys.exit(main())
