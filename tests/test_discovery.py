"""What of a folder is counted, and what is said of the rest."""

import json
import os

import pytest

import pondera
import writer

A: writer.Tensors = {"model.layers.0.self_attn.q_proj.weight": ("BF16", [4, 4])}
B: writer.Tensors = {"model.layers.1.self_attn.q_proj.weight": ("BF16", [4, 4])}
LORA: writer.Tensors = {"base_model.model.x.lora_A.weight": ("F32", [2, 4])}


def write(folder, files):
    for name, tensors in files.items():
        writer.write(folder / name, tensors)


def found(folder):
    """Each checkpoint by its path from the folder: kind, shards and codes."""
    tree = pondera.scan_tree(folder)
    return {
        os.path.relpath(one.path, folder): (one.kind, one.shards, [problem.code for problem in one.problems])
        for one in tree
    }


def test_numbered_consolidated_files_are_parts_of_one_model(tmp_path):
    write(tmp_path, {"consolidated.00.safetensors": A, "consolidated.01.safetensors": B})
    assert found(tmp_path) == {".": ("model", 2, [])}
    write(tmp_path, {"model.safetensors": A | B})
    assert found(tmp_path) == {".": ("model", 1, ["copy-not-counted"])}
    (problem,) = pondera.scan(tmp_path).problems
    assert problem.message == (
        "consolidated.00.safetensors (2 files) is taken for another copy of model.safetensors by its name; "
        "it is not counted"
    )


def test_an_adapter_beside_a_pipeline_is_an_adapter(tmp_path):
    writer.write_json(tmp_path / "model_index.json", {"unet": ["diffusers", "UNet2DConditionModel"]})
    write(tmp_path, {"unet/diffusion_pytorch_model.safetensors": A, "pytorch_lora_weights.safetensors": LORA})
    write(tmp_path, {"everything.safetensors": A})
    assert found(tmp_path) == {
        ".": ("pipeline", 1, ["copy-not-counted"]),
        "pytorch_lora_weights.safetensors": ("adapter", 1, []),
    }


def test_an_adapter_in_a_component_is_no_component(tmp_path):
    parts = {name: ["diffusers", "UNet2DConditionModel"] for name in ("unet", "vae")}
    writer.write_json(tmp_path / "model_index.json", parts)
    write(tmp_path, {"vae/model.safetensors": A, "unet/adapter_model.safetensors": LORA})
    assert found(tmp_path) == {
        ".": ("pipeline", 1, ["component-missing"]),
        "unet/adapter_model.safetensors": ("adapter", 1, []),
    }


def test_modules_with_an_adapter_alone_are_an_adapter(tmp_path):
    writer.write_json(
        tmp_path / "modules.json", [{"path": "", "type": "sentence_transformers.models.Transformer"}]
    )
    write(tmp_path, {"adapter_model.safetensors": LORA})
    assert found(tmp_path) == {".": ("adapter", 1, [])}


def test_locks_of_finished_downloads_say_nothing(tmp_path):
    write(tmp_path, {"model.safetensors": A})
    cache = tmp_path / ".cache" / "huggingface" / "download"
    cache.mkdir(parents=True)
    for name in ("model.safetensors.lock", "config.json.lock"):
        (cache / name).touch()
    for name in ("uv.lock", "poetry.lock", "config.json.lock"):
        (tmp_path / name).touch()
    assert found(tmp_path) == {".": ("model", 1, [])}
    (tmp_path / "model-q.safetensors.lock").touch()
    (cache / "abc.incomplete").touch()
    assert found(tmp_path) == {".": ("model", 1, ["unfinished-download"] * 2)}


def test_a_partial_file_of_the_hub_belongs_to_no_snapshot(tmp_path):
    repository = tmp_path / "models--org--m"
    writer.write(repository / "blobs" / "aaa", A)
    for revision in ("r1", "r2"):
        writer.link("../../blobs/aaa", repository / "snapshots" / revision / "model.safetensors")
    (repository / "blobs" / "bbb.incomplete").touch()
    tree = pondera.scan_tree(tmp_path)
    assert [one.problems for one in tree] == [(), ()]
    assert [problem.code for problem in tree.problems] == ["unfinished-download"]


def test_a_stale_index_warns(tmp_path):
    write(tmp_path, {"model-00001-of-00002.safetensors": A, "model-00002-of-00002.safetensors": B})
    named = dict.fromkeys([*A, *B], "model-00001-of-00003.safetensors")
    writer.write_json(tmp_path / "model.safetensors.index.json", {"weight_map": named})
    (problem,) = pondera.scan(tmp_path).problems
    assert (problem.code, problem.severity) == ("index-stale", "warning")
    assert "names 1 shard, none of which is here" in problem.message


def test_a_shard_outside_the_folder_is_not_followed(tmp_path):
    write(tmp_path, {"m/model-00001-of-00002.safetensors": A, "x/part.safetensors": B})
    named = dict.fromkeys(A, "model-00001-of-00002.safetensors") | dict.fromkeys(B, "../x/part.safetensors")
    writer.write_json(tmp_path / "m" / "model.safetensors.index.json", {"weight_map": named})
    (problem,) = pondera.scan(tmp_path / "m").problems
    assert problem.code == "shard-missing"
    assert "is not a file of this folder; names that lead elsewhere are not followed" in problem.message


def test_one_part_says_that_there_are_others(tmp_path):
    write(tmp_path, {f"model-0000{n}-of-00003.safetensors": A for n in (1, 2, 3)})
    (problem,) = pondera.scan(tmp_path / "model-00002-of-00003.safetensors").problems
    assert (problem.code, problem.severity) == ("part-alone", "info")
    assert "part 2 of 3" in problem.message


def test_data_files_of_onnx_are_not_read(tmp_path):
    write(tmp_path, {"model.safetensors": A})
    for name in ("model.onnx.data", "model.onnx_data", "model.onnx_data_1"):
        (tmp_path / name).write_bytes(b"1")
    checkpoint = pondera.scan(tmp_path)
    assert [(problem.code, problem.message) for problem in checkpoint.problems] == [
        ("not-read", "1 byte in a format that is not read")
    ] * 3


@pytest.mark.parametrize("name", [b"d\xff/model.safetensors", b"mod\xffel.safetensors"])
def test_names_that_are_not_unicode_are_those_of_the_system(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    writer.write(tmp_path / "x", A)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(tmp_path / "x", path)
    tree = pondera.scan_tree(tmp_path)
    (one,) = tree
    assert (one.parameters, one.problems, tree.problems) == (16, (), ())
    assert [os.fsencode(file.path) for file in one.files] == [path]
    assert pondera.scan(one.path) == one
    assert pondera.scan(one.files[0].path).parameters == 16
    # JSON is Unicode, and says so of the folder.
    assert ("\ufffd" in json.loads(tree.to_json())["checkpoints"][0]["path"]) == (b"/" in name)


def test_several_are_counted_in_words(tmp_path):
    write(tmp_path, {"model.safetensors": A, "below/model.safetensors": B})
    assert [problem.message for problem in pondera.scan(tmp_path).problems] == [
        "1 more checkpoint lies beside or below this one; it is not counted"
    ]
    write(tmp_path, {"further/model.safetensors": B})
    assert [problem.message for problem in pondera.scan(tmp_path).problems] == [
        "2 more checkpoints lie beside or below this one; they are not counted"
    ]
