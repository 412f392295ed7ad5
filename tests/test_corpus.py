"""The wider set: every published model of the corpus, where it lies beside the project.

Expected values are not ours: element counts are summed here from the corpus' own tensor lists, and a quantized
checkpoint must count exactly the parameters of its unquantized twin.
"""

import gzip
import importlib.util
import json
import math
from pathlib import Path

import pytest

import pondera
import writer

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
TINY = CORPUS.parent / "tiny"

pytestmark = [
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project"),
    # The corpus' own tool leaves it to the interpreter to close its files.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Lists of quantized weights that have an unquantized twin under another name than their own.
TWINS = {
    "real_headers/openai__gpt-oss-20b": "truth/openai__gpt-oss-20b",
    "real_headers/zai-org__GLM-4.5-FP8": "truth_with_mtp/zai-org__GLM-4.5",
    "real_headers/moonshotai__Kimi-K2.5": "truth/moonshotai__Kimi-K2.5",
}


def lists(*folders):
    return [
        pytest.param(path, id=f"{folder}/{path.name.removesuffix('.json.gz')}")
        for folder in folders
        for path in sorted((CORPUS / folder).glob("*.json.gz"))
    ]


def read(path):
    with gzip.open(path) as file:
        return json.load(file)


@pytest.fixture(scope="module")
def build():
    tool = CORPUS / "tools" / "make_headers.py"
    spec = importlib.util.spec_from_file_location("make_headers", tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build


def scan(build, path, folder, *, configured):
    config = CORPUS / "configs" / path.name.removesuffix(".json.gz") / "config.json"
    build(path, folder, config if configured and config.exists() else None)
    return pondera.scan(folder)


def check_sums(checkpoint, listed):
    assert checkpoint.tensors == len(listed["tensors"])
    assert not [problem for problem in checkpoint.problems if problem.severity != "info"]
    for sums in (checkpoint.roles, checkpoint.dtypes, checkpoint.layers):
        assert sum(tally.tensors for tally in sums.values()) == checkpoint.tensors
        assert sum(tally.parameters for tally in sums.values()) == checkpoint.parameters
        assert sum(tally.bytes for tally in sums.values()) == checkpoint.stored_bytes
    assert "other" not in checkpoint.roles


@pytest.mark.parametrize("path", lists("truth"))
def test_unquantized_models_count_every_element(build, path, tmp_path):
    listed = read(path)
    checkpoint = scan(build, path, tmp_path, configured=False)
    check_sums(checkpoint, listed)
    assert checkpoint.parameters == sum(math.prod(shape) for _, _, shape in listed["tensors"])


@pytest.mark.parametrize("configured", [True, False], ids=["with config", "without config"])
@pytest.mark.parametrize("path", lists("truth_quantized", "truth_with_mtp", "real_headers"))
def test_quantized_models_count_what_they_stand_for(build, path, configured, tmp_path):
    listed = read(path)
    checkpoint = scan(build, path, tmp_path, configured=configured)
    check_sums(checkpoint, listed)
    assert checkpoint.parameters == expected_parameters(path, listed)


def expected_parameters(path, listed):
    name = path.name.removesuffix(".json.gz")
    default = f"truth/{name}" if path.parent.name == "truth_quantized" else None
    if twin := TWINS.get(f"{path.parent.name}/{name}", default):
        return read(CORPUS / f"{twin}.json.gz")["n_params_total"]
    # What is left is unquantized, or FP8 whose only side tensors are the block scales.
    scales = {name for name, _, _ in listed["tensors"] if name.endswith(".weight_scale_inv")}
    plain = {"BF16", "F16", "F32", "F8_E4M3"} if scales else {"BF16", "F16", "F32"}
    assert all(dtype in plain for _, dtype, _ in listed["tensors"])
    return sum(math.prod(shape) for name, _, shape in listed["tensors"] if name not in scales)


@pytest.mark.parametrize("path", sorted(TINY.glob("*.json")), ids=lambda path: path.stem)
def test_tiny_models_have_no_unknown_roles(path, tmp_path):
    case = json.loads(path.read_text())
    tensors = {name: (dtype, shape) for name, dtype, shape in case["tensors"]}
    writer.write(tmp_path / "model.safetensors", tensors)
    checkpoint = pondera.scan(tmp_path)
    assert checkpoint.tensors == len(tensors)
    assert "other" not in checkpoint.roles
    assert not checkpoint.problems


@pytest.mark.parametrize(
    "path", sorted(CORPUS.glob("real_files/**/*.safetensors")), ids=lambda path: path.name
)
def test_real_files_agree_with_their_own_headers(path):
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    table = pondera.scan(path).table()
    found = dict(zip(table["name"], zip(table["dtype"], table["shape"], strict=True), strict=True))
    assert found == {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()}
