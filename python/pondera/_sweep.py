"""Many estimates at once: `sweep` over combinations, `fit_many` over rows, and either on other machines."""

from __future__ import annotations

from os import PathLike

from pondera import _native
from pondera._native import Architecture, Checkpoint, Model

# What type checkers call this name; `typing` itself is not worth its import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Protocol, TypedDict, Unpack

    from pondera._native import Gpu, Sweep, Table
    from pondera._solve import Asked

    Target = str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model

    class ArrowStream(Protocol):
        """What has an Arrow stream, by the Arrow PyCapsule interface."""

        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            """The stream."""

    Count = int | str
    Whole = Count | Iterable[Count]
    Optional = Count | None | Iterable[Count | None]

    class Axes(TypedDict, total=False):
        """The keywords of `fit`, each one value or several."""

        gpu: str | Gpu | Iterable[str | Gpu]
        gpus: Optional
        engine: str | Iterable[str]
        weights: str | Iterable[str | None] | None
        cache: str | Iterable[str | None] | None
        context: Optional
        concurrency: Whole
        tensor_parallel: Whole
        pipeline_parallel: Whole
        expert_parallel: Whole
        data_parallel: Whole
        context_parallel: Whole
        gpu_memory_utilization: float | Iterable[float | None] | None
        max_batched_tokens: Optional
        max_sequences: Optional
        block_size: Optional
        prefix_caching: bool | Iterable[bool | None] | None
        eager: bool | Iterable[bool]
        cache_memory: Optional


def sweep(
    targets: Target | Sequence[Target],
    *,
    mind: Mapping[str, Any] | None = None,
    zip: Sequence[str] | Sequence[Sequence[str]] = (),
    where: str | None = None,
    threads: int | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
    **asked: Unpack[Axes],
) -> Sweep:
    """Every combination of models, deployments and fields of configs, each estimated as `fit` does.

    Nothing is worked out here: answers are, when they are asked for.

    Args:
        targets: A target of `fit`, or a list of them. They are the first axis, `target`.
        mind: Fields of the config, each with one value or a list of values, as
            `Architecture.what_if` takes them. A field whose values are lists has a list of lists.
        zip: Names of axes that move together, which have equally many values; or several such groups. All
            others are crossed.
        where: A condition over columns that points must meet, such as
            `"tensor_parallel * pipeline_parallel == gpus and parameters <= 30e9"`.
        threads: How many to work with; as many as there are processors, if not given, and after pickling.
        assume: A model type to take where that of a config is not known.
        gpu_file: A TOML file of GPUs over the built-in ones.
        asked: The keywords of `fit`. A list, or any other iterable, is an axis; numbers may be ranges too:
            `"4k..1m"` doubles from the one to the other, `"4k..1m:64"` has 64 values at even ratios,
            and `"1..64+8"` goes by steps of 8.

    Returns:
        The sweep. Its axes are in the order of the keywords, after `target` and before those of `mind`.

    Raises:
        PonderaError: A name is not known, linked axes differ in length, or the condition cannot be read.
    """
    made = _native.sweep(
        list(targets) if isinstance(targets, (list, tuple)) else [targets],  # type: ignore[list-item]
        asked,
        mind,
        _linked(zip),
        assume,
        gpu_file,
        threads,
    )
    return made if where is None else made.where(where)


def _linked(names: Sequence[str] | Sequence[Sequence[str]]) -> list[list[str]]:
    """The groups of axes that move together: one of names, or several."""
    wanted = "zip must be a list of names of axes, or several such lists"
    if isinstance(names, str):
        raise TypeError(f"{wanted}, not str")
    alone: list[str] = []
    groups: list[list[str]] = []
    for one in names:
        if isinstance(one, str):
            alone.append(one)
        elif isinstance(one, (list, tuple)) and all(isinstance(name, str) for name in one):
            groups.append(list(one))
        else:
            raise TypeError(f"{wanted}; {one!r} is neither")
    return [*groups, alone] if alone else groups


def fit_many(
    target: Target,
    table: Mapping[str, Any] | ArrowStream,
    *,
    columns: Sequence[str] | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    **asked: Unpack[Asked],
) -> Table:
    """Estimates of one model for arbitrary deployments, a row each.

    Args:
        target: A target of `fit`.
        table: Columns that are named as keywords of `fit`: a mapping of arrays or lists, or anything with an
            Arrow stream, such as a DataFrame of Polars or pandas, or a table of PyArrow.
        columns: Names of results; all of them, if not given: `fits`, `reason`, `weights_bytes`, ...
        threads: How many to work with; as many as there are processors, if not given.
        progress: Called about every 50 ms with how many pieces of the work are done and how many there are.
        asked: Keywords of `fit` that are the same for all rows.

    Returns:
        The results, in the order of the rows. Of a deployment that cannot be `reason` says why, and all other
        results are 0.

    Raises:
        PonderaError: A column is not known, differs in length, or has a value that cannot be read.
    """
    assume, gpu_file = asked.pop("assume", None), asked.pop("gpu_file", None)
    return _native.fit_many(target, table, asked, columns, assume, gpu_file, threads, progress)
