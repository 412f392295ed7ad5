"""An estimate as a report shows it: every number with its formula, how sure it is, and its source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pondera._fit_view import band_words, engine_facts, spare_words, speed_facts, where
from pondera._native import Fit
from pondera._numbers import binary_bytes, share


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the memory of a GPU.

    Attributes:
        name: What it is called.
        bytes: How large it is.
        share: Its share of the usable memory.
        band: How sure it is.
        reasons: Its parts, as `reasons` of schema `pondera.fit/1`.
    """

    name: str
    bytes: int
    share: str
    band: str
    reasons: Sequence[Mapping[str, Any]]

    @property
    def words(self) -> str:
        """The formulas of its parts, a line each."""
        return "; ".join(
            f"{one['name']}: {one['formula']} = {binary_bytes(one['bytes'])} ({one['origin']})"
            for one in self.reasons
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate and what a report says of it.

    Attributes:
        fit: The estimate.
        shown: It in schema `pondera.fit/1`.
        alternatives: What would fit, if it does not.
    """

    fit: Fit
    shown: Mapping[str, Any]
    alternatives: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, fit: Fit) -> "Estimate":
        """What a report says of an estimate."""
        return cls(fit, fit.to_dict(), [] if fit.fits else fit.alternatives())

    @property
    def where(self) -> str:
        """The GPU, and how many if they are several."""
        return where(self.fit)

    @property
    def verdict(self) -> str:
        """The verdict, with a mark that tells it without colour."""
        return "✓ fits" if self.fit.fits else "✗ does not fit"

    @property
    def spare(self) -> str:
        """How much is to spare, or too much."""
        return spare_words(self.fit)

    @property
    def components(self) -> list[Component]:
        """The components that are there, in the order they are stacked in."""
        return [self.component(name) for name in self.shown["parts"] if self.shown[name]]

    def component(self, name: str) -> Component:
        """One component by its name."""
        return Component(
            name.replace("_", " "),
            self.shown[name],
            share(self.shown[name], self.fit.usable),
            band_words(self.shown["band"][name]),
            [one for one in self.shown["reasons"] if one["component"] == name],
        )

    @property
    def rest(self) -> int:
        """All but weights and cache."""
        return self.fit.total - self.fit.weights - self.fit.cache

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What the engine makes of its cache, what limits, and how fast it is at most."""
        facts = engine_facts(self.fit, self.shown)
        return [*facts, *speed_facts(self.fit)] if self.fit.fits else facts


@dataclass(frozen=True, slots=True)
class Origin:
    """How one part of a component comes about, on all GPUs or on some.

    Attributes:
        reason: It, as one of `reasons` of schema `pondera.fit/1`.
        gpus: Which GPUs it holds on; empty if it holds on all of them.
    """

    reason: Mapping[str, Any]
    gpus: str


def origins(estimates: Sequence[Estimate]) -> list[tuple[str, list[Origin]]]:
    """How the parts of each component come about, each once, with the GPUs where these are not all."""
    gathered: dict[str, dict[str, dict[tuple[Any, ...], tuple[Mapping[str, Any], list[str]]]]] = {}
    for one in estimates:
        for reason in one.shown["reasons"]:
            alike = gathered.setdefault(reason["component"], {}).setdefault(reason["name"], {})
            _, names = alike.setdefault(tuple(reason.values()), (reason, []))
            if one.where not in names:
                names.append(one.where)
    everywhere = [one.where for one in estimates]
    return [
        (
            component,
            [
                Origin(reason, _which(names, everywhere))
                for alike in parts.values()
                for reason, names in alike.values()
            ],
        )
        for component, parts in gathered.items()
    ]


def _which(names: Sequence[str], everywhere: Sequence[str]) -> str:
    """Some of all GPUs, in the fewest words."""
    others = [name for name in everywhere if name not in names]
    if not others:
        return ""
    return ", ".join(names) if len(names) <= len(others) else f"all but {', '.join(others)}"


_ITSELF = "\0"
"""What stands for an estimate's own GPU in a reason: no reason has it."""


def assumptions(fits: Sequence[Fit]) -> list[dict[str, str]]:
    """What was taken to hold, each once, with the GPUs that it concerns where these are not all."""
    gathered: dict[str, dict[tuple[str, str], list[str]]] = {}
    for fit in fits:
        for one in fit.assumptions:
            # What tells of its own GPU only is told of all such GPUs together.
            reason = one["reason"].replace(fit.gpu, _ITSELF)
            names = gathered.setdefault(one["field"], {}).setdefault((one["value"], reason), [])
            if fit.gpu not in names:
                names.append(fit.gpu)
    count = len({fit.gpu for fit in fits})
    return [
        {
            "field": field,
            "value": value,
            "reason": reason.replace(_ITSELF, ", ".join(names)),
            "gpus": "" if len(names) == count or _ITSELF in reason else ", ".join(names),
        }
        for field, ones in gathered.items()
        for (value, reason), names in ones.items()
    ]
