"""Writes model folders for tests: safetensors files whose data is a hole, index files and configurations.

Sizes are worked out here, from the published list of dtypes, and not by the code under test.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BITS = {
    **dict.fromkeys(["F4"], 4),
    **dict.fromkeys(["F6_E2M3", "F6_E3M2"], 6),
    **dict.fromkeys(["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"], 8),
    **dict.fromkeys(["I16", "U16", "F16", "BF16"], 16),
    **dict.fromkeys(["I32", "U32", "F32"], 32),
    **dict.fromkeys(["I64", "U64", "F64", "C64"], 64),
}
"""Bits per element of every dtype of safetensors 0.8."""

Tensors = Mapping[str, tuple[str, Sequence[int]]]


def size(dtype: str, shape: Sequence[int]) -> int:
    """Bytes of a tensor."""
    bits = BITS[dtype] * math.prod(shape)
    assert bits % 8 == 0, "a tensor fills whole bytes"
    return bits // 8


def sizes(tensors: Tensors) -> int:
    """Bytes of all tensors together."""
    return sum(size(dtype, shape) for dtype, shape in tensors.values())


def header(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> tuple[bytes, int]:
    """The header of a file with these tensors, one behind another, and the bytes of data that must follow it."""
    entries: dict[str, Any] = {}
    if metadata is not None:
        entries["__metadata__"] = metadata
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + size(dtype, shape)
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    return json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode(), end


def write_bytes(path: Path, head: bytes, data: int = 0, length: int | None = None) -> int:
    """Write a file with this text for a header; the data is a hole.

    Args:
        path: Where to; missing folders are made.
        head: The header.
        data: Bytes of data behind it.
        length: What the length field says, if not the truth.

    Returns:
        The length of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write((len(head) if length is None else length).to_bytes(8, "little"))
        file.write(head)
        file.truncate(8 + len(head) + data)
    return 8 + len(head) + data


def write(path: Path, tensors: Tensors, metadata: Mapping[str, str] | None = None) -> int:
    """Write a sound file with these tensors; its length in bytes."""
    head, data = header(tensors, metadata)
    return write_bytes(path, head, data)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_index(
    path: Path, files: Mapping[str, Tensors], total: int | None = None, named: Mapping[str, str] | None = None
) -> None:
    """Write an index of files, without the files.

    Args:
        path: Where to.
        files: The tensors of each shard.
        total: What `total_size` says, if not the truth.
        named: More names of tensors, and their shards.
    """
    weights = {name: file for file, tensors in files.items() for name in tensors} | dict(named or {})
    true_total = sum(map(sizes, files.values()))
    write_json(
        path, {"metadata": {"total_size": true_total if total is None else total}, "weight_map": weights}
    )


def write_sharded(
    folder: Path, files: Mapping[str, Tensors], index: str = "model.safetensors.index.json"
) -> int:
    """Write shards and the index that names them; the length of all shards in bytes."""
    write_index(folder / index, files)
    return sum(write(folder / file, tensors) for file, tensors in files.items())


def link(target: str | Path, path: Path) -> None:
    """Make a symbolic link at `path` with exactly this target; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, path)
