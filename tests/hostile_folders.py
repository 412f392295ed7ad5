"""Hostile and damaged folders: kinds of files, names, indexes, pipelines, configurations, numberings, links."""

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import writer
from hostile_case import (
    BOTH_LISTED,
    INDEX,
    MODEL,
    PACKED,
    SHARDS,
    Case,
    Text,
    beside_case,
    encoded,
    file_case,
    index_case,
    more_listed,
    nested,
    tensor,
)


def files() -> Iterator[Case]:
    unreadable, broken_link = "file-unreadable", "link-broken"

    def special(name: str, make: Callable[[Path], object], *problems: str, **rest: Any) -> Case:
        return Case(f"file: {name}", lambda folder: make(folder / MODEL), problems, **rest)

    def plug(path: Path) -> None:
        # The path of a socket is limited to 100 characters or so, which that of a test may exceed.
        with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as end:
            end.bind(f"{short}/s")
            shutil.move(f"{short}/s", path)

    def locked(path: Path) -> None:
        writer.write(path, {"a": ("F32", [1])})
        path.chmod(0)

    yield special("a pipe", os.mkfifo, unreadable, says="not a regular file", tensors=0)
    yield special("a socket", plug, unreadable, says=MODEL, tensors=0)
    yield special(
        "a device", lambda path: path.symlink_to("/dev/zero"), unreadable, says="not a regular file"
    )
    yield special("a link to itself", lambda path: path.symlink_to(MODEL), unreadable, says=MODEL)
    yield special("a link to nothing", lambda path: path.symlink_to("../blobs/0"), broken_link, says=MODEL)
    yield special("a folder", Path.mkdir, checkpoints=0)
    root = "root may read everything" if os.geteuid() == 0 else ""
    yield special("not to be read", locked, unreadable, says=MODEL, skip=root)

    def named(name: str | bytes) -> Callable[[Path], None]:
        def write(folder: Path) -> None:
            writer.write(folder / "x", {"a": ("F32", [1])})
            os.rename(folder / "x", os.path.join(os.fsencode(folder), os.fsencode(name)))

        return write

    for name, file in [
        ("a line break", "model\nfake.safetensors"),
        ("quotes", "mo'd\"el.safetensors"),
        ("a terminal escape", "model\x1b[31m.safetensors"),
        ("text from right to left", "model\u202egpj.safetensors"),
        ("letters before a part number", "modelé00001-of-00002.safetensors"),
        ("upper case", "MODEL.SAFETENSORS"),
        ("two endings", "model.safetensors.safetensors"),
        ("a space", " .safetensors"),
        ("250 letters", "m" * 238 + ".safetensors"),
    ]:
        yield Case(f"file name: {name}", named(file), tensors=1)
    yield Case("file name: not UTF-8", named(b"model\xff.safetensors"), tensors=1)

    def dark(folder: Path) -> None:
        writer.write(folder / "x" / MODEL, {"a": ("F32", [1])})
        os.rename(folder / "x", os.path.join(os.fsencode(folder), b"dark\xff"))

    yield Case("folder name: not UTF-8", dark, tensors=1)
    for name, text in [
        ("a line break", "a\\nb"),
        ("a quote", 'a\\"b'),
        ("a terminal escape", "\\u001b[31mred"),
        ("text from right to left", "\u202eabc"),
        ("nothing", ""),
        ("NUL", "\\u0000"),
        ("a name of the format", "__metadata"),
    ]:
        yield file_case(f"tensor name: {name}", "{" + tensor(text, 0, 4) + "}", data=4, tensors=1)
        overlap = "{" + tensor(text, 0, 4) + "," + tensor("z" + text, 0, 4) + "}"
        yield file_case(f"tensor name: {name}, in a message", overlap, "offsets-overlap", data=4, tensors=2)


def indexes() -> Iterator[Case]:
    invalid, missing = "index-invalid", "shard-missing"
    for name, text in [
        ("not JSON", "weights"),
        ("empty", ""),
        ("an array", "[]"),
        ("no map", "{}"),
        ("a map that is a list", '{"weight_map":[]}'),
        ("a map that is null", '{"weight_map":null}'),
        ("a shard that is a number", '{"weight_map":{"a.w":1}}'),
        ("a shard that is null", '{"weight_map":{"a.w":null}}'),
        ("a shard that is a list", '{"weight_map":{"a.w":["x"]}}'),
        ("it does not end", '{"weight_map":{' + BOTH_LISTED),
        ("something behind it", '{"weight_map":{' + BOTH_LISTED + "}} x"),
        ("a comma at the end", '{"weight_map":{' + BOTH_LISTED + ",}}"),
        ("two maps", '{"weight_map":{' + BOTH_LISTED + '},"weight_map":{}}'),
        ("deep", lambda: '{"weight_map":{' + BOTH_LISTED + '},"x":' + nested(1_000_000) + "}"),
        ("zeros", bytes(1000)),
        (
            "not UTF-8 in the first name",
            b'{"weight_map":{"\xff":"x.safetensors",' + BOTH_LISTED.encode() + b"}}",
        ),
        (
            "not UTF-8 in another name",
            b'{"weight_map":{' + BOTH_LISTED.encode() + b',"\xff":"x.safetensors"}}',
        ),
        ("not UTF-8 in a shard", b'{"weight_map":{' + BOTH_LISTED.encode() + b',"c.w":"\xff"}}'),
    ]:
        yield index_case(f"index: {name}", text, invalid, says=INDEX, tensors=2)
    twice = '{"weight_map":{"a.w":"model-00001-of-00002.safetensors",' + BOTH_LISTED + "}}"
    yield index_case("index: a name twice", twice, invalid, says="a.w", tensors=2)
    empty = '{"weight_map":{}}'
    yield index_case("index: an empty map", empty, "index-stale", says="names 0 shards", tensors=2)
    for name, file in [
        ("an absolute path", "/etc/passwd"),
        ("a path upwards", "../model.safetensors"),
        ("a path inwards", "sub/model.safetensors"),
        ("no name", ""),
        ("a dot", "."),
        ("an address", "https://example.com/x.safetensors"),
        ("NUL", "x\0.safetensors"),
        ("another kind of file", INDEX),
    ]:
        says = json.dumps(file) if file.isprintable() else "x"
        yield index_case(
            f"index: a shard that is {name}", more_listed("c.w", file), missing, says=says, tensors=2
        )

    def folder_shard(folder: Path) -> None:
        index_case("", more_listed("c.w", "sub.safetensors")).write(folder)
        (folder / "sub.safetensors").mkdir()

    yield Case(
        "index: a shard that is a folder", folder_shard, (missing,), says='"sub.safetensors"', tensors=2
    )

    def outside(folder: Path) -> None:
        (folder / "inside").mkdir()
        index_case("", more_listed("c.w", "../secret.safetensors")).write(folder / "inside")
        writer.write(folder / "secret.safetensors", {"c.w": ("F32", [1])})

    yield Case(
        "index: a shard outside",
        outside,
        (missing,),
        says='"../secret.safetensors"',
        tensors=2,
        scanned="inside",
    )
    for name, total, problems in [
        ("a fraction", "8.0", ()),
        ("a string", '"8"', ()),
        ("negative", "-8", ()),
        ("null", "null", ()),
        ("over 64 bits", "18446744073709551616", ()),
        ("beyond all floats", "1e400", ()),
        ("right", "8", ()),
        ("wrong", "9", ("total-size-wrong",)),
        ("zero", "0", ("total-size-wrong",)),
    ]:
        text = '{"metadata":{"total_size":' + total + '},"weight_map":{' + BOTH_LISTED + "}}"
        says = f"total_size {total}" if problems else ""
        yield index_case(f"index: a total that is {name}", text, *problems, says=says, tensors=2)

    def crowd() -> str:
        absent = {f"c.{n}": f"x{n}.safetensors" for n in range(100_000)}
        return json.dumps({"weight_map": json.loads(f"{{{BOTH_LISTED}}}") | absent})

    cut = (missing,) * 50 + ("more-of-same",)
    yield index_case("index: 100,000 shards that are not there", crowd, *cut, tensors=2, several=True)
    moved = (
        '{"weight_map":{"a.w":"model-00002-of-00002.safetensors","b.w":"model-00002-of-00002.safetensors"}}'
    )
    yield index_case(
        "index: a tensor in another shard",
        moved,
        "shard-unlisted",
        "tensor-missing",
        says="model-00001",
        tensors=1,
    )

    def special(name: str, make: Callable[[Path], object], *problems: str) -> Case:
        def write(folder: Path) -> None:
            for file, tensors in SHARDS.items():
                writer.write(folder / file, tensors)
            make(folder / INDEX)

        return Case(f"index: {name}", write, problems, says=INDEX if problems else "", tensors=2)

    def hole(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(10 << 30)

    yield special("a pipe", os.mkfifo, invalid)
    yield special("a link to nothing", lambda path: path.symlink_to("nothing"), invalid)
    yield special("a folder", Path.mkdir)
    yield special("10 GB of zeros", hole, invalid)

    def no_shards(folder: Path) -> None:
        (folder / INDEX).write_text('{"weight_map":{' + BOTH_LISTED + "}}")

    yield Case(
        "index: no shard at all", no_shards, (missing, missing), says="model-0000", several=True, tensors=0
    )


def pipelines() -> Iterator[Case]:
    def pipeline(name: str, file: str, text: Text, *problems: str, **rest: Any) -> Case:
        def write(folder: Path) -> None:
            writer.write(folder / "inside" / "unet" / MODEL, {"a": ("F32", [1])})
            writer.write(folder / "up" / MODEL, {"secret": ("F32", [1])})
            (folder / "inside" / file).write_bytes(encoded(text))

        return Case(
            f"pipeline: {name}", write, problems, scanned="inside", tensors=rest.pop("tensors", 1), **rest
        )

    unet = '"unet":["diffusers","UNet2DConditionModel"]'
    invalid, missing = "config-invalid", "component-missing"
    for name, text in [
        ("not JSON", "unet"),
        ("empty", ""),
        ("a string", '"unet"'),
        ("deep", lambda: "{" + unet + ',"x":' + nested(1_000_000) + "}"),
        ("10 MB", lambda: "{" + unet + "}" + " " * 10_000_000),
    ]:
        yield pipeline(name, "model_index.json", text, invalid, says="model_index.json")
    for name, text in [
        ("a path upwards", '{"../up":["diffusers","X"],"..":["diffusers","X"],' + unet + "}"),
        ("an absolute path", '{"/etc":["diffusers","X"],"/":["diffusers","X"],' + unet + "}"),
        ("a path with a backslash", '{"..\\\\up":["diffusers","X"],' + unet + "}"),
        ("other kinds", '{"vae":5,"x":[1,2],"y":["a"],"z":[null,null],"w":{"a":1},"v":[],' + unet + "}"),
        ("a component twice", "{" + unet + "," + unet + "}"),
    ]:
        yield pipeline(name, "model_index.json", text)
    text = '{"v\\u0000ae":["diffusers","X"],' + unet + "}"
    yield pipeline("a component with NUL in its name", "model_index.json", text, missing, says='"v\\0ae"')
    text = '{"va\\ne":["diffusers","X"],' + unet + "}"
    yield pipeline(
        "a component with a line break in its name", "model_index.json", text, missing, says='"va\\ne"'
    )

    def pipe(folder: Path) -> None:
        writer.write(folder / "unet" / MODEL, {"a": ("F32", [1])})
        os.mkfifo(folder / "model_index.json")

    yield Case("pipeline: a pipe", pipe, (invalid,), says="not a regular file", tensors=1)
    odd = '[{"path":"../up"},{"path":"/etc"},{"path":""},{"path":""},{"path":5},{"x":1},5,null,[],"a"]'
    yield beside_case("modules: other paths and kinds", "modules.json", odd, tensors=1)
    yield beside_case("modules: a number", "modules.json", "5", invalid, says="modules.json", tensors=1)
    yield beside_case("modules: not JSON", "modules.json", "[", invalid, says="modules.json", tensors=1)


def configurations() -> Iterator[Case]:
    invalid = "config-invalid"
    for name, text in [
        ("not JSON", "model"),
        ("empty", ""),
        ("it does not end", "{"),
        ("deep", lambda: nested(1_000_000)),
        ("10 MB", lambda: '{"a":"' + "a" * 10_000_000 + '"}'),
        ("8 MB of lists", lambda: "[" + "[]," * 2_790_000 + "[]]"),
        ("not UTF-8", b'{"a":"\xff"}'),
    ]:
        problems = () if name == "8 MB of lists" else (invalid,)
        yield beside_case(
            f"configuration: {name}",
            "config.json",
            text,
            *problems,
            says="config.json" if problems else "",
            tensors=1,
        )
    for name, text in [
        ("an array", "[]"),
        ("null", "null"),
        ("Infinity and NaN", '{"time_step_limit":[0.0,Infinity],"x":-Infinity,"y":NaN}'),
        ("a name twice", '{"quantization_config":5,"quantization_config":null}'),
        ("quantization is a number", '{"quantization_config":5}'),
        ("quantization is a list", '{"quantization_config":[{"bits":4}]}'),
        ("quantization is a string", '{"quantization_config":"gptq"}'),
        (
            "quantization of odd kinds",
            '{"quantization_config":{"quant_method":5,"bits":[],"config_groups":7,"modules":{"bits":{}}}}',
        ),
    ]:
        yield beside_case(f"configuration: {name}", "config.json", text, tensors=1)
    for name, bits in [
        ("a string", '"4"'),
        ("negative", "-4"),
        ("zero", "0"),
        ("1e30", "1e30"),
        ("33", "33"),
        ("2 to the 64", str(2**64)),
    ]:
        text = '{"quantization_config":{"quant_method":"gptq","bits":' + bits + ',"group_size":0}}'
        yield beside_case(
            f"configuration: bits are {name}",
            "config.json",
            text,
            "packing-assumed",
            says="m.qweight",
            weights=PACKED,
        )
    fair = '{"quantization_config":{"quant_method":"gptq","bits":4}}'
    yield beside_case("configuration: bits are 4", "config.json", fair, weights=PACKED)

    def special(name: str, make: Callable[[Path], object], *problems: str) -> Case:
        def write(folder: Path) -> None:
            writer.write(folder / MODEL, {"a": ("F32", [1])})
            make(folder / "config.json")

        return Case(
            f"configuration: {name}", write, problems, says="config.json" if problems else "", tensors=1
        )

    def hole(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(100 << 30)

    yield special("a pipe", os.mkfifo, invalid)
    yield special("a folder", Path.mkdir)
    yield special("a device", lambda path: path.symlink_to("/dev/zero"), invalid)
    yield special("100 GB of zeros", hole, invalid)
    yield special("a link to itself", lambda path: path.symlink_to("config.json"), invalid)


def parts() -> Iterator[Case]:
    def numbered(*names: str) -> Callable[[Path], None]:
        def write(folder: Path) -> None:
            for place, name in enumerate(names):
                writer.write(folder / name, {f"t.{place}": ("F32", [1])})

        return write

    def case(name: str, names: list[str], *problems: str, says: str = "", **rest: Any) -> Case:
        return Case(f"parts: {name}", numbered(*names), problems, says=says, tensors=len(names), **rest)

    missing = "shard-missing"
    most = 2**64 - 1
    yield case(
        "the most there can be",
        [f"model-00001-of-{most}.safetensors"],
        missing,
        says=f"{most - 1:,} of {most:,}",
    )
    yield case("more than there can be", [f"model-00001-of-{most + 1}.safetensors"])
    yield case("of none", ["model-1-of-0.safetensors"])
    yield case("none of none", ["model-0-of-0.safetensors"])
    yield case("beyond the last", ["model-7-of-3.safetensors"], missing, says="3 of 3")
    yield case(
        "one beyond the last, one missing",
        [f"model-{n}-of-3.safetensors" for n in (1, 2, 9)],
        missing,
        says="(part 3)",
    )
    yield case(
        "with and without zeros",
        ["model-01-of-2.safetensors", "model-1-of-2.safetensors"],
        missing,
        says="(part 2)",
    )
    yield case("no number", ["model-of-.safetensors", "-of-.safetensors"], checkpoints=2)
    yield case("a number with a sign", ["model-+1-of-+2.safetensors"])
    yield case("other digits", ["model-١-of-٢.safetensors"])  # noqa: RUF001


def folders() -> Iterator[Case]:
    def write_model(folder: Path) -> None:
        writer.write(folder / MODEL, {"a": ("F32", [1])})

    yield Case("folder: empty", lambda folder: None, checkpoints=0)
    yield Case(
        "folder: empty below", lambda folder: (folder / "a" / "b" / "c").mkdir(parents=True), checkpoints=0
    )

    def with_model(
        name: str, make: Callable[[Path], object], *problems: str, says: str = "", scanned: str = "."
    ) -> Case:
        def write(folder: Path) -> None:
            write_model(folder / scanned)
            make(folder)

        return Case(f"folder: {name}", write, problems, says=says, tensors=1, scanned=scanned)

    yield with_model("a link to itself", lambda folder: (folder / "loop").symlink_to("loop"))
    yield with_model("a link to its folder", lambda folder: (folder / "here").symlink_to("."))
    yield with_model("a link upwards", lambda folder: (folder / "in" / "up").symlink_to(".."), scanned="in")

    def cycle(folder: Path) -> None:
        for here, there in [("a", "b"), ("b", "a")]:
            (folder / here).mkdir()
            (folder / here / "next").symlink_to(f"../{there}")

    yield with_model("a cycle of links", cycle)

    def deep(folder: Path) -> None:
        for _ in range(200):
            folder = folder / "d"
            folder.mkdir()

    yield with_model("200 folders deep", deep)

    def many_links(folder: Path) -> None:
        (folder / "large").mkdir()
        for n in range(3000):
            (folder / "large" / f"{n}.txt").touch()
        for n in range(3000):
            (folder / f"link{n}").symlink_to("large")

    yield with_model("3000 links to 3000 files", many_links)
    unfinished = "unfinished-download"
    for file in [
        "model.safetensors.incomplete",
        "4f1c0e.incomplete",
        "model.safetensors.lock",
        "model.safetensors.part",
        "model.safetensors.aria2",
        ".model.safetensors.aB3dE9",
        ".model.safetensors",
        "._model.safetensors.index.json",
        "x.crdownload",
    ]:
        write_file = (lambda name: lambda folder: (folder / name).write_bytes(bytes(5)))(file)
        yield with_model(f"beside {file}", write_file, unfinished, says=f"{file}: 5 bytes")

    def other_format(folder: Path) -> None:
        (folder / "pytorch_model.bin").write_bytes(bytes(7))

    yield with_model("beside another format", other_format, "not-read", says="pytorch_model.bin: 7 bytes")

    def gone(folder: Path) -> None:
        (folder / "pytorch_model.bin").symlink_to("nothing")

    yield with_model("beside a link to nothing of another format", gone, "not-read", says="pytorch_model.bin")

    def indexes_of_one_folder(folder: Path) -> None:
        for n in range(20_000):
            (folder / f"m{n}-00001-of-00001.safetensors").touch()
            (folder / f"m{n}.safetensors.index.json").write_text("{}")

    yield Case(
        "folder: 20,000 indexes",
        indexes_of_one_folder,
        ("file-too-short",) * 20_000 + ("index-invalid",) * 50 + ("more-of-same",),
        says="the file has 0 bytes",
        checkpoints=20_000,
        several=True,
    )


def cases() -> Iterator[Case]:
    """Every case of this module."""
    for group in [files, indexes, pipelines, configurations, parts, folders]:
        yield from group()
