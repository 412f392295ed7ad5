"""The scan against the Python package safetensors, which reads the same files with other code."""

import json
import math
import os

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import pondera
import writer

# Where the two differ on purpose, as docs/problems.md says. Other differences of that page need a header that
# the generators here do not make.
ONLY_PONDERA = {"dtype-unknown"}
ONLY_SAFETENSORS = {"tensor-duplicate"}

often = settings(
    max_examples=300,
    deadline=None,
    # The folder is the same for all examples; each writes its one file anew.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

names = st.one_of(
    st.builds("model.layers.{}.{}.weight".format, st.integers(0, 30), st.sampled_from("qkvo")),
    st.sampled_from(
        ["", ".", "0", "00", "1234567890", "a.*", "é.1", "😀", 'a"b', "a\\b", "a\nb", "__metadata__ "]
    ),
    st.text(max_size=6),
).filter(lambda name: name != "__metadata__")


@st.composite
def tensor_maps(draw):
    """Names, dtypes and shapes whose data fills whole bytes."""
    tensors = {}
    for name in draw(st.lists(names, max_size=6, unique=True)):
        dtype = draw(st.sampled_from(sorted(writer.BITS)))
        # The data is a hole in the file, so a tensor may be large.
        shape = draw(st.lists(st.integers(0, 5) | st.just(2**12), max_size=3))
        if writer.BITS[dtype] * math.prod(shape) % 8:
            shape.append(4)
        tensors[name] = (dtype, shape)
    return tensors


@st.composite
def headers(draw):
    """A sound header in one of many styles, and the bytes of data behind it."""
    compact, bytes_of_data = writer.header(draw(tensor_maps()))
    entries = list(json.loads(compact).items())
    draw(st.randoms(use_true_random=False)).shuffle(entries)
    fields = draw(st.permutations(["dtype", "shape", "data_offsets"]))
    values = {name: {field: entry[field] for field in fields} for name, entry in entries}
    metadata = draw(st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
    if draw(st.booleans()):
        values["__metadata__"] = metadata
    text = json.dumps(values, indent=draw(st.none() | st.integers(0, 3)), ensure_ascii=draw(st.booleans()))
    # Half of a surrogate pair can be written by Python, but is no text.
    return text.encode("utf-8", "replace") + b" " * draw(st.integers(0, 8)), bytes_of_data


def by_safetensors(path):
    """Dtype and shape of every tensor, or None if the file is rejected."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: (slice.get_dtype(), tuple(slice.get_shape())) for name, slice in slices.items()}
    except safetensors.SafetensorError:
        return None


def by_pondera(path):
    """Dtype and shape of every tensor, and the codes of what was found."""
    checkpoint = pondera.scan(path)
    table = checkpoint.table()
    rows = zip(table["name"], table["dtype"], table["shape"], strict=True)
    found = {name: (dtype, shape) for name, dtype, shape in rows}
    assert len(found) == len(table) == checkpoint.tensors
    return found, {problem.severity: problem.code for problem in checkpoint.problems}, checkpoint.problems


def compare(path):
    theirs = by_safetensors(path)
    ours, severities, problems = by_pondera(path)
    codes = {problem.code for problem in problems}
    if theirs is not None and "error" not in severities:
        assert ours == theirs
    elif theirs is not None:
        assert codes & ONLY_SAFETENSORS, problems
    elif "error" not in severities:
        assert codes & ONLY_PONDERA, problems
    return theirs is not None


@often
@given(headers())
def test_sound_headers_are_read_alike(tmp_path, case):
    path = tmp_path / "model.safetensors"
    writer.write_bytes(path, *case)
    assert compare(path)


@often
@given(st.data(), headers())
def test_damaged_headers_are_rejected_alike(tmp_path, data, case):
    head, size = bytearray(case[0]), case[1]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(head)))
        many = data.draw(st.integers(0, 3))
        head[at : at + many] = data.draw(
            st.sampled_from(
                [b"", b'"', b",", b"}", b"]", b"0", b"1", b"-", b".", b"\\", b"\xff", b"F16", b" ", b"\n"]
            )
        )
    size = max(0, size + data.draw(st.sampled_from([0, 0, 0, 1, -1])))
    length = len(head) + data.draw(st.sampled_from([0, 0, 0, 1, -1]))
    path = tmp_path / "model.safetensors"
    writer.write_bytes(path, bytes(head), size, max(0, length))
    compare(path)


DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}


@often
@given(
    st.dictionaries(
        names,
        st.sampled_from(sorted(DTYPES)).flatmap(
            lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=4))
        ),
        max_size=6,
    ),
    st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_saved_arrays_are_found_where_they_were_saved(tmp_path, tensors, metadata):
    # With neither tensors nor metadata safetensors 0.8 writes `{},"__metadata__":{}}`, which it rejects too.
    assume(tensors or metadata != {})
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(tensors, path, metadata=metadata)
    checkpoint = pondera.scan(path)
    assert checkpoint.problems == ()
    assert checkpoint.metadata == (metadata or {})
    assert checkpoint.stored_bytes == sum(array.nbytes for array in tensors.values())
    assert checkpoint.file_bytes == os.stat(path).st_size
    table = checkpoint.table()
    assert sorted(table["name"]) == sorted(tensors)
    content = path.read_bytes()
    columns = [table[column] for column in ("name", "dtype", "shape", "bytes", "offset")]
    for name, dtype, shape, size, offset in zip(*columns, strict=True):
        array = tensors[name]
        assert dtype == DTYPES[array.dtype.name]
        assert shape == array.shape
        assert content[offset : offset + size] == np.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("dtype", sorted(writer.BITS))
def test_every_dtype_of_the_format_is_known(tmp_path, dtype):
    path = tmp_path / "model.safetensors"
    writer.write(path, {"a": (dtype, [8])})
    assert by_safetensors(path) == {"a": (dtype, (8,))}
    assert compare(path)
    assert pondera.scan(path).stored_bytes == writer.BITS[dtype]
