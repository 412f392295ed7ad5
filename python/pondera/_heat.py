"""Facts of a heatmap: how much of each GPU's memory is taken, by context and requests at one time.

Everything is what a sweep says of its points; nothing is worked out here but shares. It does not draw:
`pondera._picture.heat` does, and the page of `pondera ui`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pondera._native import Gpu, PonderaError, Sweep
from pondera._sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

    import numpy.typing as npt

    from pondera._native import Fit
    from pondera._sweep import Target

SCHEMA = "pondera.heat/1"

FITS = 100
"""The largest level that fits. A level is the share of the usable memory that is taken, in per cent.

Taken is all that the asked requests leave nothing of: `usable - headroom`. It is rounded up, so that a cell
fits exactly where its level is at most this.
"""

MOST = 200
"""The largest level: twice the memory that there is, or more."""

CANNOT_BE = 255
"""The level of a deployment that cannot be, whatever the memory; its reason says why."""

_SHORT = 1024

AXES = ("gpu", "context", "concurrency")
_COLUMNS = ("headroom_bytes", "usable_bytes", "reason")
_SMALL = 1 << 56
"""Bytes below which a hundred times twice as many are a 64-bit number."""


class Heat:
    """Levels by GPU, context and concurrency.

    Arrays have these three axes in this order, and cannot be written to.

    Attributes:
        sweep: The sweep that it is made of, whose points are the cells in order.
        model: The name of the model.
        gpus: Names of the GPUs.
        contexts: Tokens of a request, going upwards.
        concurrencies: Requests at one time, going upwards.
        levels: A `uint8` for each cell: up to `FITS` it fits, up to `MOST` it does not, and `CANNOT_BE`.
        headroom: Bytes to spare, negative if it does not fit; 0 where it cannot be.
        usable: Bytes of each GPU; 0 where no cell of it can be.
        reasons: Words for what cannot be; the first one is empty.
        reason: For each cell the place of its word in `reasons`.
    """

    def __init__(self, made: Sweep) -> None:
        """The heat of a sweep of one model, over contexts and requests, and over GPUs or on one.

        Raises:
            PonderaError: The sweep has other axes with several values, or lacks one that it needs.
        """
        axes = made.axes
        other = [name for name, values in axes.items() if name not in AXES and len(values) > 1]
        if other:
            raise PonderaError(f"a heatmap has no room for several values of {other[0]}; give one")
        if made.condition is not None or made.linked:
            raise PonderaError("a heatmap shows all points; leave out conditions and linked axes")
        self.sweep = made
        self.model = str(axes["target"][0])
        self.contexts = _rising(axes, "context")
        self.concurrencies = _rising(axes, "concurrency")
        self.gpus = tuple(map(str, axes["gpu"])) if "gpu" in axes else (_only_gpu(made),)
        # Axes are in the order of the keywords, which is the asker's.
        order = [name for name in axes if name in AXES]
        shape = [len(axes[name]) for name in order]
        table = made.table(columns=list(_COLUMNS))

        def cells(name: str) -> npt.NDArray[Any]:
            values = table[name].reshape(shape).transpose([order.index(one) for one in AXES if one in order])
            return values.reshape(len(self.gpus), len(self.contexts), len(self.concurrencies))

        usable = cells("usable_bytes")
        self.headroom = cells("headroom_bytes")
        self.usable = tuple(usable.max(axis=(1, 2)).tolist())
        self.levels = np.stack(list(map(_levels, usable, self.headroom)))
        # Few cells have a reason, and comparing texts takes its time.
        cannot = self.levels == CANNOT_BE
        words = cells("reason")[cannot]
        self.reasons = ("", *sorted(set(words.tolist())))
        self.reason = cannot.astype(np.uint8)
        if len(self.reasons) > 2:
            places = np.ones(words.shape, np.uint8)
            for place, word in enumerate(self.reasons[2:], 2):
                places[words == word] = place
            self.reason[cannot] = places
        for array in (self.headroom, self.levels, self.reason):
            array.flags.writeable = False

    @property
    def frontier(self) -> list[list[int]]:
        """For each GPU and context the most requests, of those that are shown, that fit; 0 if none does."""
        counts = np.array([0, *self.concurrencies])
        places = np.arange(1, len(counts))
        return counts[((self.levels <= FITS) * places).max(axis=2)].tolist()  # type: ignore[no-any-return]

    @property
    def fits(self) -> list[int]:
        """How many cells of each GPU fit."""
        return (self.levels <= FITS).sum(axis=(1, 2)).tolist()  # type: ignore[no-any-return]

    def point(self, gpu: int, context: int, concurrency: int) -> int:
        """The number of a cell's point in the sweep, from its place on each axis."""
        places = dict(zip(AXES, (gpu, context, concurrency), strict=True))
        number = 0
        for name, values in self.sweep.axes.items():
            number = number * len(values) + (places[name] if name in AXES else 0)
        return number

    def explain(self, gpu: int, context: int, concurrency: int) -> Fit:
        """The whole estimate of a cell, from its place on each axis.

        Raises:
            PonderaError: The deployment cannot be; the message says why.
        """
        return self.sweep.explain(self.point(gpu, context, concurrency))

    def why(self) -> dict[str, str]:
        """For each reason why cells cannot be, the sentence that `fit` has for the first of them."""
        told = {}
        for place, word in enumerate(self.reasons[1:], 1):
            first = np.argwhere(self.reason == place)[0].tolist()
            try:
                self.explain(*first)
            except PonderaError as error:
                told[word] = str(error)
        return told

    def to_dict(self) -> dict[str, Any]:
        """All of it as a dict in schema `pondera.heat/1`; cells by GPU, then context, then concurrency."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "gpu": list(self.gpus),
            "context": list(self.contexts),
            "concurrency": list(self.concurrencies),
            "usable": list(self.usable),
            "levels": self.levels.tolist(),
            "headroom": self.headroom.tolist(),
            "reasons": list(self.reasons),
            "reason": self.reason.tolist(),
            "why": self.why(),
            "frontier": self.frontier,
            "fits": self.fits,
        }

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.levels.shape))
        return f"Heat({self.model!r}, {shape} cells, {sum(self.fits):,} fit)"


def heat(
    target: Target,
    *,
    gpu: str | Gpu | Iterable[str | Gpu],
    context: int | str | Iterable[int | str],
    concurrency: int | str | Iterable[int | str],
    mind: Mapping[str, Any] | None = None,
    threads: int | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
    **asked: Any,  # noqa: ANN401
) -> Heat:
    """The heat of one model on one or more GPUs, over contexts and requests.

    Args:
        target: A target of `fit`.
        gpu: The GPUs.
        context: Tokens of a request, going upwards: a list, or a range such as `"4k..128k"` or
            `"1k..128k:64"`.
        concurrency: Requests at one time, likewise.
        mind: Fields of the config with a value each, as `Architecture.what_if` takes them.
        threads: How many to work with; as many as there are processors, if not given.
        assume: A model type to take where that of the config is not known.
        gpu_file: A TOML file of GPUs over the built-in ones.
        asked: The other keywords of `fit`, one value each.

    Raises:
        PonderaError: Something is not known, has several values, or does not go upwards.
        FileNotFoundError: There is nothing at the path.
    """
    if isinstance(target, (list, tuple)):
        raise PonderaError("a heatmap is of one model; give one target")
    fields = {name: [value] for name, value in (mind or {}).items()}
    return Heat(
        sweep(
            target,
            mind=fields or None,
            threads=threads,
            assume=assume,
            gpu_file=gpu_file,
            gpu=[gpu] if isinstance(gpu, (str, Gpu)) else gpu,
            context=_several(context),
            concurrency=_several(concurrency),
            **asked,
        )
    )


def usual_first(longest: int) -> int:
    """The context that a heatmap begins with, if none is named: what is shorter is seldom asked for."""
    return _SHORT if longest > _SHORT else 1


def _several(values: int | str | Iterable[int | str]) -> Iterable[int | str]:
    """Several values of an axis, so that one of them is an axis too; a range stays in its list."""
    return [values] if isinstance(values, (int, str)) else values


def _rising(axes: Mapping[str, tuple[Any, ...]], name: str) -> tuple[int, ...]:
    if name not in axes:
        raise PonderaError(f"a heatmap needs values of {name}")
    values = axes[name]
    if None in values:
        raise PonderaError(f"{name}: a heatmap needs numbers, and one of them is left open")
    if any(one >= two for one, two in pairwise(values)):
        raise PonderaError(f"{name}: the values of a heatmap go upwards, each once")
    return values


def _only_gpu(made: Sweep) -> str:
    """The name of the GPU that all points have; empty where none of them can be."""
    possible = np.flatnonzero(made.table(columns=["usable_bytes"])["usable_bytes"])
    return made.explain(int(possible[0])).gpu if len(possible) else ""


def _levels(usable: npt.NDArray[Any], headroom: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The levels: whole numbers all the way, since a share that is nearly 1 must not become 1."""
    most = int(usable.max())
    wide: Any = np.int64 if most < _SMALL else object
    # All cells of a GPU that can be have the same to use: dividing by one number is several times as fast.
    whole: Any = most if ((usable == most) | (usable == 0)).all() else usable.astype(wide)
    # What lacks more than the whole memory is at the end of the scale.
    spare = np.maximum(headroom.astype(wide), -whole)
    # Rounding what is spare down rounds what is taken up.
    levels: npt.NDArray[np.uint8] = (FITS - 100 * spare // np.maximum(whole, 1)).astype(np.uint8)
    levels[usable == 0] = CANNOT_BE
    return levels
