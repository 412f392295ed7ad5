"""The stacks of layers that a map draws as towers: layers in runs, and what lies below and above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    def width(self) -> int | None:
        """How wide its residual stream is, where all its layers tell the same."""
        widths = {run.kind["width"] for run in self.runs}
        return widths.pop() if len(widths) == 1 else None

    @property
    def looks_ahead(self) -> bool:
        """Whether its layers see what comes after a token as well as what came before."""
        return self.name != "decoder"

    @property
    def words(self) -> str:
        """What it is called in a picture."""
        return _STACK_WORDS.get(self.name, self.name)

    def size(self, by: By) -> int:
        """Its parameters or bytes."""
        outside = sum(one[by] for part in (self.below, self.above) for one in part.values())
        return outside + sum(run.count * int(run.kind[by]) for run in self.runs)


def towers(shown: Mapping[str, Any]) -> tuple[Tower, list[Tower], Tower | None]:
    """The main tower of a model, those beside it, and the one that predicts further tokens.

    Args:
        shown: A model in schema `pondera.map/1`.
    """
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
