"""Models of the Hub against the same files on this machine, and what is asked of the network for them."""

import json
import shutil
from pathlib import Path

import pytest

import pondera
import writer
from conftest import TINY

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "num_hidden_layers": 1,
    "vocab_size": 100,
    "max_position_embeddings": 64,
}


def sharded(folder: Path, shards: int = 3, tensors: int = 4) -> Path:
    """Shards of some tensors each, with index and config."""
    files = {
        f"model-{number:05}-of-{shards:05}.safetensors": {
            f"model.layers.{number}.mlp.experts.{one}.w": ("BF16", [4, 4]) for one in range(tensors)
        }
        for number in range(1, shards + 1)
    }
    writer.write_sharded(folder, files)
    writer.write_json(folder / "config.json", LLAMA)
    return folder


def put(hub, name: str, revision: str = "main") -> Path:
    """A repo with the tiny model."""
    folder = hub.repo(name, revision)
    writer.write(folder / "model.safetensors", TINY, {"format": "pt"})
    writer.write_json(folder / "config.json", LLAMA)
    hub.clear()
    return folder


def facts(checkpoint) -> tuple:
    """What must be the same wherever the files lie."""
    problems = [(one.code, one.severity, one.tensor, one.message) for one in checkpoint.problems]
    files = [(file.file_bytes, file.header_bytes, file.tensors) for file in checkpoint.files]
    table = {name: column.tolist() for name, column in checkpoint.table().to_dict().items()}
    sums = checkpoint.roles, checkpoint.dtypes, checkpoint.layers
    return checkpoint.kind, checkpoint.quantization, problems, files, table, sums


def test_a_repo_is_weighed_as_its_files_are(hub):
    folder = put(hub, "org/tiny")
    checkpoint = pondera.scan("org/tiny")
    assert checkpoint.parameters == 2640
    assert checkpoint.stored_bytes == 5312
    assert checkpoint.path == "hf://org/tiny"
    assert facts(checkpoint) == facts(pondera.scan(folder))


def test_shards_are_asked_for_once_each_and_little_else(hub):
    folder = sharded(hub.repo("org/sharded"), shards=12)
    hub.clear()
    checkpoint = pondera.scan("org/sharded")
    assert facts(checkpoint) == facts(pondera.scan(folder))
    asked = hub.asked()
    assert len(asked) <= 12 + 4
    assert len(set(asked)) == len(asked)
    stored = [entry for entry in hub.log() if entry["path"].startswith("/storage/")]
    assert len(stored) == 12


def test_nothing_behind_the_first_range_is_fetched(hub):
    folder = hub.repo("org/large")
    tensors = {f"model.layers.{layer}.mlp.up_proj.weight": ("BF16", [4096, 4096]) for layer in range(64)}
    length = writer.write(folder / "model.safetensors", tensors)
    assert length > 2 * 10**9
    hub.clear()
    assert pondera.scan("org/large").tensors == 64
    assert sum(entry["sent"] for entry in hub.log()) <= 1 << 20


def test_a_header_longer_than_the_first_range_takes_a_second_one(hub):
    folder = hub.repo("org/long")
    # Names of 200 characters, so that the header is longer than any first range of a single file.
    tensors = {f"model.layers.{number}.{'x' * 180}.weight": ("F32", [1]) for number in range(4000)}
    writer.write(folder / "model.safetensors", tensors)
    hub.clear()
    checkpoint = pondera.scan("org/long")
    assert facts(checkpoint) == facts(pondera.scan(folder))
    ranges = [entry["range"] for entry in hub.log() if entry["path"].startswith("/storage/")]
    assert len(ranges) == 2
    first_end = int(ranges[0].partition("-")[2])
    assert ranges[1].startswith(f"bytes={first_end + 1}-")
    # The second time the header is at hand as a whole.
    hub.clear()
    assert pondera.scan("org/long") == checkpoint
    assert len(hub.log()) == 1


def test_the_second_time_one_request_is_made_and_offline_none(hub):
    sharded(hub.repo("org/sharded"))
    hub.clear()
    first = pondera.scan("org/sharded")
    hub.clear()
    assert pondera.scan("org/sharded") == first
    assert len(hub.log()) == 1
    hub.clear()
    assert pondera.scan("org/sharded", offline=True) == first
    assert hub.log() == []


def test_a_commit_needs_no_request_the_second_time(hub):
    put(hub, "org/tiny")
    pondera.scan("org/tiny")
    commit = next(iter(Path("cache").glob("hub/*/org--tiny/commits/*.json"))).stem
    hub.clear()
    assert pondera.scan("org/tiny", revision=commit).path == f"hf://org/tiny@{commit}"
    assert hub.log() == []


def test_what_changed_is_read_again_and_the_rest_is_not(hub):
    folder = sharded(hub.repo("org/sharded"))
    hub.clear()
    before = pondera.scan("org/sharded")
    shard = folder / "model-00002-of-00003.safetensors"
    writer.write(shard, {f"model.layers.2.mlp.experts.{one}.w": ("F32", [4, 4]) for one in range(4)})
    hub.clear()
    after = pondera.scan("org/sharded")
    assert after.stored_bytes == before.stored_bytes + 4 * 16 * 2
    fetched = [path for path in hub.asked() if "/resolve/" in path]
    assert [Path(path).name for path in fetched] == [shard.name]


def test_a_revision_in_every_spelling(hub):
    put(hub, "org/tiny")
    folder = hub.repo("org/tiny", "v1")
    writer.write(folder / "model.safetensors", {"model.norm.weight": ("F32", [8])})
    hub.clear()
    assert pondera.scan("org/tiny").parameters == 2640
    for told in (
        pondera.scan("org/tiny@v1"),
        pondera.scan("hf://org/tiny@v1"),
        pondera.scan("org/tiny", revision="v1"),
    ):
        assert told.parameters == 8
        assert told.path == "hf://org/tiny@v1"


def test_a_folder_of_a_repo(hub):
    root = hub.repo("org/several")
    for name, size in (("small", 3), ("large", 5)):
        writer.write(root / name / "model.safetensors", {"model.norm.weight": ("F32", [size])})
    hub.clear()
    with pytest.raises(pondera.SeveralCheckpoints) as told:
        pondera.scan("org/several")
    assert set(told.value.paths) == {"hf://org/several/small", "hf://org/several/large"}
    assert pondera.scan("org/several:large").parameters == 5
    assert pondera.scan("hf://org/several/small").path == "hf://org/several/small"
    assert [one.parameters for one in pondera.scan_tree("org/several")] == [5, 3]


def test_a_path_that_is_here_wins(hub):
    put(hub, "org/tiny")
    writer.write(Path("org/tiny/model.safetensors"), {"model.norm.weight": ("F32", [8])})
    assert pondera.scan("org/tiny").path == "org/tiny"
    assert pondera.scan("org/tiny").parameters == 8
    assert pondera.scan("hf://org/tiny").parameters == 2640


def test_a_revision_of_a_path_is_an_error(hub, tiny):
    with pytest.raises(pondera.PonderaError, match="this is none"):
        pondera.scan(tiny, revision="main")


def test_the_list_of_files_may_have_many_pages(hub):
    folder = sharded(hub.repo("org/sharded"), shards=9)
    hub.set(page=4)
    hub.clear()
    assert facts(pondera.scan("org/sharded")) == facts(pondera.scan(folder))
    assert sum("/tree/" in path for path in hub.asked()) == 3


def test_an_adapter_names_its_base(hub):
    folder = hub.repo("org/lora")
    tensors = {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": ("F32", [4, 8])}
    writer.write(folder / "adapter_model.safetensors", tensors)
    writer.write_json(
        folder / "adapter_config.json", {"base_model_name_or_path": "org/tiny", "peft_type": "LORA"}
    )
    hub.clear()
    checkpoint = pondera.scan("org/lora")
    assert checkpoint.kind == "adapter"
    assert checkpoint.base == "org/tiny"


def test_a_repo_without_safetensors_says_what_is_there(hub):
    folder = hub.repo("org/other")
    (folder / "model.gguf").write_bytes(b"GGUF")
    (folder / "README.md").write_text("hello")
    hub.clear()
    with pytest.raises(pondera.NoCheckpoint, match="no safetensors") as told:
        pondera.scan("org/other")
    assert "model.gguf" in str(told.value)
    assert str(told.value).startswith("hf://org/other")


def test_files_that_are_whole_in_the_library_cache_are_read_there(hub):
    folder = put(hub, "org/tiny")
    from huggingface_hub import snapshot_download

    snapshot_download("org/tiny", token=False)
    hub.clear()
    assert facts(pondera.scan("org/tiny")) == facts(pondera.scan(folder))
    assert [path for path in hub.asked() if "/resolve/" in path] == []


def test_offline_what_the_library_downloaded_is_enough(hub):
    folder = put(hub, "org/tiny")
    from huggingface_hub import snapshot_download

    snapshot_download("org/tiny", token=False)
    shutil.rmtree(Path("cache"), ignore_errors=True)
    hub.clear()
    assert facts(pondera.scan("org/tiny", offline=True)) == facts(pondera.scan(folder))
    assert hub.log() == []


def test_a_file_that_is_cut_short_in_the_library_cache_is_not_believed(hub):
    folder = put(hub, "org/tiny")
    from huggingface_hub import snapshot_download

    place = Path(snapshot_download("org/tiny", token=False)) / "model.safetensors"
    cut = place.read_bytes()[:-1]
    place.resolve().write_bytes(cut)
    hub.clear()
    assert facts(pondera.scan("org/tiny")) == facts(pondera.scan(folder))
    assert len([path for path in hub.asked() if path.endswith("model.safetensors")]) == 1


def test_the_library_may_be_offline_by_its_own_switch(hub, monkeypatch):
    from huggingface_hub import constants

    put(hub, "org/tiny")
    first = pondera.scan("org/tiny")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.clear()
    assert pondera.scan("org/tiny") == first
    with pytest.raises(pondera.HubError, match="org/never: not read before"):
        pondera.scan("org/never")
    assert hub.log() == []


def test_the_cache_holds_headers_and_small_files_and_no_data(hub):
    folder = put(hub, "org/tiny")
    # A byte of data that is no hole.
    with (folder / "model.safetensors").open("r+b") as file:
        header = 8 + int.from_bytes(file.read(8), "little")
        file.seek(header)
        file.write(b"\xab" * 64)
    hub.set()
    pondera.scan("org/tiny")
    kept = sorted(Path("cache").glob("hub/*/org--tiny/files/*"))
    # Each behind a checksum of 4 bytes.
    assert sorted(len(file.read_bytes()) - 4 for file in kept) == sorted(
        [header, (folder / "config.json").stat().st_size]
    )
    assert all(b"\xab" * 8 not in file.read_bytes() for file in kept)
    assert not list(Path("cache").rglob(".new-*"))


@pytest.mark.parametrize("damage", [b"", b"\x00" * 8, b"{", b"\xff" * 40])
def test_a_cache_that_was_damaged_is_read_anew(hub, damage):
    folder = put(hub, "org/tiny")
    pondera.scan("org/tiny")
    for file in Path("cache").rglob("*"):
        if file.is_file():
            file.write_bytes(damage)
    assert facts(pondera.scan("org/tiny")) == facts(pondera.scan(folder))


def test_a_cache_that_cannot_be_written_is_no_error(hub, monkeypatch, tmp_path):
    put(hub, "org/tiny")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PONDERA_CACHE", str(tmp_path / "file" / "cache"))
    assert pondera.scan("org/tiny").parameters == 2640


def test_another_hub_of_the_same_names_has_a_cache_of_its_own(hub, monkeypatch):
    from huggingface_hub import constants

    put(hub, "org/tiny")
    pondera.scan("org/tiny")
    monkeypatch.setattr(constants, "ENDPOINT", hub.storage)
    with pytest.raises(pondera.HubError, match="not read before"):
        pondera.scan("org/tiny", offline=True)


def test_names_of_files_are_quoted_on_their_way(hub):
    folder = hub.repo("org/odd")
    writer.write(folder / "sub dir" / "ä#?%.safetensors", {"model.norm.weight": ("F32", [8])})
    hub.clear()
    assert pondera.scan("org/odd").parameters == 8


def test_an_empty_weight_file_is_not_asked_for(hub):
    folder = put(hub, "org/tiny")
    (folder / "model.safetensors").write_bytes(b"")
    hub.set()
    hub.clear()
    assert facts(pondera.scan("org/tiny")) == facts(pondera.scan(folder))


@pytest.mark.parametrize("length", [2**63, 2**27, 10_000])
def test_a_header_length_that_lies_is_a_problem_as_on_this_machine(hub, length):
    folder = hub.repo("org/lies")
    head, data = writer.header(TINY)
    writer.write_bytes(folder / "model.safetensors", head, data, length)
    hub.clear()
    assert facts(pondera.scan("org/lies")) == facts(pondera.scan(folder))
    assert sum(entry["sent"] for entry in hub.log()) < 1 << 20


def test_the_hub_through_its_environment_in_a_process_of_its_own(hub, program, tmp_path):
    put(hub, "org/tiny")
    done = program("scan", "org/tiny", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["checkpoints"][0]["path"] == "hf://org/tiny"
    assert told["totals"]["parameters"] == 2640
    assert done.stderr == ""
