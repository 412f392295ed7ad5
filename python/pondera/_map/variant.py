"""The same body with another mind: the facts of a model with fields of its config changed."""

import json
from collections.abc import Mapping
from typing import Any

from pondera._native import Model, PonderaError, WhatIf, map_facts
from pondera._targets import Target, opened


def variant(target: Target, fields: Mapping[str, Any], assume: str | None) -> dict[str, Any]:
    """The facts of the changed model, with `changes` and `same_body` as a what-if tells them.

    Weights that can wear the new mind are drawn as they are. Where they cannot, the config alone is drawn,
    and the disagreements are those of the weights with it.

    Args:
        target: What is changed.
        fields: Fields of its config by name.
        assume: A model type to take where that of the config is not known.

    Raises:
        PonderaError: There is no config, or the changed one cannot be derived.
    """
    base = opened(target, assume)
    if isinstance(base, Model):
        if base.architecture is None:
            raise PonderaError(f"{base.name}: {base.unknown}")
        changed, answer = base.what_if(dict(fields))
        facts: dict[str, Any] = json.loads(map_facts(changed))
        if base.checkpoint is not None and not answer.same_body:
            facts = _alone(answer, facts)
    else:
        answer = base.what_if(dict(fields))
        facts = json.loads(map_facts(answer.architecture))
    return {**facts, "changes": answer.changes, "same_body": answer.same_body}


def _alone(answer: WhatIf, with_body: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the config alone, and where the body disagrees with it."""
    alone: dict[str, Any] = json.loads(map_facts(answer.architecture))
    return {**alone, "name": with_body["name"], "disagreements": with_body["disagreements"]}
