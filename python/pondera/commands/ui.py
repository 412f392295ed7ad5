"""`pondera ui`: a page on this machine to look and try, and the addresses behind it."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace

from pondera._native import PonderaError
from pondera._talk import say, say_error
from pondera.commands.command import Command
from pondera.commands.show import add_assume

PORT = 8450
"""The port, if none is named."""

SCHEMA = "pondera.ui/1"


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "targets", metavar="TARGET", nargs="+", help="a model folder, a config.json or a built-in model"
    )
    parser.add_argument(
        "--port", metavar="N", type=port, default=PORT, help=f"the port, or 0 for any that is free ({PORT})"
    )
    parser.add_argument(
        "--open",
        action=BooleanOptionalAction,
        help="show the page in a browser; if neither is given, only from a terminal",
    )
    add_assume(parser)
    parser.add_argument(
        "--json", action="store_true", help=f"print a line of JSON when it is there, schema {SCHEMA}"
    )


def port(text: str) -> int:
    """A port.

    Raises:
        ArgumentTypeError: The text is none.
    """
    if not (text.isascii() and text.isdigit() and int(text[:9]) < 1 << 16):
        raise ArgumentTypeError(f"must be a whole number from 0 to 65535, not {text!r}")
    return int(text)


def run(options: Namespace) -> int:
    """Serve until Ctrl-C.

    Returns:
        0.

    Raises:
        PonderaError: What it needs is not installed, no target can be opened, or the port cannot be had.
    """
    try:
        from pondera.ui.serve import serve
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "pondera":
            raise
        raise PonderaError(
            f"the page needs starlette and uvicorn, and {missing} is not there; pip install 'pondera[ui]'"
        ) from error
    from pondera.ui.minds import Minds

    def ready(port: int) -> None:
        address = f"http://127.0.0.1:{port}/"
        if options.json:
            sys.stdout.write(json.dumps({"schema": SCHEMA, "url": address, "port": port}) + "\n")
            sys.stdout.flush()
        say(f"pondera: the page is at {address} and ends with Ctrl-C")
        if options.open or (options.open is None and sys.stdout.isatty() and not options.json):
            _show(address)

    minds = Minds(options.targets, options.assume)
    for target, why in minds.failures.items():
        say_error(f"{target}: {why}")
    try:
        serve(minds, options.port, ready)
    except KeyboardInterrupt:
        say("pondera: stopped")
    return 0


def _show(address: str) -> None:
    """Shows the page in a browser: one that runs in this terminal holds whoever starts it."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()


COMMAND = Command(
    name="ui",
    summary="serve a page on this machine: look at models, try deployments",
    description=f"""\
Serve a page on this machine: sliders and pickers for the GPU, the engine, precision, context, requests, the
layout and the fields of the config; the memory, the verdict, a heatmap and the map answer while you drag.
What is set stands in the address of the page, so a view can be sent. The addresses behind the page answer in
JSON; /openapi.json describes them. It needs pondera[ui].

  pondera ui llama-3.1-8b ./my-model                            two models to choose from
  pondera ui qwen3-8b --port 0 --no-open --json                 any free port, told as JSON

It listens at 127.0.0.1, port {PORT}, and answers to this machine alone. Ctrl-C stops it.

exit code: 0 it was stopped, 2 it could not be started""",
    configure=configure,
    run=run,
)
