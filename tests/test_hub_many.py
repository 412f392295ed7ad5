"""Many repos at once: streamed, whatever some of them do, and the command over them."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pondera
import writer
from pondera._hub import wire
from test_hub import put, sharded


def many(hub, count: int) -> list[str]:
    """So many repos of 1, 2, 3, ... parameters."""
    names = [f"org/model-{number}" for number in range(1, count + 1)]
    for number, name in enumerate(names, 1):
        writer.write(hub.repo(name) / "model.safetensors", {"model.norm.weight": ("F32", [number])})
    hub.clear()
    return names


def test_every_target_gives_one_result_whatever_the_others_do(hub, tiny, monkeypatch):
    monkeypatch.setattr(wire, "FIRST_WAIT", 0.01)
    names = many(hub, 12)
    targets = [*names, "org/none", str(tiny), "hf://nonsense", "no/such/path"]
    results = list(pondera.scan_many(targets, concurrency=4))
    assert sorted(one.target for one in results) == sorted(targets)
    told = {one.target: one for one in results}
    for number, name in enumerate(names, 1):
        assert [one.parameters for one in told[name].checkpoints] == [number]
        assert told[name].error is None
    assert told[str(tiny)].checkpoints[0].parameters == 2640
    assert isinstance(told["org/none"].error, pondera.HubError)
    assert isinstance(told["hf://nonsense"].error, pondera.HubError)
    assert isinstance(told["no/such/path"].error, FileNotFoundError)
    assert told["org/none"].tree is None
    assert told["org/none"].checkpoints == ()


def test_targets_are_taken_as_they_are_needed(hub):
    names = iter(many(hub, 20))
    stream = pondera.scan_many(names, concurrency=2)
    next(stream)
    stream.close()
    assert len(list(names)) >= 15


def test_a_run_that_was_stopped_goes_on(hub):
    names = many(hub, 10)
    stream = pondera.scan_many(names, concurrency=1)
    done = [next(stream).target for _ in range(4)]
    stream.close()
    hub.clear()
    assert len(list(pondera.scan_many(names, concurrency=1))) == 10
    fetched = [path for path in hub.asked() if "/resolve/" in path]
    assert not [path for path in fetched if any(path.startswith(f"/{name}/") for name in done)]


def test_an_error_of_the_caller_is_told_at_once():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        pondera.scan_many([], concurrency=0)
    assert list(pondera.scan_many([])) == []


def test_a_result_says_what_it_is(hub):
    (one,) = pondera.scan_many(many(hub, 1))
    assert repr(one) == "Scanned('org/model-1', 1 checkpoint)"
    (other,) = pondera.scan_many(["org/none"])
    assert repr(other).startswith("Scanned('org/none', org/none: no such repo")


def test_the_command_writes_rows_as_they_come(hub, run, tmp_path):
    names = many(hub, 3)
    (tmp_path / "ids.txt").write_text("\n".join(["# mine", *names, "", "org/none"]))
    code, out, talk = run("scan", "--from", "ids.txt", "--concurrency", 1)
    assert code == 1
    lines = out.splitlines()
    assert lines[0].split() == ["model", "tensors", "parameters", "bytes", "worst", "problem"]
    rows = [line.split() for line in lines[2:5]]
    assert [row[0] for row in rows] == names
    assert [row[1:3] for row in rows] == [["1", "1"], ["1", "2"], ["1", "3"]]
    assert lines[-1].split()[:3] == ["3", "checkpoints", "6"]
    assert "org/none: no such repo" in talk
    assert talk.endswith("1 target of 4 gave nothing\n")


def test_the_command_writes_csv_and_json(hub, run, tmp_path):
    names = many(hub, 3)
    (tmp_path / "ids.txt").write_text("\n".join([*names, "org/none"]))
    code, out, _ = run("scan", "--from", "ids.txt", "--csv")
    assert code == 1
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["path"]: row["parameters"] for row in rows} == {
        f"hf://{name}": str(number) for number, name in enumerate(names, 1)
    }
    code, out, _ = run("scan", "--from", "ids.txt", "--json")
    assert code == 1
    told = json.loads(out)
    assert told["schema"] == "pondera.scan/1"
    assert sorted(one["name"] for one in told["checkpoints"]) == sorted(names)
    assert told["totals"]["parameters"] == 6
    assert told["totals"]["checkpoints"] == 3
    assert [problem["path"] for problem in told["problems"]] == ["org/none"]


def test_the_json_of_many_has_the_keys_of_that_of_one(hub, run, tmp_path):
    names = many(hub, 2)
    (tmp_path / "ids.txt").write_text("\n".join(names))
    _, together, _ = run("scan", *names, "--json")
    _, streamed, _ = run("scan", "--from", "ids.txt", "--json", "--concurrency", 1)
    assert json.loads(streamed) == json.loads(together)
    for by in ("role", "dtype", "layer", "tensor"):
        _, together, _ = run("scan", *names, "--csv", "--by", by)
        _, streamed, _ = run("scan", "--from", "ids.txt", "--csv", "--by", by, "--concurrency", 1)
        assert streamed == together


def test_nothing_at_all_is_an_error(hub, run, tmp_path):
    (tmp_path / "ids.txt").write_text("org/none\n")
    code, out, _ = run("scan", "--from", "ids.txt", "--json")
    assert code == 2
    assert json.loads(out)["totals"] == dict.fromkeys(json.loads(out)["totals"], 0)
    (tmp_path / "empty.txt").write_text("# nothing\n")
    code, _, talk = run("scan", "--from", "empty.txt")
    assert code == 2
    assert "names nothing" in talk
    code, _, talk = run("scan", "--from", "missing.txt")
    assert code == 2
    assert talk == "pondera: error: missing.txt: No such file or directory\n"
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    code, _, talk = run("scan", "--from", "bytes.txt")
    assert code == 2
    assert "is no text in UTF-8" in talk


def test_targets_may_come_from_standard_input(hub, program, tmp_path):
    names = many(hub, 2)
    done = program("scan", "--from", "-", "--csv", cwd=tmp_path, input="\n".join(names))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["scan", "a/b", "c/d", "--revision", "v1"], "--revision is of one repo"),
        (["scan", "--from", "ids.txt", "--revision", "v1"], "--revision does not go with --from"),
        (["scan", "--from", "ids.txt", "--with-base"], "--with-base does not go with --from"),
        (["scan", "--from", "ids.txt", "--by", "role"], "--by goes with --from only"),
        (["scan", "--from", "ids.txt", "--concurrency", "0"], "must be a whole number"),
    ],
)
def test_options_that_cannot_be_right_together(hub, run, arguments, part):
    code, out, talk = run(*arguments)
    assert code == 2
    assert out == ""
    assert part in talk


def test_a_revision_and_staying_offline_are_options(hub, run):
    put(hub, "org/tiny")
    writer.write(hub.repo("org/tiny", "v1") / "model.safetensors", {"model.norm.weight": ("F32", [8])})
    hub.clear()
    code, out, _ = run("scan", "org/tiny", "--revision", "v1", "--json")
    assert code == 0
    assert json.loads(out)["totals"]["parameters"] == 8
    hub.clear()
    code, again, _ = run("scan", "org/tiny", "--revision", "v1", "--json", "--offline")
    assert code == 0
    assert again == out
    assert hub.log() == []


def test_an_adapter_with_its_base(hub, run):
    put(hub, "org/tiny")
    folder = hub.repo("org/lora")
    tensors = {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": ("F32", [4, 8])}
    writer.write(folder / "adapter_model.safetensors", tensors)
    writer.write_json(
        folder / "adapter_config.json", {"base_model_name_or_path": "org/tiny", "peft_type": "LORA"}
    )
    hub.clear()
    _, out, _ = run("scan", "org/lora", "--json")
    assert [one["kind"] for one in json.loads(out)["checkpoints"]] == ["adapter"]
    code, out, _ = run("scan", "org/lora", "--with-base", "--json")
    assert code == 0
    told = json.loads(out)
    assert [(one["kind"], one["parameters"]) for one in told["checkpoints"]] == [
        ("adapter", 32),
        ("model", 2640),
    ]
    assert told["totals"]["parameters"] == 2672


def test_a_base_that_is_gone_is_told_and_the_adapter_shown(hub, run):
    folder = hub.repo("org/lora")
    writer.write(folder / "adapter_model.safetensors", {"a.lora_A.weight": ("F32", [4, 8])})
    writer.write_json(folder / "adapter_config.json", {"base_model_name_or_path": "org/gone"})
    hub.clear()
    code, out, talk = run("scan", "org/lora", "--with-base", "--json")
    assert code == 1
    assert len(json.loads(out)["checkpoints"]) == 1
    assert "org/gone: no such repo" in talk


def test_an_adapter_of_the_hub_leads_to_no_path_of_this_machine(hub, run, tmp_path):
    secret = tmp_path / "secret"
    writer.write(secret / "model.safetensors", {"model.norm.weight": ("F32", [8])})
    folder = hub.repo("org/lora")
    writer.write(folder / "adapter_model.safetensors", {"a.lora_A.weight": ("F32", [4, 8])})
    for named in (str(secret), os.path.relpath(secret), f"hf://{secret}"):
        writer.write_json(folder / "adapter_config.json", {"base_model_name_or_path": named})
        hub.clear()
        code, out, talk = run("scan", "org/lora", "--with-base", "--json")
        assert code == 1
        assert len(json.loads(out)["checkpoints"]) == 1
        assert talk.startswith("pondera: error: hf://")


def test_adapters_that_name_each_other_come_to_an_end(hub, run):
    for name, base in (("org/a", "org/b"), ("org/b", "org/a")):
        folder = hub.repo(name)
        writer.write(folder / "adapter_model.safetensors", {"a.lora_A.weight": ("F32", [4, 8])})
        writer.write_json(folder / "adapter_config.json", {"base_model_name_or_path": base})
    hub.clear()
    _, out, _ = run("scan", "org/a", "--with-base", "--json")
    assert len(json.loads(out)["checkpoints"]) == 2


def test_the_names_of_a_hostile_repo_do_not_steer_the_terminal(hub, run):
    folder = hub.repo("org/hostile")
    for name in ("\x1b[31mred", "<script>alert(1)</script>", "\u202egnp", "x" * 200):
        writer.write(folder / name.replace("/", "_") / "model.safetensors", {"w\x1b[0m": ("F32", [1])})
    hub.clear()
    code, out, talk = run("scan", "org/hostile")
    assert code == 0
    assert "\x1b" not in out + talk
    assert "\u202e" not in out + talk


def test_many_are_read_by_the_hub_in_few_requests(hub):
    names = many(hub, 30)
    assert sum(len(one.checkpoints) for one in pondera.scan_many(names)) == 30
    # The commit, the list of files and the one header of each.
    assert len(hub.asked()) == 90


def test_ctrl_c_ends_many_scans(hub):
    names = many(hub, 5)
    hub.fault("*/resolve/*", "hang", seconds=30.0, times=99)
    script = f"import pondera\nfor one in pondera.scan_many({names!r}): print(one)"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 20
        while not any("/resolve/" in path for path in hub.asked()):
            assert time.monotonic() < end, "it never came"
            time.sleep(0.01)
        process.send_signal(2)
        try:
            _, talk = process.communicate(timeout=8)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert "KeyboardInterrupt" in talk


def test_a_repo_that_is_read_twice_at_one_time(hub):
    folder = sharded(hub.repo("org/sharded"), shards=8)
    hub.clear()
    results = list(pondera.scan_many(["org/sharded"] * 6, concurrency=6))
    assert {one.checkpoints[0].parameters for one in results} == {pondera.scan(folder).parameters}
    assert not list(Path("cache").rglob(".new-*"))
