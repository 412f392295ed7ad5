"""What a report knows of one target: body, mind and map, where it fits, and over which contexts and requests.

What cannot be known is told in words, and the rest is there still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from pondera._compare import Comparison, compare
from pondera._fits import fits_on, gpu_name, would_fit
from pondera._heat import Heat, heat, usual_first
from pondera._map import Map, draw
from pondera._map.facts import Facts
from pondera._native import (
    FITS_SCHEMA,
    Architecture,
    Checkpoint,
    Fit,
    Gpu,
    Model,
    PonderaError,
    parse_count,
)
from pondera._targets import Target, opened, with_mind

_MOST_REQUESTS = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of all targets.

    Attributes:
        gpus: The GPUs.
        fit: The other keywords of `fit`.
        assume: A model type to take where that of a config is not known.
        gpu_file: A TOML file of GPUs over the built-in ones.
    """

    gpus: Sequence[str | Gpu]
    fit: Mapping[str, Any]
    assume: str | None
    gpu_file: str | PathLike[str] | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of one target.

    Attributes:
        name: What it was called.
        model: The target, opened.
        shown: It in schema `pondera.show/1`.
        map: Its map.
        fits: The estimates on the GPUs, as far as there are any.
        refused: Why there is none on others, by their names.
        would: What would fit, if none of them does.
        unfit: Why there is no estimate at all; empty if there is one.
        heat: Levels over contexts and requests, if there are any.
        elsewhere: Whether they are those of what would fit.
        cold: Why there are none.
        fields: Fields of its config that were set to other values: another mind of the first target.
    """

    name: str
    model: Model | Architecture
    shown: Mapping[str, Any]
    map: Map
    fits: Sequence[Fit]
    refused: Mapping[str, str]
    would: Fit | None
    unfit: str
    heat: Heat | None
    elsewhere: bool
    cold: str
    fields: Mapping[str, Any]

    @property
    def facts(self) -> Facts:
        """What its map is drawn from."""
        return Facts(self.map.to_dict())

    @property
    def title(self) -> str:
        """Its name; of a path, the last part of it; and what was set."""
        return self.facts.full_title

    @property
    def unsound(self) -> str:
        """What is wrong with its files, or that they and its config disagree; empty if all is well."""
        checkpoint = self.checkpoint
        found = [str(one) for one in checkpoint.problems if one.severity == "error"] if checkpoint else []
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            return f"its files are not whole and sound: {found[0]}{more}"
        # What another mind disagrees in is told field by field.
        disagree = self.map.disagrees and not self.fields
        return "its weights and config disagree" if disagree else ""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Its body, if there are weights."""
        return self.model.checkpoint if isinstance(self.model, Model) else None

    def to_dict(self) -> dict[str, Any]:
        """All of it, each part in its own schema."""
        checkpoint = self.checkpoint
        return {
            "target": self.name,
            "set": dict(self.fields) or None,
            "show": self.shown,
            "checkpoint": checkpoint.to_dict() if checkpoint else None,
            "map": self.map.to_dict(),
            "fits": {
                "schema": FITS_SCHEMA,
                "fits": [one.to_dict() for one in self.fits],
                "refused": dict(self.refused),
            },
            "would_fit": self.would.to_dict() if self.would else None,
            "fits_error": self.unfit or None,
            "heat": self.heat.to_dict() if self.heat else None,
            "heat_error": self.cold or None,
        }


def open_subject(target: Target, asked: Asked, fields: Mapping[str, Any] | None = None) -> Subject:
    """Looks at one target.

    Args:
        target: The target.
        asked: What is asked of all.
        fields: Fields of its config to set to other values.

    Raises:
        PonderaError: The target cannot be opened, or the fields cannot be set.
        FileNotFoundError: There is no such path and no built-in model of that name.
    """
    model = opened(target, asked.assume)
    drawn = draw(model, assume=asked.assume, set=fields, alone=bool(fields))
    if fields:
        model, _ = with_mind(model, fields)
    shown = model.to_dict()
    name = shown["name"] if isinstance(target, (Mapping, Checkpoint, Architecture, Model)) else str(target)
    if fields:
        name = f"{name} with {Facts(drawn.to_dict()).changed}"
    fits: Sequence[Fit] = ()
    refused: Mapping[str, str] = {}
    would: Fit | None = None
    unfit = cold = ""
    found: Heat | None = None
    elsewhere = False
    try:
        fits, refused = fits_on(model, asked.gpus, asked.fit, asked.gpu_file)
        would = would_fit(fits)
    except PonderaError as error:
        unfit = str(error)
    try:
        tried = [one for one in asked.gpus if gpu_name(one, asked.gpu_file) not in refused]
        found = _heat(model, shown, asked, tried, asked.fit)
        # Where nothing fits there is nothing to see; where it would, there is.
        elsewhere = would is not None and not any(found.fits)
        if would is not None and elsewhere:
            found = _heat(model, shown, asked, [would.gpu], _laid_out(would, asked))
    except PonderaError as error:
        cold = str(error)
    return Subject(
        name=name,
        model=model,
        shown=shown,
        map=drawn,
        fits=fits,
        refused=refused,
        would=would,
        unfit=unfit,
        heat=found,
        elsewhere=elsewhere,
        cold=cold,
        fields=fields or {},
    )


def compare_subjects(subjects: Sequence[Subject], asked: Asked) -> tuple[Comparison | None, str]:
    """The models side by side, if there are several, or why there is no comparison."""
    if len(subjects) < 2:
        return None, ""
    models = [one.model for one in subjects if not one.fields]
    minds = [one.fields for one in subjects if one.fields]
    try:
        found = compare(
            *models, set=minds, gpu=asked.gpus, assume=asked.assume, gpu_file=asked.gpu_file, **asked.fit
        )
    except PonderaError as error:
        return None, str(error)
    return found, ""


def _laid_out(would: Fit, asked: Asked) -> dict[str, Any]:
    """The keywords of `fit` with the layout of an estimate."""
    degrees = {f"{name}_parallel": degree for name, degree in would.to_dict()["parallel"].items()}
    return {**asked.fit, "gpus": would.gpus, **degrees}


def _heat(
    model: Model | Architecture,
    shown: Mapping[str, Any],
    asked: Asked,
    gpus: Sequence[str | Gpu],
    keywords: Mapping[str, Any],
) -> Heat:
    """Levels up to the longest context that the model states, and to 256 requests, or to what is asked.

    Values are doublings, so that each cell has room for its number; what is asked is among them.
    """
    rest = dict(keywords)
    context, concurrency = _counted(rest.pop("context", None)), _counted(rest.pop("concurrency", 1))
    longest = max(shown["context"] or 0, context or 0)
    if not longest:
        raise PonderaError("the config states no longest context; give one")
    first = usual_first(longest)
    contexts = {*_doubled(first, longest), longest, context or longest}
    if len(gpus) == 1:
        # A picture of one GPU alone has room for twice as many.
        contexts |= {*_doubled(first * 3 // 2, longest)}
    crowds = {*_doubled(1, max(_MOST_REQUESTS, concurrency or 1)), concurrency or 1}
    return heat(
        model,
        gpu=gpus,
        context=sorted(contexts),
        concurrency=sorted(crowds),
        assume=asked.assume,
        gpu_file=asked.gpu_file,
        **rest,
    )


def _doubled(first: int, last: int) -> list[int]:
    """A number, twice as many, and so on, up to another."""
    numbers = []
    while first <= last:
        numbers.append(first)
        first *= 2
    return numbers


def _counted(value: int | str | None) -> int | None:
    return parse_count(value) if isinstance(value, str) else value
