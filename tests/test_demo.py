"""The demonstration: its models must be those their publishers published, to the byte."""

import json
from pathlib import Path

import pytest

import pondera
from pondera import demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert [path.name for path in demo.build(folder)] == [model.folder for model in demo.MODELS]
    return folder


# Totals as published. Llama 3.1 8B and Qwen2.5-7B, whose AWQ version stands for the same parameters: those of
# the Hub. Qwen3-30B-A3B: half the total_size of its index. gpt-oss-20b: general.parameter_count of its GGUF.
# The adapter: PEFT's `trainable params`. MiniLM: that of the Hub without the buffer of 512 positions.
@pytest.mark.parametrize(
    ("name", "parameters", "tensors", "quantization", "kind"),
    [
        ("Llama-3.1-8B", 8_030_261_248, 291, None, "model"),
        ("Llama-3.1-8B-lora", 41_943_040, 448, None, "adapter"),
        ("Qwen2.5-7B-Instruct-AWQ", 7_615_616_512, 731, "awq", "model"),
        ("Qwen3-30B-A3B", 30_532_122_624, 18_867, None, "model"),
        ("all-MiniLM-L6-v2", 22_713_728 - 512, 104, None, "model"),
        ("gpt-oss-20b", 20_914_757_184, 459, "mxfp4", "model"),
    ],
)
def test_totals_are_the_published_ones(folder, name, parameters, tensors, quantization, kind):
    checkpoint = pondera.scan(folder / name)
    assert checkpoint.parameters == parameters
    assert checkpoint.tensors == tensors
    assert (checkpoint.quantization, checkpoint.kind) == (quantization, kind)
    assert checkpoint.problems == ()
    assert "other" not in checkpoint.roles


# Lengths of the files as the Hub lists them.
@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("Llama-3.1-8B", [4_976_698_672, 4_999_802_720, 4_915_916_176, 1_168_138_808]),
        ("Llama-3.1-8B-lora", [167_832_240]),
        ("all-MiniLM-L6-v2", [90_868_376]),
        ("gpt-oss-20b", [4_792_272_488, 4_798_702_184, 4_170_342_232]),
    ],
)
def test_files_have_the_published_lengths(folder, name, lengths):
    assert [file.file_bytes for file in pondera.scan(folder / name).files] == lengths


def test_a_mixture_of_experts_is_sharded_as_published(folder):
    checkpoint = pondera.scan(folder / "Qwen3-30B-A3B")
    # Tensors per shard and total_size of the published index.
    assert [file.tensors for file in checkpoint.files] == [
        1063, 1262, 1258, 1262, 1262, 1262, 1262, 1258, 1262, 1262, 1262, 1260, 1256, 1262, 1262, 152,
    ]  # fmt: skip
    assert checkpoint.stored_bytes == 61_064_245_248
    # By hand: 48 layers of 128 experts of 3 x 2048 x 768; q and o of 4096 x 2048, k and v of 512 x 2048.
    assert checkpoint.roles["expert"].parameters == 48 * 128 * 3 * 2048 * 768
    assert checkpoint.roles["attention"].parameters == 48 * (2 * 4096 + 2 * 512) * 2048
    assert checkpoint.roles["router"].parameters == 48 * 128 * 2048


def test_packed_experts_count_as_what_they_stand_for(folder):
    checkpoint = pondera.scan(folder / "gpt-oss-20b")
    # total_size of the published index.
    assert checkpoint.stored_bytes == 13_761_264_768
    matrices, biases = 24 * 32 * 3 * 2880 * 2880, 24 * 32 * 3 * 2880
    assert checkpoint.roles["expert"].parameters == matrices + biases
    # 17 bytes for 32 weights, and two bytes for each bias.
    assert checkpoint.roles["expert"].bytes == matrices * 17 // 32 + 2 * biases


def test_packed_linears_count_as_what_they_stand_for(folder):
    checkpoint = pondera.scan(folder / "Qwen2.5-7B-Instruct-AWQ")
    linears = 28 * (2 * 3584 * 3584 + 2 * 512 * 3584 + 3 * 18944 * 3584)
    halves = 7_615_616_512 - linears
    # Half a byte each, and for every 128 of them a scale of two bytes and a zero point of half a byte.
    assert checkpoint.stored_bytes == linears // 2 + linears // 128 * 5 // 2 + 2 * halves


def test_the_broken_model_lacks_a_shard(folder):
    checkpoint = pondera.scan(folder / "Llama-3.2-1B-broken")
    assert [problem.code for problem in checkpoint.problems] == ["shard-missing"]
    whole = json.loads((folder / "Llama-3.2-1B-broken" / "model.safetensors.index.json").read_text())
    # Published: 1,235,814,400 parameters in BF16.
    assert whole["metadata"]["total_size"] == 2 * 1_235_814_400
    assert 0 < checkpoint.parameters < 1_235_814_400


def test_files_take_next_to_no_disk(folder):
    blocks = sum(path.stat().st_blocks for path in folder.rglob("*.safetensors"))
    assert blocks * 512 < 10_000_000
    assert pondera.scan_tree(folder).disk_bytes > 98_000_000_000


def test_the_table_of_models_is_sorted_and_unique():
    names = [model.folder for model in demo.MODELS]
    assert names == sorted(set(names))


def test_the_command_shows_all_and_removes_them(run, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, err = run("demo")
    assert code == 0
    assert list(tmp_path.iterdir()) == []
    assert err.startswith("7 models of published shapes, one broken on purpose: 98.22 GB weighed in ")
    for model in demo.MODELS:
        assert any(line.startswith(model.folder) for line in out.splitlines())
    assert "30,532,122,624 parameters (30.53 B) · 61.06 GB (56.87 GiB)" in out
    assert "20,914,757,184 parameters (20.91 B) · 13.76 GB (12.82 GiB)" in out
    assert "✗ shard-missing" in out


def test_the_command_keeps_the_models_where_asked(run, tmp_path):
    code, out, err = run("demo", "--keep", tmp_path / "models", "--json")
    assert code == 0
    assert json.loads(out)["totals"]["checkpoints"] == len(demo.MODELS)
    assert "the models are in" in err
    assert (tmp_path / "models" / "gpt-oss-20b" / "config.json").exists()
    assert run("scan", tmp_path / "models")[0] == 1
    code, out, err = run("demo", "--keep", tmp_path / "models")
    assert (code, out) == (2, "")
    assert err == f"pondera: error: --keep {tmp_path}/models: not empty; name a new folder\n"


def test_a_folder_that_cannot_be_written_is_one_line(run, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = run("demo", "--keep", tmp_path / "file" / "models")
    assert code == 2
    assert err.startswith("pondera: error: ")
    assert err.count("\n") == 1


def test_building_accepts_text_and_existing_folders(tmp_path):
    (tmp_path / "all-MiniLM-L6-v2").mkdir()
    assert Path(demo.build(str(tmp_path))[5]) == tmp_path / "all-MiniLM-L6-v2"
