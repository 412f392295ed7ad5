"""The models that the server was started with, their fields, and their minds with fields changed."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from threading import Lock
from typing import TYPE_CHECKING, Any

from pondera._native import Architecture, Model, PonderaError, explain_field
from pondera._targets import each, with_mind
from pondera._text import shortened
from pondera.ui.refused import Refused
from pondera.ui.steps import steps

if TYPE_CHECKING:
    from pondera._native import WhatIf

_MOST_KEPT = 256
"""Changed minds that are kept, those that were asked for last."""

_TELLING = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "kv_lora_rank",
    "num_experts",
    "num_experts_per_tok",
    "intermediate_size",
    "moe_intermediate_size",
    "sliding_window",
    "rope_theta",
    "max_position_embeddings",
    "vocab_size",
)
"""The fields that tell most of a mind, by the first of their names."""


class Minds:
    """Models by number. Opened once, they can be asked from several threads."""

    def __init__(self, targets: Sequence[str], assume: str | None = None) -> None:
        """Opens the models.

        Args:
            targets: Model folders, configs or names of built-in models.
            assume: A model type to take where that of a config is not known.

        Raises:
            PonderaError: None of them can be opened.
            FileNotFoundError: There is one, and no such path and no built-in model of that name.
        """
        opened, self.failures = each(targets, lambda one: (str(one), Model.open(one, assume=assume)))
        self.targets = tuple(target for target, _ in opened)
        self.models = tuple(model for _, model in opened)
        self._kept: OrderedDict[tuple[int, str], tuple[Model | Architecture, WhatIf]] = OrderedDict()
        self._lock = Lock()
        self._told = [
            {**_told(at, *one), "assume": assume}
            for at, one in enumerate(zip(self.targets, self.models, strict=True))
        ]

    def told(self) -> list[dict[str, Any]]:
        """Every model: what it is called, what is known of it, and the fields of its mind."""
        return self._told

    def model(self, number: int) -> Model:
        """The model of a number.

        Raises:
            Refused: There is none.
        """
        if number >= len(self.models):
            raise Refused(
                422,
                f"there is no target {number}; the server was started with {len(self.models)}, from 0 on",
                "target",
            )
        return self.models[number]

    def changed(self, number: int, changes: Mapping[str, Any]) -> tuple[Model | Architecture, WhatIf | None]:
        """The model of a number with fields of its config changed, and what that does.

        Raises:
            Refused: There is no such model.
            PonderaError: Its mind is not known, or the changed one cannot be.
        """
        model = self.model(number)
        if not changes:
            return model, None
        key = (number, json.dumps(changes))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        # Two threads may work out the same mind; the locks of all others are not held for that.
        found = with_mind(model, changes)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return found


def _told(number: int, target: str, model: Model) -> dict[str, Any]:
    mind = model.architecture
    body = model.checkpoint
    return {
        "id": number,
        "name": shortened(PurePath(target).name or target, 120),
        "target": target,
        "model_type": None if mind is None else shortened(mind.model_type, 120),
        "class": None if mind is None or mind.class_name is None else shortened(mind.class_name, 120),
        "pattern": None if mind is None else shortened(mind.pattern(), 200),
        "parameters": mind.parameters if mind else body.parameters if body else None,
        "active_parameters": mind.active_parameters if mind else None,
        "stored_bytes": body.stored_bytes if body else None,
        "context": mind.context if mind else None,
        "unknown": None if model.unknown is None else shortened(model.unknown, 2000),
        "disagreements": len(model.disagreements),
        "fields": [] if mind is None else _fields(mind),
    }


def _fields(mind: Architecture) -> list[dict[str, Any]]:
    """The fields that have a next step, the most telling first, and those of towers at the end."""
    assumed = {name: value for name, value, _ in mind.assumptions}
    ranks = {explain_field(name)["text"]: rank for rank, name in enumerate(_TELLING)}
    found: list[tuple[int, dict[str, Any]]] = []
    for name, kind in mind.fields.items():
        value = _value(mind.config, name)
        taken = value is None
        if taken and name in assumed:
            value = _json(assumed[name])
        if kind == "inert" or not isinstance(value, (bool, int, float)):
            continue
        text = _explained(name)
        field: dict[str, Any] = {
            "name": name,
            "value": value,
            "assumed": taken,
            "class": kind,
            "kind": "boolean"
            if isinstance(value, bool)
            else "integer"
            if isinstance(value, int)
            else "number",
            "text": text,
        }
        found.append((ranks.get(text or "", len(ranks)), field))
    # Fields of one object belong together: the text model, a tower for pictures.
    values = {(_object(field), rank): field["value"] for rank, field in reversed(found)}
    # The text model lies where layers are counted first.
    main = next((_object(field) for rank, field in found if rank == 0), "")
    for rank, field in found:
        usual = _TELLING[rank] if rank < len(_TELLING) else None
        beside = {name: values.get((_object(field), at)) for at, name in enumerate(_TELLING)}
        field["values"] = steps(usual, field["value"], beside)
    found.sort(key=lambda one: (not _within(one[1]["name"], main), one[0]))
    return [field for _, field in found]


def _object(field: Mapping[str, Any]) -> str:
    """The object that a field lies in."""
    return str(field["name"]).rpartition(".")[0]


def _within(name: str, main: str) -> bool:
    """Whether a field is of the text model, or of the whole."""
    return "." not in name or not main or name.startswith(f"{main}.")


def _value(config: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    value: Any = config
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _json(text: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except ValueError:
        return None


def _explained(name: str) -> str | None:
    try:
        text: str = explain_field(name)["text"]
    except PonderaError:
        return None
    return text
