"""What the cache of the Hub holds: repositories, revisions, files that they share, downloads that are not finished."""

import csv
import io
import json
import os
import pickle

import pytest

import pondera
import writer
from pondera import _native
from pondera._hub.local_cache import cache_folder
from pondera.cli import main

OLD, NEW, ONLY = "a" * 40, "b" * 40, "c" * 40
# 8 x 8 and 32 x 8 BF16: 128 and 512 bytes.
ATTENTION = {"model.layers.0.self_attn.q_proj.weight": ("BF16", [8, 8])}
MLP = {"model.layers.0.mlp.up_proj.weight": ("BF16", [32, 8])}


def put(repo, blob, commits, name, tensors=None):
    """Write a file once and link it into revisions; its length."""
    path = repo / "blobs" / blob
    if tensors is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF")
        length = 4
    else:
        length = writer.write(path, tensors)
    for commit in commits:
        depth = "../" * (2 + name.count("/"))
        writer.link(f"{depth}blobs/{blob}", repo / "snapshots" / commit / name)
    return length


def name_ref(repo, ref, commit):
    path = repo / "refs" / ref
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(commit)


@pytest.fixture
def cache(tmp_path):
    """A cache of three repositories; the lengths of the files of the first, by blob."""
    folder = tmp_path / "hub"
    repo = folder / "models--org--two-revisions"
    lengths = {
        "shared": put(repo, "shared", [OLD, NEW], "model-00001-of-00002.safetensors", ATTENTION),
        "old": put(repo, "old", [OLD], "model-00002-of-00002.safetensors", MLP),
        "new": put(
            repo, "new", [NEW], "model-00002-of-00002.safetensors", MLP | {"lm_head.weight": ("BF16", [8, 8])}
        ),
    }
    (repo / "blobs" / "part.incomplete").write_bytes(bytes(77))
    name_ref(repo, "main", NEW)
    name_ref(repo, "refs/pr/1", OLD)
    name_ref(repo, "v1", OLD)
    other = folder / "models--gpt2"
    put(other, "aa", [ONLY], "q4.gguf")
    begun = folder / "models--org--only-begun"
    (begun / "blobs").mkdir(parents=True)
    (begun / "blobs" / "x.12ab.incomplete").write_bytes(bytes(5))
    writer.write(folder / "datasets--org--d" / "snapshots" / ONLY / "x.safetensors", ATTENTION)
    (folder / "version.txt").write_text("1")
    return folder, lengths


def test_revisions_share_files_that_count_once(cache):
    folder, lengths = cache
    found = pondera.scan_cache(folder)
    assert [repo.name for repo in found.repos] == ["gpt2", "org/only-begun", "org/two-revisions"]
    repo = found.repos[2]
    old, new = repo.revisions
    assert (old.commit, old.refs, new.commit, new.refs) == (OLD, ("refs/pr/1", "v1"), NEW, ("main",))
    assert old.disk_bytes == lengths["shared"] + lengths["old"]
    assert new.disk_bytes == lengths["shared"] + lengths["new"]
    assert (old.own_bytes, new.own_bytes) == (lengths["old"], lengths["new"])
    assert repo.disk_bytes == sum(lengths.values()) + 77
    assert found.disk_bytes == repo.disk_bytes + 4 + 5


def test_sizes_are_told_by_role(cache):
    old, new = pondera.scan_cache(cache[0]).repos[2].revisions
    assert {role: tally.bytes for role, tally in old.roles.items()} == {"attention": 128, "mlp": 512}
    assert {role: tally.bytes for role, tally in new.roles.items()} == {
        "attention": 128,
        "mlp": 512,
        "head": 128,
    }
    assert (new.parameters, new.stored_bytes) == (384, 768)
    (checkpoint,) = new.checkpoints
    assert checkpoint == pondera.scan(checkpoint.path)


def test_parts_of_downloads_are_told(cache):
    folder, _ = cache
    other, begun, repo = pondera.scan_cache(folder).repos
    assert repo.incomplete == [(str(folder / "models--org--two-revisions/blobs/part.incomplete"), 77)]
    assert begun.incomplete == [(str(folder / "models--org--only-begun/blobs/x.12ab.incomplete"), 5)]
    assert (begun.revisions, begun.disk_bytes) == ((), 5)
    assert other.incomplete == []
    problems = pondera.scan_cache(folder).problems
    assert [problem.code for problem in problems] == [
        "not-read",
        "unfinished-download",
        "unfinished-download",
    ]


def test_other_weights_have_a_place_on_disk_and_no_roles(cache):
    (revision,) = pondera.scan_cache(cache[0]).repos[0].revisions
    assert (revision.checkpoints, revision.roles, revision.parameters) == ((), {}, 0)
    assert (revision.refs, revision.disk_bytes, revision.own_bytes) == ((), 4, 4)


def test_data_sets_are_passed_over(cache):
    found = pondera.scan_cache(cache[0])
    assert len(pondera.scan_tree(cache[0])) == 3
    assert sum(len(one.checkpoints) for repo in found.repos for one in repo.revisions) == 2


def test_snapshots_of_whole_files_are_counted_too(tmp_path):
    # Where a system has no links, there are no blobs either.
    length = writer.write(tmp_path / "models--o--n" / "snapshots" / ONLY / "model.safetensors", MLP)
    (repo,) = pondera.scan_cache(tmp_path).repos
    assert (repo.disk_bytes, repo.revisions[0].own_bytes) == (length, length)


def test_the_json_has_it_all(cache, capsys):
    folder, _ = cache
    found = pondera.scan_cache(folder)
    assert main(["scan", "--cache", str(folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == found.to_dict()
    assert document["schema"] == "pondera.cache/1"
    assert document["totals"] == {
        "repos": 3,
        "revisions": 3,
        "checkpoints": 2,
        "incomplete": 2,
        "disk_bytes": found.disk_bytes,
    }
    new = document["repos"][2]["revisions"][1]
    assert new["roles"]["head"] == {"tensors": 1, "parameters": 64, "bytes": 128}
    assert new["checkpoints"][0] == found.repos[2].revisions[1].checkpoints[0].to_dict()


def test_the_csv_has_a_row_per_revision_or_role(cache, capsys):
    folder, lengths = cache
    assert main(["scan", "--cache", str(folder), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["repo"], row["commit"], row["refs"]) for row in rows] == [
        ("gpt2", ONLY, ""),
        ("org/two-revisions", OLD, "refs/pr/1 v1"),
        ("org/two-revisions", NEW, "main"),
    ]
    assert rows[1]["own_bytes"] == str(lengths["old"])
    assert main(["scan", "--cache", str(folder), "--csv", "--by", "role"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["commit"], row["role"], row["bytes"]) for row in rows] == [
        (OLD, "attention", "128"),
        (OLD, "mlp", "512"),
        (NEW, "attention", "128"),
        (NEW, "mlp", "512"),
        (NEW, "head", "128"),
    ]


def test_the_list_names_repositories_roles_and_what_is_missing(cache, capsys, monkeypatch):
    folder, _ = cache
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    assert main(["scan", "--cache", str(folder)]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert out.startswith(f"3 repositories in {folder}\n")
    assert ["gpt2", ONLY[:12], "4", "B", "4", "B", "no", "safetensors"][:1] == lines[4][:1]
    assert "mlp 512 B · attention 128 B · head 128 B" in out
    assert out.count("org/two-revisions ") == 1
    assert "! 1 unfinished file" in out
    assert "models--org--two-revisions/blobs/part.incomplete: 77 bytes of an unfinished" in out


def test_a_broken_model_in_the_cache_is_an_error(cache, capsys):
    folder, _ = cache
    broken = folder / "models--org--broken" / "snapshots" / ONLY
    writer.write_bytes(broken / "model.safetensors", b"{}", length=1000)
    assert main(["scan", "--cache", str(folder)]) == 1
    assert "header-truncated" in capsys.readouterr().out


def test_an_empty_cache_is_listed(tmp_path, capsys):
    assert main(["scan", "--cache", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"0 repositories in {tmp_path}\n"


def test_there_must_be_a_cache(tmp_path, capsys):
    assert main(["scan", "--cache", str(tmp_path / "gone")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        pondera.scan_cache(tmp_path / "gone")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "--cache takes one folder"),
        (["--from", "ids.txt"], "--from does not go with --cache"),
        (["--revision", "main"], "--revision does not go with --cache"),
        (["--with-base"], "--with-base does not go with --cache"),
        (["--by", "layer", "--csv"], "--by goes with --cache only as --by role --csv"),
        (["--by", "role"], "--by goes with --cache only as --by role --csv"),
    ],
)
def test_what_does_not_go_together_is_said(capsys, arguments, message):
    assert main(["scan", "--cache", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_folder_is_where_the_library_has_it(tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    assert str(cache_folder()) == constants.HF_HUB_CACHE


def test_hostile_folders_of_a_cache_end_well(tmp_path):
    repo = tmp_path / "models--a--b--c"
    writer.link("..", repo / "snapshots" / ONLY / "up")
    writer.link("../gone", repo / "blobs" / "dangling")
    os.mkfifo(repo / "blobs" / "pipe")
    os.mkfifo(repo / "pipe")
    name_ref(repo, "main", "x" * 100_000)
    name_ref(repo, "\u202ename", "not a commit")
    writer.link("main", repo / "refs" / "link")
    (tmp_path / "models--file").touch()
    (tmp_path / "models--").mkdir()
    names = [repo.name for repo in pondera.scan_cache(tmp_path).repos]
    assert names == ["a/b/c"]


def test_results_can_be_pickled(cache):
    found = pondera.scan_cache(cache[0])
    assert pickle.loads(pickle.dumps(found)) == found
    assert isinstance(found, _native.HubCache)
    assert repr(found).startswith("HubCache(")
    assert repr(
        found.repos[2]
    ) == f"CachedRepo('org/two-revisions', revisions=2, disk_bytes={found.repos[2].disk_bytes})".replace(
        "'", '"'
    )
