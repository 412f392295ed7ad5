"""`pondera.explain`: one paragraph on a config field or a number of parameters."""

from __future__ import annotations

from pondera._native import Architecture, explain_field, explain_number

# Annotations are never evaluated, and `typing` would double the time of the import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any


def explain(
    subject: str, target: Architecture | Mapping[str, Any] | str | PathLike[str] | None = None
) -> dict[str, Any]:
    """Say what a config field determines, or what a number of parameters weighs.

    Args:
        subject: A field, as `num_key_value_heads`, or a number, as `30B`.
        target: An architecture, config, path or built-in name to try the field on.

    Returns:
        For a field: `field`, `class` (`structural`, `runtime` or `inert`), `text` (one paragraph), and with
        a target its `value` and the `cost` of the least step up (parameters, active parameters, bytes per
        token of a 16-bit cache, FLOPs per token). For a number: `parameters`, `text`, and `weights` (bytes by
        format).

    Raises:
        PonderaError: There is no such field, or the config cannot be derived.
    """
    if target is None and (answer := explain_number(subject)) is not None:
        return answer
    if target is not None and not isinstance(target, Architecture):
        target = Architecture.from_config(target)
    return explain_field(subject, target)
