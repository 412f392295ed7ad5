"""A server of `pondera ui` in a process of its own, as people run it."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

PATIENCE = 20
"""Seconds until a server that does not end is killed."""


@contextlib.contextmanager
def served(*arguments: object) -> Iterator[str]:
    """Runs the server on a free port while it is needed, and gives its address, as `http://127.0.0.1:40001`.

    It must end by Ctrl-C with exit code 0, and say no error.
    """
    command = [sys.executable, "-m", "pondera", "ui", "--port", "0", "--json", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield json.loads(line)["url"].rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)
            try:
                _, talk = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert process.returncode == 0, talk
    assert "error" not in talk, talk


@pytest.fixture
def serve_ui() -> Iterator[Callable[..., str]]:
    """Runs servers for targets and other arguments, and gives the address of each."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(served(*arguments))
