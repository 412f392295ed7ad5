"""What a hostile or damaged model folder is, and short ways to describe one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import writer

MODEL = "model.safetensors"
INDEX = "model.safetensors.index.json"
SOUND = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
SHARDS: dict[str, writer.Tensors] = {
    "model-00001-of-00002.safetensors": {"a.w": ("F32", [1])},
    "model-00002-of-00002.safetensors": {"b.w": ("F32", [1])},
}
BOTH_LISTED = ",".join(f'"{name}":"{file}"' for file, tensors in SHARDS.items() for name in tensors)
PACKED = {"m.qweight": ("I32", [8, 8])}


@dataclass(frozen=True)
class Case:
    """A folder and what must be reported for it.

    Attributes:
        name: A name of its own.
        write: Writes the folder, which exists and is empty.
        problems: The codes of all problems, in any order; none for a folder that must be accepted.
        says: What the text of a problem of the first code must have in it: the offending thing.
        checkpoints: How many checkpoints there are.
        tensors: How many tensors are counted in all of them, if that is worth stating.
        scanned: The part of the folder to scan.
        several: Whether more than one error is right.
        skip: Why the case cannot be had here, if it cannot.
    """

    name: str
    write: Callable[[Path], object]
    problems: tuple[str, ...] = ()
    says: str = ""
    checkpoints: int = 1
    tensors: int | None = None
    scanned: str = "."
    several: bool = False
    skip: str = ""


Text = bytes | str | Callable[[], str]
"""The content of a file; a function if it is long, so that it only exists while it is written."""


def encoded(text: Text) -> bytes:
    text = text() if callable(text) else text
    return text.encode() if isinstance(text, str) else text


def file_case(
    name: str, head: Text, *problems: str, data: int = 0, length: int | None = None, **rest: Any
) -> Case:
    """A folder with one file whose header is this text."""

    def write(folder: Path) -> None:
        writer.write_bytes(folder / MODEL, encoded(head), data, length)

    return Case(name, write, problems, **rest)


def raw_case(name: str, content: bytes, *problems: str, **rest: Any) -> Case:
    """A folder with one file of these bytes."""
    return Case(name, lambda folder: (folder / MODEL).write_bytes(content), problems, **rest)


def beside_case(
    name: str,
    file: str,
    content: Text,
    *problems: str,
    weights: writer.Tensors = {"a": ("F32", [1])},  # noqa: B006
    **rest: Any,
) -> Case:
    """A folder with a sound file, and beside it a file of this name and content."""

    def write(folder: Path) -> None:
        writer.write(folder / MODEL, weights)
        (folder / file).write_bytes(encoded(content))

    return Case(name, write, problems, **rest)


def index_case(name: str, text: Text, *problems: str, **rest: Any) -> Case:
    """A folder with two sound shards, `a.w` in the first and `b.w` in the second, and an index of this text."""

    def write(folder: Path) -> None:
        for file, tensors in SHARDS.items():
            writer.write(folder / file, tensors)
        (folder / INDEX).write_bytes(encoded(text))

    return Case(name, write, problems, **rest)


def more_listed(name: str, file: str) -> str:
    """A sound index that names one more tensor."""
    return json.dumps({"weight_map": json.loads(f"{{{BOTH_LISTED}}}") | {name: file}})


def nested(levels: int) -> str:
    """Brackets within brackets."""
    return "[" * levels + "]" * levels


def tensor(name: str, begin: int, end: int, dtype: str = "U8", shape: str | None = None) -> str:
    """The entry of a tensor at these data offsets; of single bytes, if nothing else is said."""
    shape = f"[{end - begin}]" if shape is None else shape
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}'
