"""One model on several GPUs: which of them it is tried on, what comes of each, and what would fit."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from pondera._native import Fit, Gpu, PonderaError, fit, gpu, gpus
from pondera._solve import min_gpus
from pondera._targets import Target


def chosen_gpus(
    names: Iterable[str | Gpu] | None, gpu_file: str | PathLike[str] | None = None
) -> list[str | Gpu]:
    """The GPUs that were named, or the common ones.

    A name stays one: an estimate says what it was taken for.

    Raises:
        PonderaError: There is no GPU of a name, or none at all.
    """
    chosen: list[str | Gpu] = []
    if names is None:
        chosen += [one for one in gpus(gpu_file=gpu_file) if one.common]
    else:
        chosen += names
    if not chosen:
        why = "the catalogue has no common GPU" if names is None else "gpu is empty"
        raise PonderaError(f"{why}; name one or more")
    for one in chosen:
        gpu_name(one, gpu_file)
    return chosen


def gpu_name(one: str | Gpu, gpu_file: str | PathLike[str] | None) -> str:
    """What a GPU is called in the catalogue."""
    return one.name if isinstance(one, Gpu) else gpu(one, gpu_file=gpu_file).name


def fits_on(
    model: Target,
    chosen: Sequence[str | Gpu],
    asked: Mapping[str, Any],
    gpu_file: str | PathLike[str] | None = None,
) -> tuple[list[Fit], dict[str, str]]:
    """The estimates on those of the GPUs that the engine runs on, and why not on the others, by their names.

    Args:
        model: The model.
        chosen: The GPUs, at least one.
        asked: The other keywords of `fit`.
        gpu_file: A TOML file of GPUs over the built-in ones.

    Raises:
        PonderaError: There is no estimate on any of them.
    """
    fits: list[Fit] = []
    refused: dict[str, PonderaError] = {}
    for one in chosen:
        try:
            fits.append(fit(model, gpu=one, gpu_file=gpu_file, **asked))
        except PonderaError as error:
            refused[gpu_name(one, gpu_file)] = error
    if not fits:
        # Nothing depends on the GPU then.
        raise next(iter(refused.values()))
    return fits, {name: str(error) for name, error in refused.items()}


def would_fit(fits: Sequence[Fit]) -> Fit | None:
    """The fewest of the largest GPU, if none of these fits and so many do."""
    if any(one.fits for one in fits):
        return None
    try:
        answer = min_gpus(max(fits, key=lambda one: one.usable))
    except PonderaError:
        return None
    return answer.fit if answer.found else None
