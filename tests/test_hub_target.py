"""Which texts mean a repo of the Hub, and which do not. Nothing is asked of a network."""

import subprocess
import sys
from pathlib import Path

import pytest

from pondera import HubError
from pondera._hub.target import HubTarget, hub_target


@pytest.mark.parametrize(
    ("text", "repo", "revision", "folder"),
    [
        ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B", None, ""),
        ("org/na.me_x", "org/na.me_x", None, ""),
        ("org/name@v1.0", "org/name", "v1.0", ""),
        ("org/name@refs/pr/4", "org/name", "refs/pr/4", ""),
        ("org/name:sub/folder", "org/name", None, "sub/folder"),
        ("org/name@main:sub/", "org/name", "main", "sub"),
        ("hf://org/name", "org/name", None, ""),
        ("hf://models/org/name", "org/name", None, ""),
        ("hf://org/name/", "org/name", None, ""),
        ("hf://org/name@v1", "org/name", "v1", ""),
        ("hf://org/name@v1/sub/folder", "org/name", "v1", "sub/folder"),
        ("hf://org/name/sub/folder", "org/name", None, "sub/folder"),
        ("hf://org/name:sub", "org/name", None, "sub"),
        ("hf://org/name@refs/pr/4/sub", "org/name", "refs/pr/4", "sub"),
        ("hf://org/name@feature%2Fx/sub", "org/name", "feature/x", "sub"),
        ("hf://org/name/model.safetensors", "org/name", None, "model.safetensors"),
    ],
)
def test_a_repo_in_every_spelling(text, repo, revision, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub_target(text) == HubTarget(repo, revision, folder)


@pytest.mark.parametrize(
    "text",
    [
        "llama-3.1-8b",
        "./org/name",
        "../name",
        "/org/name",
        "~/models/name",
        "org/name/more",
        "org/",
        "/name",
        "org//name",
        "or g/name",
        "org/na--me",
        "org/na..me",
        "org/name.git",
        "org/model.safetensors",
        "org/config.json",
        "org/model.safetensors.index.json",
        "C:/models",
        "",
        "org/" + "x" * 97,
        "<script>/x",
        "org/‮name",
        "org/name\n",
    ],
)
def test_what_cannot_be_a_repo(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub_target(text) is None


def test_a_path_that_is_here_goes_before_a_repo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("org/name").mkdir(parents=True)
    assert hub_target("org/name") is None
    assert hub_target("hf://org/name") == HubTarget("org/name")
    assert hub_target("org/name@main") == HubTarget("org/name", "main")


def test_a_link_to_nothing_is_a_path_that_is_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("org").mkdir()
    Path("org/name").symlink_to("gone")
    assert hub_target("org/name") is None


def test_only_texts_can_mean_a_repo():
    assert hub_target(Path("org/name")) is None
    assert hub_target({"model_type": "llama"}) is None
    assert hub_target(None) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("hf://name", "write hf://org/name"),
        ("hf://", "write hf://org/name"),
        ("hf://datasets/org/name", "not of datasets"),
        ("hf://org/name/../../x", "not a folder of a repo"),
        ("hf://org/name/a//b", "not a folder of a repo"),
    ],
)
def test_an_address_that_is_none(text, part):
    with pytest.raises(HubError, match=part) as told:
        hub_target(text)
    assert "\n" not in str(told.value)


def test_a_folder_does_not_lead_out_of_the_repo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HubError, match="not a folder of a repo"):
        hub_target("org/name:../x")


def test_a_revision_is_named_once():
    assert hub_target("hf://org/name", "v1") == HubTarget("org/name", "v1")
    assert hub_target("hf://org/name@v1", "v1") == HubTarget("org/name", "v1")
    with pytest.raises(HubError, match="names a revision, and 'v2' was given too"):
        hub_target("hf://org/name@v1", "v2")


def test_nothing_of_the_network_is_imported_for_what_is_no_repo(tmp_path):
    code = (
        "import sys, pondera\n"
        "for name in ('models/a/b', 'llama-3.1-8b', './a/b'):\n"
        "    try: pondera.scan(name)\n"
        "    except OSError: pass\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('huggingface_hub', 'httpx', 'httpx2', 'ssl')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
