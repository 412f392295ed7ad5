"""From targets to a comparison: what is compared, with which minds, and on which GPUs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from pondera._compare import Comparison
from pondera._fits import chosen_gpus, gpu_name
from pondera._native import (
    COMPARE_MOST,
    Architecture,
    Fit,
    Gpu,
    Model,
    PonderaError,
    WhatIf,
    compare_facts,
    fit,
)
from pondera._targets import Target, check_keywords, each, minds_of, opened, with_mind


def compared(
    targets: Sequence[Target],
    changes: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None,
    gpu: str | Gpu | Iterable[str | Gpu] | None,
    assume: str | None,
    gpu_file: str | PathLike[str] | None,
    asked: Mapping[str, Any],
) -> Comparison:
    """The comparison, as `pondera.compare` has it."""
    minds = minds_of(changes)
    _check(targets, minds, asked)
    names = [gpu] if isinstance(gpu, (str, Gpu)) else gpu
    chosen = chosen_gpus(names, gpu_file)
    # Other minds need the first body.
    first = [opened(targets[0], assume)] if minds else []
    others, failures = each(targets[len(first) :], lambda one: opened(one, assume), 0 if minds else 2)
    models = [*first, *others]
    variants: list[WhatIf | None] = [None for _ in models]
    for mind in minds:
        model, answer = with_mind(models[0], mind)
        models.append(model)
        variants.append(answer)
    asked = {name: value for name, value in asked.items() if value is not None}
    tried = _tried(models, chosen, asked, gpu_file)
    facts = json.loads(compare_facts(models, variants, tried, assume))
    return Comparison(facts, models, failures)


def _check(targets: Sequence[Target], minds: Sequence[object], asked: Mapping[str, Any]) -> None:
    check_keywords("compare", asked)
    if not targets or len(targets) + len(minds) < 2:
        raise PonderaError("nothing to compare with; name at least two targets, or fields of the one to set")
    if len(targets) + len(minds) > COMPARE_MOST:
        raise PonderaError(
            f"{len(targets) + len(minds)} models are too many to compare; name at most {COMPARE_MOST}"
        )


def _tried(
    models: Sequence[Model | Architecture],
    chosen: Sequence[str | Gpu],
    asked: Mapping[str, Any],
    gpu_file: str | PathLike[str] | None,
) -> list[tuple[str, list[Fit | str]]]:
    """The estimate of each model on each GPU, or why there is none.

    Raises:
        PonderaError: What is asked cannot be, whatever the model and the GPU.
    """
    tried: list[tuple[str, list[Fit | str]]] = []
    refused: list[PonderaError] = []
    for one in chosen:
        fits: list[Fit | str] = []
        for model in models:
            try:
                fits.append(fit(model, gpu=one, gpu_file=gpu_file, **asked))
            except PonderaError as error:
                fits.append(str(error))
                refused.append(error)
        tried.append((gpu_name(one, gpu_file), fits))
    reasons = {str(error) for error in refused}
    if len(refused) == len(models) * len(chosen) and len(reasons) == 1:
        raise refused[0]
    return tried
