"""Writes the generated parts of docs/ anew: `python tests/refresh_docs.py`.

A generated part stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import architecture_truth
from pondera import _native
from pondera._numbers import binary_bytes, decimal_bytes, tera

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMAND = "python tests/refresh_docs.py"


def codes() -> str:
    """The table of problem codes, as the extension has it."""
    rows = [f"| `{code}` | {severity} | {meaning} |" for code, severity, meaning in _native.problem_codes()]
    return "\n".join(["| code | severity | meaning |", "|---|---|---|", *rows])


def families() -> str:
    """Every family with its model types, as the core has them."""
    by_family: dict[str, list[str]] = {}
    for model_type, family in _native.model_types():
        by_family.setdefault(family, []).append(f"`{model_type}`")
    rows = [f"| {family} | {', '.join(types)} |" for family, types in sorted(by_family.items())]
    total = sum(map(len, by_family.values()))
    heading = [f"{total} model types in {len(rows)} families.", "", "| family | model types |", "|---|---|"]
    return "\n".join([*heading, *rows])


def built_in() -> str:
    """Every built-in model."""
    rows = []
    for model in _native.built_in_models():
        total, active = (
            "" if count is None else f"{count:,}"
            for count in (model["published_total"], model["published_active"])
        )
        rows.append(f"| `{model['name']}` | {model['model_type']} | {total} | {active} | {model['source']} |")
    heading = ["| name | type | published parameters | published active | source |", "|---|---|---|---|---|"]
    return "\n".join([*heading, *rows])


def exactness() -> str | None:
    """How every model of the corpus and every small model compares; None where these are not at hand."""
    if not architecture_truth.SHARED.is_dir():
        return None
    groups = {
        "Published configs, against the tensors that transformers saves, published headers and indexes": (
            architecture_truth.corpus_cases()
        ),
        "Small models run for real, against what they stored": architecture_truth.tiny_cases(),
    }
    lines = []
    for title, cases in groups.items():
        outcomes = [(case, *architecture_truth.outcome(case)) for case in cases]
        counts = Counter(kind for _, kind, _ in outcomes)
        summary = ", ".join(f"{counts[kind]} {kind}" for kind in ("exact", "differs", "unknown"))
        lines += [f"{title}: {summary}, of {len(cases)}.", "", "| model | type | against | result |"]
        lines.append("|---|---|---|---|")
        for case, _, words in outcomes:
            words = architecture_truth.EXPLAINED.get(case.id, ("", words))[1]
            cells = (case.name.replace("__", "/"), case.config.get("model_type"), case.source, words)
            lines.append(f"| {' | '.join(map(str, cells))} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def catalogue() -> str:
    """Every GPU of the catalogue."""
    rows = []
    for gpu in _native.gpus():
        kind = "measured" if gpu.measured else "derived"
        bandwidth = "" if gpu.bandwidth is None else f"{decimal_bytes(gpu.bandwidth)}/s"
        flops = ", ".join(f"{name} {tera(rate)}" for name, rate in gpu.flops.items())
        link = (
            ""
            if gpu.interconnect is None
            else f"{gpu.interconnect[0]}, {decimal_bytes(gpu.interconnect[1])}/s"
        )
        cells = [
            f"`{gpu.name}`",
            gpu.vendor,
            binary_bytes(gpu.nominal_bytes),
            f"{binary_bytes(gpu.usable_bytes)} {kind}",
            bandwidth,
            flops,
            link,
            str(gpu.per_node),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    measured = sum(gpu.measured for gpu in _native.gpus())
    heading = "| name | vendor | memory | usable | bandwidth | operations per second | link | per node |"
    return "\n".join(
        [
            f"{len(rows)} profiles, {measured} with measured usable memory.",
            "",
            heading,
            f"|{'---|' * 8}",
            *rows,
        ]
    )


def roles() -> str:
    """The table of roles, as the extension has it."""
    rows = [f"| `{role}` | {meaning} |" for role, meaning in _native.role_meanings()]
    return "\n".join(["| role | what has it |", "|---|---|", *rows])


def engines() -> str:
    """The engines with their versions, as the core has them."""
    rows = [
        f"| `{engine['name']}` | {engine['oldest']} | {engine['newest']} | {engine['summary']} |"
        for engine in _native.engines()
    ]
    return "\n".join(["| engine | from | to | what is described |", "|---|---|---|---|", *rows])


def schemes() -> str:
    """The table of schemes of quantization, as the extension has it, most bits first in each library."""
    rows = []
    for row in _native.weight_schemes():
        names = ", ".join(f"`{name}`" for name in (row["name"], *row["aliases"]))
        bits = f"{row['bits'] / row['weights']:.4f}".rstrip("0").rstrip(".")
        rows.append(f"| {names} | {bits} | {row['library']} | {row['summary']} | {row['source']} |")
    heading = [
        "| names | bits per weight | library | what it makes and keeps | layout read in |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*heading, *rows])


TABLES: dict[str, dict[str, Callable[[], str | None]]] = {
    "fit.md": {"engines": engines},
    "gpus.md": {"gpus": catalogue},
    "models.md": {"families": families, "built-in": built_in, "exactness": exactness},
    "problems.md": {"codes": codes},
    "scan.md": {"roles": roles},
    "schemes.md": {"schemes": schemes},
}
"""For each page its generated tables by name."""


def refreshed(page: str) -> str:
    """The text of a page with its tables made anew.

    Raises:
        LookupError: The page lacks the place for a table.
    """
    text = (DOCS / page).read_text()
    for name, table in TABLES[page].items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        if not place.search(text):
            raise LookupError(f"{page} has no place for the table {name}")
        made = table()
        if made is not None:
            # A function, so that a backslash in the table stays one.
            text = place.sub(lambda found, made=made: f"{found[1]}{made}\n", text)
    return text


def main() -> None:
    """Write every page that has changed."""
    for page in TABLES:
        text = refreshed(page)
        if text != (DOCS / page).read_text():
            (DOCS / page).write_text(text)
            print(f"docs/{page} written")


if __name__ == "__main__":
    main()
