"""What an estimate looks like in a terminal: a bar of the GPU's memory, the verdict, and what would fit."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pondera._native import Fit
from pondera._numbers import binary_bytes, plural, share, signed_bytes, tokens
from pondera._text import Column, Row, Screen, table

_LABEL_WIDTH = 12
_LISTED_PARTS = 3
MARKS = {
    "weights": ("█", "W", "cyan"),
    "cache": ("▓", "C", "yellow"),
    "activations": ("▒", "A", ""),
    "overhead": ("░", "O", ""),
    "cuda_context": ("▚", "D", "dim"),
    "cuda_graphs": ("▞", "G", "dim"),
}
"""What each component is drawn with: where blocks can be written, where they cannot, and its style."""
_FREE = ("·", ".")
_END = ("┃", "|")


def fit_view(
    screen: Screen,
    fit: Fit,
    alternatives: Sequence[Mapping[str, Any]] = (),
    *,
    verbose: bool = False,
) -> list[str]:
    """The lines for one estimate.

    Args:
        screen: What the lines must fit.
        fit: The estimate.
        alternatives: What would fit, if this does not.
        verbose: Whether to list what was assumed, rather than count it.
    """
    screen = screen.wrapping()
    shown = fit.to_dict()
    lines = [*_heading(screen, fit), "", memory_bar(screen, shown), ""]
    lines += [*_components(screen, shown), ""]
    facts = [*engine_facts(fit, shown), *(speed_facts(fit) if fit.fits else [])]
    lines += [line for label, text in facts for line in _fact(screen, label, text)]
    lines += _alternatives(screen, alternatives)
    return lines + _assumptions(screen, shown["assumptions"], verbose=verbose)


def comparison_view(
    screen: Screen, fits: Sequence[Fit], refused: Mapping[str, str], would: Fit | None = None
) -> list[str]:
    """The lines for one model on several GPUs: a row each.

    Args:
        screen: What the lines must fit.
        fits: The estimates, at least one.
        refused: Why it cannot be tried on other GPUs, by their names.
        would: What would fit, if none of these does.
    """
    screen = screen.wrapping()
    first = fits[0]
    columns = [
        Column("GPU", "label"),
        Column("", "label"),
        Column("usable"),
        Column("weights", optional=3),
        Column("cache", optional=2),
        Column("the rest", optional=4),
        Column("total"),
        Column("to spare"),
        Column("tokens in cache", optional=1),
    ]
    rows = [
        Row(
            [
                where(one),
                _verdict(screen, one),
                binary_bytes(one.usable),
                binary_bytes(one.weights),
                binary_bytes(one.cache),
                binary_bytes(one.total - one.weights - one.cache),
                binary_bytes(one.total),
                signed_bytes(one.headroom),
                f"{one.cache_tokens:,}" if one.cache_tokens else "",
            ],
            accents={1: "" if one.fits else "red"},
        )
        for one in fits
    ]
    lines = [screen.paint(first.model, "bold"), *screen.prose(f"  {_asked(screen, first)}", "  ")]
    lines += [*_warnings(screen, first), "", *table(screen, columns, rows)]
    if would is not None:
        spare = binary_bytes(would.headroom)
        lines += [
            "",
            *screen.prose(f"  it would fit on {where(would)}{layout(would)}: {spare} to spare", "    "),
        ]
    for name, why in refused.items():
        lines += screen.prose(f"  not on {name}: {why}", "    ", "dim")
    return lines


def offers_view(screen: Screen, asked: Fit, offers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines for the GPUs of a price file: a row each, the cheapest first.

    Args:
        screen: What the lines must fit.
        asked: An estimate of what is asked for, on any GPU.
        offers: What `cheapest_gpu` gives.
    """
    columns = [
        Column("GPU", "label"),
        Column("GPUs"),
        Column("each"),
        Column("an hour"),
        Column("layout", "text"),
        Column("what stops fewer", "text", optional=1, style="dim"),
    ]
    rows = [
        Row(
            [
                offer["gpu"],
                "none" if offer["gpus"] is None else f"{offer['gpus']:,}",
                offer["each"],
                offer["price"] or "",
                layout_words(offer["parallel"] or {}),
                offer["limit"],
            ],
            style="" if offer["gpus"] else "dim",
        )
        for offer in offers
    ]
    screen = screen.wrapping()
    lines = [screen.paint(asked.model, "bold"), *screen.prose(f"  {_asked(screen, asked)}", "  ")]
    lines += [*_warnings(screen, asked), "", *table(screen, columns, rows)]
    for offer in offers:
        if offer["assumed"]:
            lines += screen.prose(f"  assumed: {offer['gpu']}, {offer['assumed']}", "    ", "dim")
    return lines


def memory_bar(screen: Screen, shown: Mapping[str, Any]) -> str:
    """One bar of a GPU's memory, a stretch for each component; a line marks its end if they go beyond.

    Args:
        screen: What it must fit.
        shown: The estimate in schema `pondera.fit/1`.
    """
    plain = 0 if screen.unicode else 1
    width = min(screen.width, 100)
    whole = max(shown["usable"], shown["total"], 1)
    cells: list[tuple[str, str]] = []
    begin = 0
    for name, mark in MARKS.items():
        begin += shown[name]
        # The ends of stretches lie where their sums do, and what is there at all shows.
        stop = max(begin * width // whole, len(cells) + (shown[name] > 0))
        cells += [(mark[plain], mark[2])] * (stop - len(cells))
    cells += [(_FREE[plain], "dim")] * (width - len(cells))
    if shown["total"] > shown["usable"]:
        cells[max(shown["usable"] * width // whole - 1, 0)] = (_END[plain], "red")
    return "".join(
        screen.paint("".join(mark for mark, _ in run), style)
        for style, run in groupby(cells[:width], key=lambda cell: cell[1])
    )


def _heading(screen: Screen, fit: Fit) -> list[str]:
    return [
        screen.paint(f"{fit.model} on {where(fit)}", "bold"),
        *screen.prose(f"  {_asked(screen, fit)}", "  "),
        *screen.prose(f"  {_verdict(screen, fit)}: {spare_words(fit)}", "  ", "bold" if fit.fits else "red"),
        *_warnings(screen, fit),
    ]


def spare_words(fit: Fit) -> str:
    """How much is to spare, or too much."""
    by = binary_bytes(abs(fit.headroom))
    each = " on each GPU" if fit.gpus > 1 else ""
    return f"{by} to spare{each}" if fit.fits else f"{by} too much{each}"


def _warnings(screen: Screen, fit: Fit) -> list[str]:
    return [line for one in fit.warnings for line in screen.prose(f"  warning: {one}", "    ", "yellow")]


def where(fit: Fit) -> str:
    """The GPU, and how many if they are several."""
    return gpus_words(fit.gpus, fit.gpu)


def gpus_words(count: int, name: str) -> str:
    """So many GPUs of that name."""
    return f"{count} x {name}" if count > 1 else name


def layout(fit: Fit) -> str:
    """The degrees of a layout that are beyond 1, in brackets."""
    words = layout_words(fit.to_dict()["parallel"])
    return f" ({words})" if words else ""


def layout_words(parallel: Mapping[str, int]) -> str:
    """Every degree of a layout that is beyond 1, as `tensor_parallel 4, pipeline_parallel 2`."""
    return ", ".join(f"{name}_parallel {degree}" for name, degree in parallel.items() if degree > 1)


def _asked(screen: Screen, fit: Fit) -> str:
    return (" · " if screen.unicode else " | ").join(asked_words(fit))


def asked_words(fit: Fit) -> list[str]:
    """What was asked of a deployment, whatever the GPU."""
    return list(asked_facts(fit.to_dict()).values())


def asked_facts(shown: Mapping[str, Any]) -> dict[str, str]:
    """The same of an estimate in schema `pondera.fit/1`, by what each is about."""
    return {
        "engine": shown["engine"],
        "weights": f"weights {shown['storage']}",
        "cache": f"cache {shown['settings']['cache']}",
        "requests": _requests(shown),
    }


def _requests(shown: Mapping[str, Any]) -> str:
    """All requests that were asked for, and how many of them lie on each replica."""
    each, replicas = shown["settings"]["concurrency"], shown["parallel"]["data"]
    length = f"of {tokens(shown['settings']['context'])} tokens"
    if replicas == 1:
        return f"{plural(each, 'request')} {length}"
    asked = plural(shown["concurrency"], "request")
    most = "" if each * replicas == shown["concurrency"] else "at most "
    return f"{asked} {length}, {most}{each:,} on each of {replicas:,} replicas"


def _verdict(screen: Screen, fit: Fit) -> str:
    if fit.fits:
        return "fits"
    return f"{'✗' if screen.unicode else 'x'} does not fit"


def _components(screen: Screen, shown: Mapping[str, Any]) -> list[str]:
    plain = 0 if screen.unicode else 1
    columns = [
        Column("", "label"),
        Column("per GPU", "label"),
        Column("bytes"),
        Column("share"),
        Column("known", "label"),
        Column("largest parts", "list", optional=1, style="dim"),
    ]
    rows = [
        Row(
            [
                mark[plain],
                name.replace("_", " "),
                binary_bytes(shown[name]),
                share(shown[name], shown["usable"]),
                band_words(shown["band"][name]),
                ", ".join(f"{part} {binary_bytes(size)}" for part, size in _largest(shown["parts"][name])),
            ],
            accents={0: mark[2]},
        )
        for name, mark in MARKS.items()
        if shown[name]
    ]
    total = ["", "total", binary_bytes(shown["total"]), share(shown["total"], shown["usable"]), "", ""]
    total[-1] = f"of {binary_bytes(shown['usable'])} usable ({shown['gpu']['usable_is']})"
    return table(screen, columns, rows, Row(total, "bold"))


def _largest(parts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(parts.items(), key=lambda item: -item[1])[:_LISTED_PARTS]


def band_words(band: Sequence[int] | None) -> str:
    """How sure a number is, in a word or two."""
    if band is None:
        return "estimated"
    low, high = band
    return "exactly" if low == high else f"± {binary_bytes((high - low) // 2)}"


def engine_facts(fit: Fit, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the engine makes of its cache, and what limits: a label and words for each.

    Args:
        fit: The estimate.
        shown: The same in schema `pondera.fit/1`.
    """
    held = _held(fit, shown)
    if not fit.cache_pool:
        return [("cache pool", "nothing is left for it"), *held, *_limit(fit)]
    words = [binary_bytes(fit.cache_pool)]
    if fit.cache_tokens:
        words.append(f"{fit.cache_tokens:,} tokens")
    if fit.blocks is not None:
        words.append(plural(fit.blocks, "block"))
    if fit.max_concurrency is not None:
        full = tokens(shown["settings"]["context"])
        words.append(f"{fit.max_concurrency:.2f} times a request of {full} tokens")
    facts = [("cache pool", ", ".join(words))]
    needed, reserved = binary_bytes(fit.cache_needed), binary_bytes(fit.cache_reserved)
    if needed != reserved:
        facts.append(("cache", f"{needed} needed, {reserved} reserved"))
    if len(shown["stages"]) > 1:
        facts.append(
            ("stage", f"{shown['fullest_stage'] + 1} of {len(shown['stages'])} has the least to spare")
        )
    return [*facts, *held, *_limit(fit)]


def _limit(fit: Fit) -> list[tuple[str, str]]:
    return [("limit", fit.limit)] if fit.limit else []


def _held(fit: Fit, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an engine holds that fills its budget whatever is asked, where that is more than there is."""
    held = shown["stages"][shown["fullest_stage"]]["held"]
    if shown["binds"] != "memory":
        return []
    budget = f"{shown['settings']['gpu_memory_utilization']:g} of the GPU"
    text = (
        f"{binary_bytes(held)} of {binary_bytes(fit.usable)}: {fit.engine} fills its budget of {budget}, "
        "whatever is asked, and driver and libraries take theirs on top; give it a smaller budget"
    )
    return [("would hold", text)]


def speed_facts(fit: Fit) -> list[tuple[str, str]]:
    """Tokens per second of the whole deployment at most, where the catalogue knows enough of the GPU."""
    speed = fit.roofline()
    words = [
        f"{rate:,.0f} tokens/s {what}"
        for rate, what in (
            (speed["decode"]["tokens_per_second"], "written"),
            (speed["prefill"]["tokens_per_second"], "read"),
        )
        if rate is not None
    ]
    replicas = speed["prefill"]["replicas"]
    return (
        [
            (
                "at most",
                ", ".join(words)
                + f" ({'all replicas together; ' if replicas > 1 else ''}roofline, an upper bound)",
            )
        ]
        if words
        else []
    )


def _alternatives(screen: Screen, alternatives: Sequence[Mapping[str, Any]]) -> list[str]:
    if not alternatives:
        return []
    lines = ["", screen.paint("it would fit with one of these changes:", "bold")]
    for one in alternatives:
        lines += screen.prose(f"  {one['words']}: {binary_bytes(one['headroom'])} to spare", "    ")
    return lines


def _assumptions(screen: Screen, assumptions: Sequence[Mapping[str, str]], *, verbose: bool) -> list[str]:
    if not assumptions:
        return []
    if not verbose:
        fields = ", ".join(dict.fromkeys(one["field"] for one in assumptions))
        return ["", *screen.prose(f"  assumed: {fields} (see --explain)", "    ", "dim")]
    return [
        "",
        *(
            line
            for one in assumptions
            for line in screen.prose(
                f"  assumed: {one['field']} = {one['value']} ({one['reason']})", "    ", "dim"
            )
        ),
    ]


def _fact(screen: Screen, label: str, text: str) -> list[str]:
    # Wrapped together with its label, so that the first line fits too.
    begin = f"  {label.ljust(_LABEL_WIDTH)}"
    first, *rest = screen.prose(begin + text, " " * len(begin))
    return [f"  {screen.paint(begin[2:], 'dim')}{first[len(begin) :]}", *rest]
