"""What fits at most, at least, best and cheapest, of a target with the keywords of `fit` or of a `Fit`."""

from __future__ import annotations

from pondera import _native
from pondera._native import Fit, gpus, question

# What type checkers call this name; `typing` itself is not worth its import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any, TypedDict, Unpack

    from pondera._native import Answer, Architecture, Checkpoint, Gpu, Model, Question

    Target = str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model | Fit

    class Asked(TypedDict, total=False):
        """The keywords of `fit`."""

        gpu: str | Gpu
        gpus: int | str | None
        engine: str
        weights: str | None
        cache: str | None
        context: int | str | None
        concurrency: int | str
        tensor_parallel: int | str
        pipeline_parallel: int | str
        expert_parallel: int | str
        data_parallel: int | str
        context_parallel: int | str
        gpu_memory_utilization: float | None
        max_batched_tokens: int | str | None
        max_sequences: int | str | None
        block_size: int | str | None
        prefix_caching: bool | None
        eager: bool
        cache_memory: int | str | None
        assume: str | None
        gpu_file: str | PathLike[str] | None


def max_context(target: Target, **asked: Unpack[Asked]) -> Answer:
    """The longest context that fits, exact to the token.

    Args:
        target: What `fit` takes, or a `Fit`, whose own context is not looked at.
        asked: The keywords of `fit`; none of them beside a `Fit`. `context` is not looked at.

    Returns:
        `value` in tokens with the `fit` there, and in `binds` what stops one token more. The model's own
        context is an end too; `memory_holds` then says how many tokens memory alone would hold.
    """
    return _native.max_context(_begin(target, asked))


def max_concurrency(target: Target, **asked: Unpack[Asked]) -> Answer:
    """The most requests at one time that fit, each as long as the context.

    Args:
        target: What `fit` takes, or a `Fit`, whose own concurrency is not looked at.
        asked: The keywords of `fit`; none of them beside a `Fit`. `concurrency` is not looked at.

    Returns:
        `value` in requests with the `fit` there, and in `binds` what stops one more.
    """
    return _native.max_concurrency(_begin(target, asked))


def min_gpus(target: Target, *, most: int | str | None = None, **asked: Unpack[Asked]) -> Answer:
    """The fewest GPUs that fit, and how to lay the model out on them.

    Args:
        target: What `fit` takes, or a `Fit`, whose own GPUs and layout are not looked at.
        most: How many GPUs are looked at, at most; 1,024 if not given.
        asked: The keywords of `fit`; none of them beside a `Fit`. Of the layout only
            `context_parallel` is looked at: `gpus` and the other degrees are what is searched.

    Returns:
        `value` in GPUs with the `fit` there, whose `to_dict()["parallel"]` is the layout.
    """
    return _native.min_gpus(_begin(target, asked), most)


def best_quantization(target: Target, **asked: Unpack[Asked]) -> Answer:
    """The scheme of the least loss of precision that fits and that the engine loads.

    Args:
        target: What `fit` takes, or a `Fit`, whose own scheme is not looked at.
        asked: The keywords of `fit`; none of them beside a `Fit`. `weights` is not looked at.

    Returns:
        `value` as the scheme's name with the `fit` there, and in `binds` what stops a more precise one.
    """
    return _native.best_quantization(_begin(target, asked))


def cheapest_gpu(
    target: Target,
    *,
    prices: str | PathLike[str],
    most: int | str | None = None,
    **asked: Unpack[Asked],
) -> list[dict[str, Any]]:
    """What it takes of every GPU that has a price, the cheapest first.

    Args:
        target: What `fit` takes, or a `Fit`, whose own GPUs and layout are not looked at.
        prices: A TOML file of lines such as `H100-SXM-80GB = 2.99`: one GPU for one hour, in any currency.
        most: How many GPUs are looked at, at most; 1,024 if not given.
        asked: The keywords of `fit`, where no `gpu` is needed; none of them beside a `Fit`. Of the
            layout only `context_parallel` is looked at.

    Returns:
        Dicts of `gpu`, `assumed` (what was taken for granted where its name in the file left something
        open, or None), `gpus` (None if it fits on none), `each` and `price` (texts, exact), `parallel`, and
        `limit` (what stops fewer, or why it does not fit).
    """
    if not isinstance(target, Fit):
        # Any GPU will do: those that have a price take its place.
        asked.setdefault("gpu", next(one for one in gpus() if one.common))
    return _native.cheapest_gpu(_begin(target, asked), prices, most, asked.get("gpu_file"))


def _begin(target: Target, asked: Asked) -> Fit | Question:
    """What a search begins with. It is no estimate: what is searched may not be as it is asked."""
    if not isinstance(target, Fit):
        return question(target, **asked)
    if asked:
        raise TypeError(
            f"a Fit has its own {', '.join(asked)}; give the target that it was made from instead"
        )
    return target
