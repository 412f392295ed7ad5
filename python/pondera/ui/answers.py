"""What each address answers: what the functions behind the commands say, as data or as a picture."""

from __future__ import annotations

import json
import struct
from functools import cache
from typing import TYPE_CHECKING, Any

from pondera._asked import ASKED
from pondera._compare import compare
from pondera._heat import CANNOT_BE, FITS, MOST, SCHEMA, Heat, heat, usual_first
from pondera._map import draw
from pondera._native import Architecture, PonderaError, cache_formats, engines, fit, gpus, weight_schemes
from pondera._picture.memory import draw_memory
from pondera._text import shortened
from pondera.ui.axis import spread
from pondera.ui.parameters import MOST_CELLS, MOST_GPUS, Question
from pondera.ui.refused import Refused

if TYPE_CHECKING:
    from pondera._native import Model, WhatIf
    from pondera.ui.minds import Minds

JSON = "application/json"
SVG = "image/svg+xml; charset=utf-8"
BINARY = "application/octet-stream"

Body = tuple[str, bytes]
"""A kind of content, and the content."""


def as_json(told: Any) -> Body:  # noqa: ANN401
    """Data as JSON. What is not Unicode in a path is written out, and so are all letters beyond ASCII."""
    return JSON, json.dumps(told, separators=(",", ":"), allow_nan=False).encode("ascii")


def targets(minds: Minds, question: Question) -> Body:
    """The models."""
    return as_json({"targets": minds.told()})


def choices(minds: Minds, question: Question) -> Body:
    """What may be chosen."""
    return _choices()


@cache
def _choices() -> Body:
    told = {
        "gpus": [
            {
                name: value
                for name, value in one.to_dict().items()
                if name
                in (
                    "name",
                    "vendor",
                    "default_for",
                    "common",
                    "nominal_bytes",
                    "usable_bytes",
                    "measured",
                    "memory_kind",
                    "bandwidth",
                    "per_node",
                )
            }
            for one in gpus()
        ],
        "engines": engines(),
        "weights": weight_schemes(),
        "cache": cache_formats(),
        "options": [
            {
                "name": one.name,
                "group": one.group,
                "kind": one.kind,
                "help": one.help,
                "title": one.title,
                "is_open": one.is_open,
            }
            for one in ASKED
        ],
        "most_gpus": MOST_GPUS,
        "most_cells": MOST_CELLS,
    }
    return as_json(told)


def fitted(minds: Minds, question: Question) -> Body:
    """Whether a model fits, what a change of its mind does, and the bar."""
    model, what_if = minds.changed(question.values["target"], question.changes)
    found = fit(model, **question.asked)
    estimate = found.to_dict()
    shown = {**estimate, "roofline": found.roofline()}
    if question.values["alternatives"]:
        shown["alternatives"] = [] if found.fits else found.alternatives()
    told: dict[str, Any] = {"fit": shown, "mind": _mind(_architecture(model, what_if), what_if)}
    if question.values["picture"]:
        values = question.values
        told["picture"] = draw_memory(
            [estimate], values["theme"], width=values["width"], framed=values["framed"]
        )
    return as_json(told)


def _architecture(model: Model | Architecture, what_if: WhatIf | None) -> Architecture | None:
    """The mind that was asked for, if it is known."""
    if what_if is not None:
        return what_if.architecture
    return model if isinstance(model, Architecture) else model.architecture


def _mind(mind: Architecture | None, what_if: WhatIf | None) -> dict[str, Any] | None:
    """The mind that was asked for, and field by field what its changes do; None if it is not known."""
    if mind is None:
        return None
    return {
        "parameters": mind.parameters,
        "active_parameters": mind.active_parameters,
        "context": mind.context,
        "same_body": what_if is None or what_if.same_body,
        "changes": [] if what_if is None else what_if.changes,
    }


def heated(minds: Minds, question: Question) -> Body:
    """How much of each GPU is taken, over contexts and requests."""
    values = question.values
    asked = dict(question.asked)
    one = asked.pop("gpu", None)
    shown = values.get("gpus_shown") or ([] if one is None else [one])
    if not shown:
        raise Refused(400, "gpu is missing: name one, or several in gpus_shown", "gpu")
    cells = len(shown) * values["contexts"] * values["concurrencies"]
    if cells > MOST_CELLS:
        raise Refused(422, f"{cells:,} cells are asked for; {MOST_CELLS:,} are the most")
    model, what_if = minds.changed(values["target"], question.changes)
    mind = _architecture(model, what_if)
    last = values.get("context_max") or (mind.context if mind else None)
    if last is None:
        raise Refused(422, "context_max is missing, and the model does not say its own", "context_max")
    first = values.get("context_min") or usual_first(last)
    for name in ("context", "concurrency"):
        asked.pop(name, None)
    found = heat(
        model,
        gpu=shown,
        context=_grid("context", first, last, values["contexts"]),
        concurrency=_grid(
            "concurrency", values["concurrency_min"], values["concurrency_max"], values["concurrencies"]
        ),
        **asked,
    )
    return as_json(found.to_dict()) if values["format"] == "json" else (BINARY, framed(found))


def _grid(name: str, first: int, last: int, count: int) -> list[int]:
    if first > last:
        raise Refused(422, f"{name}_min is {first:,}, which is more than {name}_max, {last:,}", f"{name}_min")
    return spread(first, last, count)


def framed(found: Heat) -> bytes:
    """A heatmap in bytes: the length of a header in 4 of them, the header, and the planes that it names."""
    planes = {"levels": found.levels}
    # One reason is that of every cell that cannot be, and a plane of them would be half of the answer.
    if len(found.reasons) > 2:
        planes["reason"] = found.reason
    header = {
        "schema": SCHEMA,
        "model": shortened(found.model, 200),
        "gpu": found.gpus,
        "context": found.contexts,
        "concurrency": found.concurrencies,
        "usable": found.usable,
        "frontier": found.frontier,
        "fits": found.fits,
        "reasons": found.reasons,
        "why": found.why(),
        "planes": list(planes),
        "fits_to": FITS,
        "most": MOST,
        "cannot_be": CANNOT_BE,
    }
    text = as_json(header)[1]
    return b"".join([struct.pack("<I", len(text)), text, *(one.tobytes() for one in planes.values())])


def mapped(minds: Minds, question: Question) -> Body:
    """The map of a model, or of two."""
    values = question.values
    model = minds.model(values["target"])
    if "other" in values:
        changed, _ = minds.changed(values["target"], question.changes)
        drawn = draw(changed, minds.model(values["other"]), by=values["by"])
    elif question.changes:
        changes = dict(question.changes)
        drawn = draw(model, set=changes, alone=not values["beside"], by=values["by"])
    else:
        drawn = draw(model, by=values["by"])
    if values["format"] == "json":
        return as_json(drawn.to_dict())
    return SVG, drawn.drawn(values["theme"]).encode("utf-8", "replace")


def compared(minds: Minds, question: Question) -> Body:
    """Models side by side."""
    models = [minds.model(number) for number in question.values["target"]]
    changes = dict(question.changes) or None
    made = compare(*models, set=changes, gpu=question.values.get("gpu"), **question.asked)
    return as_json(made.to_dict())


def shown(minds: Minds, question: Question) -> Body:
    """A model, and what changes of its mind do."""
    model = minds.model(question.values["target"])
    if not question.changes:
        return as_json(model.to_dict())
    if model.architecture is None:
        raise PonderaError(f"{model.name}: {model.unknown}")
    # Held against the weights there are, whatever it needs.
    changed, what_if = model.what_if(dict(question.changes))
    return as_json({**changed.to_dict(), "changes": what_if.changes})


ANSWERS = {
    "/api/targets": targets,
    "/api/choices": choices,
    "/api/fit": fitted,
    "/api/heat": heated,
    "/api/map": mapped,
    "/api/compare": compared,
    "/api/show": shown,
}
"""What answers at each address."""
