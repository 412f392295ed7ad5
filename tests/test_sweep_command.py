"""`pondera sweep`: what it tells is what `fit` says of each point, and what it writes is `Sweep.table`."""

import csv
import inspect
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from pathlib import Path

import pyarrow.feather
import pyarrow.parquet
import pytest

import pondera
from pondera._asked import ASKED, parts
from pondera._numbers import binary_bytes, signed_bytes, tokens
from pondera._study import _KEYS
from pondera._sweep_view import sweep_view
from pondera._text import Screen, display_width
from pondera.commands.sweep import changes
from test_fit import CONFIG
from test_gpus import MINE

MODEL = "llama-3.1-8b"
ENGINE = "vllm==0.19.0"
GPUS = ["h100", "l4"]
WEIGHTS = [None, "fp8"]
CONTEXTS = [8192, 65536, 262144]
REQUESTS = [1, 16, 64]
RANKS = [1, 2, 3]
OPTIONS = (
    *("--engine", ENGINE, "--gpu", "h100,l4", "--weights", "default,fp8", "--context", "8k,64k,256k"),
    *("--concurrency", "1,16,64", "--tp", "1,2,3"),
)
"""Three ranks cannot share the heads, and the longest context is beyond the model's."""


@pytest.fixture(scope="module")
def expected():
    """For each point its values and the estimate, or the reason why there is none."""
    points = []
    for values in itertools.product(GPUS, WEIGHTS, CONTEXTS, REQUESTS, RANKS):
        gpu, weights, context, concurrency, ranks = values
        try:
            asked = {"weights": weights, "context": context, "concurrency": concurrency}
            found = pondera.fit(MODEL, gpu=gpu, engine=ENGINE, tensor_parallel=ranks, **asked)
        except pondera.PonderaError as error:
            found = error
        points.append((values, found))
    return points


def is_fit(found):
    return isinstance(found, pondera.Fit) and found.fits


def fitting(expected):
    return [(point, values, found) for point, (values, found) in enumerate(expected) if is_fit(found)]


def told(run, *arguments):
    code, out, err = run("sweep", *arguments, "--json")
    assert err == ""
    shown = json.loads(out)
    assert code == (0 if shown["fits"] else 1)
    assert shown["schema"] == "pondera.sweep/1"
    return shown


def points_of(found):
    return [row["point"] for row in found["rows"]]


def ranked(points, value, largest=True):
    sign = -1 if largest else 1
    return [point for point, *_ in sorted(points, key=lambda one: (sign * value(one), one[0]))]


def test_counts_and_the_ranking_are_those_of_fit_in_a_loop(run, expected):
    shown = told(run, MODEL, *OPTIONS)
    assert shown["axes"] == {
        "target": [MODEL],
        "gpu": ["H100-SXM-80GB", "L4"],
        "engine": [ENGINE],
        "weights": WEIGHTS,
        "context": CONTEXTS,
        "concurrency": REQUESTS,
        "tensor_parallel": RANKS,
    }
    possible = [found for _, found in expected if isinstance(found, pondera.Fit)]
    assert (shown["all_points"], shown["points"]) == (len(expected), len(expected))
    assert shown["possible"] == len(possible)
    assert shown["fits"] == len(fitting(expected)) > 10
    assert sum(shown["refused"].values()) == len(expected) - len(possible)
    by_ranks = sum(ranks == 3 for (*_, ranks), _ in expected)
    assert shown["refused"]["heads"] == by_ranks
    assert shown["lost"] == {}
    best = shown["top"]
    assert (best["by"], best["largest"]) == ("headroom_bytes", True)
    assert points_of(best) == ranked(fitting(expected), lambda one: one[2].headroom)[:10]
    for row in best["rows"]:
        values, found = expected[row["point"]]
        assert [row[name] for name in ("weights", "context", "concurrency", "tensor_parallel")] == [
            *values[1:]
        ]
        assert row["gpu"] == found.gpu
        assert (row["total_bytes"], row["usable_bytes"]) == (found.total, found.usable)
        assert (row["headroom_bytes"], row["fits"], row["reason"]) == (found.headroom, True, None)


def test_the_json_is_what_the_api_gives(run):
    asked = {"gpu": GPUS, "engine": [ENGINE], "weights": WEIGHTS, "context": CONTEXTS}
    made = pondera.sweep(MODEL, **asked, concurrency=REQUESTS, tensor_parallel=RANKS)
    shown = told(run, MODEL, *OPTIONS, "--top", 3, "--by", "total", "--smallest", "--per", "gpu,weights")
    best = made.top(3, by="total", largest=False)
    assert shown["top"]["rows"] == [made[point] for point in best["point"].tolist()]
    for one, axis in zip(shown["per"], ("gpu", "weights"), strict=True):
        per = made.best_per(axis, by="total", largest=False)
        assert one["axis"] == axis
        assert one["rows"] == [made[point] for point in per["point"].tolist()]
    assert shown["fits"] == made.count()


def test_a_ranking_in_the_terminal_is_made_of_fits(run, expected):
    code, out, err = run("sweep", MODEL, *OPTIONS, "--top", 4)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0] == MODEL
    assert f"  {len(expected)} points: 2 GPU x 2 weights x 3 context x 3 concurrency x 3 tp" in lines
    begin = lines.index("the best by to spare, the largest first:")
    assert lines[begin + 1].split() == [
        *("GPU", "weights", "context", "concurrency", "tp", "total", "usable", "to", "spare", "point"),
    ]
    order = ranked(fitting(expected), lambda one: one[2].headroom)[:4]
    for line, point in zip(lines[begin + 3 : begin + 7], order, strict=True):
        (_, weights, context, concurrency, ranks), found = expected[point]
        assert re.split("  +", line) == [
            *(found.gpu, weights or "default", tokens(context), str(concurrency), str(ranks)),
            *(binary_bytes(found.total), binary_bytes(found.usable), signed_bytes(found.headroom)),
            str(point),
        ]
    assert lines[begin + 7] == ""


def test_reasons_do_not_rank(run):
    for more in (("--by", "reason"), ("--pareto", "min:reason")):
        code, out, error = run("sweep", MODEL, *OPTIONS[:2], "--gpu", "h100", "--tp", "1,2", *more)
        assert (code, out) == (2, "")
        assert "reason" in error
        assert error.count("\n") == 1


def test_the_best_of_each_value_fronts_frontiers_and_counts(run, expected):
    goals = ("--pareto", "min:total,max:context", "--pareto", "max:concurrency")
    shown = told(
        run, MODEL, *OPTIONS, "--per", "gpu", *goals, "--frontier", "context", "--count-by", "concurrency"
    )
    assert "top" not in shown
    assert "heatmap" not in shown
    fits = fitting(expected)
    per = [ranked([one for one in fits if one[1][0] == gpu], lambda one: one[2].headroom)[0] for gpu in GPUS]
    assert points_of(shown["per"][0]) == per

    def goods(one):
        return (-one[2].total, one[1][2], one[1][3])

    def beaten(one):
        others = [other for other in fits if goods(other) != goods(one)]
        return any(all(a >= b for a, b in zip(goods(other), goods(one), strict=True)) for other in others)

    front = [one for one in fits if not beaten(one)]
    alone = {goods(one): one[0] for one in reversed(front)}
    assert points_of(shown["pareto"]) == sorted(alone.values())
    furthest = {}
    for point, (gpu, weights, context, *rest), _ in fits:
        combination = (gpu, weights, *rest)
        best = furthest.get(combination)
        if best is None or context > best[0]:
            furthest[combination] = (context, point)
    frontier = shown["frontiers"][0]
    assert frontier["combinations"] == 2 * 2 * 3 * 3
    assert frontier["found"] == len(furthest)
    assert sorted(points_of(frontier)) == sorted(point for _, point in furthest.values())
    for row, requests in zip(shown["counts"][0]["rows"], REQUESTS, strict=True):
        own = [found for values, found in expected if values[3] == requests]
        assert row == {
            "value": requests,
            "points": len(own),
            "possible": sum(isinstance(found, pondera.Fit) for found in own),
            "fits": sum(map(is_fit, own)),
        }


def test_cells_of_the_map_are_counted_by_hand(run, expected):
    heatmap = told(run, MODEL, *OPTIONS)["heatmap"]
    assert heatmap["context"] == [[context, context] for context in CONTEXTS]
    assert heatmap["together"] == {"context": 1, "concurrency": 1}
    assert [one["gpu"] for one in heatmap["maps"]] == ["H100-SXM-80GB", "L4"]
    for one, gpu in zip(heatmap["maps"], GPUS, strict=True):
        for down, requests in enumerate(REQUESTS):
            for across, context in enumerate(CONTEXTS):
                own = [f for (g, _, c, r, _), f in expected if (g, c, r) == (gpu, context, requests)]
                assert one["points"][down][across] == len(own) == 6
                assert one["possible"][down][across] == sum(isinstance(found, pondera.Fit) for found in own)
                assert one["fits"][down][across] == sum(map(is_fit, own))


def test_values_are_taken_together_where_a_map_has_too_many(run):
    arguments = (
        MODEL,
        "--engine",
        ENGINE,
        "--gpu",
        "l4",
        "--concurrency",
        "1..40+1",
        "--context",
        "1k..64k+1k",
    )
    heatmap = told(run, *arguments)["heatmap"]
    assert heatmap["together"] == {"context": 2, "concurrency": 3}
    assert heatmap["context"][:2] == [[1024, 2048], [3072, 4096]]
    assert heatmap["concurrency"][-1] == [40, 40]
    made = pondera.sweep(MODEL, gpu=["l4"], engine=ENGINE, concurrency="1..40+1", context="1k..64k+1k")
    cell = made.where("concurrency in (7, 8, 9) and context in (9k, 10k)")
    assert heatmap["maps"][0]["fits"][2][4] == cell.count()
    assert sum(map(sum, heatmap["maps"][0]["points"])) == 40 * 64
    _, out, _ = run("sweep", *arguments)
    assert "2 contexts and 3 numbers of requests" in " ".join(out.split())


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("context", ["8k,64k", "4k..1m", "1k..128k:200"])
def test_pages_keep_to_the_width_and_maps_show_every_cell(run, width, unicode, context):
    shown = told(run, MODEL, "--engine", ENGINE, "--context", context, "--concurrency", "1..4096")
    screen = Screen(width, True, False, unicode)
    lines = sweep_view(screen, shown)
    assert max(map(display_width, lines)) <= width
    assert all(line.isascii() or unicode for line in lines)
    heatmap = shown["heatmap"]
    assert heatmap["maps"][0]["gpu"] is None, "there are more than four common GPUs"
    first = next(at for at, line in enumerate(lines) if line.startswith("    1  "))
    drawn = [line[len("4,096") + 2 :] for line in lines[first : first + len(heatmap["concurrency"])]]
    size = len(drawn[0]) // len([count for count in heatmap["maps"][0]["possible"][0] if count])
    marks = "█▓▒░·" if unicode else "#+=-."
    for cells, fits, possible in zip(
        drawn, heatmap["maps"][0]["fits"], heatmap["maps"][0]["possible"], strict=True
    ):
        shares = [fit / can for fit, can in zip(fits, possible, strict=True) if can]
        levels = [
            0 if share == 1 else 4 if share == 0 else 1 if share >= 2 / 3 else 2 if share >= 1 / 3 else 3
            for share in shares
        ]
        assert list(cells[size - 1 :: size]) == [marks[level] for level in levels]


def test_conditions_and_linked_axes(run):
    arguments = (
        MODEL,
        "--engine",
        ENGINE,
        "--gpu",
        "h100",
        "--context",
        "8k,16k,32k",
        "--concurrency",
        "64,32,16",
    )
    shown = told(run, *arguments, "--zip", "context,concurrency", "--count-by", "context")
    assert shown["points"] == 3
    assert shown["linked"] == [["context", "concurrency"]]
    _, out, _ = run("sweep", *arguments, "--zip", "context,concurrency", "--heatmap")
    assert "blank: none can be" in out
    shown = told(
        run, *arguments, "--where", "context > 8k", "--where", "concurrency == 16 or concurrency == 32"
    )
    assert (shown["all_points"], shown["points"]) == (9, 4)
    assert shown["where"] == "(context > 8k) and (concurrency == 16 or concurrency == 32)"


def test_a_frontier_leaves_out_what_does_not_meet_the_condition(run):
    arguments = (MODEL, "--engine", ENGINE, "--gpu", "h100", "--concurrency", "1,2,4", "--context", "4k,8k")
    shown = told(run, *arguments, "--frontier", "concurrency", "--where", "context > 4k and concurrency < 4")
    assert shown["frontiers"][0]["combinations"] == 2
    assert [row["concurrency"] for row in shown["frontiers"][0]["rows"]] == [2]
    assert [row["context"] for row in shown["frontiers"][0]["rows"]] == [8192]


def test_fields_of_the_config_and_several_models(run, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**CONFIG, "layer_types": ["full_attention"] * 3}))
    engine = ("--engine", "transformers", "--context", "1k", "--gpu", "1GiB")
    lists = 'layer_types=["full_attention","full_attention","full_attention"]'
    arguments = ("--set", "num_key_value_heads=1,2", "--set", "intermediate_size=16..64", "--set", lists)
    shown = told(run, config, *engine, *arguments)
    assert shown["axes"]["num_key_value_heads"] == [1, 2]
    assert shown["axes"]["intermediate_size"] == [16, 32, 64]
    assert shown["axes"]["layer_types"] == [["full_attention"] * 3]
    for row in shown["top"]["rows"]:
        changed = {name: row[name] for name in ("num_key_value_heads", "intermediate_size")}
        one = pondera.fit({**CONFIG, **changed}, gpu="1GiB", engine="transformers", context="1k")
        assert row["weights_bytes"] == one.weights
        assert row["total_bytes"] == one.total
    shown = told(run, config, MODEL, "--gpu", "80GiB", *engine[:4], "--count-by", "target")
    assert [row["fits"] for row in shown["counts"][0]["rows"]] == [1, 1]


def test_flags_may_be_tried_both_ways(run):
    arguments = (MODEL, "--engine", ENGINE, "--gpu", "h100", "--context", "8k")
    shown = told(
        run, *arguments, "--eager", "--no-eager", "--prefix-caching", "--gpu-memory-utilization", "0.5,0.9"
    )
    assert shown["axes"]["eager"] == [True, False]
    assert shown["axes"]["prefix_caching"] == [True]
    assert shown["axes"]["gpu_memory_utilization"] == [0.5, 0.9]
    assert told(run, *arguments, "--gpu", "l4")["axes"]["gpu"] == ["H100-SXM-80GB", "L4"]


def test_a_target_that_cannot_be_read_does_not_lose_the_others(run, tiny):
    arguments = ("--gpu", "h100", "--engine", ENGINE, "--context", "8k", "--json")
    code, out, err = run("sweep", "nosuch", MODEL, tiny, *arguments)
    shown = json.loads(out)
    assert (code, shown["axes"]["target"], shown["fits"]) == (1, [MODEL], 1)
    assert list(shown["lost"]) == ["nosuch", str(tiny)]
    first, second = err.splitlines()
    assert first.startswith("pondera: error: nosuch: no such file")
    assert str(tiny) in second
    assert "weights alone" in second
    code, out, err = run("sweep", "nosuch", "neither", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 2)


def test_nothing_that_fits_is_code_1(run):
    code, out, err = run("sweep", "llama-3.1-405b", "--gpu", "l4", "--engine", ENGINE, "--context", "8k,16k")
    assert (code, err) == (1, "")
    assert "  none fits" in out.splitlines()


STUDY = f"""
targets = "{MODEL}"
engine = "{ENGINE}"
gpu = ["h100", "l4"]
weights = ["default", "fp8"]
context = "8k..64k"
concurrency = [1, 16, "64"]
eager = [true, false]
gpu_memory_utilization = 0.9
zip = ["weights", "eager"]
where = "headroom > 1GiB"
top = 5
by = "total"
smallest = true
per = "gpu"
pareto = ["min:total", "max:context"]
frontier = "concurrency"
count_by = ["gpu", "weights"]
heatmap = true

[mind]
num_key_value_heads = [4, 8]
"""


def test_a_study_in_a_file_is_the_same_as_its_options(run, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    options = (
        *("--engine", ENGINE, "--gpu", "h100,l4", "--weights", "default,fp8", "--context", "8k..64k"),
        *("--concurrency", "1,16,64", "--eager", "--no-eager", "--gpu-memory-utilization", "0.9"),
        *("--zip", "weights,eager", "--where", "headroom > 1GiB", "--top", 5, "--by", "total", "--smallest"),
        *("--per", "gpu", "--pareto", "min:total,max:context", "--frontier", "concurrency"),
        *("--count-by", "gpu,weights", "--heatmap", "--set", "num_key_value_heads=4,8"),
    )
    assert run("sweep", "--file", path) == run("sweep", MODEL, *options)
    by_file = told(run, "--file", path)
    assert by_file == told(run, MODEL, *options)
    assert len(by_file["top"]["rows"]) == 5
    # Options go before what the file says.
    more = ("--gpu", "h200", "--top", 2, "--set", "num_key_value_heads=2")
    shown = told(run, "llama-3.2-1b", "--file", path, *more)
    assert shown["axes"]["target"] == ["llama-3.2-1b"]
    assert shown["axes"]["gpu"] == ["H200-SXM-141GB"]
    assert shown["axes"]["num_key_value_heads"] == [2]
    assert shown["axes"]["context"] == [8192, 16384, 32768, 65536]
    assert len(shown["top"]["rows"]) == 2


def test_paths_of_a_file_begin_at_its_folder(run, tmp_path, monkeypatch):
    folder = tmp_path / "studies"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text(json.dumps(CONFIG))
    (folder / "gpus.toml").write_text(MINE)
    path = folder / "study.toml"
    path.write_text(
        'targets = ["model", "llama-3.2-1b"]\ngpu = "card"\nengine = "transformers"\ncontext = 1024\ngpu_file = "gpus.toml"\noutput = "points.csv"\n'
    )
    monkeypatch.chdir(tmp_path)
    code, _, err = run("sweep", "--file", "studies/study.toml")
    assert (code, err) == (0, f"pondera: 2 points written to {os.path.join('studies', 'points.csv')}\n")
    assert (folder / "points.csv").read_text().count("\n") == 3
    path.write_text('targets = "nosuch"\ngpu = "8GiB"')
    assert os.path.join("studies", "nosuch") in run("sweep", "--file", "studies/study.toml")[2]


@pytest.mark.parametrize("condition", [None, "headroom > 20GiB", "context > 1m"])
@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "json"])
def test_files_hold_the_table(run, tmp_path, ending, condition):
    path = tmp_path / f"points.{ending}"
    path.write_text("what was here before")
    where = () if condition is None else ("--where", condition)
    code, _, err = run("sweep", MODEL, *OPTIONS, *where, "-o", path)
    asked = {"gpu": GPUS, "engine": [ENGINE], "weights": WEIGHTS, "context": CONTEXTS}
    made = pondera.sweep(MODEL, **asked, concurrency=REQUESTS, tensor_parallel=RANKS, where=condition)
    table = made.table()
    assert code == (0 if made.count() else 1)
    assert err == f"pondera: {len(table)} points written to {path}\n"
    columns = {name: table[name].tolist() for name in table.columns}
    assert os.listdir(tmp_path) == [path.name]
    if ending == "json":
        read = json.loads(path.read_text())
        assert read == [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return
    if ending == "csv":
        with path.open(newline="") as file:
            read = list(csv.reader(file))
        assert read == [
            list(columns),
            *([str(cell) for cell in row] for row in zip(*columns.values(), strict=True)),
        ]
        return
    read = (pyarrow.parquet.read_table if ending == "parquet" else pyarrow.feather.read_table)(path)
    assert read.equals(pyarrow.table(table))


def test_files_of_many_pieces_are_whole(run, tmp_path, monkeypatch):
    monkeypatch.setattr("pondera._sweep_file._PIECE", 7)
    made = pondera.sweep(
        MODEL, gpu=GPUS, engine=[ENGINE], weights=WEIGHTS, context=CONTEXTS, concurrency=REQUESTS
    )
    for ending in ("parquet", "csv", "json"):
        path = tmp_path / f"points.{ending}"
        assert run("sweep", MODEL, *OPTIONS[:-2], "-o", path)[0] == 0
        if ending == "parquet":
            assert pyarrow.parquet.read_table(path).to_pydict() == pyarrow.table(made.table()).to_pydict()
        elif ending == "json":
            assert [row["point"] for row in json.loads(path.read_text())] == list(range(len(made)))
        else:
            assert path.read_text().count("\n") == len(made) + 1


def test_without_pyarrow_it_is_said_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, out, err = run("sweep", MODEL, "--gpu", "h100", "-o", tmp_path / "points.parquet")
    assert (code, out) == (2, "")
    assert "pip install 'pondera[parquet]'" in err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "json"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_leads_to_what_is_written(run, tmp_path, ending, is_there):
    there = tmp_path / "there" / f"real.{ending}"
    there.parent.mkdir()
    if is_there:
        there.write_text("what was here before")
    link = tmp_path / f"link.{ending}"
    link.symlink_to(there)
    assert run("sweep", MODEL, "--gpu", "h100", "-o", link)[0] == 0
    assert link.is_symlink()
    assert link.read_bytes() == there.read_bytes() != b"what was here before"
    assert os.listdir(there.parent) == [there.name]
    assert sorted(os.listdir(tmp_path)) == [link.name, "there"]


def test_a_link_to_what_is_no_file_is_refused(run, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(os.devnull)
    code, out, err = run("sweep", MODEL, "--gpu", "h100", "-o", link)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "there is something that is no file" in err
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no file of anybody")
def test_a_folder_that_takes_no_file_is_told_before_any_work(run, monkeypatch):
    monkeypatch.setattr("pondera.commands.sweep.answers", lambda *_: pytest.fail("that is work"))
    code, out, err = run("sweep", MODEL, "--gpu", "h100", "-o", "/proc/points.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "/proc/points.csv" in err


@pytest.mark.parametrize(
    "more",
    [
        ("--by", "nothing"),
        ("--gpu", "h1000"),
        ("--where", "headroom >"),
        ("--zip", "context,concurrency", "--context", "1k,2k"),
        ("--frontier", "gpu", "--context", "1..16k+1", "--concurrency", "1..1m+1"),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_an_error_leaves_no_part_of_a_file(run, tmp_path, more, is_there):
    path = tmp_path / "points.csv"
    if is_there:
        path.write_text("what was here before")
    assert run("sweep", MODEL, *more, "-o", path)[0] == 2
    assert os.listdir(tmp_path) == ([path.name] if is_there else [])
    assert not is_there or path.read_text() == "what was here before"
    assert run("sweep", tmp_path / "nosuch", tmp_path / "nosuch2", "-o", path)[0] == 2
    assert os.listdir(tmp_path) == ([path.name] if is_there else [])


@pytest.mark.skipif(os.name == "nt", reason="signals are those of Unix")
def test_ctrl_c_ends_a_sweep_and_leaves_no_file(tmp_path):
    arguments = [MODEL, "--gpu", "h100", "--engine", ENGINE, "--context", "1k", "--concurrency", "1..4m+1"]
    command = [sys.executable, "-m", "pondera", "sweep", *arguments, "-o", str(tmp_path / "points.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not os.listdir(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        while not any(tmp_path.rglob(".*.part")) or not next(tmp_path.iterdir()).stat().st_size:
            assert time.monotonic() < deadline, "nothing is written"
            time.sleep(0.01)
        assert process.poll() is None, "the sweep must still be under way"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "pondera: interrupted\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--gpu", "h1000"), "no GPU is known as 'h1000'"),
        (("--gpu", "default"), "argument --gpu: must be named"),
        (("--tp", "2,default"), "must be named, not 'default'"),
        (("--context", "4k,,8k"), "argument --context: has an empty value"),
        (("--context", "8k..4k"), "context: a range goes upwards"),
        (("--context", "many"), "context: 'many'"),
        (("--weights", "fp5"), "fp5"),
        (("--gpu-memory-utilization", "0.9,x"), "must be a number such as 0.9, not 'x'"),
        (("--gpu-memory-utilization", "0.9,2"), "gpu_memory_utilization: must be above 0"),
        (("--zip", "context,concurrency", "--context", "1k,2k"), "is linked, but is no axis"),
        (("--where", "headroom >"), "a value is missing, at character"),
        (("--per", "nothing"), '"nothing" is no axis'),
        (("--frontier", "total"), '"total" is no axis'),
        (("--by", "nothing"), '"nothing" is no column'),
        (("--pareto", "total"), "write min:COLUMN or max:COLUMN, not 'total'"),
        (("--heatmap",), "a map needs several values of --context and of --concurrency"),
        (("--top", "0"), "must be a whole number from 1"),
        (("--threads", "0"), "--threads"),
        (("--set", "hidden_size"), "FIELD=VALUES"),
        (("--set", "layer_types=[1"), r"\[ has no end"),
        (("-o", "points.txt"), r"must end in \.parquet, \.arrow, \.csv, \.json"),
        (("-o", "nowhere/points.csv"), "nowhere: there is no such folder"),
        (("--file", "nowhere.toml"), "nowhere.toml: No such file"),
        # More than there is time to count.
        (
            ("--frontier", "gpu", "--context", "1..16k+1", "--concurrency", "1..1m+1"),
            "17179869184 combinations",
        ),
        (("-o", "/dev/null/points.csv"), "/dev/null: there is no such folder"),
        (("--nonsense",), "--nonsense; see pondera sweep --help"),
    ],
)
def test_what_cannot_be_is_one_line_and_code_2(run, more, said):
    code, out, err = run("sweep", MODEL, *more)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(said, err)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('targets = "llama-3.1-8b"\ncontexts = 4096', "'contexts' is no key of a study; there are targets,"),
        ("targets = [1]", "targets must be a text, not 1"),
        ('context = [1.5, true]\ntargets = "a"', "context must be a text or a number, not True"),
        ('targets = "llama-3.1-8b"\ncontext = 1.5', "context"),
        ("eager = 1", "eager must be true or false, not 1"),
        ("gpu = []", "gpu has no values"),
        ("top = 0", "top must be a whole number from 1"),
        ("smallest = 1", "smallest must be true or false"),
        ("mind = 3", "mind must be a table of fields"),
        ('weights = "fp8,,"', "weights has an empty value"),
        ("gpu", "this is no TOML"),
        ('gpu = "h100"', "name at least one model"),
    ],
)
def test_a_file_that_cannot_be_is_one_line_and_code_2(run, tmp_path, text, said):
    path = tmp_path / "study.toml"
    path.write_text(text)
    code, out, err = run("sweep", "--file", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_values_between_commas():
    assert parts("a, b,c") == ["a", "b", "c"]
    assert parts('["a","b"],{"c":[1,2]},"d,e"') == ['["a","b"]', '{"c":[1,2]}', '"d,e"']
    assert parts(r'"a\",b",c') == [r'"a\",b"', "c"]
    assert changes("layer_types=[[1,2],[3]]") == ("layer_types", [[[1, 2], [3]]])
    assert changes("hidden_act=silu,gelu") == ("hidden_act", ["silu", "gelu"])
    assert changes("a=true,null,1.5,4..8") == ("a", [True, None, 1.5, "4..8"])
    for wrong in ("", "a,", ",a", "[a", '"a', "a,(b"):
        with pytest.raises(ArgumentTypeError):
            parts(wrong)


def test_the_table_of_options_has_every_keyword_of_fit():
    keywords = list(inspect.signature(pondera.fit).parameters)
    beside = ["target", "assume", "gpu_file"]
    assert sorted(one.name for one in ASKED) == sorted(name for name in keywords if name not in beside)
    options = [option for one in ASKED for option in one.flags]
    assert len(set(options)) == len(options)


def test_every_key_and_option_is_documented(run):
    page = (Path(__file__).parent.parent / "docs" / "sweep.md").read_text()
    asked = (
        "--top",
        3,
        "--per",
        "gpu",
        "--pareto",
        "min:total",
        "--frontier",
        "context",
        "--count-by",
        "gpu",
    )
    shown = told(run, MODEL, *OPTIONS, *asked, "--heatmap")
    keys = re.findall(r"^\| `([a-z_]+)` \|", page.partition("## The JSON")[2], re.MULTILINE)
    assert keys == list(shown)
    sections = [shown["top"], shown["per"][0], shown["pareto"], shown["frontiers"][0], shown["counts"][0]]
    for section in [*sections, shown["heatmap"], shown["heatmap"]["maps"][0], shown["counts"][0]["rows"][0]]:
        for key in section:
            assert f"`{key}`" in page or key == "gpu"
    reasons = re.findall(
        r"`([a-z_]+)`",
        "".join(
            re.findall(
                r"^\| (`.*?) \|", page.partition("| reason |")[2].partition("Exit code")[0], re.MULTILINE
            )
        ),
    )
    known = pondera.sweep(MODEL, gpu=["l4"]).tally("reason")["reason"].tolist()
    assert sorted(reasons) == sorted(filter(None, known))
    for key in _KEYS:
        assert f"`{key}`" in page
