"""Options that are keywords of `fit`: one table, of which `fit` takes a value each and `sweep` several."""

from argparse import Action, ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pondera._native import engines

_GROUPS = {
    "what": "what to run it on, and for whom",
    "spread": "how to spread it over GPUs",
    "tuning": "settings of the engine, by its own defaults if not given",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """An option that is a keyword of `fit`.

    Attributes:
        name: The keyword; the option is called the same, with dashes.
        group: The group that help lists it in.
        help: What help says of it.
        kind: What a value is: a text as `fit` takes it, a share of 1, or yes or no.
        metavar: What stands for a value in help.
        short: A shorter name, which is another option too where `is_option` says so.
        is_option: Whether the shorter name is an option and not only a title.
        is_open: Whether a value may be left open.
    """

    name: str
    group: Literal["what", "spread", "tuning"]
    help: str
    metavar: str = "N"
    kind: Literal["text", "share", "flag"] = "text"
    short: str = ""
    is_option: bool = False
    is_open: bool = True

    @property
    def flags(self) -> list[str]:
        """The option as it is typed, by all its names."""
        return [f"--{self.name.replace('_', '-')}", *([f"--{self.short}"] if self.is_option else [])]

    @property
    def title(self) -> str:
        """What stands above a column of its values."""
        return self.short or self.name.replace("_", " ")


def _parallel(name: str, help: str) -> Asked:
    return Asked(f"{name}_parallel", "spread", help, short=f"{name[0]}p", is_option=True, is_open=False)


_ENGINES = ", ".join(one["name"] for one in engines())

# fmt: off
ASKED = (
    Asked("gpu", "what", "h100, 'RTX 4090', or a size such as 24GiB; several to compare, or the common ones",
          "GPU", short="GPU", is_open=False),
    Asked("gpus", "what", "how many; they share every layer unless a layout is given", short="GPUs"),
    Asked("engine", "what", f"{_ENGINES}, with a version or not: vllm==0.19.0 (vllm)", "NAME", is_open=False),
    Asked("weights", "what", "fp8, int4-g128, q4_k_m, ...; as stored if not given", "SCHEME"),
    Asked("cache", "what", "bf16, fp8, q8_0, ...; as the engine would if not given", "FORMAT"),
    Asked("context", "what", "the longest request with its answer, as 32k", "TOKENS"),
    Asked("concurrency", "what", "requests at one time (1)", is_open=False),
    _parallel("tensor", "ranks that share every layer"),
    _parallel("pipeline", "stages of some layers each"),
    _parallel("expert", "ranks that experts are dealt out to"),
    _parallel("data", "replicas with requests of their own"),
    _parallel("context", "ranks that share a request's tokens"),
    Asked("gpu_memory_utilization", "tuning", "of the GPU, as 0.9", "SHARE", "share", short="utilization"),
    Asked("max_batched_tokens", "tuning", "tokens of one step", "TOKENS", short="batched"),
    Asked("max_sequences", "tuning", "sequences of one step", short="sequences"),
    Asked("block_size", "tuning", "tokens of a block of the cache", "TOKENS", short="block"),
    Asked("prefix_caching", "tuning", "keep blocks for requests that begin alike", kind="flag"),
    Asked("eager", "tuning", "without captured graphs", kind="flag"),
    Asked("cache_memory", "tuning", "give the cache this much on each GPU, as 10GiB", "SIZE"),
)
# fmt: on
"""Every keyword of `fit` that says what is asked of a deployment, in the order of its parameters."""

TITLES = {one.name: one.title for one in ASKED}
"""What stands above the column of a keyword."""

DEFAULT = "default"
"""The word for a value that is left open, as if the option were not given."""


class _Both(BooleanOptionalAction):
    """A flag of which both values may be given, each once."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Adds the value to those there are."""
        known = getattr(namespace, self.dest) or []
        value = not (option_string or "").startswith("--no-")
        setattr(namespace, self.dest, [*known, *([] if value in known else [value])])


def add_asked(parser: ArgumentParser, *, several: bool) -> None:
    """Declare the options.

    Args:
        parser: Where.
        several: Whether each of them takes several values, between commas or by being given several times.
            `gpu` is a list either way.
    """
    groups = {name: parser.add_argument_group(title) for name, title in _GROUPS.items()}
    for one in ASKED:
        add = groups[one.group].add_argument
        if one.kind == "flag":
            flag: type[Action] = _Both if several else BooleanOptionalAction
            add(*one.flags, action=flag, help=one.help)
        elif several:
            add(*one.flags, metavar=one.metavar, action="extend", type=reader(one), help=one.help)
        elif one.name == "gpu":
            add(*one.flags, metavar=one.metavar, action="extend", type=parts, help=one.help)
        else:
            add(*one.flags, metavar=one.metavar, type=float if one.kind == "share" else str, help=one.help)


def reader(one: Asked) -> Any:  # noqa: ANN401
    """What reads the values of an option between commas."""

    def read(text: str) -> list[Any]:
        return [value_of(one, part) for part in parts(text)]

    return read


def value_of(one: Asked, text: str) -> str | float | None:
    """One value of an option.

    Raises:
        ArgumentTypeError: It must be a number and is none, or it cannot be left open.
    """
    if text.lower() == DEFAULT:
        if not one.is_open:
            raise ArgumentTypeError(f"must be named, not {DEFAULT!r}; leave the option out for the usual")
        return None
    if one.kind != "share":
        return text
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number such as 0.9, not {text!r}") from None


def parts(text: str) -> list[str]:
    """The parts between commas. A comma within brackets or quotes does not part.

    Raises:
        ArgumentTypeError: A part is empty, or a bracket or a quote does not end.
    """
    found, begin, open_ones, quote = [], 0, [], ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote and text[at - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            open_ones.append(char)
        elif char in ")]}" and open_ones:
            open_ones.pop()
        elif char == "," and not open_ones:
            found.append(text[begin:at])
            begin = at + 1
    if quote or open_ones:
        raise ArgumentTypeError(f"{quote or open_ones[-1]} has no end in {text!r}")
    found = [part.strip() for part in [*found, text[begin:]]]
    if "" in found:
        raise ArgumentTypeError(f"has an empty value in {text!r}")
    return found
