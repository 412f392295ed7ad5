"""Scanning against everything else that reads safetensors headers, as ratios measured in one run.

    python benches/scan.py [--rounds N] [--threads N] [--markdown FILE]

Needs a release build of pondera (`make build`) and of `pondera-benches` (`cargo build --release -p pondera-benches`).
The measurements take turns round by round, so a machine that changes speed changes it for all. In its turn each one
runs five times in a row and its best time counts: the page cache is warm, and so are the core's own caches, which the
measurement before has filled with its data. Each ratio is the median over the rounds of the ratio within a round.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import models

import pondera

ROOT = Path(__file__).resolve().parent.parent
# How often a measurement runs in its turn; `headers.rs` does the same.
RUNS = 5


def headers(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def with_json(folder: Path) -> int:
    """json.loads of every header, and a product over every shape."""
    parameters = 0
    for path in headers(folder):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for entry in header.values():
            parameters += math.prod(entry["shape"])
    return parameters


def with_safe_open(folder: Path) -> int:
    """safetensors.safe_open with keys, shapes and dtypes."""
    from safetensors import safe_open

    tensors = 0
    for path in headers(folder):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118
                tensor = file.get_slice(name)
                tensor.get_shape()
                tensor.get_dtype()
                tensors += 1
    return tensors


def with_hub(folder: Path) -> object:
    """huggingface_hub's own metadata of a local folder."""
    from huggingface_hub import get_local_safetensors_metadata

    return get_local_safetensors_metadata(folder)


def tree_with_json(root: Path) -> int:
    """A loop over os.scandir with json.loads of every header."""
    tensors = 0
    for folder in os.scandir(root):
        for entry in os.scandir(folder.path):
            if entry.name.endswith(".safetensors"):
                with Path(entry.path).open("rb") as file:
                    (length,) = struct.unpack("<Q", file.read(8))
                    tensors += len(json.loads(file.read(length))) - 1
    return tensors


def process(*command: str) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def peak_above_interpreter(code: str) -> float:
    """Peak resident memory of this code above that of the bare interpreter it runs in, in MiB.

    The high-water mark is the kernel's own for the fresh process; `ru_maxrss` would be inherited from this one.
    """
    mark = "int([l for l in open('/proc/self/status') if l.startswith('VmHWM')][0].split()[1])"
    code = f"before = {mark}\n{code}\nprint({mark} - before)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) / 1024


def turns(
    rounds: int, measurements: dict[str, Callable[[], object]], runs: int = RUNS
) -> dict[str, list[float]]:
    """Milliseconds of every measurement in every round, best of its turn; one more round warms up."""
    times: dict[str, list[float]] = {name: [] for name in measurements}
    for number in range(rounds + 1):
        for name, run in measurements.items():
            best = min(timed(run) for _ in range(runs))
            if number:
                times[name].append(best)
    return times


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


class Report:
    """Rows of a table of ratios."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, ...]] = []

    def ratio(
        self, what: str, target: str, theirs: list[float], ours: list[float], at_most: bool = False
    ) -> None:
        pairs = zip(theirs, ours, strict=True)
        ratios = [b / a if at_most else a / b for a, b in pairs]
        times = f"{statistics.median(ours):.2f} ms against {statistics.median(theirs):.2f} ms"
        self.rows.append((what, f"{statistics.median(ratios):.2f}x", target, times))

    def value(self, what: str, value: str, target: str, detail: str = "") -> None:
        self.rows.append((what, value, target, detail))

    def markdown(self) -> str:
        lines = ["| measurement | result | target | medians of best times |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines)


def rust(folder: Path, rounds: int, threads: int) -> dict[str, float]:
    """The measurements of the Rust bench over the same folder: medians in milliseconds."""
    binary = ROOT / "target" / "release" / "headers"
    done = subprocess.run(
        [binary, folder, str(rounds), str(threads)], check=True, capture_output=True, text=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["name"]: row["median_ms"] for row in rows}


def one_model(report: Report, folder: Path, rounds: int, threads: int) -> None:
    scan = "pondera.scan"
    times = turns(
        rounds,
        {
            scan: lambda: pondera.scan(folder, threads=threads),
            "json": lambda: with_json(folder),
            "safe_open": lambda: with_safe_open(folder),
            "hub": lambda: with_hub(folder),
        },
    )
    report.ratio("faster than safetensors.safe_open", "20x", times["safe_open"], times[scan])
    report.ratio("faster than json.loads and a product over shapes", "12x", times["json"], times[scan])
    report.ratio("faster than huggingface_hub's local metadata", "40x", times["hub"], times[scan])
    native = rust(folder, rounds, threads)
    for name, target in (("read headers, 1 thread", "at most 3x"), ("read headers", "")):
        threaded = name if "thread" in name else f"{name}, {threads} threads"
        report.value(
            f"time of a scan over that of: {threaded}",
            f"{native['scan'] / native[name]:.2f}x",
            target,
            f"{native['scan']:.2f} ms against {native[name]:.2f} ms",
        )
    ours = native["parse: pondera, templates"]
    for name in ("serde_json visitor", "sonic-rs visitor", "pondera, parser only"):
        theirs = native[f"parse: {name}"]
        report.value(
            f"parsing in memory, faster than {name}",
            f"{theirs / ours:.2f}x",
            "",
            f"{ours:.2f} ms against {theirs:.2f} ms",
        )
    above = peak_above_interpreter(f"import pondera; c = pondera.scan({str(folder)!r}, threads={threads})")
    report.value("peak memory of a scan above the interpreter's own", f"{above:.1f} MiB", "at most 60 MB")


def whole_process(report: Report, folder: Path, rounds: int) -> None:
    times = turns(
        rounds,
        {
            "cli": process(sys.executable, "-m", "pondera", "scan", str(folder), "--json"),
            "numpy": process(sys.executable, "-c", "import numpy"),
        },
    )
    report.ratio(
        "whole process of `pondera scan FOLDER --json` over `import numpy`",
        "at most 2.5x",
        times["numpy"],
        times["cli"],
        at_most=True,
    )


def tree(report: Report, root: Path, rounds: int, threads: int) -> None:
    times = turns(
        rounds,
        {
            "tree": lambda: pondera.scan_tree(root, threads=threads),
            "json": lambda: tree_with_json(root),
        },
    )
    report.ratio(
        "tree of 1,000 folders, faster than os.scandir and json.loads", "10x", times["json"], times["tree"]
    )


def put_table(page: Path, name: str, text: str) -> None:
    """Write a table to its place in a page."""
    before, mark, rest = page.read_text().partition(f"<!-- table: {name} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    page.write_text(f"{before}{mark}{text}{end}{after}")


def machine() -> str:
    """The date and what this ran on."""
    cores = f"{os.cpu_count()} cores"
    python = f"Python {platform.python_version()}"
    return ", ".join((date.today().isoformat(), platform.machine(), cores, platform.system(), python))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--markdown", type=Path)
    chosen = arguments.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "deepseek-v3"
        models.write(folder, list(models.deepseek_v3()), 160)
        one_model(report, folder, chosen.rounds, chosen.threads)
        whole_process(report, folder, chosen.rounds)
        root = Path(temporary) / "tree"
        llama = list(models.llama_8b())
        for number in range(1000):
            models.write(root / f"model-{number:04}", llama, 4)
        tree(report, root, max(3, chosen.rounds // 3), chosen.threads)
    text = f"{machine()}, {chosen.threads} threads, {chosen.rounds} rounds\n\n{report.markdown()}\n"
    print(text)
    if chosen.markdown:
        put_table(chosen.markdown, "scan", text)


if __name__ == "__main__":
    main()
