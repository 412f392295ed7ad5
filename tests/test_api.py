"""The Python API: values, types, immutability, pickling, threads, interruption and errors."""

import errno
import importlib
import json
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pandas
import polars
import pyarrow
import pytest

import pondera
from pondera import _native


def test_sums_by_role_dtype_and_layer_are_those_counted_by_hand(tiny):
    checkpoint = pondera.scan(tiny)
    roles = {role: (sums.tensors, sums.parameters, sums.bytes) for role, sums in checkpoint.roles.items()}
    assert roles == {
        "embedding": (1, 800, 1600),
        "attention": (4, 256, 512),
        "mlp": (3, 768, 1536),
        "norm": (2, 16, 64),
        "head": (1, 800, 1600),
    }
    assert {name: sums.bytes for name, sums in checkpoint.dtypes.items()} == {"BF16": 5248, "F32": 64}
    layers = {name: sums.parameters for name, sums in checkpoint.layers.items()}
    assert layers == {"outside": 1608, "model.layers.0": 1032}
    assert (checkpoint.tensors, checkpoint.parameters, checkpoint.stored_bytes) == (11, 2640, 5312)
    assert checkpoint.file_bytes == (tiny / "model.safetensors").stat().st_size


def test_a_checkpoint_says_what_it_is(tiny):
    checkpoint = pondera.scan(tiny)
    assert (checkpoint.path, checkpoint.name) == (str(tiny), "tiny")
    assert (checkpoint.format, checkpoint.kind, checkpoint.quantization) == ("safetensors", "model", None)
    assert (checkpoint.components, checkpoint.shards, checkpoint.problems) == ((), 1, ())
    assert checkpoint.metadata == {"format": "pt"}
    (file,) = checkpoint.files
    assert file.path == str(tiny / "model.safetensors")
    assert (file.tensors, file.file_bytes - file.header_bytes) == (11, 5312)


@pytest.mark.parametrize("convert", [str, Path])
def test_text_and_path_objects_name_the_same_model(tiny, convert):
    assert pondera.scan(convert(tiny)) == pondera.scan(tiny)
    assert pondera.scan(convert(tiny / "model.safetensors")).parameters == 2640


def test_a_tree_is_a_sequence_in_path_order(tmp_path, write):
    for name in ("b", "a", "c/d"):
        write(tmp_path / name / "model.safetensors", {"model.norm.weight": ("F32", [4])})
    tree = pondera.scan_tree(tmp_path)
    assert [Path(one.path).relative_to(tmp_path).as_posix() for one in tree] == ["a", "b", "c/d"]
    assert (len(tree), tree[0].name, tree[-1].name, len(tree[1:])) == (3, "a", "d", 2)
    assert isinstance(tree.checkpoints, tuple)
    with pytest.raises(IndexError):
        tree[3]


def test_a_file_that_two_models_share_counts_once_on_disk(tmp_path, write):
    first = write(tmp_path / "a" / "model.safetensors", {"model.norm.weight": ("F32", [4])})
    (tmp_path / "b").mkdir()
    os.link(first, tmp_path / "b" / "model.safetensors")
    tree = pondera.scan_tree(tmp_path)
    assert sum(one.file_bytes for one in tree) == 2 * first.stat().st_size
    assert tree.disk_bytes == first.stat().st_size


def test_dicts_are_the_json(tiny, broken):
    tree = pondera.scan_tree(tiny.parent)
    assert tree.to_dict() == json.loads(tree.to_json())
    assert tree.to_dict()["schema"] == _native.SCAN_SCHEMA
    assert [one.to_dict() for one in tree] == tree.to_dict()["checkpoints"]
    assert "layers" not in tree[0].to_dict()
    assert json.loads(tree[1].to_json(layers=True))["layers"]["model.layers.0"]["tensors"] == 8


def everything(tree):
    yield from (tree, tree[0], tree[0].table(), tree[0].files[0], tree[0].roles["norm"], tree[0].problems[0])


def test_objects_are_immutable_final_and_not_made_by_hand(broken):
    for thing in everything(pondera.scan_tree(broken)):
        for name in [name for name in dir(thing) if not name.startswith("_")]:
            with pytest.raises(AttributeError):
                setattr(thing, name, None)
        with pytest.raises((AttributeError, TypeError)):
            thing.unknown = 1
        with pytest.raises(TypeError):
            type("Sub", (type(thing),), {})
        with pytest.raises(TypeError):
            type(thing)()


def test_objects_survive_pickling(broken):
    tree = pondera.scan_tree(broken)
    for thing in everything(tree):
        copy = pickle.loads(pickle.dumps(thing))
        assert type(copy) is type(thing)
        assert repr(copy) == repr(thing)
        assert copy == thing


def test_bytes_that_are_no_pickle_raise():
    for stored in (b"", b"\xff" * 7, b"\x01", b"\x01" * 7):
        with pytest.raises(pondera.PonderaError, match="cannot restore"):
            pondera.Checkpoint._from_bytes(stored)


def test_damaged_bytes_raise_or_make_a_whole_object(broken):
    """No change of one byte leads to a panic, whatever is asked of what comes out."""
    tree = pondera.scan_tree(broken)
    generator = random.Random(1)
    for thing in (tree, tree[0], tree[0].table()):
        stored = thing.__reduce__()[1][0]
        for _ in range(3000):
            damaged = bytearray(stored)
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            try:
                copy = type(thing)._from_bytes(bytes(damaged))
            except pondera.PonderaError:
                continue
            repr(copy)
            if isinstance(copy, pondera.Table):
                copy.to_dict()
            for checkpoint in copy if isinstance(copy, pondera.Tree) else ():
                checkpoint.to_json(layers=True)
            if isinstance(copy, pondera.Checkpoint):
                copy.table().to_dict()
                copy.to_json(layers=True)


def test_equal_things_hash_alike(tiny):
    one, other = pondera.scan(tiny), pondera.scan(tiny)
    assert one == other
    assert {one, other} == {one}
    assert one.roles["mlp"] == other.roles["mlp"] != one.roles["norm"]
    assert hash(one.roles["mlp"]) == hash(other.roles["mlp"])
    assert one != "tiny"
    assert one.files[0] == other.files[0]
    assert {one.files[0], other.files[0]} == {one.files[0]}
    trees = [pondera.scan_tree(tiny) for _ in range(2)]
    assert set(trees) == {trees[0]}
    with pytest.raises(TypeError, match="unhashable"):
        hash(one.table())


def test_a_tree_sums_its_checkpoints(tmp_path, two_models):
    tree = pondera.scan_tree(two_models(tmp_path))
    assert (tree.tensors, tree.parameters, tree.stored_bytes) == (2, 8, 32)


def test_a_changed_file_makes_another_checkpoint(tiny, write):
    before = pondera.scan(tiny)
    write(tiny / "model.safetensors", {"model.norm.weight": ("F32", [8])})
    assert pondera.scan(tiny) != before


def test_nothing_at_the_path_is_pythons_own_error(tmp_path):
    for scan in (pondera.scan, pondera.scan_tree):
        with pytest.raises(FileNotFoundError, match="no such file or folder") as caught:
            scan(tmp_path / "nowhere")
        assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(tmp_path / "nowhere"))


def test_what_the_system_refuses_is_its_own_error(tiny):
    for scan in (pondera.scan, pondera.scan_tree):
        with pytest.raises(NotADirectoryError) as caught:
            scan(tiny / "model.safetensors" / "x")
        assert caught.value.errno == errno.ENOTDIR
        assert caught.value.strerror == os.strerror(errno.ENOTDIR)
        assert caught.value.filename == str(tiny / "model.safetensors" / "x")
        with pytest.raises(ValueError, match="the path is empty"):
            scan("")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_a_permission_error(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(PermissionError) as caught:
        pondera.scan(tmp_path / "locked")
    assert caught.value.filename == str(tmp_path / "locked")


def test_a_folder_without_models_has_no_checkpoint_and_is_an_empty_tree(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"1234")
    with pytest.raises(
        pondera.NoCheckpoint, match=r"no safetensors here or below; found .*pytorch_model\.bin"
    ):
        pondera.scan(tmp_path)
    assert len(pondera.scan_tree(tmp_path)) == 0
    assert [problem.code for problem in pondera.scan_tree(tmp_path).problems] == ["not-read"]


def test_another_kind_of_file_is_no_checkpoint(tmp_path):
    (tmp_path / "weights.bin").touch()
    for scan in (pondera.scan, pondera.scan_tree):
        with pytest.raises(pondera.NoCheckpoint, match=r"neither a \.safetensors file nor"):
            scan(tmp_path / "weights.bin")


def test_several_checkpoints_are_named(tmp_path, write):
    for name in ("a", "b"):
        write(tmp_path / name / "model.safetensors", {"model.norm.weight": ("F32", [4])})
    with pytest.raises(pondera.SeveralCheckpoints, match="2 checkpoints where one was asked for") as caught:
        pondera.scan(tmp_path)
    assert caught.value.paths == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert isinstance(caught.value, pondera.PonderaError)


def test_a_broken_file_is_a_problem_and_no_exception(broken):
    checkpoint = pondera.scan(broken)
    (problem,) = checkpoint.problems
    assert (problem.severity, problem.code) == ("error", "shard-missing")
    assert problem.path == str(broken / "model.safetensors.index.json")
    assert "model-00002-of-00002.safetensors" in problem.message
    assert str(problem) == f"{problem.path}: {problem.message} [shard-missing]"
    assert checkpoint.parameters == 8


def test_any_number_of_threads_gives_the_same(tmp_path, write):
    for number in range(12):
        write(tmp_path / str(number) / "model.safetensors", {"model.norm.weight": ("F32", [number])})
    expected = pondera.scan_tree(tmp_path)
    assert all(pondera.scan_tree(tmp_path, threads=threads) == expected for threads in (1, 2, 7, 100))
    for scan in (pondera.scan, pondera.scan_tree):
        with pytest.raises(ValueError, match="at least 1, not 0"):
            scan(tmp_path, threads=0)
        with pytest.raises(ValueError, match="at least 1, not -1"):
            scan(tmp_path, threads=-1)


def test_scans_from_several_threads_do_not_disturb_each_other(tmp_path, write):
    folders = []
    for number in range(8):
        tensors = {f"model.layers.{layer}.mlp.up_proj.weight": ("F32", [number + 1]) for layer in range(500)}
        folders.append(write(tmp_path / str(number) / "model.safetensors", tensors).parent)
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda folder: pondera.scan(folder).parameters, folders * 20))
    assert counts == [500 * (number + 1) for number in range(8)] * 20


def test_other_threads_run_during_a_scan(slow_tree):
    done = threading.Event()
    thread = threading.Thread(target=lambda: (pondera.scan_tree(slow_tree, threads=1), done.set()))
    thread.start()
    longest, ticks = 0.0, 0
    begin = last = time.perf_counter()
    while not done.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, ticks, last = max(longest, now - last), ticks + 1, now
    thread.join()
    # With the interpreter held, the whole scan would be one single tick.
    assert ticks > 100
    assert longest < (last - begin) / 4


def test_progress_counts_files_up_to_all_of_them(slow_tree):
    calls = []
    pondera.scan_tree(slow_tree, progress=lambda *call: calls.append((*call, threading.get_ident())))
    assert {thread for _, _, thread in calls} == {threading.get_ident()}
    done = [files for files, _, _ in calls]
    assert len(calls) > 3
    assert done == sorted(done)
    assert {total for _, total, _ in calls} <= {0, 300}
    assert done[-1] == 300


def test_what_progress_raises_stops_the_scan(slow_tree):
    class EnoughError(Exception):
        pass

    error = EnoughError()

    def stop(done, total):
        raise error

    begin = time.perf_counter()
    with pytest.raises(EnoughError) as caught:
        pondera.scan_tree(slow_tree, progress=stop)
    assert caught.value is error
    assert time.perf_counter() - begin < 0.5


def test_a_progress_that_cannot_be_called_is_an_error(slow_tree):
    with pytest.raises(TypeError, match="not callable"):
        pondera.scan_tree(slow_tree, progress=7)


def test_columns_are_numpy_arrays_of_fixed_kinds(tiny):
    table = pondera.scan(tiny).table()
    assert table.columns == (
        "name", "role", "dtype", "shape", "parameters", "bytes", "stack", "layer", "file", "offset",
    )  # fmt: skip
    assert len(table) == 11
    columns = table.to_dict()
    assert tuple(columns) == table.columns
    for name in ("parameters", "bytes", "offset"):
        assert columns[name].dtype == np.uint64
    assert columns["layer"].dtype == np.int64
    assert columns["layer"].tolist() == [-1, *[0] * 8, -1, -1]
    assert columns["shape"][0] == (100, 8)
    assert columns["stack"].tolist() == ["", *["model.layers"] * 8, "", ""]
    assert int(table["parameters"].sum()) == 2640
    assert set(table["file"]) == {"model.safetensors"}
    # Data lie one after another: each tensor begins where the one before it ends.
    ends = table["offset"] + table["bytes"]
    assert (table["offset"][1:] == ends[:-1]).all()
    assert ends[-1] == (tiny / "model.safetensors").stat().st_size
    with pytest.raises(KeyError, match="no column"):
        table["weight"]


def test_a_column_is_the_memory_of_the_table_and_cannot_be_written_to(tiny):
    table = pondera.scan(tiny).table()
    column = table["bytes"]
    assert np.shares_memory(column, table["bytes"])
    with pytest.raises(ValueError, match="read-only"):
        column[:] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        column.flags.writeable = True
    arrow = pyarrow.table(table)["bytes"]
    assert np.shares_memory(column, arrow.chunk(0).to_numpy())
    del table
    assert int(column.sum()) == sum(arrow.to_pylist()) == 5312


@pytest.mark.parametrize(
    "convert",
    [
        lambda tensors: pyarrow.table(tensors).to_pylist(),
        lambda tensors: polars.DataFrame(tensors).to_dicts(),
        lambda tensors: pandas.DataFrame.from_arrow(tensors).to_dict("records"),
        lambda tensors: duckdb.sql("select * from tensors").to_arrow_table().to_pylist(),
    ],
    ids=["pyarrow", "polars", "pandas", "duckdb"],
)
def test_libraries_take_the_table_as_it_is(tiny, convert):
    table = pondera.scan(tiny).table()
    columns = table.to_dict()
    columns["layer"] = np.array([None if layer < 0 else layer for layer in columns["layer"]])
    rows = convert(table)
    assert len(rows) == 11
    for number, row in enumerate(rows):
        got = {name: list(value) if name == "shape" else value for name, value in row.items()}
        expected = {name: values[number] for name, values in columns.items()}
        expected["shape"] = list(expected["shape"])
        if got["layer"] != got["layer"]:  # pandas writes a missing number as NaN
            got["layer"] = None
        assert got == expected


def test_a_table_outlives_its_arrow_stream(tiny):
    stream = pyarrow.RecordBatchReader.from_stream(pondera.scan(tiny).table())
    assert stream.schema.field("shape").type.value_type == pyarrow.uint64()
    assert sum(stream.read_all()["bytes"].to_pylist()) == 5312


def test_an_empty_model_has_an_empty_table(tmp_path, write):
    write(tmp_path / "model.safetensors", {})
    table = pondera.scan(tmp_path).table()
    assert len(table) == 0
    assert polars.DataFrame(table).shape == (0, 10)


def test_codes_and_roles_are_tables_of_unique_names():
    codes = pondera.problem_codes()
    assert len({code for code, _, _ in codes}) == len(codes)
    for code, severity, meaning in codes:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert severity in ("error", "warning", "info")
        assert meaning.endswith(".")
    roles = pondera.role_names()
    assert len(set(roles)) == len(roles) == 16
    assert roles[-1] == "other"


def test_all_names_are_there_and_documented():
    assert sorted(pondera.__all__) == sorted(set(pondera.__all__))
    for name in pondera.__all__:
        assert getattr(pondera, name).__doc__, name


def test_import_is_light():
    heavy = "numpy argparse json csv dataclasses typing pathlib asyncio"
    code = (
        "import sys; before = set(sys.modules); import pondera; "
        f"print([name for name in {heavy!r}.split() if name in set(sys.modules) - before])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_debug_build_warns():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "DEBUG_BUILD", True)
        with pytest.warns(RuntimeWarning, match="without optimisation"):
            importlib.reload(pondera)
    importlib.reload(pondera)
