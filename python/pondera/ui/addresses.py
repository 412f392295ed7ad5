"""Every address that answers, with its parameters: `parameters` reads by this, `openapi` describes it."""

from __future__ import annotations

from collections.abc import Iterable

from pondera._asked import ASKED
from pondera._picture.place import WIDE
from pondera.ui.parameters import MOST_GPUS, Address, Parameter


def _asked(*, required: Iterable[str] = (), without: Iterable[str] = ()) -> tuple[Parameter, ...]:
    """The keywords of `fit`."""
    return tuple(
        Parameter(
            one.name,
            one.help,
            "asked",
            asked=one,
            required=one.name in required,
            example=_EXAMPLES.get(one.name),
        )
        for one in ASKED
        if one.name not in without
    )


_EXAMPLES = {
    "gpu": "H100-SXM-80GB",
    "engine": "vllm==0.19.0",
    "context": "32k",
    "concurrency": "8",
}

_TARGET = Parameter(
    "target", "number of the model in /api/targets", "number", least=0, most=9999, default=0, example=0
)
_THEME = Parameter(
    "theme", "for which pages a picture is", "choice", default="auto", choices=("auto", "light", "dark")
)
_LONGEST = 1 << 40
"""Tokens and requests of an axis of a heatmap; the core takes no more requests either."""

FIT = Address(
    "/api/fit",
    "Whether a model fits: what `pondera fit --json` prints, what a change of the mind does, and the bar",
    (
        _TARGET,
        *_asked(required=["gpu"]),
        Parameter(
            "alternatives",
            "whether to look for what would fit, if this does not: by far the most of the time it takes",
            "flag",
            default=True,
        ),
        Parameter(
            "picture", "whether to draw the bar of memory, as SVG under `picture`", "flag", default=False
        ),
        Parameter("width", "how wide the picture is", "number", least=280, most=1600, default=WIDE),
        Parameter("framed", "whether the picture has paper and an edge of its own", "flag", default=True),
        _THEME,
    ),
    fields=True,
)

HEAT = Address(
    "/api/heat",
    "How much of each GPU is taken over contexts and requests: a header in JSON, and a byte for each cell",
    (
        _TARGET,
        *_asked(),
        Parameter(
            "gpus_shown",
            f"names of the GPUs, between commas, at most {MOST_GPUS}; the one of `gpu`, if not given",
            "names",
            most=MOST_GPUS,
            example="H100-SXM-80GB,L4",
        ),
        Parameter("contexts", "how many contexts", "number", least=1, most=256, default=64),
        Parameter("concurrencies", "how many numbers of requests", "number", least=1, most=256, default=64),
        Parameter(
            "context_min",
            "the shortest; 1k if not given, 1 if the longest is no more",
            "count",
            least=1,
            most=_LONGEST,
            example="1k",
        ),
        Parameter(
            "context_max",
            "the longest; what the model allows if not given",
            "count",
            least=1,
            most=_LONGEST,
            example="128k",
        ),
        Parameter("concurrency_min", "the fewest requests", "count", least=1, most=_LONGEST, default=1),
        Parameter("concurrency_max", "the most requests", "count", least=1, most=_LONGEST, default=256),
        Parameter(
            "format",
            "`json` for schema pondera.heat/1",
            "choice",
            default="binary",
            choices=("binary", "json"),
        ),
    ),
    fields=True,
    media=("application/octet-stream", "application/json"),
)

MAP = Address(
    "/api/map",
    "The map of a model, as `pondera map` draws it",
    (
        _TARGET,
        Parameter("other", "number of a model that faces it", "number", least=0, most=9999),
        Parameter(
            "beside",
            "whether a model whose mind is changed faces itself as it is",
            "flag",
            default=False,
        ),
        Parameter(
            "by",
            "what areas are in proportion to",
            "choice",
            default="parameters",
            choices=("parameters", "bytes"),
        ),
        _THEME,
        Parameter(
            "format", "`json` for schema pondera.map/1", "choice", default="svg", choices=("svg", "json")
        ),
    ),
    fields=True,
    media=("image/svg+xml", "application/json"),
)

COMPARE = Address(
    "/api/compare",
    "Models side by side, as `pondera compare --json` prints them; with fields changed, one model more",
    (
        Parameter(
            "target",
            "numbers of the models, each given for itself: target=0&target=1",
            "number",
            least=0,
            most=9999,
            default=[0],
            several=True,
            example=[0, 1],
        ),
        Parameter(
            "gpu",
            f"names of the GPUs to try them on, between commas, at most {MOST_GPUS}; or the common ones",
            "names",
            most=MOST_GPUS,
            example="H100-SXM-80GB,L4",
        ),
        *_asked(without=["gpu"]),
    ),
    fields=True,
)

SHOW = Address("/api/show", "A model, as `pondera show --json` prints it", (_TARGET,), fields=True)

TARGETS = Address(
    "/api/targets", "The models that the server was started with, and the fields of their minds"
)

CHOICES = Address("/api/choices", "What may be chosen: GPUs, engines, schemes of weights, and every option")

ADDRESSES = (TARGETS, CHOICES, FIT, HEAT, MAP, COMPARE, SHOW)
"""Every address that answers."""
