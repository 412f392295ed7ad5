"""The program `pondera`: what it prints for people, and how it ends."""

import json
import os
import sys
from pathlib import Path

import pytest

import pondera
from pondera.commands import COMMANDS

TINY_BY_ROLE = """\
tiny  {path}
model · 1 shard · 11 tensors
2,640 parameters (2.64 K) · 5.31 kB (5.19 KiB)

role       tensors  parameters  exactly    bytes               share
────────────────────────────────────────────────────────────────────────────────────────────────────
embedding        1         800      800  1.60 kB  (1.56 KiB)   30.1%  ██████████████████████████████
attention        4         256      256    512 B     (512 B)    9.6%  █████████▋
mlp              3         768      768  1.54 kB  (1.50 KiB)   28.9%  ████████████████████████████▊
norm             2          16       16     64 B      (64 B)    1.2%  █▎
head             1         800      800  1.60 kB  (1.56 KiB)   30.1%  ██████████████████████████████
────────────────────────────────────────────────────────────────────────────────────────────────────
total           11      2.64 K    2,640  5.31 kB  (5.19 KiB)  100.0%
"""


def test_one_model_is_shown_by_role(run, tiny):
    assert run("scan", tiny) == (0, TINY_BY_ROLE.format(path=tiny), "")


def test_the_file_shows_the_same_as_its_folder(run, tiny):
    _, by_folder, _ = run("scan", tiny)
    code, by_file, _ = run("scan", tiny / "model.safetensors")
    assert code == 0
    assert by_file.splitlines()[1:] == by_folder.splitlines()[1:]


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        (
            "role",
            [
                ("embedding", "30.1%"),
                ("attention", "9.6%"),
                ("mlp", "28.9%"),
                ("norm", "1.2%"),
                ("head", "30.1%"),
            ],
        ),
        ("dtype", [("BF16", "98.8%"), ("F32", "1.2%")]),
        ("layer", [("outside", "60.8%"), ("model.layers.0", "39.2%")]),
    ],
)
def test_sums_by(run, tiny, by, rows):
    code, out, _ = run("scan", tiny, "--by", by)
    lines = [line.split() for line in out.splitlines()]
    body = lines[lines.index(next(line for line in lines if line[:1] == [by])) + 2 :]
    assert code == 0
    assert [
        (line[0], next(word for word in line if word.endswith("%"))) for line in body[: len(rows)]
    ] == rows
    assert body[len(rows) + 1][0] == "total"


def test_by_tensor_lists_every_tensor(run, tiny):
    _, out, _ = run("scan", tiny, "--by", "tensor")
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert lines["model.layers.0.mlp.down_proj.weight"][1:7] == ["mlp", "BF16", "8x32", "256", "512", "B"]
    assert sum(name.startswith(("model.layers", "model.norm", "lm_head")) for name in lines) == 10


def test_other_is_shown_with_a_hint(run, tmp_path, write):
    write(tmp_path / "model.safetensors", {"zzz": ("F32", [3]), "model.norm.weight": ("F32", [1])})
    _, out, _ = run("scan", tmp_path)
    assert "other: 1 tensor whose role is not known by name; --by tensor lists them" in out
    assert any(line.startswith("other ") and "75.0%" in line for line in out.splitlines())


def test_several_models_are_a_list_with_a_sum(run, tmp_path, two_models):
    code, out, err = run("scan", two_models(tmp_path))
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["2", "checkpoints", "in", str(tmp_path)]
    assert rows[2] == ["model", "kind", "shards", "tensors", "parameters", "bytes"]
    assert rows[4][:7] == ["a", "model", "1", "1", "3", "12", "B"]
    assert rows[5][:7] == ["b/deep", "model", "1", "1", "5", "20", "B"]
    assert rows[7][:6] == ["total", "2", "2", "8", "32", "B"]
    assert "on disk" not in out


def test_a_model_with_others_below_is_shown_among_them(run, tmp_path, write, two_models):
    two_models(tmp_path)
    write(tmp_path / "model.safetensors", {"model.norm.weight": ("F32", [1])})
    _, out, _ = run("scan", tmp_path)
    assert [line.split()[0] for line in out.splitlines()[4:7]] == [tmp_path.name, "a", "b/deep"]


def test_shared_files_count_once_on_disk(run, tmp_path, write):
    first = write(tmp_path / "a" / "model.safetensors", {"model.norm.weight": ("F32", [250_000_000])})
    (tmp_path / "b").mkdir()
    os.link(first, tmp_path / "b" / "model.safetensors")
    _, out, _ = run("scan", tmp_path)
    assert "on disk 1.00 GB (953.67 MiB): a file that several checkpoints share counts once" in out


def test_by_shows_several_models_one_after_another(run, tmp_path, two_models):
    _, out, _ = run("scan", two_models(tmp_path), "--by", "dtype")
    lines = out.splitlines()
    assert sum(line.startswith("dtype ") for line in lines) == 2
    assert (
        lines.index(f"a  {tmp_path}/a")
        < lines.index(f"deep  {tmp_path}/b/deep")
        < lines.index(f"2 checkpoints in {tmp_path}")
    )


def test_the_working_folder_is_shown_by_its_name(run, tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    _, out, _ = run("scan", ".")
    assert out.splitlines()[0] == "tiny  ."


def test_an_error_in_a_model_is_shown_and_makes_the_code_1(run, broken):
    code, out, err = run("scan", broken)
    assert (code, err) == (1, "")
    (line,) = [line for line in out.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: model.safetensors.index.json: ")
    assert line.endswith("[shard-missing]")
    code, out, err = run("scan", broken, "--csv")
    assert code == 1
    assert ",broken,safetensors,model,,1,1,8,32," in out
    assert err == "pondera: 1 error found, which CSV does not show; see them without --csv\n"
    code, out, _ = run("scan", broken, "--json")
    assert (code, json.loads(out)["checkpoints"][0]["problems"][0]["code"]) == (1, "shard-missing")


def test_the_list_names_the_worst_problem_of_each_model(run, broken, tiny):
    code, out, _ = run("scan", broken.parent)
    assert code == 1
    rows = out.splitlines()
    assert rows[2].endswith("worst problem")
    assert rows[4].startswith("broken ")
    assert rows[4].endswith("✗ shard-missing")
    assert rows[5].startswith("tiny ")
    assert rows[5].rstrip().endswith("█")
    assert "error: broken/model.safetensors.index.json: " in out


def test_ten_problems_are_shown_unless_all_are_wanted(run, tmp_path, write):
    write(tmp_path / "model.safetensors", {"model.norm.weight": ("F32", [1])})
    for number in range(13):
        (tmp_path / f"{number}.incomplete").touch()
    (tmp_path / "pytorch_model.bin").touch()
    code, out, _ = run("scan", tmp_path)
    assert code == 0
    assert out.count("[unfinished-download]") == 10
    assert "[not-read]" not in out
    assert out.splitlines()[-1] == "and 3 more, 1 note not shown: --problems"
    _, out, _ = run("scan", tmp_path, "--problems")
    assert out.count("[unfinished-download]") == 13
    assert out.count("[not-read]") == 1
    assert "--problems" not in out


def test_what_lies_outside_all_models_is_listed_too(run, tmp_path, two_models):
    two_models(tmp_path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "model.safetensors.incomplete").touch()
    _, out, _ = run("scan", tmp_path)
    assert any(line.startswith("warning: c/model.safetensors.incomplete: ") for line in out.splitlines())


def test_a_path_that_fails_does_not_stop_the_others(run, tiny, tmp_path):
    code, out, err = run("scan", tmp_path / "nowhere", tiny)
    assert code == 1
    assert out == TINY_BY_ROLE.format(path=tiny)
    assert err == f"pondera: error: {tmp_path}/nowhere: no such file or folder\n"


def test_nothing_to_scan_is_code_2(run, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    paths = [tmp_path / name for name in ("empty", "notes.txt", "nowhere")]
    code, out, err = run("scan", *paths, "--json")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0] == f"pondera: error: {tmp_path}/empty: no safetensors here or below"
    assert lines[1].startswith(f"pondera: error: {tmp_path}/notes.txt: neither a .safetensors file nor ")
    assert lines[2] == f"pondera: error: {tmp_path}/nowhere: no such file or folder"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND; see pondera --help"),
        (["weigh"], "invalid choice: 'weigh'"),
        (["scan"], "the following arguments are required: PATH; see pondera scan --help"),
        (["scan", ""], "argument PATH: is empty"),
        (["scan", ".", "--by", "colour"], "argument --by: invalid choice: 'colour'"),
        (["scan", ".", "--json", "--csv"], "not allowed with argument"),
        (["scan", ".", "--prob"], "unrecognized arguments: --prob"),
        *(
            (
                ["scan", ".", "--threads", number],
                f"argument --threads: must be a whole number from 1 to 1024, not {number!r}",
            )
            for number in ("0", "-1", "1.5", "many", "", "1025", "²", "9" * 5000)
        ),
    ],
)
def test_bad_usage_is_one_line_and_code_2(run, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("pondera: error: ")
    assert said in err
    assert err.count("\n") == 1


def test_threads_do_not_change_the_answer(run, tiny):
    assert run("scan", tiny, "--threads", 3) == run("scan", tiny)


def test_help_and_version(run):
    code, out, err = run("--version")
    assert (code, out, err) == (0, f"pondera {pondera.__version__}\n", "")
    code, out, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert command.summary in out
        code, out_of_command, _ = run(command.name, "--help")
        assert code == 0
        assert command.description.splitlines()[0] in out_of_command


def test_the_table_of_commands_is_sorted_and_complete():
    names = [command.name for command in COMMANDS]
    assert names == sorted(set(names))
    folder = Path(sys.modules["pondera.commands"].__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "command"}
    assert modules == set(names)


def test_names_cannot_steer_the_terminal(run, tmp_path, write):
    write(tmp_path / "model.safetensors", {"a\x1b[31m\n\u202eb": ("F32", [1])})
    _, out, _ = run("scan", tmp_path, "--by", "tensor")
    assert "a\\x1b[31m\\n\\u202eb" in out
    assert "\x1b" not in out


def test_overlapping_paths_count_once(run, tmp_path, two_models):
    two_models(tmp_path)
    once = json.loads(run("scan", tmp_path, "--json")[1])["totals"]
    (tmp_path / "link").symlink_to(tmp_path / "b")
    for more in ([tmp_path], [tmp_path / "a"], [tmp_path / "link"], [tmp_path / "a" / "model.safetensors"]):
        code, out, err = run("scan", tmp_path, *more, "--json")
        assert (code, json.loads(out)["totals"]) == (0, once)
        repeated = "2 checkpoints" if more == [tmp_path] else "1 checkpoint"
        assert err == f"pondera: {repeated} found by more than one path; each is counted once\n"


def test_a_file_under_two_paths_counts_once_on_disk(run, tmp_path, write):
    first = write(tmp_path / "a" / "model.safetensors", {"model.norm.weight": ("F32", [4])})
    (tmp_path / "b").mkdir()
    os.link(first, tmp_path / "b" / "model.safetensors")
    totals = json.loads(run("scan", tmp_path / "a", tmp_path / "b", "--json")[1])["totals"]
    size = first.stat().st_size
    assert (totals["checkpoints"], totals["file_bytes"], totals["disk_bytes"]) == (2, 2 * size, size)


def test_json_names_the_paths_that_gave_nothing(run, tmp_path, tiny):
    code, out, err = run("scan", tmp_path / "nowhere", tiny, "--json")
    (problem,) = json.loads(out)["problems"]
    assert code == 1
    assert problem == {
        "code": "path-not-scanned",
        "severity": "error",
        "path": str(tmp_path / "nowhere"),
        "tensor": None,
        "message": "no such file or folder",
    }
    assert err == f"pondera: error: {tmp_path}/nowhere: no such file or folder\n"


def test_codes_stay_whole_in_a_narrow_table(run, broken, tiny, monkeypatch):
    monkeypatch.setattr("pondera._text.PIPED_WIDTH", 40)
    _, out, _ = run("scan", broken.parent)
    assert any(line.endswith("✗ shard-missing") for line in out.splitlines())


def test_a_file_given_by_its_name_alone_is_titled_once(run, tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    _, out, _ = run("scan", "model.safetensors")
    assert out.splitlines()[0] == "model.safetensors"
