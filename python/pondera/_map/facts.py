"""What a map draws, read from JSON of schema `pondera.map/1`: layers in runs, parts, and words for them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pondera._numbers import decimal_bytes, exact_count, plural, short_count

By = str
"""What areas are in proportion to: `parameters` or `bytes`."""

_STACK_WORDS = {
    "decoder": "decoder",
    "encoder": "encoder",
    "vision": "vision",
    "audio": "audio",
    "prediction": "further tokens",
    "other": "other layers",
}
_MIXED = ("attention", "state")


@dataclass(frozen=True, slots=True)
class Run:
    """Layers that follow one another and are of one kind.

    Attributes:
        first: The number of the first.
        count: How many.
        kind: What they are.
    """

    first: int
    count: int
    kind: Mapping[str, Any]

    @property
    def lack(self) -> str:
        """What is wrong with them as a whole, if anything is."""
        if not self.kind["in_config"]:
            return "not in the config"
        return "" if self.kind["tensors"] else "not stored"

    @property
    def span(self) -> str:
        """Their numbers, as `layer 3` or `layers 0 to 31`."""
        if self.count == 1:
            return f"layer {self.first}"
        return f"layers {self.first} to {self.first + self.count - 1}"


@dataclass(frozen=True, slots=True)
class Tower:
    """A stack of layers with what goes with it.

    Attributes:
        name: What it is called.
        runs: Its layers from the first on.
        below: Sums by role of what lies before its layers.
        above: Sums by role of what lies behind them.
        pattern: Its layers in a line.
    """

    name: str
    runs: Sequence[Run]
    below: Mapping[str, Mapping[str, int]]
    above: Mapping[str, Mapping[str, int]]
    pattern: str

    @property
    def layers(self) -> int:
        """How many layers it has."""
        return sum(run.count for run in self.runs)

    @property
    def words(self) -> str:
        """What it is called in a picture."""
        return _STACK_WORDS.get(self.name, self.name)

    def size(self, by: By) -> int:
        """Its parameters or bytes."""
        outside = sum(one[by] for part in (self.below, self.above) for one in part.values())
        return outside + sum(run.count * int(run.kind[by]) for run in self.runs)


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
        self.main, self.sides, self.prediction = _towers(shown)

    @property
    def title(self) -> str:
        """Its name; of a path, the last part of it."""
        parts = [part for part in self.name.replace("\\", "/").split("/") if part not in ("", ".")]
        if len(parts) > 1 and parts[-1].endswith(".json"):
            parts.pop()
        return parts[-1] if parts else self.name

    def size(self, by: By) -> int:
        """All its parameters or bytes."""
        return self.total[by]

    def say(self, count: int, by: By) -> str:
        """A number of parameters or bytes in short."""
        return decimal_bytes(count) if by == "bytes" else short_count(count)

    @property
    def kinds(self) -> list[str]:
        """The kinds of mixers in the main tower, each once."""
        names = [name for run in self.main.runs for name in mixer_kinds(run.kind)]
        return list(dict.fromkeys(names))

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
        parts = [f"{self.title}: {exact_count(total['parameters'])} parameters"]
        if total["active"] != total["parameters"]:
            parts.append(f"{exact_count(total['active'])} of them used for each token")
        if not self.shown["bytes_unknown"]:
            parts.append(f"{exact_count(total['bytes'])} bytes as {self.shown['storage'] or 'stored'}")
        if self.main.pattern:
            parts.append(f"{self.main.words} layers: {self.main.pattern}")
        parts += [f"a {side.words} of {plural(side.layers, 'layer')}" for side in self.sides]
        curve = self.memory["curve"] if self.memory else []
        if curve:
            last = curve[-1]
            parts.append(
                f"it remembers {exact_count(last['bytes'])} bytes after {exact_count(last['tokens'])} tokens"
            )
        if ways := self.disagreements():
            parts.append(f"weights and config disagree in {plural(len(ways), 'way')}")
        return "; ".join(parts)


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
        if role == "expert" and sum_["parameters"]:
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


def _towers(shown: Mapping[str, Any]) -> tuple[Tower, list[Tower], Tower | None]:
    stacks = {stack["name"]: stack for stack in shown["stacks"]}
    main = next((name for name in ("decoder", "encoder") if name in stacks), None)
    if main is None and stacks:
        main = max(stacks, key=lambda name: stacks[name]["parameters"])
    outside: dict[str, dict[str, dict[str, int]]] = {}
    for one in shown["outside"]:
        owner = _owner(one, stacks, main)
        roles = outside.setdefault(owner, {})
        known = roles.get(one["role"])
        numbers = {key: one[key] for key in ("tensors", "parameters", "active", "bytes")}
        roles[one["role"]] = {key: known[key] + numbers[key] for key in numbers} if known else numbers
    own = outside.pop("", {})

    def tower(name: str, parts: Mapping[str, Mapping[str, int]]) -> Tower:
        stack = stacks.get(name)
        below = {
            role: one for role, one in parts.items() if role in ("embedding", "position", "vision", "audio")
        }
        above = {role: one for role, one in parts.items() if role not in below}
        return Tower(name, _runs(stack) if stack else [], below, above, (stack or {}).get("pattern") or "")

    first = tower(main or "decoder", own)
    names = dict.fromkeys([*(name for name in stacks if name != main), *outside])
    sides = [tower(name, outside.get(name, {})) for name in names if name != "prediction"]
    prediction = tower("prediction", outside.get("prediction", {})) if "prediction" in names else None
    return first, [side for side in sides if side.size("parameters") or side.layers], prediction


def _owner(one: Mapping[str, Any], stacks: Mapping[str, Any], main: str | None) -> str:
    """The stack that something outside layers is drawn with; nothing for the main one."""
    if one["role"] == "projector":
        owner = next((name for name in ("vision", "audio") if name in stacks), "")
    else:
        owner = one["stack"] or (one["role"] if one["role"] in ("vision", "audio") else "")
    return "" if owner == main else owner


def _runs(stack: Mapping[str, Any]) -> list[Run]:
    runs: list[Run] = []
    for layer in stack["layers"]:
        kind = stack["kinds"][layer["kind"]]
        if runs and runs[-1].kind is kind:
            last = runs.pop()
            runs.append(Run(last.first, last.count + 1, kind))
        else:
            runs.append(Run(layer["number"], 1, kind))
    return runs
