"""The program `pondera`: reads the command line, calls the command, and turns every error into one line.

Exit codes: 0 all is well, 1 the command found something wrong in what it looked at, 2 bad input or nothing
could be done, 130 stopped by Ctrl-C, 141 the reader of the output went away.
"""

import argparse
import contextlib
import io
import os
import sys
from typing import NoReturn

from pondera import _talk
from pondera._native import PonderaError, __version__
from pondera._talk import say, say_error
from pondera.commands import COMMANDS
from pondera.commands.command import UsageError

INTERRUPTED = 130
PIPE_CLOSED = 141


class _Parser(argparse.ArgumentParser):
    """A parser that raises what argparse would print and exit with."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Run the program.

    Args:
        argv: Arguments without the program's name; those of the process if not given.

    Returns:
        The exit code. Nothing is raised.
    """
    _talk.in_program = True
    if sys.stdout is None:
        say_error("standard output is closed")
        return 2
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        say("pondera: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except OSError as error:
        reason = error.strerror or str(error)
        say_error(f"{error.filename}: {reason}" if error.filename else reason)
    except (PonderaError, UsageError) as error:
        say_error(str(error))
    return 2


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command of the table."""
    parser = _Parser(
        prog="pondera",
        description="How heavy is this model, what is it made of, and where does it fit?",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pondera {__version__}")
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        own = choices.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.configure(own)
        own.set_defaults(run=command.run, program=own.prog)
    return parser


def _run(argv: list[str]) -> int:
    _survive_encoding()
    try:
        options, unknown = build_parser().parse_known_args(argv)
    except SystemExit as done:
        # argparse has printed the help or the version.
        return int(done.code or 0)
    if unknown:
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}; see {options.program} --help")
    code: int = options.run(options)
    return code


def _survive_encoding() -> None:
    """Lets a name that the terminal's encoding cannot show be printed escaped rather than raise."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Points standard output at nothing, so that the interpreter's last flush does not fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
