"""A repo of the Hub wherever a target goes: every command and every function that takes one."""

import json

import pytest

import pondera
import writer
from test_hub import LLAMA, put


@pytest.fixture
def tiny_repo(hub):
    """The tiny model as `org/tiny`, and the hub."""
    put(hub, "org/tiny")
    return hub


COMMANDS = [
    ["show", "{}"],
    ["check", "{}"],
    ["fit", "{}", "--gpu", "24GiB"],
    ["sweep", "{}", "--gpu", "24GiB"],
    ["map", "{}"],
    ["compare", "{}", "--set", "vocab_size=200", "--gpu", "24GiB"],
    ["report", "{}", "--gpu", "24GiB"],
    ["explain", "num_key_value_heads", "{}"],
    ["scan", "{}"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("target", ["org/tiny", "hf://org/tiny", "org/tiny@main"])
def test_commands_say_of_a_repo_what_they_say_of_its_files(tiny_repo, run, command, target):
    folder = tiny_repo.root / "org/tiny" / "main"
    local = run(*(part.format(folder) for part in command), "--json")
    remote = run(*(part.format(target) for part in command), "--json")
    assert remote[0] == local[0], remote[2]
    told = json.dumps(json.loads(remote[1])).replace("hf://org/tiny@main", "X").replace("hf://org/tiny", "X")
    told = told.replace("org/tiny@main", "N").replace("org/tiny", "N")
    here = json.dumps(json.loads(local[1])).replace(str(folder), "X").replace('"name": "main"', '"name": "N"')
    if command[0] in ("scan", "show", "check"):
        told, here = told.replace('"name": "N"', ""), here.replace('"name": "N"', "")
    # What was asked for is told as it was written.
    told = told.replace('"target": "N"', '"target": "X"')
    assert told == here
    assert remote[2].replace(target, "X") == local[2].replace(str(folder), "X")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_show_a_repo_by_its_address(tiny_repo, run, command):
    page = ["-o", "-"] if command[0] == "report" else []
    _, out, _ = run(*(part.format("org/tiny") for part in command), *page)
    assert out
    if command[0] in ("scan", "show"):
        assert "hf://org/tiny" in out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_end_with_one_line_where_there_is_no_such_repo(tiny_repo, run, command):
    code, out, talk = run(*(part.format("org/none") for part in command))
    assert code == 2
    assert out == ""
    assert talk.count("\n") == 1
    assert "org/none: no such repo" in talk


def test_functions_take_a_repo(tiny_repo):
    model = pondera.Model.open("org/tiny")
    assert model.name == "hf://org/tiny"
    assert model.checkpoint == pondera.scan("org/tiny")
    assert model.architecture.config["vocab_size"] == 100
    fit = pondera.fit("org/tiny", gpu="24GiB")
    assert fit.fits
    assert pondera.max_context("org/tiny", gpu="24GiB").value == 64
    sweep = pondera.sweep(["org/tiny", "hf://org/tiny"], gpu="24GiB", concurrency=[1, 2])
    assert len(sweep) == 4
    assert pondera.draw("org/tiny").svg.startswith("<svg")
    assert pondera.fit_many("org/tiny", {"gpu": ["24GiB"], "context": [64]})["fits"].tolist() == [True]


def test_a_config_alone_is_enough_to_ask_what_fits(hub):
    folder = hub.repo("org/mind")
    writer.write_json(folder / "config.json", LLAMA)
    hub.clear()
    model = pondera.Model.open("org/mind")
    assert model.checkpoint is None
    assert pondera.fit("org/mind", gpu="24GiB").fits


def test_a_repo_with_nothing_to_tell(hub):
    (hub.repo("org/nothing") / "README.md").write_text("hello")
    hub.clear()
    with pytest.raises(pondera.NoCheckpoint, match="hf://org/nothing: neither a config"):
        pondera.Model.open("org/nothing")


def test_a_built_in_name_is_not_asked_of_the_hub(tiny_repo):
    tiny_repo.clear()
    assert pondera.Model.open("llama-3.1-8b").name == "llama-3.1-8b"
    assert tiny_repo.log() == []


def test_where_the_hub_fails_the_built_in_config_is_named(tiny_repo):
    with pytest.raises(
        pondera.HubError, match=r"no such repo .*; its config alone is built in: llama-3\.1-8b"
    ):
        pondera.Model.open("meta-llama/Llama-3.1-8B")


def test_a_study_may_name_repos(tiny_repo, run, tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "study.toml").write_text('targets = ["org/tiny"]\ngpu = ["24GiB"]\n')
    code, out, talk = run("sweep", "--file", "studies/study.toml", "--json")
    assert code == 0, talk
    assert "hf://org/tiny" in out


def test_without_the_library_one_line_says_what_to_install(tmp_path, monkeypatch, run):
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    code, _, talk = run("show", "org/tiny")
    assert code == 2
    assert talk == (
        "pondera: error: what is no path here is a repo of the Hub, and to read one needs huggingface_hub, "
        "which is not there; pip install 'pondera[hub]'\n"
    )
