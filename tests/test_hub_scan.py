"""A scan of files that lie elsewhere gives what the local scan of the same files gives, and asks for little."""

import json
import os
import pickle
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
import pondera
import writer
from hub_scan import facts, fetch, listed, outcome
from pondera import demo
from pondera._native import HubScan

WHOLE_LIMIT = 64 << 20
"""Longer files are not fetched whole."""
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 100,
    "hidden_size": 8,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "torch_dtype": "bfloat16",
}


def assert_alike(folder, path=""):
    place = folder / path if path else folder
    local = outcome(lambda: facts(pondera.scan(place)))
    assert outcome(lambda: facts(fetch(folder, path).scan.checkpoint())) == local
    tree = outcome(lambda: pondera.scan_tree(place))
    elsewhere = outcome(lambda: fetch(folder, path, tree=True).scan.tree())
    if isinstance(tree, tuple):
        assert elsewhere == tree
        return
    assert [facts(one) for one in elsewhere] == [facts(one) for one in tree]
    assert elsewhere.problems == tree.problems
    model = outcome(lambda: pondera.Model.open(place).to_dict())
    assert outcome(lambda: fetch(folder, path).scan.model().to_dict()) == model


@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: case.name)
def test_hostile_folders_are_judged_alike(case, tmp_path):
    if case.skip:
        pytest.skip(case.skip)
    case.write(tmp_path)
    files = listed(tmp_path)
    if not files:
        pytest.skip("no repository could hold this folder")
    if any(size > WHOLE_LIMIT for name, size in files if name.endswith(".json")):
        pytest.skip("files of this length are not fetched whole")
    assert_alike(tmp_path)


def tensors(layer):
    return {f"model.layers.{layer}.mlp.up_proj.weight": ("BF16", [4, 4]), f"layer{layer}.scale": ("F32", [2])}


NAMES = [
    "model.safetensors",
    "model.fp16.safetensors",
    "consolidated.safetensors",
    "consolidated.00.safetensors",
    "consolidated.01.safetensors",
    "other.safetensors",
    "adapter_model.safetensors",
    "pytorch_lora_weights.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "q4.gguf",
    "x.incomplete",
    "model.safetensors.lock",
    *(f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)),
    *(f"model.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)),
    *(f"part-{n}.safetensors" for n in (1, 2)),
]
INDEXES = ["model.safetensors.index.json", "model.safetensors.index.fp16.json", "part.safetensors.index.json"]
CONFIGS = {
    "config.json": [CONFIG, CONFIG | {"quantization_config": {"quant_method": "fp8"}}, [], "{"],
    "hf_quant_config.json": [{"quantization": {"quant_algo": "FP8"}}],
    "preprocessor_config.json": [{"size": 224}],
    "adapter_config.json": [
        {"base_model_name_or_path": "org/base"},
        {"base_model_name_or_path": ""},
        {},
        "{",
    ],
    "model_index.json": [{"unet": ["diffusers", "UNet"], "a": ["x", "Y"], "gone": ["x", "Y"]}, "{"],
    "modules.json": [[{"path": "", "type": "Transformer"}, {"path": "a", "type": "Dense"}]],
}


@st.composite
def file_lists(draw):
    """Files by name: tensors, the text of an index or config, or an odd length field."""
    files = {}
    for folder in draw(
        st.lists(st.sampled_from(["", "unet", "a", "a/b", ".git"]), min_size=1, max_size=3, unique=True)
    ):
        place = f"{folder}/" if folder else ""
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=6, unique=True)):
            files[place + name] = draw(st.sampled_from([0, 1, 2, "", "long", "cut", "short"]))
        for index in draw(st.lists(st.sampled_from(INDEXES), max_size=2, unique=True)):
            shards = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
            named = {name: shard for n, shard in enumerate(shards) for name in tensors(n)}
            files[place + index] = draw(st.sampled_from([{"weight_map": named}, "[]"]))
        for config in draw(st.lists(st.sampled_from(list(CONFIGS)), max_size=3, unique=True)):
            files[place + config] = draw(st.sampled_from(CONFIGS[config]))
    return files


def write_files(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".json"):
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        elif isinstance(content, int):
            writer.write(path, tensors(content))
        elif content == "long":
            writer.write_bytes(path, b"{}", length=200_000_000)
        elif content == "cut":
            head, data = writer.header(tensors(0))
            writer.write_bytes(path, head, data - 1)
        elif content == "short":
            path.write_bytes(b"1234")
        else:
            path.touch()


@settings(max_examples=300, deadline=None)
@given(files=file_lists(), path=st.sampled_from(["", "", "a", "unet", "model.safetensors", INDEXES[0]]))
def test_any_folder_is_judged_alike(files, path):
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), files)
        assert_alike(Path(folder), path)


@pytest.mark.parametrize("model", demo.MODELS, ids=lambda model: model.folder)
def test_models_of_real_shape_are_the_same(model, tmp_path):
    folder = demo.write_model(tmp_path, model)
    assert_alike(folder)
    assert len(fetch(folder).rounds) == 1


def test_a_folder_in_a_list_is_scanned_alone(tmp_path):
    writer.write(tmp_path / "model.safetensors", tensors(0))
    writer.write(tmp_path / "sub" / "folder" / "model.safetensors", tensors(1))
    assert_alike(tmp_path, "sub/folder")
    (want,) = fetch(tmp_path, "sub/folder").requests
    assert want[0] == "sub/folder/model.safetensors"
    for path in ("gone", "sub/gone"):
        assert_alike(tmp_path, path)


def test_copies_are_not_asked_for(tmp_path):
    writer.write_sharded(tmp_path, {f"model-0000{n}-of-00002.safetensors": tensors(n) for n in (1, 2)})
    for copy in ("consolidated.safetensors", "model.fp16.safetensors", "consolidated.00.safetensors"):
        writer.write(tmp_path / copy, tensors(1) | tensors(2))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(1000))
    writer.write_json(tmp_path / "config.json", CONFIG)
    fetched = fetch(tmp_path)
    assert {name for name, *_ in fetched.requests} == {
        "config.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }
    assert len(fetched.rounds) == 1


def shards(folder, count, experts):
    """Shards of a mixture of experts, indexed; their headers, in bytes."""
    files = {}
    for n in range(count):
        names = (f"model.layers.{n}.mlp.experts.{m}.up_proj.weight" for m in range(experts))
        files[f"model-{n + 1:05}-of-{count:06}.safetensors"] = {name: ("F8_E4M3", [64, 32]) for name in names}
    writer.write_sharded(folder, files)
    return {name: 8 + len(writer.header(tensors)[0]) for name, tensors in files.items()}


def test_one_request_brings_the_whole_header_of_each_shard(tmp_path):
    # 576 tensors to a shard, as in DeepSeek-V3, where the headers have more than 64 KiB.
    headers = shards(tmp_path, 6, 576)
    assert min(headers.values()) > 64 << 10
    fetched = fetch(tmp_path)
    assert len(fetched.rounds) == 1
    wants = {name: (start, end) for name, start, end, why in fetched.requests if why == "header"}
    assert wants.keys() == headers.keys()
    for name, (start, end) in wants.items():
        assert start == 0
        assert headers[name] <= end <= 3 * headers[name]
    assert_alike(tmp_path)


def test_a_longer_header_takes_a_second_request_for_the_rest_of_it(tmp_path):
    names = (f"model.layers.{n}.mlp.up_proj.weight" for n in range(5000))
    head, _ = writer.header(dict.fromkeys(names, ("BF16", [16, 16])))
    writer.write(tmp_path / "model.safetensors", dict.fromkeys(json.loads(head), ("BF16", [16, 16])))
    fetched = fetch(tmp_path)
    (first,), (second,) = fetched.rounds
    assert first[1:] == (0, 128 << 10, "header")
    assert second[1:] == (128 << 10, 8 + len(head), "header-rest")
    assert_alike(tmp_path)


@pytest.mark.parametrize("length", [100_000_001, 2**63, 2**64 - 1, 10_000_000])
def test_a_length_field_that_lies_asks_for_nothing_more(tmp_path, length):
    writer.write_bytes(tmp_path / "model.safetensors", b"{}", data=1 << 20, length=length)
    fetched = fetch(tmp_path)
    assert [want[1:] for want in fetched.requests] == [(0, 128 << 10, "header")]
    (problem,) = fetched.scan.checkpoint().problems
    assert problem.code == ("header-truncated" if length < 100_000_000 else "header-too-large")
    assert_alike(tmp_path)


def test_a_header_that_is_known_is_not_asked_for(tmp_path):
    headers = shards(tmp_path, 3, 10)
    scan = HubScan("hf://org/name", listed(tmp_path))
    for name, length in headers.items():
        scan.give(name, 0, (tmp_path / name).read_bytes()[:length])
        assert scan.held(name) == (tmp_path / name).read_bytes()[:length]
    assert [name for name, *_ in scan.wanted()] == ["model.safetensors.index.json"]


def test_of_a_weight_file_no_data_is_kept(tmp_path):
    writer.write(tmp_path / "model.safetensors", {"a": ("U8", [1000])})
    head = 8 + len(writer.header({"a": ("U8", [1000])})[0])
    fetched = fetch(tmp_path)
    assert [want[1:3] for want in fetched.requests] == [(0, head + 1000)]
    assert len(fetched.scan.held("model.safetensors")) == head


def test_bytes_may_come_in_pieces(tmp_path):
    headers = shards(tmp_path, 2, 30)
    scan = HubScan(str(tmp_path), listed(tmp_path))
    rounds = 0
    while wanted := scan.wanted():
        rounds += 1
        for name, start, end, _ in wanted:
            scan.give(name, start, (tmp_path / name).read_bytes()[start : min(end, start + 100)])
    assert rounds > max(headers.values()) // 100
    assert facts(scan.checkpoint()) == facts(pondera.scan(tmp_path))


def test_an_index_of_any_length_is_not_fetched(tmp_path):
    files = {
        "model.safetensors": 100,
        "other.safetensors.index.json": WHOLE_LIMIT + 1,
        "config.json": 9 << 20,
    }
    scan = HubScan("hf://org/name", list(files.items()))
    assert [want[:3] for want in scan.wanted()] == [("model.safetensors", 0, 100)]
    content = (2).to_bytes(8, "little") + b"{}"
    scan.give("model.safetensors", 0, content + bytes(90))
    assert scan.wanted() == []
    messages = {problem.code: problem.message for problem in scan.checkpoint().problems}
    assert "it has 67,108,865 bytes; no more than 67,108,864 are fetched" in messages["index-invalid"]
    assert messages["config-invalid"] == "it has more than 8388608 bytes"


def test_a_file_that_cannot_be_had_is_a_problem_of_it(tmp_path):
    shards(tmp_path, 2, 3)
    scan = HubScan("hf://org/name@main", listed(tmp_path))
    for name, start, end, _ in scan.wanted():
        if name.startswith("model-00002"):
            scan.refuse(name, "the server answers 500")
        else:
            scan.give(name, start, (tmp_path / name).read_bytes()[:end])
    assert scan.wanted() == []
    checkpoint = scan.checkpoint()
    (problem,) = checkpoint.problems
    assert str(problem) == (
        "hf://org/name@main/model-00002-of-000002.safetensors: the server answers 500 [file-unreadable]"
    )
    assert checkpoint.tensors == 3


def test_there_is_no_answer_before_all_is_given(tmp_path):
    shards(tmp_path, 2, 3)
    scan = HubScan("hf://org/name", listed(tmp_path), tree=True)
    for ask in (scan.checkpoint, scan.tree, scan.model):
        with pytest.raises(pondera.PonderaError, match=r"bytes 0 to \d+ are wanted and were not given"):
            ask()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("../x.safetensors", 1)], 'names "../x.safetensors", which is no path below its root'),
        ([("/etc/passwd", 1)], "which is no path below its root"),
        ([("a//b", 1)], "which is no path below its root"),
        ([("", 1)], "which is no path below its root"),
        ([("a/" * 100_000 + "model.safetensors", 1)], f'names "{"a/" * 100}...", which is no path'),
        ([("a", 1), ("a", 2)], 'names "a" twice, with different lengths'),
    ],
)
def test_a_list_that_cannot_be_one_is_refused(files, message):
    with pytest.raises(pondera.PonderaError, match="the list of files") as raised:
        HubScan("hf://org/name", files)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "start", "data", "message"),
    [
        ("gone", 0, b"", '"gone" is not in the list of files'),
        ("model.safetensors", 5, b"x", "bytes from 5 were brought, those from 0 are wanted"),
        ("model.safetensors", 0, b"x" * 101, "bytes up to 101 were brought, the file has 100"),
    ],
)
def test_bytes_out_of_place_are_refused(name, start, data, message):
    scan = HubScan("hf://org/name", [("model.safetensors", 100)])
    with pytest.raises(pondera.PonderaError) as raised:
        scan.give(name, start, data)
    assert message in str(raised.value)


def test_a_checkpoint_from_elsewhere_keeps_its_mind(tmp_path):
    (model,) = (model for model in demo.MODELS if model.config is demo.LLAMA_8B)
    folder = demo.write_model(tmp_path / "llama", model)
    local = pondera.fit(folder, gpu="h100", engine="transformers", context="1k")
    fetched = fetch(folder, root="hf://org/name@main")
    shutil.rmtree(folder)
    checkpoint = fetched.scan.checkpoint()
    assert pickle.loads(pickle.dumps(checkpoint)) == checkpoint
    for target in (checkpoint, pickle.loads(pickle.dumps(checkpoint)), fetched.scan.model()):
        fit = pondera.fit(target, gpu="h100", engine="transformers", context="1k")
        assert (fit.fits, fit.total, fit.weights, fit.cache) == (
            local.fits,
            local.total,
            local.weights,
            local.cache,
        )


def test_a_config_alone_is_a_mind(tmp_path):
    writer.write_json(tmp_path / "config.json", CONFIG)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert_alike(tmp_path)
    fetched = fetch(tmp_path)
    assert fetched.scan.model().checkpoint is None
    with pytest.raises(
        pondera.NoCheckpoint, match=r"no safetensors here or below; found .*model\.gguf: 4 bytes"
    ):
        fetched.scan.checkpoint()


def test_a_pipeline_takes_one_round_too(tmp_path):
    parts = {name: ["diffusers", "UNet"] for name in ("unet", "vae")}
    writer.write_json(tmp_path / "model_index.json", parts)
    for name in parts:
        writer.write(tmp_path / name / "diffusion_pytorch_model.safetensors", tensors(0))
        writer.write(tmp_path / name / "diffusion_pytorch_model.fp16.safetensors", tensors(0))
        writer.write_json(tmp_path / name / "config.json", {})
    assert_alike(tmp_path)
    fetched = fetch(tmp_path)
    assert len(fetched.rounds) == 1
    assert len(fetched.requests) == 5


def test_an_adapter_names_its_base(tmp_path):
    writer.write(
        tmp_path / "adapter_model.safetensors", {"base_model.model.x.lora_A.weight": ("F32", [2, 4])}
    )
    writer.write_json(tmp_path / "adapter_config.json", {"base_model_name_or_path": "org/base", "r": 2})
    local = pondera.scan(tmp_path)
    assert (local.kind, local.base) == ("adapter", "org/base")
    assert_alike(tmp_path)
    writer.write(tmp_path / "x" / "model.safetensors", tensors(0))
    writer.write_json(tmp_path / "x" / "adapter_config.json", {"base_model_name_or_path": "org/base"})
    assert pondera.scan(tmp_path / "x").base is None


@pytest.mark.parametrize(
    ("root", "name"),
    [
        ("hf://org/name", "org/name"),
        ("hf://org/name@main", "org/name@main"),
        ("hf://org/name@refs/pr/1", "org/name@refs/pr/1"),
        (f"hf://org/name@{'0123456789' * 4}", "org/name@012345678901"),
    ],
)
@pytest.mark.parametrize("sub", ["", "sub/folder"])
def test_paths_and_names_are_addresses_of_the_hub(tmp_path, root, name, sub):
    writer.write(tmp_path / sub / "model.safetensors", tensors(0))
    scan = fetch(tmp_path, sub, root=root).scan
    checkpoint = scan.checkpoint()
    below = f"/{sub}" if sub else ""
    assert (checkpoint.path, checkpoint.name) == (root + below, name + below)
    assert [file.path for file in checkpoint.files] == [f"{root}{below}/model.safetensors"]


def test_a_list_may_be_long():
    files = [(f"{n % 100}/model-{n // 100:05}-of-00100.safetensors", 1000) for n in range(10_000)]
    scan = HubScan("hf://org/name", files, tree=True)
    assert len(scan.wanted()) == 10_000


def test_folders_may_be_deep():
    scan = HubScan("hf://org/name", [("a/" * 2000 + "model.safetensors", 10)])
    ((name, *_),) = scan.wanted()
    scan.give(name, 0, (2).to_bytes(8, "little") + b"{}")
    assert scan.checkpoint().path == "hf://org/name/" + "a/" * 1999 + "a"


def test_the_root_is_no_path_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer.write(Path("hf:") / "org" / "name" / "model.safetensors", tensors(0))
    os.makedirs("empty")
    scan = HubScan("hf://org/name", [("config.json", 2)])
    scan.give("config.json", 0, b"{}")
    with pytest.raises(pondera.NoCheckpoint):
        scan.checkpoint()
