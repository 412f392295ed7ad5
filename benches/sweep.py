"""Sweeping against NumPy, against `fit` in a loop, and against aiconfigurator, as ratios measured in one run.

    python benches/sweep.py [--rounds N] [--threads N] [--only NAME ...] [--markdown FILE]

Needs a release build of pondera (`make build`). aiconfigurator-core is of the group `bench`; without it the line of that
peer says so. Everything that is compared takes turns, and in its turn its best time of five counts, as in `scan.py`; what
takes seconds runs once in its turn. Every answer of a peer that is compared in time is also compared in value, where both
answer the same question.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scan import Report, machine, put_table, timed, turns

import pondera

MODEL = "llama-3.1-8b"
ENGINE = "vllm==0.19.0"
WEIGHTS = ["bf16", "fp8", "awq", "w4a16"]
CACHE = ["bf16", "fp8"]
TENSOR_PARALLEL = [1, 2, 4, 8]
GPUS = 32
# A third of a KiB to all of the model's context.
CONTEXTS = [step * 131072 // 384 for step in range(1, 385)]
CONCURRENCY = list(range(1, 257))
COMPONENTS = ("weights", "activations", "overhead", "cuda_context", "cuda_graphs")
BLOCK = 16
"""Tokens of a block of vLLM's cache."""

Rows = dict[str, Any]


def gpus() -> list[str]:
    """GPUs that the engine takes with all of these weights and caches."""
    names = [gpu.name for gpu in pondera.gpus()]
    tally = grid(names, [4096], [1]).tally("gpu")
    taken = tally["possible"] == tally["points"]
    return [str(name) for name in tally["gpu"][taken][:GPUS]]


def grid(names: list[str], contexts: list[int], concurrency: list[int]) -> pondera.Sweep:
    return pondera.sweep(
        MODEL,
        gpu=names,
        engine=ENGINE,
        weights=WEIGHTS,
        cache=CACHE,
        tensor_parallel=TENSOR_PARALLEL,
        context=contexts,
        concurrency=concurrency,
    )


class Broadcast:
    """The sum of components over the whole grid as one writes it with NumPy.

    The tables of components are given to it: they come from a sweep over all axes but context and concurrency, and their
    making is not timed. What is timed is the cache by context and concurrency, the sum, the comparison with what each GPU
    has, and the count.
    """

    def __init__(self, names: list[str], piece: int) -> None:
        table = grid(names, [BLOCK], [1]).table()
        shape = (len(names), len(WEIGHTS), len(CACHE), len(TENSOR_PARALLEL))

        def column(name: str) -> np.ndarray:
            return table[f"{name}_bytes"].astype(np.int64).reshape(shape)

        self.used = sum((column(name) for name in COMPONENTS), np.zeros(shape, np.int64))
        # What a GPU has for all of these together.
        self.capacity = column("headroom") + column("total")
        self.block = column("cache")[0, 0]
        contexts = np.array(CONTEXTS, np.int64)[:, None]
        self.blocks_of_context = -(-contexts // BLOCK)
        self.concurrency = np.array(CONCURRENCY, np.int64)[None, :]
        self.blocks = np.empty((len(CONTEXTS), len(CONCURRENCY)), np.int64)
        self.cache = np.empty(self.blocks.size, np.int64)
        self.piece = piece
        self.sum = np.empty(piece, np.int64)
        self.fits = np.empty(piece, np.bool_)

    def tables(self) -> list[tuple[int, int]]:
        """Places of cache formats and of parallel layouts, of which each has a cache of its own."""
        return [(cache, parallel) for cache in range(len(CACHE)) for parallel in range(len(TENSOR_PARALLEL))]

    def count(self) -> int:
        """How many fit: for each point an addition, a comparison and a count."""
        return self._over(self._summed)

    def count_of_limits(self) -> int:
        """How many fit, with the sum of all but the cache taken from the capacity first: a comparison and a count."""
        return self._over(self._compared)

    def _over(self, work: Callable[[np.ndarray, np.ndarray, np.ndarray], int]) -> int:
        np.multiply(self.blocks_of_context, self.concurrency, out=self.blocks)
        flat, found = self.blocks.reshape(-1), 0
        for cache, parallel in self.tables():
            np.multiply(flat, self.block[cache, parallel], out=self.cache)
            used = self.used[:, :, cache, parallel].reshape(-1)
            capacity = self.capacity[:, :, cache, parallel].reshape(-1)
            for start in range(0, self.cache.size, self.piece):
                found += work(self.cache[start : start + self.piece], used, capacity)
        return found

    def _summed(self, cache: np.ndarray, used: np.ndarray, capacity: np.ndarray) -> int:
        total, fits, found = self.sum[: cache.size], self.fits[: cache.size], 0
        for mine, most in zip(used, capacity, strict=True):
            np.add(cache, mine, out=total)
            np.less_equal(total, most, out=fits)
            found += int(np.count_nonzero(fits))
        return found

    def _compared(self, cache: np.ndarray, used: np.ndarray, capacity: np.ndarray) -> int:
        fits, found = self.fits[: cache.size], 0
        for most in capacity - used:
            np.less_equal(cache, most, out=fits)
            found += int(np.count_nonzero(fits))
        return found


def rate(number: float, milliseconds: list[float]) -> str:
    """So many in the median of these times, a second."""
    each = number / statistics.median(milliseconds) * 1e3
    for power, word in ((1e9, " thousand million"), (1e6, " million")):
        if each >= power:
            return f"{each / power:.2f}{word}/s"
    return f"{each:,.0f}/s"


def count(report: Report, rounds: int, threads: int) -> None:
    names = gpus()

    def ours(number: int) -> Callable[[], Any]:
        # Made anew each time, so that nothing is remembered of the time before.
        return lambda: grid(names, CONTEXTS, CONCURRENCY).with_threads(number).count()

    # Its own best size of a piece, found on this machine.
    sizes = {piece: Broadcast(names, piece) for piece in (1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 17)}
    found = {peer.count() for peer in sizes.values()} | {peer.count_of_limits() for peer in sizes.values()}
    if found != {ours(threads)()}:
        raise SystemExit(f"NumPy and pondera count differently: {found} and {ours(threads)()}")
    sums = {piece: timed(peer.count) for piece, peer in sizes.items()}
    limits = {piece: timed(peer.count_of_limits) for piece, peer in sizes.items()}
    known = grid(names, CONTEXTS, CONCURRENCY).with_threads(threads)
    known.count()
    times = turns(
        rounds,
        {
            "ours": ours(threads),
            "one": ours(1),
            "known": known.count,
            "sum": sizes[min(sums, key=sums.__getitem__)].count,
            "limit": sizes[min(limits, key=limits.__getitem__)].count_of_limits,
        },
    )
    points = grid(names, CONTEXTS, CONCURRENCY).points
    what = f"`count()` of {points:,} points"
    report.ratio(f"{what}, faster than the broadcast sum in NumPy", "8x", times["sum"], times["ours"])
    report.ratio("the same, where NumPy only compares with limits", "", times["limit"], times["ours"])
    report.ratio("the second question to one sweep, faster than the sum", "", times["sum"], times["known"])
    report.ratio("the same, where NumPy only compares with limits", "", times["limit"], times["known"])
    for name, number, asked in (
        ("ours", threads, ""),
        ("one", 1, ""),
        ("known", threads, ", the second question to one sweep"),
    ):
        report.value(
            f"{what}, {number} thread{'s'[: number > 1]}{asked}",
            rate(points, times[name]),
            "1 thousand million/s" if name == "ours" else "",
            f"NumPy sums {rate(points, times['sum'])} and compares {rate(points, times['limit'])}",
        )


def table(report: Report, rounds: int, threads: int) -> None:
    rows = 10_000_000
    names = gpus()

    def made() -> pondera.Sweep:
        return grid(names, CONTEXTS, CONCURRENCY).with_threads(threads)

    columns = [*(f"{name}_bytes" for name in COMPONENTS), "cache_bytes", "total_bytes", "usable_bytes"]
    columns += ["headroom_bytes", "fits"]
    short = made().table(0, 1, columns=columns)
    kinds = [short[name].dtype for name in columns]

    def ours() -> list[np.ndarray]:
        table = made().table(0, rows, columns=columns)
        return [table[name] for name in columns]

    def all_of_them() -> pondera.Table:
        return made().table(0, rows)

    def theirs() -> list[np.ndarray]:
        return [np.full(rows, 1, kind) for kind in kinds]

    times = turns(rounds, {"ours": ours, "numpy": theirs}, runs=3)
    report.ratio(
        f"`table()` of {rows:,} points and {len(columns)} columns of components, time over that of filling arrays",
        "at most 2x",
        times["numpy"],
        times["ours"],
        at_most=True,
    )
    once = [timed(all_of_them) for _ in range(2)]
    report.value(
        f"the same with all {len(made().columns)} columns", rate(rows, [min(once)]), "", f"{min(once):.0f} ms"
    )


def engines(report: Report, rounds: int, threads: int) -> None:
    """Counts with the other engines, once each, since some take long."""
    del rounds
    names = gpus()[:8]
    for one in pondera.engines():
        if one["name"] == ENGINE.partition("==")[0]:
            continue
        engine = f"{one['name']}=={one['newest']}"
        made = pondera.sweep(
            MODEL,
            gpu=names,
            engine=engine,
            context=CONTEXTS,
            concurrency=list(range(1, 2049)),
            threads=threads,
        )
        took = timed(made.count)
        report.value(
            f"`count()` of {made.points:,} points with {engine}, {threads} threads, once",
            rate(made.points, [took]),
            "",
            f"{took:,.0f} ms",
        )


def random_rows(number: int, names: list[str]) -> Rows:
    random = np.random.default_rng(7)

    def some(values: list[str]) -> np.ndarray:
        return np.array(values, object)[random.integers(0, len(values), number)]

    return {
        "gpu": some(names),
        "weights": some(WEIGHTS),
        "cache": some(CACHE),
        "tensor_parallel": np.array(TENSOR_PARALLEL)[random.integers(0, len(TENSOR_PARALLEL), number)],
        "context": random.integers(1, 131073, number),
        "concurrency": random.integers(1, 257, number),
    }


def as_arrow(rows: Rows) -> Any:
    import pyarrow

    columns = {
        name: pyarrow.array(values).dictionary_encode() if values.dtype == object else pyarrow.array(values)
        for name, values in rows.items()
    }
    return pyarrow.table(columns)


def many(report: Report, rounds: int, threads: int) -> None:
    number, few = 1_000_000, 500
    model = pondera.Architecture.from_config(MODEL)
    rows = random_rows(number, gpus())
    arrow = as_arrow(rows)
    singles = [
        {
            name: values[row].item() if hasattr(values[row], "item") else values[row]
            for name, values in rows.items()
        }
        for row in range(few)
    ]

    def loop() -> list[int]:
        return [pondera.fit(model, engine=ENGINE, **row).total for row in singles]

    found = pondera.fit_many(model, rows, engine=ENGINE)
    if found["total_bytes"][:few].tolist() != loop():
        raise SystemExit("fit_many and fit differ")
    if found != pondera.fit_many(model, arrow, engine=ENGINE):
        raise SystemExit("fit_many differs between NumPy and Arrow")
    measured: dict[str, Callable[[], object]] = {
        "arrow": lambda: pondera.fit_many(model, arrow, engine=ENGINE, threads=threads),
        "numpy": lambda: pondera.fit_many(model, rows, engine=ENGINE, threads=threads),
        "one": lambda: pondera.fit_many(model, arrow, engine=ENGINE, threads=1),
        "loop": loop,
    }
    peer = aiconfigurator()
    if peer is not None:
        measured["peer"] = peer
    times = turns(rounds, measured, runs=2)
    # As if a loop and the peer had done as many rows.
    loops = [time * number / few for time in times["loop"]]
    what = f"`fit_many` of {number:,} random rows"
    if peer is None:
        report.value(
            f"{what}, faster than aiconfigurator", "", "5,000x", "aiconfigurator-core is not installed"
        )
    else:
        peers = [time * number / PEER_CALLS for time in times["peer"]]
        report.ratio(
            f"{what}, faster than aiconfigurator's estimate_kv_cache", "5,000x", peers, times["arrow"]
        )
    report.ratio(f"{what}, faster than `fit` in a loop", "100x", loops, times["arrow"])
    for name, shown, target in (
        ("one", "1 thread", "3 million/s"),
        ("arrow", f"{threads} threads", ""),
        ("numpy", f"{threads} threads, columns of NumPy with texts as objects", ""),
    ):
        report.value(
            f"{what}, {shown}", rate(number, times[name]), target, f"{statistics.median(times[name]):.0f} ms"
        )
    if peer is not None:
        report.value("aiconfigurator's estimate_kv_cache", rate(PEER_CALLS, times["peer"]), "")


PEER_CALLS = 30


def aiconfigurator() -> Callable[[], object] | None:
    """Estimates of aiconfigurator for the same model, if it is installed; it reads its database before."""
    if importlib.util.find_spec("aiconfigurator_core") is None:
        return None
    from aiconfigurator_core.sdk.memory import estimate_kv_cache

    def estimates() -> list[int]:
        return [
            estimate_kv_cache(
                "meta-llama/Meta-Llama-3.1-8B",
                "h100_sxm",
                "vllm",
                # The version of vLLM of which it has data for this GPU.
                "0.24.0",
                max_num_tokens=8192 + step,
                max_batch_size=1 + step,
                memory_fraction_kind="of_total",
                memory_fraction_value=0.9,
                tp_size=(1, 2, 4, 8)[step % 4],
            )["total_kv_size_bytes"]
            for step in range(PEER_CALLS)
        ]

    estimates()
    return estimates


def minds(report: Report, rounds: int, threads: int) -> None:
    deployments = [1, 2, 4, 8, 16, 32, 64, 128]

    def made(layers: int, concurrency: list[int]) -> pondera.Sweep:
        return pondera.sweep(
            MODEL,
            gpu="h100",
            engine=ENGINE,
            context=4096,
            concurrency=concurrency,
            mind={
                "num_hidden_layers": list(range(1, layers + 1)),
                "intermediate_size": list(range(1024, 1024 + 100 * 128, 128)),
                "vocab_size": list(range(32000, 32000 + 100 * 512, 512)),
            },
            threads=threads,
        )

    # As many as take some seconds, and all of them where those are fast.
    layers = 1
    while layers < 100 and timed(made(layers, deployments).count) < 2000:
        layers = min(layers * 10, 100)
    each = made(layers, [1])
    names = [name for name in each.columns if name in each.axes and name not in ("target", "concurrency")]
    table = each.table(columns=["parameters", *names])
    rows = np.stack([table[name] for name in table.columns], axis=1)
    if len(names) != 3 or len(np.unique(rows, axis=0)) != each.points:
        raise SystemExit("architectures are alike")
    totals = len(np.unique(table["parameters"]))
    times = turns(1, {"ours": lambda: made(layers, deployments).count()}, runs=1)["ours"]
    report.value(
        f"`count()` of {each.points:,} architectures x {len(deployments)} deployments, {threads} threads",
        rate(each.points, times).replace("/s", " architectures/s"),
        "2 million architectures/s",
        f"{statistics.median(times):.0f} ms; {totals:,} different totals of parameters",
    )


MEMORY = """
import sweep, time
contexts, concurrency = {grid}
big = sweep.grid(sweep.gpus(), contexts, concurrency).with_threads({threads})
begun = time.perf_counter()
answer = big.{question}
took = time.perf_counter() - begun
peak = int([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
print(big.points, took, peak)
"""
# Either way 32 GPUs x 4 weights x 2 caches x 4 layouts x about 10 million contexts and requests. A frontier has a row for
# each combination beside its axis, so that its axis is the long one.
MANY_REQUESTS = "list(range(32, 131073, 32)), list(range(1, 2501))"
MANY_CONTEXTS = "list(range(2, 131073, 2)), list(range(1, 155))"
LONGEST = 60
"""Seconds for each of these at the most."""


def memory(report: Report, rounds: int, threads: int) -> None:
    del rounds
    for question, grid in (
        ("count()", MANY_REQUESTS),
        ("top(20)", MANY_REQUESTS),
        ('frontier("context", columns=["context"])', MANY_CONTEXTS),
    ):
        code = MEMORY.format(threads=threads, question=question, grid=grid)
        folder = Path(__file__).resolve().parent
        what = f"peak memory of a process with `{question}` of 10 thousand million points"
        try:
            done = subprocess.run(
                [sys.executable, "-c", code],
                check=True,
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired:
            report.value(what, f"no answer within {LONGEST} s", "below 200 MB")
            continue
        points, took, peak = done.stdout.split()
        report.value(
            what,
            f"{int(peak) * 1024 / 1e6:.0f} MB",
            "below 200 MB",
            f"{int(points):,} points in {float(took):.1f} s, {rate(int(points), [float(took) * 1e3])}",
        )


PARTS = {"count": count, "engines": engines, "table": table, "many": many, "minds": minds, "memory": memory}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments.add_argument("--markdown", type=Path)
    chosen = arguments.parse_args()
    report = Report()
    for name in chosen.only:
        PARTS[name](report, chosen.rounds, chosen.threads)
    text = f"{machine()}, {chosen.threads} threads, {chosen.rounds} rounds\n\n{report.markdown()}\n"
    print(text)
    if chosen.markdown:
        put_table(chosen.markdown, "sweep", text)


if __name__ == "__main__":
    main()
