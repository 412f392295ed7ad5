"""Hostile and damaged files: lengths, JSON, entries, data ranges, and too much of everything."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import writer
from hostile_case import MODEL, SOUND, Case, file_case, nested, raw_case, tensor

HEADER_LIMIT = 100_000_000
"""The longest header of the format."""


def lengths() -> Iterator[Case]:
    too_short, too_large, cut = "file-too-short", "header-too-large", "header-truncated"
    yield raw_case("empty file", b"", too_short, says="0 bytes")
    yield raw_case("seven bytes", bytes(7), too_short, says="7 bytes")
    yield raw_case("header of length zero", bytes(8), "header-not-json", says="byte 0")
    yield raw_case(
        "length of 2 to the 63", (1 << 63).to_bytes(8, "little"), too_large, says="9,223,372,036,854,775,808"
    )
    yield raw_case("greatest length", b"\xff" * 8, too_large, says="18,446,744,073,709,551,615")
    yield raw_case(
        "big-endian length", (60).to_bytes(8, "big") + bytes(60), too_large, says="4,323,455,642,275,676,160"
    )
    yield raw_case(
        "just over the limit", (HEADER_LIMIT + 1).to_bytes(8, "little"), too_large, says="100,000,001"
    )
    yield raw_case("limit, but no header", HEADER_LIMIT.to_bytes(8, "little"), cut, says="100,000,000")
    yield file_case("length one too many", "{}", cut, length=3, says="3 bytes")
    yield file_case("length one too few", "{} ", "header-not-json", length=1, says="byte 1")
    yield raw_case("a pickle", b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01u.", too_large, says=MODEL)
    yield raw_case("a web page", b"<!DOCTYPE html><html>Not found</html>", too_large, says=MODEL)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n"
    yield raw_case("a pointer of git-lfs", pointer, too_large, says=MODEL)

    def hole(folder: Path) -> None:
        writer.write_bytes(folder / MODEL, b"", data=99_000_000, length=99_000_000)

    yield Case("a header of 99 MB of zeros", hole, ("header-not-json",), says="byte 0")
    yield file_case("a header of 99 MB of spaces", lambda: "{}" + " " * 99_000_000, tensors=0)


def broken_json() -> Iterator[Case]:
    for name, text, says in [
        ("no JSON", "safetensors", "byte 0"),
        ("an array", "[]", "byte 0"),
        ("a string", '"a"', "byte 0"),
        ("null", "null", "byte 0"),
        ("a number", "1", "byte 0"),
        ("an object that does not end", '{"a":', "byte 5"),
        ("an entry that does not end", "{" + SOUND[:-1], "byte 52"),
        ("a name that does not end", '{"a', "byte 3"),
        ("a comma at the end", "{" + SOUND + ",}", "byte 54"),
        ("a comma at the beginning", "{," + SOUND + "}", "byte 1"),
        ("two commas", "{" + SOUND + ",," + SOUND + "}", "byte 54"),
        ("no comma", "{" + SOUND + SOUND + "}", "byte 53"),
        ("two objects", "{" + SOUND + "}{}", "byte 54"),
        ("zeros behind the object", "{" + SOUND + "}\0\0", "byte 54"),
        ("a byte order mark", "\ufeff{" + SOUND + "}", "byte 0"),
        ("single quotes", "{'a':{}}", "byte 1"),
        ("a name without quotes", "{a:{}}", "byte 1"),
        ("a comment", "{/* */" + SOUND + "}", "byte 1"),
        ("no colon", '{"a"{}}', "byte 4"),
        ("a raw line break in a name", '{"a\n":{}}', "byte 3"),
        ("a raw escape character in a name", '{"\x1b[31m":{}}', "byte 2"),
        ("an unknown escape", '{"\\x41":{}}', "byte 2"),
        ("half a surrogate pair", '{"\\ud800":{}}', "byte 2"),
        ("the other half", '{"\\udc00":{}}', "byte 2"),
        ("NaN", '{"a":NaN}', "byte 5"),
        ("a plus sign", '{"a":{"dtype":"F32","shape":[+1],"data_offsets":[0,4]}}', "byte 29"),
        ("a leading zero", '{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', "byte 30"),
        ("a million open brackets", lambda: '{"a":' + "[" * 1_000_000, "nested deeper"),
        ("a million nested brackets", lambda: '{"a":' + nested(1_000_000) + "}", "nested deeper"),
        (
            "a million brackets in a field",
            lambda: "{" + SOUND[:-1] + ',"x":' + nested(1_000_000) + "}}",
            "nested deeper",
        ),
        ("a million objects", lambda: '{"__metadata__":' + '{"a":' * 1_000_000, "nested deeper"),
        ("brackets one level too deep", "{" + SOUND[:-1] + ',"x":' + nested(126) + "}}", "nested deeper"),
    ]:
        yield file_case(f"JSON: {name}", text, "header-not-json", data=4, says=says)
    for name, head in [
        ("in a name", b'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
        ("in a dtype", b'{"a":{"dtype":"F\xff2","shape":[1],"data_offsets":[0,4]}}'),
        ("in the metadata", b'{"__metadata__":{"a":"\xe9"},' + SOUND.encode() + b"}"),
        ("in a field that is not read", b"{" + SOUND[:-1].encode() + b',"x":"\xc3("}}'),
        ("an overlong slash", b'{"\xc0\xaf":{}}'),
        ("a surrogate", b'{"\xed\xa0\x80":{}}'),
        ("UTF-16", "{}".encode("utf-16-le")),
    ]:
        code = "header-not-json" if name == "UTF-16" else "header-not-utf8"
        yield file_case(f"not UTF-8: {name}", head, code, data=4, says=MODEL)
    yield file_case(
        "brackets as deep as allowed", "{" + SOUND[:-1] + ',"x":' + nested(125) + "}}", data=4, tensors=1
    )
    yield file_case(
        "wide white space", "\r\n\t {\n" + SOUND.replace(":", " :\n\t") + "\n}  \n", data=4, tensors=1
    )


def entry(**fields: str) -> str:
    """A header with one entry `a`; fields given as empty text are left out."""
    values = {"dtype": '"F32"', "shape": "[1]", "data_offsets": "[0,4]"} | fields
    return '{"a":{' + ",".join(f'"{name}":{value}' for name, value in values.items() if value) + "}}"


def broken_entries() -> Iterator[Case]:
    for name, head in [
        ("null", '{"a":null}'),
        ("a number", '{"a":1}'),
        ("a string", '{"a":"F32"}'),
        ("an array", '{"a":["F32",[1],[0,4]]}'),
        ("an empty object", '{"a":{}}'),
        ("no dtype", entry(dtype="")),
        ("no shape", entry(shape="")),
        ("no offsets", entry(data_offsets="")),
        ("dtype is a number", entry(dtype="32")),
        ("dtype is null", entry(dtype="null")),
        ("dtype is an object", entry(dtype='{"F32":null}')),
        ("shape is a number", entry(shape="1")),
        ("shape is null", entry(shape="null")),
        ("shape is an object", entry(shape="{}")),
        ("a side is a list", entry(shape="[[1]]")),
        ("a side is a string", entry(shape='["1"]')),
        ("a side is negative", entry(shape="[-1]")),
        ("a side is a fraction", entry(shape="[1.0]")),
        ("a side has an exponent", entry(shape="[1e0]")),
        ("a side is 1e400", entry(shape="[1e400]")),
        ("a side is 2 to the 64", entry(shape="[18446744073709551616]")),
        ("a side has 100,000 digits", entry(shape=f"[{'9' * 100_000}]")),
        ("one offset", entry(data_offsets="[0]")),
        ("three offsets", entry(data_offsets="[0,4,8]")),
        ("no offset", entry(data_offsets="[]")),
        ("offsets are an object", entry(data_offsets='{"begin":0,"end":4}')),
        ("an offset is negative", entry(data_offsets="[-1,3]")),
        ("an offset is a string", entry(data_offsets='[0,"4"]')),
        ("an offset is a fraction", entry(data_offsets="[0,4.5]")),
        ("an offset is null", entry(data_offsets="[null,4]")),
        ("an offset is over 64 bits", entry(data_offsets="[0,184467440737095516160]")),
        ("dtype twice", '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
        ("shape twice", '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}'),
        ("offsets twice", '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}'),
    ]:
        yield file_case(f"entry: {name}", head, "entry-invalid", data=4, says=": a: ", tensors=0)
    for name, value in [
        ("a list", "[]"),
        ("a string", '"pt"'),
        ("a number in it", '{"epoch":1}'),
        ("null in it", '{"a":null}'),
        ("an object in it", '{"a":{"b":"c"}}'),
    ]:
        head = '{"__metadata__":' + value + "," + SOUND + "}"
        yield file_case(f"metadata: {name}", head, "entry-invalid", data=4, says="__metadata__", tensors=1)
    twice = '{"__metadata__":{"a":"1"},' + SOUND + ',"__metadata__":{}}'
    yield file_case("metadata: twice", twice, "entry-invalid", data=4, says="__metadata__", tensors=1)
    for name, value in [("null", "null"), ("empty", "{}"), ("a name twice in it", '{"a":"1","a":"2"}')]:
        head = '{"__metadata__":' + value + "," + SOUND + "}"
        yield file_case(f"metadata: {name}", head, data=4, tensors=1)
    yield file_case("a field too large for a float", entry(more="1e400"), data=4, tensors=1)
    yield file_case("a field of another kind", entry(more='{"x":[null,{}]}'), data=4, tensors=1)
    yield file_case("no tensors", "{}", tensors=0)
    yield file_case("no tensors, with metadata", '{"__metadata__":{"format":"pt"}}', tensors=0)
    yield file_case("a scalar", entry(shape="[]"), data=4, tensors=1)
    yield file_case("a tensor without elements", entry(shape="[0]", data_offsets="[0,0]"), tensors=1)
    yield file_case(
        "zero times too much", entry(shape="[0,18446744073709551615]", data_offsets="[0,0]"), tensors=1
    )


def broken_data() -> Iterator[Case]:
    def ranges(name: str, entries: list[str], data: int, *problems: str, **rest: Any) -> Case:
        return file_case(f"data: {name}", "{" + ",".join(entries) + "}", *problems, data=data, **rest)

    first = tensor("a", 0, 4)
    yield ranges("overlap", [first, tensor("b", 2, 6)], 6, "offsets-overlap", says=": b: ")
    yield ranges("the same bytes", [first, tensor("b", 0, 4)], 4, "offsets-overlap", says="[0, 4]")
    yield ranges("nothing inside another", [tensor("b", 2, 2), first], 4, "offsets-overlap", says=": b: ")
    yield ranges("a gap", [first, tensor("b", 6, 8)], 8, "offsets-gap", says="leave 2 bytes")
    yield ranges("a gap at the beginning", [tensor("a", 4, 8)], 8, "offsets-gap", says="leave 4 bytes")
    backward = '"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}'
    yield ranges("backward", [backward], 4, "offsets-reversed", says="[4, 0]")
    yield ranges("past the end", [first, tensor("b", 4, 12)], 4, "data-truncated", says="need")
    yield ranges("one byte short", [first], 3, "data-truncated", says="need")
    yield ranges("one byte over", [first], 5, "data-trailing", says="need")
    yield ranges("all bytes over", [], 1, "data-trailing", says="11 bytes")
    end = 2**64 - 1
    yield ranges(
        "at the end of the address space",
        [tensor("a", end - 4, end, shape="[4]")],
        4,
        "offsets-gap",
        "data-truncated",
        several=True,
    )
    too_many = "[4294967296,4294967296]"
    yield ranges(
        "elements over 64 bits",
        [tensor("a", 0, 4, "U8", too_many)],
        4,
        "shape-overflow",
        says=too_many.replace(",", ", "),
    )
    yield ranges(
        "bits over 64 bits",
        [tensor("a", 0, 4, "F64", "[576460752303423488]")],
        4,
        "shape-overflow",
        says="64 bits",
    )
    yield ranges(
        "too much, then zero",
        [tensor("a", 0, 0, "U8", "[18446744073709551615,2,0]")],
        0,
        "shape-overflow",
        says=": a: ",
    )
    yield ranges("half a byte over", [tensor("a", 0, 2, "F4", "[3]")], 2, "size-mismatch", says="12 bits")
    yield ranges(
        "six-bit floats that fill no bytes",
        [tensor("a", 0, 1, "F6_E2M3", "[1]")],
        1,
        "size-mismatch",
        says="6 bits",
    )
    yield ranges("six-bit floats that do", [tensor("a", 0, 3, "F6_E3M2", "[4]")], 3, tensors=1)
    yield ranges("two half bytes", [tensor("a", 0, 1, "F4", "[2]")], 1, tensors=1)
    yield ranges("too many bytes", [tensor("a", 0, 5, "F32", "[1]")], 5, "size-mismatch", says="span 5 bytes")
    yield ranges("too few bytes", [tensor("a", 0, 3, "F32", "[1]")], 3, "size-mismatch", says="span 3 bytes")
    yield ranges(
        "a dtype of the future", [tensor("a", 0, 7, "F3", "[16]")], 7, "dtype-unknown", says='"F3"', tensors=1
    )
    yield ranges(
        "a dtype in lower case",
        [tensor("a", 0, 4, "f32", "[1]")],
        4,
        "dtype-unknown",
        says='"f32"',
        tensors=1,
    )
    yield ranges("no dtype's name", [tensor("a", 0, 4, "", "[1]")], 4, "dtype-unknown", says='""', tensors=1)
    yield ranges("in another order", [tensor("b", 4, 8), first], 8, tensors=2)
    yield ranges("a name twice", [first, tensor("a", 4, 8)], 8, "tensor-duplicate", says=": a: ", tensors=1)
    escaped = tensor("\\u0061", 4, 8)
    yield ranges(
        "a name twice, once escaped", [first, escaped], 8, "tensor-duplicate", says=": a: ", tensors=1
    )
    numbers = [tensor("m.1.w", 0, 4), tensor("m.01.w", 4, 8), tensor("m.1.w", 8, 12)]
    yield ranges("a name with a number twice", numbers, 12, "tensor-duplicate", says="m.1.w", tensors=2)


def large() -> Iterator[Case]:
    def many(name: str, entries: Callable[[int], str], data: int, *problems: str, **rest: Any) -> Case:
        """A header with as many entries as it has bytes of data, or a number of its own."""
        number = rest.pop("number", data)
        return file_case(
            f"many: {name}",
            lambda: "{" + ",".join(map(entries, range(number))) + "}",
            *problems,
            data=data,
            **rest,
        )

    def letters(n: int) -> str:
        # A name without a number of its own: each is a pattern by itself.
        return f"t{n:x}q"

    count, fewer = 200_000, 50_000
    yield many("distinct names", lambda n: tensor(letters(n), n, n + 1), count, tensors=count)
    yield many("numbered names", lambda n: tensor(f"h.{n}.w", n, n + 1), count, tensors=count)
    cut = ("tensor-duplicate",) * 50 + ("more-of-same",)
    yield many(
        "times one name", lambda n: tensor("a", n, n + 1), count, *cut, says=": a: ", tensors=1, several=True
    )
    cut = ("entry-invalid",) * 50 + ("more-of-same",)
    yield many(
        "wrong entries",
        lambda n: f'"{letters(n)}":5',
        0,
        *cut,
        says=": t0q: ",
        tensors=0,
        several=True,
        number=count,
    )
    cut = ("offsets-overlap",) * 50 + ("more-of-same",)
    yield many(
        "tensors in one place",
        lambda n: tensor(letters(n), 0, 1),
        1,
        *cut,
        says="[0, 1]",
        tensors=count,
        several=True,
        number=count,
    )
    yield many(
        "stacks with a prediction layer",
        lambda n: tensor(f"{letters(n)}.layers.1.enorm.weight", n, n + 1),
        fewer,
        tensors=fewer,
    )
    yield many(
        "prediction layers in one stack",
        lambda n: tensor(f"m.layers.{n}.enorm.weight", n, n + 1),
        fewer,
        tensors=fewer,
    )

    yield many(
        "names in a prediction layer",
        lambda n: tensor(f"m.layers.0.{letters(n) if n else 'enorm'}.weight", n, n + 1),
        100_000,
        tensors=100_000,
    )

    def sides(number: int) -> str:
        return ",".join(["1"] * number)

    yield file_case(
        "large: a shape of a million sides", lambda: entry(shape=f"[{sides(1_000_000)}]"), data=4, tensors=1
    )
    yield many(
        "wrong shapes of many sides",
        lambda n: tensor(letters(n), 4 * n, 4 * n + 4, "U8", f"[{sides(50_001)}]"),
        80,
        *("size-mismatch",) * 20,
        says="(50001 sides)",
        tensors=20,
        several=True,
        number=20,
    )
    for name, text in [
        ("a name of 20 MB", lambda: "a" * 20_000_000),
        ("a name of a million dots", lambda: "." * 1_000_000),
        ("a name of half a million numbers", lambda: "1." * 500_000),
    ]:
        yield file_case(
            f"large: {name}", lambda text=text: "{" + tensor(text(), 0, 4) + "}", data=4, tensors=1
        )

    def metadata() -> str:
        keys = ",".join(f'"{n}":""' for n in range(count))
        return '{"__metadata__":{' + keys + "}," + SOUND + "}"

    yield file_case("large: much metadata", metadata, data=4, tensors=1)

    def crowd(folder: Path) -> None:
        for n in range(4000):
            writer.write(folder / f"{letters(n)}.safetensors", {"a": ("F32", [1])})

    yield Case("many: files of one folder, each a model", crowd, checkpoints=4000, tensors=4000)

    def packed(folder: Path) -> None:
        writer.write(folder / MODEL, {f"{letters(n)}.qweight": ("I32", [8, 1]) for n in range(100_000)})
        # A grid for one module makes each packed tensor be counted on its own.
        grids = {"bits": 4, "group_size": 64, "x": {"bits": 8}}
        writer.write_json(folder / "config.json", {"quantization": grids})

    yield Case("many: packed tensors, each on its own", packed, tensors=100_000)

    def mixed(folder: Path) -> None:
        names = [letters(n) for n in range(50_000)]
        weights: writer.Tensors = {f"{name}.weight": ("U32", [1, 1]) for name in names}
        scales: writer.Tensors = {f"{name}.scales": ("F16", [1, 1]) for name in names}
        writer.write(folder / MODEL, {**weights, **scales})
        # The grid of all, of which a tensor's own differs: each goes to a group that is new to the file.
        grids = {"bits": 4, "group_size": 64} | {name: {"bits": 8} for name in names}
        writer.write_json(folder / "config.json", {"quantization": grids})

    yield Case("many: packed tensors with grids of their own", mixed, tensors=100_000)


def cases() -> Iterator[Case]:
    """Every case of this module."""
    for group in [lengths, broken_json, broken_entries, broken_data, large]:
        yield from group()
