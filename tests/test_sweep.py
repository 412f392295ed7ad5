"""`pondera.sweep` and `pondera.fit_many`: every row is what `fit` says, and every answer what NumPy finds in the table."""

import itertools
import json
import operator
import pickle
import random
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pondera

# Plain, windowed, mixtures, latent, indexed, states of several kinds, encoders beside a decoder, images.
MODELS = [
    "llama-3.1-8b",
    "mistral-7b",
    "gemma-3-4b",
    "gpt-oss-20b",
    "qwen3-30b-a3b",
    "deepseek-v2-lite",
    "deepseek-v3.2",
    "minicpm3-4b",
    "lfm2-1.2b",
    "kimi-linear-48b-a3b",
    "mamba-codestral-7b",
    "bart-large",
    "llama-3.2-11b-vision",
    "gpt2",
]
ENGINES = [
    f"{one['name']}=={version}" for one in pondera.engines() for version in {one["oldest"], one["newest"]}
]

CHOICES = {
    "gpu": ["h100", "L4", "B200", "RTX 4090", "24GiB", pondera.gpu("a100-80gb")],
    "gpus": [None, 1, 2, 4, 8],
    "engine": ENGINES,
    "weights": [None, "bf16", "fp8", "awq", "q4_k_m"],
    "cache": [None, "bf16", "fp8", "q8_0"],
    "context": [None, 1, 100, "4k", 8192, "128k", 10**7, 0],
    "concurrency": [1, 2, 7, 256, "4k", 0],
    "tensor_parallel": [1, 2, 3, 8],
    "pipeline_parallel": [1, 2, 5],
    "expert_parallel": [1, 2, 8],
    "data_parallel": [1, 2],
    "context_parallel": [1, 2],
    "gpu_memory_utilization": [None, 0.5, 0.9, 1],
    "max_batched_tokens": [None, 512, "8k"],
    "max_sequences": [None, 8, 256],
    "block_size": [None, 16, 64, 17],
    "prefix_caching": [None, True, False],
    "eager": [True, False],
    "cache_memory": [None, "1GiB", 10**10],
}
MIND = {
    "num_key_value_heads": [1, 4, 8, 3],
    "num_hidden_layers": [2, 24, 33],
    "hidden_size": [1024, 4096],
    "vocab_size": [32000, 128256],
}
FROM_FIT = {
    "fits": "fits",
    "weights_bytes": "weights",
    "cache_bytes": "cache_reserved",
    "activations_bytes": "activations",
    "overhead_bytes": "overhead",
    "cuda_context_bytes": "cuda_context",
    "cuda_graphs_bytes": "cuda_graphs",
    "total_bytes": "total",
    "usable_bytes": "usable",
    "headroom_bytes": "headroom",
    "gpus_in_all": "gpus",
    "cache_tokens": "cache_tokens",
}
FIELDS = [*FROM_FIT, "max_concurrency", "parameters", "active_parameters", "reason"]


REASONS = {
    r"^(context|concurrency) must be between": "value",
    r"^block_size is \d+, but .* (multiples|powers)": "value",
    r"requests are to run at one time": "value",
    r"^gpus is \d+, but the parallel layout": "gpus",
    r"^tensor_parallel is \d+, but layer \d+ has \d+ heads": "heads",
    r"^expert_parallel is \d+, but": "experts",
    r"^pipeline_parallel is \d+, but the model has \d+ layers": "layers",
    r"^context is \d+, but .* allows": "context",
    r" is not described of ": "engine",
    r" has no (context_parallel|data_parallel|gpu_memory_utilization)": "engine",
    r"keeps no cache in|^cache is .* does not keep for this model|has no cache in": "cache",
    r": num_\w+_heads: \d+ does not divide": "model",
}
"""What the words of an error say of its reason, where they do."""


def by_fit(target, keywords, mind=None):
    """The row that `fit` gives, but for the reason; what it says if there is none."""
    try:
        if mind:
            architecture = pondera.Architecture.from_config(target)
            target = architecture.what_if(mind).architecture
        one = pondera.fit(target, **keywords)
    except pondera.PonderaError as error:
        return str(error)
    row = {name: getattr(one, attribute) for name, attribute in FROM_FIT.items()}
    row["headroom_bytes"] = max(row["headroom_bytes"], -(2**63))
    requests, each = one.max_concurrency_exact or (0, 1)
    row["max_concurrency"] = requests // each if each else 0
    architecture = pondera.Architecture.from_config(target) if isinstance(target, str) else target
    row["parameters"], row["active_parameters"] = architecture.parameters, architecture.active_parameters
    return row


def agrees(found, expected):
    """Whether a row of a sweep is that of `fit`."""
    if isinstance(expected, str):
        assert found["reason"], found
        told = {reason for words, reason in REASONS.items() if re.search(words, expected)}
        assert told <= {found["reason"]}, expected
        assert not any(found[name] for name in FIELDS if name != "reason"), found
        return
    assert not found["reason"], found
    assert {name: found[name] for name in expected} == expected


def a_row(table, place):
    return {name: column[place] for name, column in table.to_dict().items()}


def equal(one, other):
    """Whether two tables, dicts of columns, are equal in names and values."""
    one, other = (each.to_dict() if isinstance(each, pondera.Table) else dict(each) for each in (one, other))
    assert list(one) == list(other)
    for name, column in one.items():
        np.testing.assert_array_equal(column, other[name], name)


def a_grid(seed, most=60):
    """Targets, keywords and fields of configs at random: some one value, some several."""
    dice = random.Random(seed)
    targets = [MODELS[seed % len(MODELS)], dice.choice(MODELS)][: dice.choice([1, 1, 2])]
    points = len(targets)
    asked = {"gpu": "h100", "engine": ENGINES[seed % len(ENGINES)]}
    if dice.random() < 0.8:
        asked["context"] = 2048
    several = {}
    rare = list(CHOICES)[seed % len(CHOICES)]
    for name in dict.fromkeys([rare, *dice.sample(list(CHOICES), 6)]):
        values = dice.sample(CHOICES[name], dice.choice([1, 2, 3]) if len(CHOICES[name]) > 2 else 2)
        if dice.random() < 0.3:
            asked[name] = values[0]
        elif points * len(values) <= most:
            points *= len(values)
            asked.pop(name, None)
            several[name] = values
    mind = {}
    if dice.random() < 0.5:
        for name in dice.sample(list(MIND), 2):
            if points * 2 <= most:
                points *= 2
                mind[name] = dice.sample(MIND[name], 2)
    return targets, asked, several, mind


@pytest.mark.parametrize("seed", range(30))
def test_every_row_is_what_fit_says(seed):
    targets, asked, several, mind = a_grid(seed)
    one = pondera.sweep(targets, mind=mind, **asked, **several)
    combinations = list(itertools.product(targets, *several.values(), *mind.values()))
    assert len(one) == len(combinations) == one.points
    assert one.shape == (len(targets), *map(len, several.values()), *map(len, mind.values()))
    table = one.table()
    assert len(table) == len(combinations)
    for point, (target, *values) in enumerate(combinations):
        keywords = dict(zip(several, values, strict=False))
        changed = dict(zip(mind, values[len(several) :], strict=True))
        expected = by_fit(target, {**asked, **keywords}, changed)
        row = one[point]
        assert row["point"] == point
        agrees(row, expected)
        agrees(a_row(table, point), expected)
        if isinstance(expected, str):
            with pytest.raises(pondera.PonderaError):
                one.explain(point)
        else:
            assert one.explain(point).total == expected["total_bytes"]
    for threads in (1, 2, 3):
        assert one.with_threads(threads).table() == table


def test_explain_is_the_fit_itself():
    one = pondera.sweep(
        ["gpt2", "llama-3.1-8b"], gpu="h100", context=["1k", "128k"], mind={"num_hidden_layers": [8, 12]}
    )
    assert one.explain(-1) == one.explain(7)
    changed = pondera.Architecture.from_config("llama-3.1-8b").what_if(num_hidden_layers=12).architecture
    mine, theirs = one.explain(7), pondera.fit(changed, gpu="h100", context="128k")
    assert mine.parts == theirs.parts
    plain = pondera.sweep("gpt2", gpu="h100").explain(0)
    assert plain == pondera.fit("gpt2", gpu="h100")


@pytest.mark.parametrize("seed", range(24))
def test_fit_many_is_what_fit_says_row_by_row(seed):
    dice = random.Random(seed)
    target = dice.choice(MODELS)
    names = ["gpu", *dice.sample([name for name in CHOICES if name != "gpu"], 6)]
    asked = {"engine": dice.choice(ENGINES)} if "engine" not in names else {}
    if "context" not in names:
        asked["context"] = 1000
    rows = 25
    columns = {name: [dice.choice(CHOICES[name]) for _ in range(rows)] for name in names}
    table = pondera.fit_many(target, columns, **asked)
    assert table.columns == ("fits", "reason", *[name for name in table.columns if name in FIELDS][2:])
    assert set(table.columns) == set(FIELDS)
    for place in range(rows):
        keywords = {name: column[place] for name, column in columns.items()}
        agrees(a_row(table, place), by_fit(target, {**asked, **keywords}))
    for threads in (1, 2, 3):
        assert pondera.fit_many(target, columns, threads=threads, **asked) == table


# Answers over all points.


@pytest.fixture(scope="module")
def wide():
    """Some 4000 points, of which some cannot be, some do not fit and some do."""
    one = pondera.sweep(
        ["llama-3.1-8b", "qwen3-30b-a3b"],
        gpu=["h100", "L4", "b200"],
        gpus=[2, 3, 6],
        engine="vllm==0.19.0",
        weights=["bf16", "fp8", None],
        tensor_parallel=[1, 2, 3],
        pipeline_parallel=[1, 2],
        context=["4k", "32k", "8k"],
        concurrency=[1, 3, 64, 16],
        mind={"num_key_value_heads": [4, 2]},
    )
    table = one.table().to_dict()
    assert one.points == len(table["fits"]) == 2 * 3 * 3 * 3 * 3 * 2 * 3 * 4 * 2
    assert 0 < table["fits"].sum() < (table["reason"] == "").sum() < one.points
    return one, table


CONDITIONS = {
    None: lambda t: np.full(len(t["fits"]), True),
    "tensor_parallel * pipeline_parallel == gpus": lambda t: (
        t["tensor_parallel"] * t["pipeline_parallel"] == t["gpus"]
    ),
    "parameters <= 10e9": lambda t: possible(t) & (t["parameters"] <= 10**10),
    "reason == 'heads' or reason == 'kv_heads'": lambda t: np.isin(t["reason"], ["heads", "kv_heads"]),
    "reason == ''": lambda t: t["reason"] == "",
    "gpu != 'L4' and not (context > 4k or concurrency == 64)": lambda t: (
        (t["gpu"] != "L4") & ~((t["context"] > 4096) | (t["concurrency"] == 64))
    ),
    "weights in ('fp8', 'bf16') and headroom >= -10GiB": lambda t: (
        possible(t) & np.isin(t["weights"], ["fp8", "bf16"]) & (t["headroom_bytes"] >= -(10 << 30))
    ),
    "weights == 'default' and gpu == \"nvidia h100\"": lambda t: (
        (t["weights"] == "default") & (t["gpu"] == "H100-SXM-80GB")
    ),
    "context / 3 % 7 == 2 and -concurrency + 20 > 0": lambda t: (
        (t["context"] // 3 % 7 == 2) & (t["concurrency"] < 20)
    ),
    "total_bytes * 10 > usable_bytes * 9 and fits": lambda t: (
        t["fits"] & (t["total_bytes"] * 10 > t["usable_bytes"] * 9)
    ),
    "(context * concurrency) in [4k, 32k, 12288] and target == 'qwen3-30b-a3b'": lambda t: (
        np.isin(t["context"] * t["concurrency"], [4096, 32768, 12288]) & (t["target"] == "qwen3-30b-a3b")
    ),
    "max_concurrency >= concurrency and num_key_value_heads < 4": lambda t: (
        possible(t) & (t["max_concurrency"] >= t["concurrency"]) & (t["num_key_value_heads"] < 4)
    ),
    "cache_tokens > 100 * context": lambda t: possible(t) & (t["cache_tokens"] > 100 * t["context"]),
    "gpus == 4": lambda t: np.full(len(t["fits"]), False),
}


def possible(table):
    return table["reason"] == ""


@pytest.mark.parametrize("condition", CONDITIONS)
def test_answers_are_those_of_brute_force(wide, condition):
    one, table = wide
    meets = CONDITIONS[condition](table)
    if condition is not None:
        one = one.where(condition)
        assert one.condition == condition
        assert condition == "gpus == 4" or 0 < meets.sum() < one.points
    left = {name: column[meets] for name, column in table.items()}
    equal(one.table(), left)
    fits = table["fits"] & meets
    assert one.count() == fits.sum()
    for axis, values in one.axes.items():
        each = {value: ((shown(table[axis]) == shown(value)) & fits).sum() for value in values}
        assert one.count(by=axis) == each
    tally = one.tally()
    assert [int(tally[name][0]) for name in tally.columns] == [
        meets.sum(),
        (meets & possible(table)).sum(),
        fits.sum(),
    ]
    tally = one.tally(by="context")
    for row, value in enumerate([4096, 32768, 8192]):
        here = meets & (table["context"] == value)
        expected = {"context": value, "points": here.sum(), "possible": (here & possible(table)).sum()}
        assert a_row(tally, row) == {**expected, "fits": (here & fits).sum()}
    rows = np.flatnonzero(fits)
    for by, largest, k in [
        ("headroom_bytes", True, 9),
        ("total_bytes", False, 30),
        ("context", True, 5),
        ("gpus", False, 1),
    ]:
        expected = best(table, rows, by, largest)[:k]
        equal(one.top(k, by=by, largest=largest), {name: column[expected] for name, column in table.items()})
    assert list(one.top(10**6)["point"]) == best(table, rows, "headroom_bytes", True)
    assert len(one.top(0)) == 0
    for axis in ("gpu", "concurrency", "target"):
        expected = [
            point
            for value in one.axes[axis]
            for point in best(table, rows[table[axis][rows] == value], "cache_bytes", False)[:2]
        ]
        found = one.best_per(axis, by="cache_bytes", largest=False, k=2, columns=["point", axis])
        assert found.columns == ("point", axis)
        assert list(found["point"]) == expected


def shown(values):
    """Values of an axis as columns have them: what is left open is the default."""
    return np.asarray(
        ["default" if value is None else value for value in np.atleast_1d(np.asarray(values, object))]
    )


def best(table, rows, by, largest):
    values = table[by].astype(object)
    return sorted(map(int, rows), key=lambda row: (-int(values[row]) if largest else int(values[row]), row))


@pytest.mark.parametrize(
    ("minimise", "maximise"),
    [
        (["gpus_in_all", "total_bytes"], ["context"]),
        ([], ["headroom_bytes"]),
        (["total_bytes"], []),
        (["concurrency", "weights_bytes", "gpus"], ["max_concurrency", "headroom_bytes"]),
    ],
)
def test_pareto_is_that_of_brute_force(wide, minimise, maximise):
    whole, table = wide
    for one, meets in [
        (whole, table["fits"]),
        (whole.where("context < 32k"), table["fits"] & (table["context"] < 32768)),
    ]:
        rows = np.flatnonzero(meets)
        costs = np.stack(
            [table[name][rows].astype(np.int64) for name in minimise]
            + [-table[name][rows].astype(np.int64) for name in maximise],
            axis=1,
        )
        expected = []
        for place, row in enumerate(rows):
            others = (costs <= costs[place]).all(axis=1)
            is_worse = (others & (costs < costs[place]).any(axis=1)).any()
            is_later = (costs[:place] == costs[place]).all(axis=1).any()
            if not is_worse and not is_later:
                expected.append(row)
        found = one.pareto(minimise=minimise, maximise=maximise)
        assert list(found["point"]) == expected
        equal(found, {name: column[expected] for name, column in table.items()})


@pytest.mark.parametrize(
    "axis", ["context", "concurrency", "tensor_parallel", "gpu", "target", "num_key_value_heads"]
)
def test_frontier_is_that_of_brute_force(wide, axis):
    whole, table = wide
    numbers = table["point"].reshape(whole.shape)
    place = list(whole.axes).index(axis)
    for one, meets in [
        (whole, table["fits"]),
        (whole.where("weights != 'fp8'"), table["fits"] & (table["weights"] != "fp8")),
    ]:
        expected = []
        for points in np.moveaxis(numbers, place, -1).reshape(-1, whole.shape[place]):
            fitting = [int(point) for point in points if meets[point]]
            key = table[axis] if table[axis].dtype != object else np.argsort(np.argsort(table["point"]))
            # The largest value; of equal ones the first, and of names the last.
            expected.append(
                max(fitting, key=lambda point: (int(key[point]), -point)) if fitting else int(points[0])
            )
        assert list(one.frontier(axis, columns=["point"])["point"]) == expected
    found = whole.frontier(axis)
    equal(found, {name: column[found["point"]] for name, column in table.items()})


def test_linked_axes_move_together():
    one = pondera.sweep(
        "llama-3.1-8b",
        gpu="h100",
        gpus=[2, 4, 8],
        tensor_parallel=[2, 4, 8],
        weights=["bf16", "fp8"],
        context=[1000, 2000, 3000],
        concurrency=[1, 2],
        zip=[("gpus", "tensor_parallel"), ["weights", "concurrency"]],
    )
    assert one.linked == [["gpus", "tensor_parallel"], ["weights", "concurrency"]]
    assert one.shape == (1, 3, 2, 3)
    expected = [
        (n, n, w, c, k) for n in (2, 4, 8) for w, k in (("bf16", 1), ("fp8", 2)) for c in (1000, 2000, 3000)
    ]
    names = ["gpus", "tensor_parallel", "weights", "context", "concurrency"]
    assert list(zip(*(one.table(columns=names)[name] for name in names), strict=True)) == expected
    for point in range(one.points):
        keywords = dict(zip(names, expected[point], strict=True))
        agrees(one[point], by_fit("llama-3.1-8b", {"gpu": "h100", **keywords}))
    flat = pondera.sweep(
        "gpt2", gpu="h100", context=[1, 2], concurrency=[3, 4], zip=("context", "concurrency")
    )
    assert flat.shape == (1, 2)
    assert [(row["context"], row["concurrency"]) for row in flat] == [(1, 3), (2, 4)]
    minds = pondera.sweep(
        "llama-3.1-8b",
        gpu="h100",
        context=2048,
        mind={"num_attention_heads": [32, 16], "num_key_value_heads": [8, 16]},
        zip=["num_attention_heads", "num_key_value_heads"],
    )
    for row, heads, kv_heads in zip(minds, (32, 16), (8, 16), strict=True):
        fields = {"num_attention_heads": heads, "num_key_value_heads": kv_heads}
        agrees(row, by_fit("llama-3.1-8b", {"gpu": "h100", "context": 2048}, fields))


def test_ranges_and_iterables_are_axes():
    one = pondera.sweep(
        "gpt2",
        gpu=("h100", "L4"),
        context="4k..64k",
        concurrency="1..9+4",
        max_batched_tokens=["512..2k", 100, None],
        tensor_parallel=range(1, 3),
        data_parallel=np.array([1, 2], np.int8),
        eager=np.array([True, False]),
        gpu_memory_utilization=np.array([0.5, 0.9]),
        weights=iter(["bf16", None]),
        mind={"n_layer": "2..8"},
    )
    assert one.axes == {
        "target": ("gpt2",),
        "gpu": ("H100-SXM-80GB", "L4"),
        "context": (4096, 8192, 16384, 32768, 65536),
        "concurrency": (1, 5, 9),
        "max_batched_tokens": (512, 1024, 2048, 100, None),
        "tensor_parallel": (1, 2),
        "data_parallel": (1, 2),
        "eager": (True, False),
        "gpu_memory_utilization": (0.5, 0.9),
        "weights": ("bf16", None),
        "n_layer": (2, 4, 8),
    }
    assert one.shape == tuple(map(len, one.axes.values()))
    assert pondera.sweep("gpt2", gpu="h100", context="4k..1m:64").axes["context"] == tuple(
        pondera.grid("4k", "1m", 64)
    )
    assert pondera.grid(1, 100, 3) == [1, 10, 100]
    assert pondera.grid("1k", "5k") == [1024, 2048, 4096, 5120]


def test_fields_of_configs_may_be_of_any_kind():
    target = "gemma-3-4b"
    kinds = ["sliding_attention", "full_attention"] * 4
    fields = {
        "num_hidden_layers": [8],
        "sliding_window": [512, None, 4096],
        "layer_types": [kinds, ["full_attention"] * 8],
        "rope_scaling": [None, {"rope_type": "linear", "factor": 8.0}],
        "hidden_act": ["silu"],
        "tie_word_embeddings": [True, False],
    }
    one = pondera.sweep(target, gpu="h100", engine="transformers", context="16k", mind=fields)
    assert one.shape == (1, 1, 3, 2, 2, 1, 2)
    assert one.axes["rope_scaling"] == (None, {"rope_type": "linear", "factor": 8.0})
    assert one.axes["layer_types"] == tuple(fields["layer_types"])
    assert len(one.count(by="layer_types")) == 2
    assert set(one.count(by="sliding_window")) == {512, None, 4096}
    for row, values in zip(one, itertools.product(*fields.values()), strict=True):
        changed = dict(zip(fields, values, strict=True))
        assert {name: row[name] for name in changed} == changed
        agrees(row, by_fit(target, {"gpu": "h100", "engine": "transformers", "context": "16k"}, changed))
    assert len({row["cache_bytes"] for row in one if not row["reason"]}) > 2
    # One value alone is an axis of one.
    same = pondera.sweep(
        target,
        gpu="h100",
        engine="transformers",
        context="16k",
        mind={"sliding_window": 512, "rope_scaling": None},
    )
    assert same.shape == (1, 1, 1)
    table = one.table(columns=["rope_scaling", "layer_types", "sliding_window"])
    assert set(table["sliding_window"]) == {"512", "null", "4096"}
    assert (
        set(table["rope_scaling"]) == {"null", '{"factor":8.0,"rope_type":"linear"}'}
        or len(set(table["rope_scaling"])) == 2
    )


def test_a_field_that_makes_no_model_is_a_reason():
    one = pondera.sweep(
        "llama-3.1-8b", gpu="h100", context=1000, mind={"num_hidden_layers": [32, "many", -1, 0, None, 1.5]}
    )
    assert [bool(row["reason"]) for row in one] == [
        isinstance(
            by_fit("llama-3.1-8b", {"gpu": "h100", "context": 1000}, {"num_hidden_layers": value}), str
        )
        for value in one.axes["num_hidden_layers"]
    ]
    assert one[1]["reason"] == "model"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("tensor_parallel == 2", True),
        ("tensor_parallel != 2", False),
        ("tensor_parallel * 2 == gpus", True),
        ("context == 8k", True),
        ("concurrency < 7", False),
        ("eager == false", True),
        ("not eager", True),
        ("eager", False),
        ("prefix_caching == true", True),
        ("prefix_caching", True),
        ("gpu_memory_utilization == 0.5", True),
        ("gpu_memory_utilization > 0.4 and gpu_memory_utilization <= 0.5", True),
        ("0.6 > gpu_memory_utilization", True),
        ("gpu_memory_utilization < 1", True),
        ("gpu_memory_utilization >= 1", False),
        ("gpu_memory_utilization in (0.25, 0.5)", True),
        ("cache_memory == 1GiB", True),
        ("max_batched_tokens == 512", True),
        ("data_parallel + expert_parallel + pipeline_parallel + context_parallel == 4", True),
    ],
)
def test_what_is_said_once_may_be_named_in_conditions(condition, holds):
    said = {
        "gpus": 4,
        "tensor_parallel": 2,
        "context": "8k",
        "concurrency": 7,
        "gpu_memory_utilization": 0.5,
        "prefix_caching": True,
        "cache_memory": "1GiB",
        "max_batched_tokens": 512,
    }
    one = pondera.sweep("gpt2", gpu="h100", where=condition, **said)
    assert len(one.table()) == int(holds)
    # An axis of one value says the same.
    axes = {
        **{name: [value] for name, value in said.items()},
        "eager": [False],
    }
    assert len(pondera.sweep("gpt2", gpu="h100", where=condition, **axes).table()) == int(holds)


@pytest.mark.parametrize("listed", [False, True])
def test_names_that_are_said_once_may_be_named_in_conditions(listed):
    said = {"gpu": "h100", "engine": "vllm==0.19.0", "weights": "fp8", "cache": None}
    one = pondera.sweep(
        "gpt2", context=[1, 2], **{name: [value] if listed else value for name, value in said.items()}
    )
    for condition, holds in [
        ("gpu == 'H100-SXM-80GB'", True),
        ("gpu == 'nvidia h100'", True),
        ("'h100' != gpu", False),
        ("engine == 'vllm==0.19.0'", True),
        ("weights in ('fp8', 'FP8')", True),
        ("weights not in ['fp8']", False),
        ("cache == 'default' and context == 1 or cache != 'default'", 0.5),
    ]:
        assert len(one.where(condition).table()) == 2 * holds, condition
    for condition, what in [
        ("gpu == 'L4'", "no value of gpu, which has H100-SXM-80GB"),
        ("weights < 'fp8'", "== and !="),
        ("gpu == 3", "text"),
        ("gpu", "text"),
    ]:
        if not listed or ("3" not in condition and condition != "gpu"):
            with pytest.raises(pondera.PonderaError, match=what):
                one.where(condition)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("condition", ["context <= 1m", "block_size != 5", "gpu_memory_utilization < 0.5"])
def test_what_is_left_open_for_all_points_compares_with_no_number(condition, listed):
    names = ("context", "block_size", "gpu_memory_utilization")
    axes = {name: [None] for name in names} if listed else {}
    with pytest.raises(pondera.PonderaError, match=r"where: .*is left open for all points"):
        pondera.sweep("gpt2", gpu="h100", where=condition, **axes)


def test_gpus_left_open_are_those_that_the_deployment_takes():
    one = pondera.sweep("llama-3.1-8b", gpu="h100", tensor_parallel=[1, 2], pipeline_parallel=[1, 2])
    same = one.where("tensor_parallel * pipeline_parallel == gpus")
    assert same.count() == one.count() > 0
    assert list(one.where("gpus == 4").table()["gpus_in_all"]) == [4]


def test_names_left_open_are_the_value_default():
    one = pondera.sweep("llama-3.1-8b", gpu="h100", weights=[None, "fp8", "bf16"], context=[None, 4096])
    for condition, points in [
        ("weights != 'fp8'", [0, 1, 4, 5]),
        ("weights == 'default'", [0, 1]),
        ("context != 4096", []),
        ("not context == 4096", [0, 2, 4]),
    ]:
        assert list(one.where(condition).table()["point"]) == points, condition


def test_floats_and_negative_numbers_of_a_config_compare_and_rank():
    one = pondera.sweep("llama-3.1-8b", gpu="h100", mind={"rope_theta": [1e6, 1e4, 500000, -1]})
    assert list(one.where("rope_theta > 100000").table()["point"]) == [0, 2]
    assert list(one.where("rope_theta < 0").table()["point"]) == [3]
    assert list(one.top(9, by="rope_theta", columns=["point"])["point"])[:3] == [0, 2, 1]
    falling = pondera.sweep("llama-3.1-8b", gpu="h100", mind={"rope_theta": [1e6, 1e4]})
    assert list(falling.frontier("rope_theta", columns=["point"])["point"]) == [0]


@pytest.mark.parametrize(
    "ask",
    [
        lambda one: one.top(by="gpu"),
        lambda one: one.top(by="point"),
        lambda one: one.top(by="rope_theta"),
        lambda one: one.pareto(minimise=["gpu"]),
        lambda one: one.best_per("context", by="gpu"),
        lambda one: one.where("gpu"),
        lambda one: one.where("gpu < 5"),
        lambda one: one.where("weights == cache"),
        lambda one: one.where("rope_theta > 0"),
        lambda one: one.frontier("rope_theta"),
        lambda one: one.frontier("context"),
    ],
)
def test_what_is_no_number_is_refused_where_numbers_are_asked(ask):
    one = pondera.sweep(
        "llama-3.1-8b", gpu=["h100", "l4"], context=[None, 4096], mind={"rope_theta": [1.0, 0.5]}
    )
    with pytest.raises(pondera.PonderaError, match=r"no number|says nothing|whole numbers alone|left open"):
        ask(one)


def test_texts_of_a_config_are_ranges_if_their_ends_are_numbers():
    def shape(given):
        return pondera.sweep("gpt2", gpu="h100", mind={"torch_dtype": given}).shape

    assert shape("../x") == shape(["../x"]) == shape("a..b") == (1, 1)
    assert shape("1..4") == shape(["1..4"]) == (1, 3)
    with pytest.raises(pondera.PonderaError, match="context: "):
        pondera.sweep("gpt2", gpu="h100", context="a..b")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_no_number_of_a_config_is_without_end(number):
    for value in (number, [number], {"factor": (1, [number])}, np.array([number])):
        with pytest.raises(pondera.PonderaError, match=r"rope_scaling: .*no value that a config has"):
            pondera.sweep("gpt2", gpu="h100", mind={"rope_scaling": [value]})


def test_conditions_add_up(wide):
    one, table = wide
    both = one.where("context > 4k or gpus == 2").where("concurrency == 1")
    meets = ((table["context"] > 4096) | (table["gpus"] == 2)) & (table["concurrency"] == 1)
    assert list(both.table()["point"]) == list(np.flatnonzero(meets))
    many = both
    for _ in range(100):
        many = many.where("concurrency == 1")
    assert many.count() == both.count()
    other = pickle.loads(pickle.dumps(many))
    assert other.where("gpus == 2").count() == both.where("gpus == 2").count()
    long = " or ".join(["concurrency == 1"] * 400)
    assert one.where(long).count() == one.where("concurrency == 1").count()


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        ("", "a value is missing"),
        ("context >", "a value is missing"),
        ("context > 4k)", "does not go on"),
        ("(context > 4k", "is missing"),
        ("context > 4k and nonsense == 2", "nonsense.*no column"),
        ("context ~ 3", "means nothing here"),
        ("context = 3", "means nothing here"),
        ("context == 'long'", "long"),
        ("gpu == 'H200'", "no value of gpu"),
        ("gpu < 'L4'", "== and !="),
        ("reason == 'heds'", "no reason.*heads"),
        ("point > 3", "compare their axes"),
        ("context > 0.5", "gpu_memory_utilization alone"),
        ("context > 1.5.2", "no number"),
        ("'a' == 'a'", "text"),
        ("context in ()", "at least one"),
        ("gpu == 'L4", "does not end"),
        ("(" * 900 + "1" + ")" * 900, "too many parentheses"),
        ("not " * 900 + "fits", "too many parentheses"),
        ("-" * 900 + "1 == 1", "too many parentheses"),
        (" or ".join(["context == 1"] * 100_000), "at most 2000"),
        ("+".join("1" * 100_000), "at most 2000"),
    ],
)
def test_conditions_that_cannot_be_read_say_where(wide, condition, what):
    with pytest.raises(pondera.PonderaError, match=what) as raised:
        wide[0].where(condition)
    assert str(raised.value).startswith("where: ")


# Points by number.


def test_points_are_taken_by_number_and_slice(wide):
    one, table = wide
    last = one.points - 1
    for index in (0, 5, last, -1, -one.points, np.int64(7), np.uint8(9), True):
        row = one[index]
        place = int(index) % one.points
        assert row == {**{name: column[place] for name, column in table.items()}, **row, "point": place}
        assert type(row["fits"]) is bool
        assert {type(value) for name, value in row.items() if name.endswith("_bytes")} == {int}
    for piece in [
        slice(None),
        slice(5),
        slice(-5, None),
        slice(3, 3),
        slice(10, 3),
        slice(0, 100, 7),
        slice(None, None, -100),
        slice(-10, -1000, -13),
        slice(10**30),
        slice(-(10**30), 10**30, 1000),
        slice(last, 0, -(10**30)),
    ]:
        equal(one[piece], {name: column[piece] for name, column in table.items()})
    for bad in (one.points, -one.points - 1, 10**40, -(10**40), 2**64, 2**127):
        with pytest.raises(IndexError, match="there is no point"):
            one[bad]
        with pytest.raises(IndexError, match="there is no point"):
            one.explain(bad)
    for bad in (1.0, "1", None, slice("a"), (1, 2)):
        with pytest.raises(TypeError):
            one[bad]
    with pytest.raises(ValueError, match="zero"):
        one[::0]
    with pytest.raises(TypeError):
        one.explain("1")


def test_ranges_of_points_are_tables(wide):
    one, table = wide
    equal(one.table(10, 20), {name: column[10:20] for name, column in table.items()})
    equal(one.table(one.points - 3), {name: column[-3:] for name, column in table.items()})
    equal(one.table(stop=3, columns=["gpu", "fits"]), {name: table[name][:3] for name in ("gpu", "fits")})
    assert len(one.table(7, 7)) == 0
    few = one.where("gpu == 'L4'")
    place = np.arange(100, 2000)
    assert list(few.table(100, 2000)["point"]) == list(place[table["gpu"][place] == "L4"])
    for start, stop in [
        (5, 3),
        (0, one.points + 1),
        (one.points + 1, one.points + 2),
        (0, 2**64),
        (2**70, None),
        (-5, 5),
        (0, -1),
    ]:
        with pytest.raises(pondera.PonderaError, match="not within the sweep"):
            one.table(start, stop)
    for columns in (["odd"], ["gpu", ""], ["headroom", "odd"]):
        with pytest.raises(pondera.PonderaError, match="no column of this sweep"):
            one.table(0, 5, columns=columns)
    assert one.table(0, 5, columns=["headroom"]).columns == ("headroom_bytes",)
    assert one.table(0, 5, columns=[]).columns == ()


HUGE = {
    "context": "1..100000+1",
    "concurrency": "1..100000+1",
    "gpus": [1] * 100_000,
    "max_sequences": [8] * 18_000,
}


def test_sweeps_of_more_points_than_len_can_tell():
    one = pondera.sweep("gpt2", gpu="h100", **HUGE)
    points = 18_000 * 10**15
    assert one.points == points > 2**63
    with pytest.raises(OverflowError, match="see points"):
        len(one)
    assert one
    assert one[-1] == one[points - 1]
    assert one[-1]["context"] == one[-1]["concurrency"] == 10**5
    assert list(one[-2:]["point"]) == [points - 2, points - 1]
    assert list(one[points - 3 :: 2]["point"]) == [points - 3, points - 1]
    assert len(one[5:2]) == 0
    assert list(one[2**63 : 2**63 + 2]["point"]) == [2**63, 2**63 + 1]
    with pytest.raises(IndexError):
        one[points]
    for too_many in (slice(None), slice(None, None, 3)):
        with pytest.raises(pondera.PonderaError, match=f"at most {2**32} rows"):
            one[too_many]
    with pytest.raises(pondera.PonderaError, match=f"at most {2**32} rows"):
        one.table()


def test_sweeps_of_too_many_points_are_refused():
    with pytest.raises(pondera.PonderaError, match=r"at most 2\^64 - 1 points"):
        pondera.sweep("gpt2", gpu="h100", block_size=[16, 32], **HUGE)


def test_sweeps_are_pickled(wide):
    one, _ = wide
    for each in (one, one.where("gpus == 2 and gpu != 'L4'")):
        other = pickle.loads(pickle.dumps(each))
        assert other.axes == each.axes
        assert other.condition == each.condition
        assert other.linked == each.linked
        assert other.table() == each.table()
        assert repr(other) == repr(each)
    # Another machine has processors of its own.
    own = one.with_threads().threads
    assert pickle.loads(pickle.dumps(one.with_threads(own + 3))).threads == own
    for broken in (b"", b"\x01", b"\x63abc", pickle.dumps(1)):
        with pytest.raises(pondera.PonderaError, match="cannot restore"):
            pondera.Sweep._from_bytes(broken)
    config = {**pondera.Architecture.from_config("gpt2").config, "model_type": "gpt2-of-mine"}
    own = pondera.sweep(
        config, gpu=pondera.gpu("L4"), assume="gpt2", mind={"n_layer": [2, 3]}, zip=[["n_layer"]]
    )
    assert pickle.loads(pickle.dumps(own)).table() == own.table()
    linked = pondera.sweep(
        "gpt2", gpu="h100", context=[1, 2], concurrency=[1, 2], zip=("context", "concurrency")
    )
    assert pickle.loads(pickle.dumps(linked)).shape == (1, 2)


def test_targets_may_be_anything_that_fit_takes(tiny):
    config = {
        "model_type": "llama",
        "hidden_size": 8,
        "intermediate_size": 32,
        "max_position_embeddings": 4096,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": 100,
        "torch_dtype": "bfloat16",
    }
    (tiny / "config.json").write_text(json.dumps(config))
    checkpoint = pondera.scan(tiny)
    architecture = pondera.Architecture.from_config("gpt2")
    targets = [tiny, str(tiny), checkpoint, architecture, architecture.config, "gpt2"]
    one = pondera.sweep(targets, gpu="h100", context=[100, 1000], engine="transformers")
    assert one.points == 12
    for row, target in zip(one, [target for target in targets for _ in range(2)], strict=True):
        fit = pondera.fit(target, gpu="h100", context=row["context"], engine="transformers")
        assert not row["reason"]
        assert (row["weights_bytes"], row["total_bytes"]) == (fit.weights, fit.total)


def test_two_targets_of_one_name():
    one = pondera.sweep(["gpt2", "gpt2"], gpu="h100", context=[100, 200])
    assert one.axes["target"] == ("gpt2", "gpt2")
    assert one.count(by="target") == {"gpt2": 4}
    assert list(one.tally(by="target")["fits"]) == [2, 2]
    assert list(one.best_per("target", by="context")["point"]) == [1, 3]
    assert one.where("target == 'gpt2'").count() == 4


# The Arrow stream.


def test_the_arrow_stream_is_the_table(wide):
    one, table = wide
    few = one.where("gpu != 'L4'")
    for each in (one, few):
        expected = each.table()
        arrow = pa.table(each)
        assert arrow.column_names == list(one.columns)
        assert arrow.schema == pa.table(expected).schema
        assert arrow.num_rows == len(expected)
        for name in one.columns:
            assert arrow[name].to_pylist() == expected[name].tolist(), name
        assert pl.DataFrame(each).rows() == pl.DataFrame(expected).rows()
        pd.testing.assert_frame_equal(pd.DataFrame.from_arrow(each), pd.DataFrame.from_arrow(expected))
    query = (
        "select gpu, count(*) as n, max(headroom_bytes) as best from one where fits group by gpu order by gpu"
    )
    found = duckdb.sql(query).fetchall()
    expected = [
        (
            gpu,
            int((table["fits"] & (table["gpu"] == gpu)).sum()),
            int(table["headroom_bytes"][table["fits"] & (table["gpu"] == gpu)].max()),
        )
        for gpu in sorted(set(table["gpu"]))
    ]
    assert found == expected


def test_the_arrow_stream_comes_in_batches():
    one = pondera.sweep("gpt2", gpu=["h100", "L4"], context="1..1000+1", concurrency="1..530+1")
    reader = pa.RecordBatchReader.from_stream(one)
    batches = list(reader)
    assert [batch.num_rows for batch in batches] == [1 << 20, 1_060_000 - (1 << 20)]
    whole = pa.Table.from_batches(batches)
    expected = one.table()
    for name in ("point", "context", "concurrency", "fits", "headroom_bytes"):
        np.testing.assert_array_equal(np.asarray(whole[name]), expected[name], name)
    frame = pl.DataFrame(one)
    assert frame["headroom_bytes"].to_numpy().sum() == expected["headroom_bytes"].sum()
    rare = one.where("context == 1000 and concurrency == 530")
    assert [batch.num_rows for batch in pa.RecordBatchReader.from_stream(rare)] == [1, 1]
    none = one.where("context == 1001")
    assert pa.table(none).num_rows == 0
    assert pl.DataFrame(none).height == 0


# Columns of deployments.


def columns():
    return {
        "context": [1, 4096, 100, 8192],
        "concurrency": [1, 2, 100, 3],
        "gpu": ["h100", "L4", "h100", "b200"],
    }


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", "O"])
def test_fit_many_takes_whole_numbers_of_any_width(kind):
    given = {**columns(), "context": [1, 100, 7, 127]}
    expected = pondera.fit_many("gpt2", given)
    assert pondera.fit_many("gpt2", {**given, "context": np.array(given["context"], kind)}) == expected
    doubled = np.repeat(np.array(given["context"], kind), 2)[::2]
    assert pondera.fit_many("gpt2", {**given, "context": doubled}) == expected


def test_fit_many_takes_tables_of_any_library():
    given = columns()
    expected = pondera.fit_many("llama-3.1-8b", given, weights="fp8")
    many = [
        pl.DataFrame(given),
        pl.DataFrame(given).with_columns(pl.col("gpu").cast(pl.Categorical)),
        pl.DataFrame(given, schema_overrides={"context": pl.UInt16, "concurrency": pl.Int8}),
        pd.DataFrame(given),
        pd.DataFrame(given).astype({"gpu": "category", "context": "int16"}),
        pd.DataFrame(given).astype({"gpu": object}),
        pa.table(given),
        pa.table({**given, "gpu": pa.array(given["gpu"]).dictionary_encode()}),
        pa.table({**given, "context": pa.array(given["context"]).dictionary_encode()}),
        pa.table({**given, "gpu": pa.array(given["gpu"], pa.large_string())}),
        pa.table({**given, "gpu": pa.array(given["gpu"], pa.string_view())}),
        pa.concat_tables(
            [
                pa.table({name: column[:1] for name, column in given.items()}),
                pa.table({name: column[1:] for name, column in given.items()}),
            ]
        ),
        {name: np.array(column) for name, column in given.items()},
        {name: tuple(column) for name, column in given.items()},
        {name: pl.Series(column) for name, column in given.items()},
        {name: pd.Series(column) for name, column in given.items()},
        {name: pa.array(column) for name, column in given.items()},
        {**given, "gpu": [pondera.gpu(name) for name in given["gpu"]]},
        pa.table(given).slice(0),
        pl.concat([pl.DataFrame(given)[:2], pl.DataFrame(given)[2:]], rechunk=False),
        duckdb.from_arrow(pa.table(given)),
    ]
    for table in many:
        assert pondera.fit_many("llama-3.1-8b", table, weights="fp8") == expected, type(table)


def test_what_is_missing_in_a_column_is_left_open():
    given = {
        "context": [None, 4096, 100, None],
        "weights": ["fp8", None, None, "bf16"],
        "eager": [True, False, True, True],
        "prefix_caching": [None, True, False, None],
        "gpu_memory_utilization": [None, 0.5, 0.9, 0.5],
        "cache_memory": [None, None, 10**9, None],
        "gpus": [1, None, 2, 2],
    }
    expected = [
        by_fit("llama-3.1-8b", {"gpu": "h100", **dict(zip(given, row, strict=True))})
        for row in zip(*given.values(), strict=True)
    ]
    assert all(isinstance(row, dict) for row in expected)
    encoded = {
        name: pa.array(column).dictionary_encode()
        for name, column in given.items()
        if name in ("context", "weights")
    }
    for table in [
        given,
        pa.table(given),
        pl.DataFrame(given),
        pa.table({**given, **encoded}),
        pl.DataFrame(given).with_columns(pl.col("weights").cast(pl.Categorical)),
    ]:
        found = pondera.fit_many("llama-3.1-8b", table, gpu="h100")
        for place, row in enumerate(expected):
            agrees(a_row(found, place), row)


def test_dictionaries_are_read_by_what_is_used():
    # Of the dictionary only what some row has must mean something; and none may be all there is.
    used = pa.DictionaryArray.from_arrays(pa.array([1, 1, None], pa.int8()), pa.array(["odd", "fp8"]))
    found = pondera.fit_many("gpt2", pa.table({"weights": used}), gpu="h100")
    assert found == pondera.fit_many("gpt2", {"weights": ["fp8", "fp8", None]}, gpu="h100")
    nothing = pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int8()), pa.array([], pa.string()))
    assert pondera.fit_many("gpt2", pa.table({"weights": nothing}), gpu="h100") == pondera.fit_many(
        "gpt2", {"weights": [None, None]}, gpu="h100"
    )
    within = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array([None, "fp8"]))
    assert pondera.fit_many("gpt2", pa.table({"weights": within}), gpu="h100") == pondera.fit_many(
        "gpt2", {"weights": [None, "fp8"]}, gpu="h100"
    )
    nulls = pa.table({"weights": pa.nulls(2), "context": pa.nulls(2)})
    assert pondera.fit_many("gpt2", nulls, gpu="h100") == pondera.fit_many(
        "gpt2", {"weights": [None, None]}, gpu="h100"
    )


def test_fit_many_of_no_rows_has_none():
    for table in (
        {"context": []},
        {"gpu": [], "weights": []},
        {"gpu": [], "context": np.array([], np.int64)},
        pa.table({"gpu": pa.array([], pa.string()), "context": pa.array([], pa.int64())}),
        pl.DataFrame({"gpu": ["h100"], "eager": [True]}).clear(),
        pd.DataFrame({"gpu": ["h100"], "context": [5]}).iloc[:0],
    ):
        gpu = (
            {}
            if "gpu"
            in list(
                table.keys()
                if isinstance(table, dict)
                else table.column_names
                if isinstance(table, pa.Table)
                else table.columns
            )
            else {"gpu": "h100"}
        )
        found = pondera.fit_many("gpt2", table, **gpu)
        assert len(found) == 0
        assert set(found.columns) == set(FIELDS)


def test_fit_many_gives_the_columns_that_are_asked_for():
    found = pondera.fit_many("gpt2", columns(), columns=["total_bytes", "fits"])
    assert found.columns == ("total_bytes", "fits")
    whole = pondera.fit_many("gpt2", columns())
    np.testing.assert_array_equal(found["total_bytes"], whole["total_bytes"])
    with pytest.raises(pondera.PonderaError, match="no column of results"):
        pondera.fit_many("gpt2", columns(), columns=["gpu"])
    # Without columns there is one deployment: that of the keywords.
    assert len(pondera.fit_many("gpt2", {}, gpu="h100")) == 1


def test_fit_many_of_many_rows_is_the_same_for_any_number_of_threads():
    dice = np.random.default_rng(5)
    rows = 50_000
    given = {
        "context": dice.integers(1, 200_000, rows),
        "concurrency": dice.integers(1, 300, rows).astype(np.uint16),
        "tensor_parallel": dice.choice([1, 2, 4, 3], rows),
        "gpu": dice.choice(["h100", "L4", "b200"], rows),
    }
    seen = []
    expected = pondera.fit_many("qwen3-30b-a3b", given, threads=1, progress=lambda *at: seen.append(at))
    assert len(seen) == 0 or seen[-1][0] <= seen[-1][1]
    for threads in (2, 3, None):
        assert pondera.fit_many("qwen3-30b-a3b", given, threads=threads) == expected
    for place in range(0, rows, 2500):
        keywords = {name: column[place].item() for name, column in given.items()}
        agrees(a_row(expected, place), by_fit("qwen3-30b-a3b", keywords))


def test_contexts_may_lie_far_apart():
    """An engine that settles another number of sequences for each context is not asked about those between."""
    given = {"context": [1, 10**7, 131_072, 2**40], "concurrency": [1, 2, 3, 4]}
    for engine in ENGINES:
        found = pondera.fit_many("llama-3.1-8b", given, gpu="b200", engine=engine)
        grid = pondera.sweep(
            "llama-3.1-8b", gpu="b200", engine=engine, zip=("context", "concurrency"), **given
        )
        for place, row in enumerate(grid):
            keywords = {name: column[place] for name, column in given.items()}
            expected = by_fit("llama-3.1-8b", {"gpu": "b200", "engine": engine, **keywords})
            agrees(a_row(found, place), expected)
            agrees(row, expected)


# What is asked amiss.


@pytest.mark.parametrize(
    ("asked", "error", "what"),
    [
        ({"context": [-1]}, pondera.PonderaError, "context"),
        ({"context": [1.5]}, TypeError, "context must be a whole number"),
        ({"context": [float("nan")]}, TypeError, "context must be a whole number"),
        ({"context": []}, pondera.PonderaError, "context: an axis has at least one value"),
        ({"context": [2**64]}, pondera.PonderaError, "context"),
        ({"context": [10**5000]}, pondera.PonderaError, "context"),
        ({"context": [True]}, TypeError, "context must be a whole number.*not bool"),
        ({"context": [[1, 2]]}, TypeError, "context must be a whole number.*not list"),
        ({"context": np.array([[1, 2]])}, TypeError, "context must be a whole number.*not ndarray"),
        ({"context": b"4k"}, TypeError, "context must be a whole number.*not bytes"),
        ({"context": {"a": 1}}, TypeError, "context must be a whole number.*not dict"),
        ({"context": "8k..4k"}, pondera.PonderaError, "context: a range goes upwards"),
        ({"context": "1.."}, pondera.PonderaError, "context: "),
        ({"context": ["4k", "long"]}, pondera.PonderaError, "context"),
        ({"context": [4096, object()]}, TypeError, "context must be a whole number.*not object"),
        ({"concurrency": [1, None]}, TypeError, "concurrency must be a whole number.*not NoneType"),
        ({"tensor_parallel": "all"}, pondera.PonderaError, "tensor_parallel"),
        ({"cache_memory": ["1GiB", "lots"]}, pondera.PonderaError, "cache_memory"),
        ({"gpu": []}, pondera.PonderaError, "gpu: an axis has at least one value"),
        ({"gpu": ["h100", "h9000"]}, pondera.PonderaError, "h9000"),
        ({"gpu": ["h100", 5]}, TypeError, "gpu must be the name"),
        ({"gpu": None}, TypeError, "gpu must be the name"),
        ({"engine": ["vllm", "odd"]}, pondera.PonderaError, "odd"),
        ({"engine": [None]}, TypeError, "engine must be a name, not NoneType"),
        ({"engine": [b"vllm"]}, TypeError, "engine must be a name, not bytes"),
        ({"weights": ["fp5"]}, pondera.PonderaError, "fp5"),
        ({"weights": [8]}, TypeError, "weights must be a name, not int"),
        ({"cache": ["odd"]}, pondera.PonderaError, "odd"),
        ({"eager": [1]}, TypeError, "eager must be True or False, not int"),
        ({"eager": [None]}, TypeError, "eager must be True or False, not NoneType"),
        ({"prefix_caching": "yes"}, TypeError, "prefix_caching must be True or False, not str"),
        ({"gpu_memory_utilization": [1.5]}, pondera.PonderaError, "gpu_memory_utilization"),
        ({"gpu_memory_utilization": [float("nan")]}, pondera.PonderaError, "gpu_memory_utilization"),
        ({"gpu_memory_utilization": ["0.9"]}, TypeError, "gpu_memory_utilization must be a number"),
        ({"odd": 1}, TypeError, "odd"),
        ({"threads": 0}, (pondera.PonderaError, ValueError), "threads"),
        ({"threads": "two"}, TypeError, None),
        (
            {"mind": {"num_key_value_heads": []}},
            pondera.PonderaError,
            "num_key_value_heads: an axis has at least one",
        ),
        ({"mind": {"num_key_value_heads": [float("nan")]}}, pondera.PonderaError, "num_key_value_heads"),
        ({"mind": {"num_key_value_heads": [b"4"]}}, TypeError, "num_key_value_heads"),
        ({"mind": {"num_key_value_heads": [object()]}}, TypeError, "num_key_value_heads"),
        ({"mind": {3: [1]}}, TypeError, None),
        ({"mind": {"point": [1]}}, pondera.PonderaError, "point"),
        ({"mind": {"parameters": [1]}}, pondera.PonderaError, "parameters"),
        (
            {"mind": {"context": [1]}, "context": [1]},
            pondera.PonderaError,
            "context is the name of another column",
        ),
        ({"mind": {"target": [1]}}, pondera.PonderaError, "target is an axis twice"),
        ({"mind": {"gpu": [1]}}, pondera.PonderaError, "gpu"),
        ({"mind": ["num_key_value_heads"]}, TypeError, None),
        (
            {"context": [1, 2], "concurrency": [1, 2, 3], "zip": ("context", "concurrency")},
            pondera.PonderaError,
            "context and concurrency are linked, but have 2 and 3 values",
        ),
        (
            {"context": [1, 2], "zip": ("context", "odd")},
            pondera.PonderaError,
            "odd is linked, but is no axis",
        ),
        ({"context": [1, 2], "zip": ["context", "context"]}, pondera.PonderaError, "context is linked twice"),
        ({"context": [1, 2], "zip": ("context", "target")}, pondera.PonderaError, "targets cannot be linked"),
        ({"context": [1, 2], "zip": "context"}, TypeError, "zip must be"),
        ({"context": [1, 2], "zip": [1]}, TypeError, "zip must be"),
        ({"context": [1, 2], "zip": [[1]]}, TypeError, "zip must be"),
        (
            {"context": [1, 2], "mind": {"n_layer": [1, 2]}, "zip": ("context", "n_layer")},
            pondera.PonderaError,
            "cannot be linked",
        ),
        ({"where": "odd == 1"}, pondera.PonderaError, "where: .*odd"),
        ({"where": 3}, TypeError, None),
    ],
)
def test_sweeps_that_cannot_be_are_refused(asked, error, what):
    with pytest.raises(error, match=what):
        pondera.sweep("gpt2", **{"gpu": "h100", **asked})


def test_targets_that_cannot_be_are_refused(tmp_path):
    for targets, error, what in [
        ([], pondera.PonderaError, "at least one target"),
        ([3], TypeError, "target must be a path"),
        (None, TypeError, "target must be a path"),
        (["gpt2", tmp_path / "none"], OSError, "none"),
        ("no-such-model-at-all", OSError, "no-such-model-at-all"),
    ]:
        with pytest.raises(error, match=what):
            pondera.sweep(targets, gpu="h100")
    with pytest.raises(TypeError, match="gpu is missing"):
        pondera.sweep("gpt2")


def test_a_field_whose_name_has_a_slip_is_refused():
    with pytest.raises(pondera.PonderaError, match=r"did you mean n_layer\?"):
        pondera.sweep("gpt2", gpu="h100", mind={"n_layers": [4, 8]})
    # Of several models one that knows the field is enough, and one that nothing reads is inert, as for a what-if.
    both = pondera.sweep(["gpt2", "qwen3-30b-a3b"], gpu="h100", mind={"num_experts": [64, 128]})
    assert len(both) == 4
    inert = pondera.sweep("gpt2", gpu="h100", mind={"no_such_field": [1, 2]})
    totals = inert.table()["total_bytes"]
    assert totals[0] == totals[1] == pondera.fit("gpt2", gpu="h100").total


@pytest.mark.parametrize(
    ("ask", "error", "what"),
    [
        (
            lambda one: one.count("odd"),
            pondera.PonderaError,
            "no axis of this sweep; there are target, context",
        ),
        (lambda one: one.tally("gpu"), pondera.PonderaError, "no axis of this sweep"),
        (lambda one: one.top(by="odd"), pondera.PonderaError, "no column of this sweep"),
        (lambda one: one.top(-1), (OverflowError, pondera.PonderaError), None),
        (lambda one: one.top(1.5), TypeError, None),
        (lambda one: one.top(columns="fits"), TypeError, None),
        (lambda one: one.best_per("odd"), pondera.PonderaError, "no axis of this sweep"),
        (lambda one: one.best_per("context", by="odd"), pondera.PonderaError, "no column of this sweep"),
        (lambda one: one.pareto(), pondera.PonderaError, "name a column to minimise or to maximise"),
        (lambda one: one.pareto(minimise=["odd"]), pondera.PonderaError, "no column of this sweep"),
        (lambda one: one.frontier("fits"), pondera.PonderaError, "no axis of this sweep"),
        (lambda one: one.where("1 ="), pondera.PonderaError, "where: "),
        (lambda one: one.with_threads(0), (pondera.PonderaError, ValueError), "threads"),
        (lambda one: hash(one) and one.run(None), TypeError, "executor must be"),
    ],
)
def test_questions_that_cannot_be_are_refused(ask, error, what):
    with pytest.raises(error, match=what):
        ask(pondera.sweep("gpt2", gpu="h100", context=[1, 2]))


@pytest.mark.parametrize(
    ("table", "error", "what"),
    [
        ({"context": [-1, 5]}, pondera.PonderaError, "the column context has -1, which is below 0"),
        (
            {"context": np.array([5, -2], np.int8)},
            pondera.PonderaError,
            "the column context has -2, which is below 0",
        ),
        (
            pa.table({"context": pa.array([5, -3], pa.int16())}),
            pondera.PonderaError,
            "the column context has -3",
        ),
        (pa.table({"context": pa.array([None, -3], pa.int16())}), pondera.PonderaError, "context"),
        ({"context": [1.0, 2.0]}, TypeError, "context must be a whole number.*not float"),
        (pa.table({"context": [1.0, 2.0]}), TypeError, "context must be a whole number.*not float"),
        ({"context": [None, 4096, 4096.0]}, TypeError, "context must be a whole number.*not float"),
        ({"context": [1, float("nan")]}, TypeError, "context must be a whole number.*not float"),
        ({"context": ["4k", 5, "x"]}, pondera.PonderaError, "context"),
        ({"context": [2**64, 1]}, pondera.PonderaError, "context"),
        ({"context": [2**63, -1]}, (TypeError, pondera.PonderaError), "context"),
        (
            {"context": [[1], [2]]},
            pondera.PonderaError,
            "the column context must have one value for each row",
        ),
        ({"context": [[1], [2, 3]]}, pondera.PonderaError, "the column context"),
        ({"context": 5}, pondera.PonderaError, "the column context must have one value for each row"),
        ({"context": "4k"}, pondera.PonderaError, "the column context must have one value for each row"),
        ({"context": np.array([[1], None], object)}, TypeError, "context must be a whole number.*not list"),
        ({"context": [b"4k"]}, TypeError, "context must be a whole number.*not bytes"),
        ({"context": np.array(["2020-01-01"], "M8[D]")}, TypeError, "context must be a whole number"),
        (
            {"context": [1, 2], "concurrency": [1]},
            pondera.PonderaError,
            "the column concurrency has 1 rows and another one 2",
        ),
        ({"concurrency": [1, None]}, TypeError, "concurrency must be a whole number.*not NoneType"),
        ({"odd": [1]}, pondera.PonderaError, "the column .*odd.* is no keyword of fit"),
        ({"target": ["gpt2"]}, pondera.PonderaError, "the column .*target.* is no keyword of fit"),
        ({3: [1]}, TypeError, None),
        (pa.table({"odd": [1]}), pondera.PonderaError, "odd"),
        (
            pa.table([pa.array([1]), pa.array([2])], ["context", "context"]),
            pondera.PonderaError,
            "context comes twice",
        ),
        (pa.table({"context": [[1]]}), pondera.PonderaError, "the column context is of the Arrow type"),
        (
            pa.table({"context": pa.array([1], pa.timestamp("s"))}),
            pondera.PonderaError,
            "the column context is of the Arrow type",
        ),
        (pa.table({"weights": [b"fp8"]}), pondera.PonderaError, "the column weights is of the Arrow type"),
        ({"weights": ["fp8", "fp5"]}, pondera.PonderaError, "fp5"),
        ({"weights": [8]}, TypeError, "weights must be a name, not int"),
        ({"gpu": ["h100", None]}, TypeError, "gpu must be the name"),
        ({"eager": [True, 1]}, TypeError, "eager must be True or False, not int"),
        ({"gpu_memory_utilization": [0.9, 2.0]}, pondera.PonderaError, "gpu_memory_utilization"),
        ({"gpu_memory_utilization": [float("nan")]}, pondera.PonderaError, "gpu_memory_utilization"),
        ([1, 2], TypeError, "the table must be a mapping of arrays or an Arrow stream, not list"),
        (None, TypeError, "the table must be a mapping of arrays or an Arrow stream, not NoneType"),
        (np.array([1, 2]), TypeError, "not ndarray"),
    ],
)
def test_tables_that_cannot_be_are_refused(table, error, what):
    with pytest.raises(error, match=what):
        pondera.fit_many(
            "gpt2", table, **({} if isinstance(table, dict) and "gpu" in table else {"gpu": "h100"})
        )


@pytest.mark.parametrize("make", [dict, pa.table, pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("columns", "keywords", "name"),
    [
        ({"gpu": ["l4"], "context": [4096]}, {"gpu": "h100"}, "gpu"),
        ({"context": [4096]}, {"gpu": "h100", "context": 8192}, "context"),
        ({"weights": ["fp8"]}, {"gpu": "h100", "weights": None}, "weights"),
        ({"context": np.array([], np.int64)}, {"gpu": "h100", "context": 8192}, "context"),
    ],
)
def test_a_column_and_a_keyword_of_one_name_are_refused(make, columns, keywords, name):
    with pytest.raises(pondera.PonderaError, match=f"{name} is a column of the table and a keyword too"):
        pondera.fit_many("gpt2", make(columns), **keywords)


PRODUCERS = {
    # Reads on threads of its own, which want the interpreter.
    "dataset": """
class Here(pyarrow.fs.FileSystemHandler):
    there = pyarrow.fs.LocalFileSystem()
    def __eq__(self, other): return self is other
    def get_type_name(self): return "here"
    def normalize_path(self, path): return path
    def get_file_info(self, paths): return self.there.get_file_info(paths)
    def get_file_info_selector(self, selector): return self.there.get_file_info(selector)
    def open_input_file(self, path): return pyarrow.PythonFile(open(path, "rb"), mode="r")
    def open_input_stream(self, path): return pyarrow.PythonFile(open(path, "rb"), mode="r")

for name in Here.__abstractmethods__:
    setattr(Here, name, None)
Here.__abstractmethods__ = frozenset()
rows = 200_000
table = pyarrow.table({"context": list(range(1, rows + 1)), "concurrency": [1] * rows})
pyarrow.parquet.write_table(table, "rows.parquet", row_group_size=20_000)
dataset = pyarrow.dataset.dataset("rows.parquet", filesystem=pyarrow.fs.PyFileSystem(Here()))
stream = dataset.scanner().to_reader()
""",
    # Has its batches from another thread.
    "generator": """
import queue, threading
batches = queue.Queue(1)
rows = 3 * 1000
schema = pyarrow.schema({"context": pyarrow.int64()})

def produce():
    for place in range(3):
        batches.put(pyarrow.record_batch({"context": list(range(place * 1000 + 1, place * 1000 + 1001))}))
    batches.put(None)

threading.Thread(target=produce).start()
stream = pyarrow.RecordBatchReader.from_batches(schema, iter(batches.get, None))
""",
    # May be read on the thread that made it alone, as connections of SQLite may.
    "thread": """
import threading
rows = 3
mine = threading.get_ident()

def produce():
    for _ in range(rows):
        assert threading.get_ident() == mine
        yield pyarrow.record_batch({"context": [4096]})

stream = pyarrow.RecordBatchReader.from_batches(pyarrow.schema({"context": pyarrow.int64()}), produce())
""",
}


@pytest.mark.parametrize("producer", PRODUCERS)
def test_streams_whose_makers_need_the_interpreter_are_read(producer, tmp_path):
    """A process of its own, which can be ended if it stands still."""
    script = f"""
import pyarrow, pyarrow.dataset, pyarrow.fs, pyarrow.parquet
import pondera
{PRODUCERS[producer]}
table = pondera.fit_many("llama-3.1-8b", stream, gpu="h100", columns=["fits"])
assert len(table) == rows, len(table)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stream_that_fails_says_why():
    def produce():
        yield pa.record_batch({"context": [4096]})
        raise RuntimeError("the disk is gone")

    stream = pa.RecordBatchReader.from_batches(pa.schema({"context": pa.int64()}), produce())
    with pytest.raises(pondera.PonderaError, match="the disk is gone"):
        pondera.fit_many("gpt2", stream, gpu="h100")


def test_masked_arrays_are_left_open_where_they_are_masked():
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    assert pondera.fit_many("gpt2", {"context": masked}, gpu="h100") == pondera.fit_many(
        "gpt2", {"context": [1, None, 3]}, gpu="h100"
    )
    with pytest.raises(TypeError, match=r"concurrency must be a whole number.*not NoneType"):
        pondera.fit_many("gpt2", {"concurrency": masked}, gpu="h100")


# Long work.


def test_frontiers_of_too_many_combinations_are_refused():
    one = pondera.sweep("gpt2", gpu="h100", context=[1, 2], concurrency="1..4096+1", block_size=[16] * 4097)
    refused = rf"beside context there are {4096 * 4097} combinations.*{1 << 24} are the most.*fewer values"
    with ThreadPoolExecutor(1) as executor:
        for ask in (one.frontier, one.where("context == 1").frontier, one.run(executor).frontier):
            with pytest.raises(pondera.PonderaError, match=refused):
                ask("context", columns=["fits"])
    assert len(one.frontier("concurrency", columns=["fits"])) == 2 * 4097


def test_columns_are_read_no_further_once_a_signal_raises():
    script = """
import signal, sys
import pondera, pyarrow

class Enough(Exception): pass

def stop(*_): raise Enough

signal.signal(signal.SIGALRM, stop)
weights = ["bf16"] * 3_000_000 + ["what is refused where it is read"]
table = pyarrow.table({"weights": weights})
try:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    pondera.fit_many("llama-3.1-8b", table, gpu="h100")
except Enough:
    sys.exit(0)
except pondera.PonderaError:
    sys.exit(3)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    "ask",
    [
        "one.count()",
        "one.where('headroom_bytes % 2 == 1').count()",
        # As many rows as a frontier may have, of a long axis each.
        "pondera.sweep('llama-3.1-8b', gpu='h100', context='1..100000+1', concurrency='1..160+1', gpus=[1] * 100_000)"
        ".where('headroom_bytes % 2 == 1').frontier('context')",
    ],
)
def test_interrupting_an_answer_ends_it(ask, interrupted):
    script = f"""
import pondera
one = pondera.sweep("llama-3.1-8b", gpu="h100", context="1..100000+1", concurrency="1..100000+1", gpus=[1] * 10_000)
assert one.points == 10**14
print("begun", flush=True)
{ask}
"""
    code, talk = interrupted(script, 60)
    assert talk.rstrip().endswith("KeyboardInterrupt"), talk
    assert code in (-signal.SIGINT, 130)


def test_progress_may_stop_an_answer():
    one = pondera.sweep(
        "llama-3.1-8b", gpu="h100", context="1..100000+1", concurrency="1..100000+1", gpus=[1] * 10_000
    )
    seen = []

    def progress(done, of):
        seen.append((done, of))
        raise RuntimeError("that is enough")

    for ask in (one.count, one.top, one.tally):
        with pytest.raises(RuntimeError, match="that is enough"):
            ask(progress=progress)
    assert all(0 <= done <= of for done, of in seen)


def test_a_sweep_is_shown(wide):
    one, _ = wide
    assert repr(one).startswith("Sweep(7776 points: 2 target x 3 gpu")
    assert "where" in repr(one.where("gpus == 2"))
    assert "<" in one._repr_html_()


def test_operators_of_conditions_are_those_of_python():
    """On numbers of either sign, by the axis itself."""
    one = pondera.sweep("gpt2", gpu="h100", context=range(1, 12))
    signs = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.floordiv,
        "%": operator.mod,
    }
    for (sign, does), number, other in itertools.product(signs.items(), (-3, 2, 5), (-4, 0, 3)):
        expected = [context for context in range(1, 12) if does(context - 6, number) == other]
        found = one.where(f"(context - 6) {sign} {number} == {other}")
        assert list(found.table()["context"]) == expected, (sign, number, other)
    assert len(one.where("context / 0 == 0 or context % 0 == 0 or not (context / 0 == 1)").table()) == 11
    assert len(one.where("context / 0 != 3").table()) == 0
