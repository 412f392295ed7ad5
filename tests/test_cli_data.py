"""The program `pondera`: JSON and CSV for other programs."""

import csv
import io
import json

import pondera


def only_whole_numbers(value):
    if isinstance(value, dict):
        return all(map(only_whole_numbers, value.values()))
    if isinstance(value, list):
        return all(map(only_whole_numbers, value))
    return value is None or isinstance(value, (str, int))


def test_json_is_that_of_the_library(run, tmp_path, tiny, two_models):
    two_models(tmp_path)
    code, out, _ = run("scan", tmp_path, "--json")
    assert code == 0
    assert json.loads(out) == pondera.scan_tree(tmp_path).to_dict()
    assert only_whole_numbers(json.loads(out))
    assert out.count("\n") == 1


def test_json_of_several_paths_is_one_scan(run, tmp_path, tiny, two_models):
    two_models(tmp_path / "other")
    _, out, _ = run("scan", tmp_path / "other", tiny, "--json")
    scan = json.loads(out)
    assert [one["name"] for one in scan["checkpoints"]] == ["a", "deep", "tiny"]
    sizes = [path.stat().st_size for path in tmp_path.rglob("*.safetensors")]
    assert scan["totals"] == {
        "checkpoints": 3,
        "shards": 3,
        "tensors": 13,
        "parameters": 2648,
        "stored_bytes": 5344,
        "file_bytes": sum(sizes),
        "disk_bytes": sum(sizes),
    }


def test_json_by_layer_and_by_tensor(run, tiny):
    scan = json.loads(run("scan", tiny, "--json", "--by", "layer")[1])
    layers = scan["checkpoints"][0]["layers"]
    assert {name: sums["bytes"] for name, sums in layers.items()} == {"outside": 3232, "model.layers.0": 2080}
    scan = json.loads(run("scan", tiny, "--json", "--by", "tensor")[1])
    assert only_whole_numbers(scan)
    rows = scan["checkpoints"][0]["table"]
    assert len(rows) == 11
    assert rows[0]["name"] == "model.embed_tokens.weight"
    assert (rows[0]["shape"], rows[0]["layer"], rows[0]["stack"]) == ([100, 8], None, "")
    assert (rows[1]["shape"], rows[1]["layer"], rows[1]["stack"]) == ([8, 8], 0, "model.layers")
    assert sum(row["bytes"] for row in rows) == 5312


def test_csv_of_one_model_and_of_several(run, tiny, tmp_path, two_models):
    (row,) = csv.DictReader(io.StringIO(run("scan", tiny, "--csv")[1]))
    assert (row["name"], row["tensors"], row["parameters"]) == ("tiny", "11", "2640")
    rows = list(csv.DictReader(io.StringIO(run("scan", tiny, "--csv", "--by", "role")[1])))
    assert rows[1] == {
        "path": str(tiny),
        "role": "attention",
        "tensors": "4",
        "parameters": "256",
        "bytes": "512",
    }
    assert len(rows) == 5
    two_models(tmp_path)
    rows = list(csv.DictReader(io.StringIO(run("scan", tmp_path, "--csv")[1])))
    assert [(row["name"], row["parameters"], row["quantization"], row["errors"]) for row in rows] == [
        ("a", "3", "", "0"),
        ("deep", "5", "", "0"),
        ("tiny", "2640", "", "0"),
    ]


def test_csv_by_tensor_writes_shapes_as_one_word(run, tmp_path, write):
    write(tmp_path / "model.safetensors", {"a,b": ("F32", []), "model.norm.weight": ("F32", [2, 3])})
    out = run("scan", tmp_path, "--csv", "--by", "tensor")[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0])[:3] == ["path", "name", "role"]
    assert [(row["name"], row["shape"], row["parameters"], row["layer"]) for row in rows] == [
        ("a,b", "", "1", ""),
        ("model.norm.weight", "2x3", "6", ""),
    ]


def test_csv_by_layer_and_by_dtype(run, tiny):
    rows = list(csv.DictReader(io.StringIO(run("scan", tiny, "--csv", "--by", "layer")[1])))
    assert [(row["layer"], row["tensors"]) for row in rows] == [("outside", "3"), ("model.layers.0", "8")]
    rows = list(csv.DictReader(io.StringIO(run("scan", tiny, "--csv", "--by", "dtype")[1])))
    assert [(row["dtype"], row["bytes"]) for row in rows] == [("BF16", "5248"), ("F32", "64")]


def test_csv_without_rows_has_its_titles(run, tmp_path, write):
    write(tmp_path / "model.safetensors", {})
    assert run("scan", tmp_path, "--csv", "--by", "role")[1] == "path,role,tensors,parameters,bytes\n"
    assert run("scan", tmp_path, "--csv", "--by", "tensor")[1].startswith("path,name,role,")
