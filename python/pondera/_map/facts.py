"""What a map draws, read from JSON of schema `pondera.map/1`: towers, parts of layers, and words for them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pondera._map.stacks import By, Run, Tower, towers
from pondera._numbers import binary_bytes, exact_count, plural, short_count

_MIXED = ("attention", "state")
_COSTS: Mapping[str, tuple[Callable[[int], str], str]] = {
    "parameters": (short_count, "parameters"),
    "active_parameters": (short_count, "parameters used per token"),
    "bytes_per_token": (binary_bytes, "of memory per token"),
}
"""What a change may cost: where a what-if tells it, and words for it."""

_LONGEST = 40
"""Characters of a value of a config that are shown."""


class Facts:
    """The facts of one model."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        """Reads them.

        Args:
            shown: A model in schema `pondera.map/1`.
        """
        self.shown = shown
        self.name: str = shown["name"]
        self.unknown: str | None = shown["unknown"]
        self.total: Mapping[str, int] = shown["total"]
        self.memory: Mapping[str, Any] | None = shown["memory"]
        self.context: int | None = shown["context"]
        self.main, self.sides, self.prediction = towers(shown)

    @property
    def is_adapter(self) -> bool:
        """Whether it is an adapter without a mind, which belongs to another model."""
        return self.shown.get("kind") == "adapter" and self.unknown is not None

    @property
    def is_blank(self) -> bool:
        """Whether nothing is known of it: its mind is not, and it has no weights."""
        return self.unknown is not None and self.shown["source"] == "config"

    @property
    def mystery(self) -> str:
        """What is not known of its mind, in a sentence; nothing where all is."""
        if self.is_adapter:
            return f"{self.title} is an adapter: the model that it belongs to has the config"
        return f"{self.title}: the config says no more: {self.unknown}" if self.unknown else ""

    @property
    def blank(self) -> str:
        """What stands where a mind that is not known would be drawn."""
        if self.is_adapter:
            return "An adapter sees and remembers nothing by itself: the model that it belongs to does."
        return "Without a config that is known, nobody knows what it sees and remembers."

    @property
    def title(self) -> str:
        """Its name; of a path, the last part of it."""
        parts = [part for part in self.name.replace("\\", "/").split("/") if part not in ("", ".")]
        if len(parts) > 1 and parts[-1].endswith(".json"):
            parts.pop()
        return parts[-1] if parts else self.name

    @property
    def changed(self) -> str:
        """The fields of a what-if with their old and new values; nothing where it is none."""
        changes = self.shown.get("changes") or []
        shown = [f"{one['field']} {_value(one['from'])} → {_value(one['to'])}" for one in changes]
        return ", ".join(shown)

    @property
    def full_title(self) -> str:
        """Its name, and what is changed."""
        return f"{self.title} with {self.changed}" if self.changed else self.title

    def changes(self) -> list[str]:
        """What each changed field does: a sentence for each."""
        sentences = []
        for one in self.shown.get("changes") or []:
            keys = [key for key in _COSTS if one[key]]
            if one["active_parameters"] == one["parameters"]:
                keys = [key for key in keys if key != "active_parameters"]
            costs = [_cost(one[key], *_COSTS[key]) for key in keys]
            note = [one["note"]] if one["note"] else []
            ends = [", ".join(costs)] * bool(costs) + note or ["no size changes"]
            change = f"{one['field']} {_value(one['from'])} → {_value(one['to'])}"
            sentences.append(f"{change} ({one['class']}): {'; '.join(ends)}")
        return sentences

    def verdict(self) -> str:
        """Whether the weights can wear the new mind, of a what-if."""
        if self.shown["same_body"]:
            return f"✓ the weights of {self.title} can wear this mind as they are"
        return f"✗ the weights of {self.title} cannot wear this mind: it needs others"

    def size(self, by: By) -> int:
        """All its parameters or bytes."""
        return self.total[by]

    def say(self, count: int, by: By) -> str:
        """A number of parameters or bytes in short."""
        return binary_bytes(count) if by == "bytes" else short_count(count)

    @property
    def kinds(self) -> list[str]:
        """The kinds of mixers in the main tower, each once."""
        names = [name for run in self.main.runs for name in mixer_kinds(run.kind)]
        return list(dict.fromkeys(names))

    def kind_with(self, role: str) -> Mapping[str, Any] | None:
        """The kind of layers in the main tower that has most of a role."""
        sizes: dict[int, tuple[int, Mapping[str, Any]]] = {}
        for run in self.main.runs:
            if role in run.kind["roles"]:
                size = run.count * run.kind["roles"][role]["parameters"]
                before = sizes.get(id(run.kind), (0, run.kind))[0]
                sizes[id(run.kind)] = before + size, run.kind
        return max(sizes.values(), key=lambda one: one[0])[1] if sizes else None

    @property
    def reader(self) -> Tower | None:
        """The tower that reads the input for the main one, which attends to what it gives."""
        if "cross" not in self.kinds:
            return None
        return next((side for side in self.sides if side.name in ("encoder", "audio") and side.runs), None)

    @property
    def given(self) -> int | None:
        """How many positions an encoder gives, where that is fixed."""
        mixers = [mixer for run in self.main.runs for mixer in run.kind["mixers"]]
        return max((mixer["tokens"] for mixer in mixers if mixer.get("tokens")), default=None)

    @property
    def longest(self) -> int:
        """How far a context axis goes."""
        curve = self.memory["curve"] if self.memory else []
        return max([self.context or 0, *(point["tokens"] for point in curve[-1:])]) or 512

    @property
    def endless(self) -> bool:
        """Whether nothing says how long its input may be, and nothing grows with it."""
        return not self.context and not self.memory

    @property
    def windows(self) -> list[int]:
        """The reaches of layers that do not see everything."""
        all_mixers = [mixer for run in self.main.runs for mixer in run.kind["mixers"]]
        return sorted({mixer["window"] for mixer in all_mixers if mixer.get("window")})

    def disagreements(self) -> list[str]:
        """Where body and mind disagree in more than a note: a sentence for each cause."""
        causes: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for one in self.shown["disagreements"]:
            if one["severity"] != "info":
                causes.setdefault((one["kind"], one["cause"]), []).append(one)
        sentences = []
        for (kind, cause), ones in causes.items():
            count = sum(one["count"] for one in ones)
            others = f" and {plural(len(ones) - 1, 'other name')}" if len(ones) > 1 else ""
            shapes = ""
            if kind == "shape":
                shapes = f" {_shape(ones[0]['found'])} for {_shape(ones[0]['expected'])}"
            pattern = ones[0]["pattern"][:200]
            sentences.append(f"{kind}: {plural(count, 'tensor')} {pattern}{shapes}{others}: {cause}")
        return sentences

    def assumed(self) -> list[str]:
        """What was taken to hold of how weights are stored: a sentence each."""
        return [
            f"assumed: {one['field']} = {one['value']} ({one['reason']})" for one in self.shown["assumptions"]
        ]

    def describe(self) -> str:
        """The map in words, for who cannot see it."""
        total = self.total
        count = "an unknown number of" if self.is_blank else exact_count(total["parameters"])
        parts = [f"{self.full_title}: {count} parameters"]
        if total["active"] != total["parameters"]:
            parts.append(f"{exact_count(total['active'])} of them used for each token")
        if not self.shown["bytes_unknown"]:
            parts.append(f"{exact_count(total['bytes'])} bytes as {self.shown['storage'] or 'stored'}")
        if self.main.pattern:
            parts.append(f"{self.main.words} layers: {self.main.pattern}")
        for side in self.sides:
            wide = f", {exact_count(side.width)} wide" if side.width else ""
            parts.append(f"{side.words}: {plural(side.layers, 'layer')}{wide}")
        curve = self.memory["curve"] if self.memory else []
        if curve:
            last = curve[-1]
            parts.append(
                f"it remembers {exact_count(last['bytes'])} bytes after {exact_count(last['tokens'])} tokens"
            )
        if ways := self.disagreements():
            parts.append(f"weights and config disagree in {plural(len(ways), 'way')}")
        return "; ".join(parts)


def _value(value: object) -> str:
    """A value of a config in short."""
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return exact_count(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _cost(more: int, say: Callable[[int], str], words: str) -> str:
    return f"{'+' if more > 0 else '-'}{say(abs(more))} {words}"


def _shape(sides: Sequence[int] | None) -> str:
    return " x ".join(map(str, sides or [])) or "scalar"


def mixer_kinds(kind: Mapping[str, Any]) -> list[str]:
    """The kinds of mixers of a layer, in order."""
    return [mixer["kind"] for mixer in kind["mixers"]] or ["none"]


def mixer_kind(kind: Mapping[str, Any]) -> str:
    """The kind of mixer that a layer is drawn as: the first that is not cross attention."""
    names = mixer_kinds(kind)
    return next((name for name in names if name != "cross"), names[0])


def parts_of(kind: Mapping[str, Any], by: By) -> Iterator[tuple[str, int]]:
    """The parts of a layer with their parameters or bytes; of experts, those that a token visits apart."""
    # What mixes tokens comes first, so that it stands below itself from layer to layer.
    for role, sum_ in sorted(kind["roles"].items(), key=lambda one: not is_mixing(one[0])):
        whole = sum_[by]
        # How many of them a token visits, only a config tells.
        if role == "expert" and sum_["parameters"] and kind["in_config"]:
            lit = whole * sum_["active"] // sum_["parameters"]
            yield "lit", lit
            yield "expert", whole - lit
        else:
            yield role, whole


def is_mixing(role: str) -> bool:
    """Whether a role is that of a mixer."""
    return role in _MIXED


def anatomies(runs: Sequence[Run]) -> list[tuple[int, Mapping[str, Any]]]:
    """The kinds of layers that are made alike, with how many there are, the most frequent first."""
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for run in runs:
        mixers = [
            {**mixer, "shared_with": mixer.get("shared_with") is not None} for mixer in run.kind["mixers"]
        ]
        key = repr((mixers, run.kind["feed_forward"]))
        count, kind = found.get(key, (0, run.kind))
        found[key] = count + run.count, kind
    return sorted(found.values(), key=lambda one: -one[0])
