"""Values that a slider of a field goes through: those that people build models with, around the one it has.

They are offers and no bounds: any other value may be asked for, and the core says if it cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST = 160
"""Values of a slider, about as many as can be told apart with a mouse."""

_LARGEST = 1 << 21
"""The largest width that the core takes."""


def steps(usual: str | None, value: bool | int | float, all_: Mapping[str, Any]) -> list[bool | int | float]:
    """The values of a field, its own among them, going upwards.

    Args:
        usual: The first of the names that the field has, if it is one of the telling ones.
        value: Its value.
        all_: The values of all telling fields of the text model by that name.
    """
    if isinstance(value, bool):
        return [False, True]
    if isinstance(value, float) or usual == "rope_theta":
        return _powers(value)
    match usual:
        case "num_hidden_layers":
            found = _counted(1, 2 * value)
        case "num_key_value_heads":
            found = _divisors(all_.get("num_attention_heads"), value)
        case "num_experts_per_tok":
            experts = _whole(all_.get("num_experts"), 2 * value)
            found = [*_counted(1, min(experts, 4 * value)), *_doubled(value, 8)]
            found = [one for one in found if one <= experts]
        case "hidden_size" | "intermediate_size" | "moe_intermediate_size" | "kv_lora_rank":
            found = _widths(value)
        case "sliding_window" | "max_position_embeddings":
            found = _doubled(value, 5)
        case _:
            found = _doubled(value, 3)
    return sorted({value, *(one for one in found if 0 < one <= max(value, _LARGEST))})


def _counted(first: int, last: int) -> list[int]:
    """Whole numbers at even distances."""
    stride = -(-(last - first + 1) // _MOST)
    return list(range(first, last + 1, max(stride, 1)))


def _divisors(whole: Any, value: int) -> list[int]:  # noqa: ANN401
    """What divides another number: groups of heads are equally large."""
    whole = _whole(whole, value)
    if whole > 1 << 16:
        return _doubled(value, 3)
    return [one for one in range(1, whole + 1) if whole % one == 0]


def _widths(value: int) -> list[int]:
    """Widths up to twice as much, by a power of two that divides the width."""
    stride = max(value & -value, 1)
    while stride > 1 and stride * 16 > value:
        stride //= 2
    stride = max(stride, -(-2 * value // _MOST))
    return list(range(stride, 2 * value + 1, stride))


def _doubled(value: int, times: int) -> list[int]:
    """The value halved as often as that leaves whole numbers, and doubled."""
    found = [value << at for at in range(times + 1)]
    while value and value % 2 == 0 and len(found) <= 2 * times:
        value //= 2
        found.append(value)
    return found


def _powers(value: int | float) -> list[bool | int | float]:
    """Powers of ten around a number, and their halves."""
    if not 0 < value < 1e12:
        return [value]
    powers = [one * 10**at for at in range(2, 9) for one in (1, 5)]
    near = [one for one in powers if value / 1000 <= one <= value * 1000]
    if isinstance(value, float) and not near:
        return sorted({value / 4, value / 2, value, 2 * value, 4 * value})
    return sorted({value, *near})


def _whole(value: Any, otherwise: int) -> int:  # noqa: ANN401
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else otherwise
