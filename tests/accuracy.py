"""How far estimates are from what was measured: `python tests/accuracy.py` writes docs/accuracy.md and the error bands.

The measurements are in tests/golden: `vllm_runs.json` has what start-up logs of vLLM print, `gpu_runs.json` what
`benches/gpu/measure.py` measured. Every difference is absolute; no signed mean is ever taken.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pondera

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
PAGE = ROOT / "docs" / "accuracy.md"
BANDS = ROOT / "rust" / "core" / "data" / "residuals.toml"
GIB = 1 << 30


@dataclass(frozen=True)
class Difference:
    """One number beside its measurement."""

    engine: str
    version: str
    component: str
    row: str
    estimated: float
    measured: float
    gpu: str
    layout: tuple[int, int]
    storage: str

    @property
    def absolute(self) -> float:
        """The absolute difference, in the unit of both."""
        return abs(self.estimated - self.measured)

    @property
    def relative(self) -> float:
        """The absolute difference as a share of the measurement."""
        return self.absolute / self.measured


def vllm_rows() -> list[dict[str, Any]]:
    """Start-ups of vLLM as their logs print them."""
    rows: list[dict[str, Any]] = json.loads((GOLDEN / "vllm_runs.json").read_text())["rows"]
    return rows


def gpu_runs() -> dict[str, Any]:
    """What the script under benches/gpu measured."""
    runs: dict[str, Any] = json.loads((GOLDEN / "gpu_runs.json").read_text())
    return runs


def vllm_fit(row: dict[str, Any], **changes: Any) -> pondera.Fit:
    """The estimate with the settings of a row, and nothing that was measured."""
    settings = {
        "gpu": "H100-SXM-80GB",
        "engine": f"vllm=={row['version']}",
        "weights": row["scheme"],
        "cache": row["cache"],
        "context": row["context"],
        "tensor_parallel": row["tensor_parallel"],
        "pipeline_parallel": row["pipeline_parallel"],
        "gpu_memory_utilization": float(row["utilization"]),
        "max_batched_tokens": row["batched_tokens"],
        "max_sequences": row["sequences"],
        "prefix_caching": row["prefix_caching"],
    }
    return pondera.fit(row["model"], **{**settings, **changes})


def _difference(fit: pondera.Fit, component: str, row: str, estimated: float, measured: float) -> Difference:
    """A number of an estimate beside its measurement, with the conditions of both."""
    engine, _, version = fit.engine.partition("==")
    shown = fit.to_dict()
    layout = (shown["parallel"]["tensor"], shown["parallel"]["pipeline"])
    return Difference(engine, version, component, row, estimated, measured, fit.gpu, layout, shown["storage"])


def of_stages(fit: pondera.Fit, row: dict[str, Any]) -> dict[str, int]:
    """The components that a row's log lines are of.

    Each worker of a pipeline prints its own lines. The published row of four stages has the weights of an end and the
    rest of a stage between, as its sums tell; with two stages the first worker's lines are taken.
    """
    components = ["weights", "activations", "overhead", "cuda_context", "cuda_graphs"]
    if row["pipeline_parallel"] == 1:
        return {name: getattr(fit, name) for name in components}
    between = fit.stages[1 if len(fit.stages) > 2 else 0]
    ends = max(stage["weights"] for stage in fit.stages)
    return {**{name: between[name] for name in components}, "weights": ends}


def vllm_differences() -> Iterable[Difference]:
    """Every number that a log prints, beside its estimate; bytes for what is printed in GiB."""
    for row in vllm_rows():
        fit = vllm_fit(row)

        def beside(
            component: str,
            estimated: float,
            measured: float,
            fit: pondera.Fit = fit,
            row: dict[str, Any] = row,
        ) -> Difference:
            return _difference(fit, component, row["id"], estimated, measured)

        placed = of_stages(fit, row)
        printed = {
            "weights": "weights",
            "activations": "activations",
            "overhead": "non_torch",
            "cuda_context": "cuda_context",
            "cuda_graphs": "graphs",
        }
        for component, field in printed.items():
            if row[field] is not None:
                yield beside(component, placed[component], row[field] * GIB)
        if row["pool"] is not None:
            yield beside("cache_pool", fit.cache_pool, row["pool"] * GIB)
        if row["tokens"] is not None:
            yield beside("cache_tokens", fit.cache_tokens, row["tokens"])
            if row["pool"] is not None and row["pipeline_parallel"] == 1:
                yield beside("tokens_of_pool", tokens_of_pool(row), row["tokens"])


def tokens_of_pool(row: dict[str, Any]) -> int:
    """Tokens of the pool that was printed, in hundredths of a GiB."""
    tokens: int = vllm_fit(row, cache_memory=round(row["pool"] * GIB)).cache_tokens
    return tokens


def transformers_differences() -> Iterable[Difference]:
    """What transformers took on a GPU, beside its estimate."""
    runs = gpu_runs()
    for row in runs["forward"]:
        if "apart" in row:
            continue
        fit = pondera.fit(
            row["model"],
            gpu="H100-SXM-80GB",
            engine=f"transformers=={runs['transformers']}",
            weights="bf16",
            context=row["tokens"],
            concurrency=row["batch"],
        )
        name = f"{row['model']} {row['batch']} x {row['tokens']}"

        def beside(
            component: str, estimated: float, measured: float, fit: pondera.Fit = fit, name: str = name
        ) -> Difference:
            return _difference(fit, component, name, estimated, measured)

        yield beside("weights", fit.weights, row["weights_allocated"])
        # Until the next step the cache of a window is a view of all keys, so the two can only be told apart as a sum.
        yield beside("activations", fit.cache + fit.activations, row["prefill_peak"])


def differences() -> list[Difference]:
    """All of them."""
    return [*vllm_differences(), *transformers_differences()]


def mean(values: Iterable[float]) -> float:
    """The mean of absolute values."""
    held = list(values)
    return sum(held) / len(held)


def _gib(value: float) -> str:
    return f"{value / GIB:.3f} GiB"


def _percent(value: float) -> str:
    return f"{value * 100:.3f} %"


def _table(held: list[Difference]) -> list[str]:
    """One row per engine, range of versions and component."""
    lines = [
        "| engine | versions | component | rows | mean absolute error | relative | worst | worst row |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (engine, versions, component), group in sorted(_groups(held).items()):
        counted = component in ("cache_tokens", "tokens_of_pool")
        worst = max(group, key=lambda one: one.relative if counted else one.absolute)
        absolute = "" if counted else _gib(mean(one.absolute for one in group))
        most = _percent(worst.relative) if counted else f"{_gib(worst.absolute)}, {_percent(worst.relative)}"
        relative = _percent(mean(one.relative for one in group))
        lines.append(
            f"| {engine} | {versions} | {component} | {len(group)} | {absolute} | {relative} | {most} | {worst.row} |"
        )
    return lines


# Versions whose mechanism is one, newest last; a band holds for one of them.
RANGES: dict[str, list[tuple[str, str]]] = {
    "vllm": [("0.11.0", "0.16.0"), ("0.17.0", "0.19.0")],
    "transformers": [("5.17.0", "5.17.0")],
}


def _range(one: Difference) -> tuple[str, str]:
    number: Callable[[str], list[int]] = lambda text: [int(part) for part in text.split(".")]  # noqa: E731
    for begin, end in RANGES[one.engine]:
        if number(begin) <= number(one.version) <= number(end):
            return begin, end
    raise LookupError(f"{one.engine} {one.version} is in no range")


def _groups(held: list[Difference]) -> dict[tuple[str, str, str], list[Difference]]:
    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for one in held:
        begin, end = _range(one)
        versions = begin if begin == end else f"{begin} to {end}"
        groups.setdefault((one.engine, versions, one.component), []).append(one)
    return groups


def _details(held: list[Difference]) -> list[str]:
    """Every row: estimated and measured, in GiB."""
    rows: dict[tuple[str, str, str], dict[str, Difference]] = {}
    for one in held:
        rows.setdefault((one.engine, one.version, one.row), {})[one.component] = one
    components = [
        "weights",
        "activations",
        "overhead",
        "cuda_context",
        "cuda_graphs",
        "cache_pool",
        "cache_tokens",
    ]
    lines = [
        "| engine | version | row | " + " | ".join(components) + " |",
        "|---|---|---|" + "---|" * len(components),
    ]
    for (engine, version, row), known in sorted(rows.items()):
        cells = []
        for component in components:
            one = known.get(component)
            if one is None:
                cells.append("")
            elif component == "cache_tokens":
                cells.append(f"{one.estimated:,.0f} / {one.measured:,.0f}")
            else:
                cells.append(f"{one.estimated / GIB:.3f} / {one.measured / GIB:.3f}")
        lines.append(f"| {engine} | {version} | {row} | " + " | ".join(cells) + " |")
    return lines


def _apart() -> list[str]:
    """What was measured under conditions that no estimate is for."""
    return [
        f"{row['model']}, {row['batch']} x {row['tokens']}: {row['apart']}; its peak was {_gib(row['prefill_peak'])}."
        for row in gpu_runs()["forward"]
        if "apart" in row
    ]


def page(held: list[Difference]) -> str:
    """The page, but for what is written by hand in it."""
    return "\n".join(
        [
            "## By component",
            "",
            *_table(held),
            "",
            "`cache_pool` and `cache_tokens` are end to end: nothing that was measured is given. `tokens_of_pool` gives the",
            "pool as printed, in hundredths of a GiB, and asks for the tokens. `activations` of transformers are those of a",
            "prompt with its cache: the peak that PyTorch counts.",
            "",
            "Left out, for no estimate is for it: " + " ".join(_apart()),
            "",
            "## Row by row",
            "",
            "Estimated / measured, in GiB and tokens.",
            "",
            *_details(held),
        ]
    )


# Half of the last digit that logs of vLLM print: what is fitted to such a number is known no better than that.
HALF_A_HUNDREDTH = GIB // 200


def _largest(group: list[Difference]) -> int:
    least = HALF_A_HUNDREDTH if group[0].engine == "vllm" else 0
    return max(least, round(max(one.absolute for one in group)))


def bands(held: list[Difference]) -> str:
    """The error bands as data."""
    head = [line for line in BANDS.read_text().splitlines() if line.startswith("#")]
    tables = []
    byte_components = ("weights", "activations", "overhead", "cuda_context", "cuda_graphs", "cache_pool")
    in_order = sorted(_groups(held).items(), key=lambda item: (item[0][0], item[0][2], item[0][1]))
    for (engine, versions, component), group in in_order:
        if component not in byte_components:
            continue
        begin, _, end = versions.partition(" to ")
        (gpu,) = {one.gpu for one in group}
        storages = json.dumps(sorted({one.storage for one in group}))
        source = "vllm_runs.json" if engine == "vllm" else "gpu_runs.json"
        tables.append(
            "\n".join(
                [
                    "[[residual]]",
                    f'engine = "{engine}"',
                    f'from = "{begin}"',
                    f'to = "{end or begin}"',
                    f'gpu = "{gpu}"',
                    f"layouts = {[list(layout) for layout in sorted({one.layout for one in group})]}",
                    f"storages = {storages}",
                    f'component = "{component}"',
                    f"rows = {len(group)}",
                    f"mean = {round(mean(one.absolute for one in group))}",
                    f"largest = {_largest(group)}",
                    f'source = "tests/golden/{source}"',
                ]
            )
        )
    return "\n".join(head) + "\n\n" + "\n\n".join(tables) + "\n"


def main() -> None:
    """Write both."""
    held = differences()
    begin, end = "<!-- table: accuracy -->\n", "\n<!-- end -->"
    text = PAGE.read_text()
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(before + begin + page(held) + end + after)
    BANDS.write_text(bands(held))


if __name__ == "__main__":
    main()
