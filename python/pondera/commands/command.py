"""What a command is."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


class UsageError(Exception):
    """The arguments cannot be right together, or one of them is out of its range."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the program.

    Attributes:
        name: The word that calls it.
        summary: One line for `pondera --help`.
        description: Paragraphs for its own help, kept as they are.
        configure: Declares its arguments on a parser.
        run: Does the work with the parsed arguments and gives the exit code. May raise `PonderaError`,
            `OSError` or `UsageError`, which the program reports in one line.
    """

    name: str
    summary: str
    description: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
