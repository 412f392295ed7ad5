"""The program `pondera` as a process: terminals, pipes, encodings and signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from writer import write_json

on_unix = pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals and signals")


def in_terminal(arguments, columns=80, *, output=True, environment=None):
    """Runs `pondera` with a terminal for standard error and perhaps for output: exit code, what it wrote."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pondera", *map(str, arguments)],
        stdout=theirs if output else subprocess.DEVNULL,
        stderr=theirs,
        stdin=theirs,
        env=inherited | {"TERM": "xterm"} | (environment or {}),
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other side is closed.
            part = b""
        if not part:
            break
        written += part
    os.close(ours)
    return process.wait(), written.decode().replace("\r\n", "\n")


def test_output_in_a_pipe_is_plain_and_of_fixed_width(program, tmp_path, write):
    names = {f"model.layers.0.{'very_long_name_' * 12}{number}.weight": ("F32", [1]) for number in range(3)}
    write(tmp_path / "model.safetensors", names)
    done = program("scan", tmp_path, "--by", "tensor", env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines()[3:])) <= 120
    assert "…" in done.stdout


def test_an_encoding_without_blocks_gets_plain_characters(program, tiny):
    done = program("scan", tiny, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "##########" in done.stdout


@on_unix
@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_want_them(tiny, environment, coloured):
    code, out = in_terminal(["scan", tiny], environment=environment)
    assert code == 0
    assert ("\x1b[" in out) == coloured


@on_unix
@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_rows_fit_the_terminal(tmp_path, write, columns):
    for number in range(3):
        folder = tmp_path / f"organisation__model-with-a-rather-long-name-{number}B-Instruct-AWQ"
        tensors = {
            f"model.layers.{layer}.mlp.experts.gate_up_proj.weight": ("F32", [1]) for layer in range(3)
        }
        write(folder / "model.safetensors", tensors)
        write_json(folder / "config.json", {"quantization_config": {"quant_method": "compressed-tensors"}})
    plain = {"NO_COLOR": "1"}
    for arguments in (["scan", tmp_path], ["scan", folder], ["scan", folder, "--by", "tensor"]):
        _, out = in_terminal(arguments, columns, environment=plain)
        table = out[out.index("─") :]
        assert max(map(len, table.splitlines())) <= columns
        assert "total" in table


@on_unix
def test_a_slow_scan_shows_a_bar_and_takes_it_back(slow_tree):
    code, err = in_terminal(["scan", slow_tree, "--json"], output=False)
    assert code == 0
    assert " of 300 files, " in err
    assert err.endswith("\r\x1b[K")
    # Nothing but what was erased again.
    assert all(len(part) < 80 for part in err.split("\r\x1b[K"))
    assert "\n" not in err


@on_unix
def test_a_quick_scan_shows_no_bar(tiny):
    assert in_terminal(["scan", tiny], output=False) == (0, "")


@on_unix
def test_ctrl_c_ends_a_scan_at_once(slow_tree):
    code = "import sys, pondera.cli; print('ready', flush=True); sys.exit(pondera.cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "scan", str(slow_tree), "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        assert process.poll() is None, "the scan must still be under way"
        process.send_signal(signal.SIGINT)
        begin = time.perf_counter()
        out, err = process.communicate(timeout=30)
        assert time.perf_counter() - begin < 0.5
    assert (process.returncode, out, err) == (130, "", "pondera: interrupted\n")


@on_unix
def test_a_reader_that_goes_away_is_no_error(tiny, tmp_path, write):
    tensors = {f"model.layers.{layer}.mlp.up_proj.weight": ("F32", [1]) for layer in range(5000)}
    write(tmp_path / "model.safetensors", tensors)
    command = [sys.executable, "-m", "pondera", "scan", str(tmp_path), "--by", "tensor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_code_2(tiny):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "pondera", "scan", str(tiny)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "pondera: error: No space left on device\n")


@on_unix
def test_closed_streams_do_not_crash(tiny):
    command = f"'{sys.executable}' -m pondera scan '{tiny}'"
    done = subprocess.run(f"{command} >&-", shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "pondera: error: standard output is closed\n")
    done = subprocess.run(f"{command}/nowhere 2>&-", shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


@on_unix
def test_a_path_that_is_not_unicode_is_scanned_and_shown(program, tmp_path, write):
    folder = os.fsencode(tmp_path) + b"/\xff\x1b"
    os.mkdir(folder)
    write(tmp_path / "model.safetensors", {"model.norm.weight": ("F32", [1])})
    os.rename(tmp_path / "model.safetensors", folder + b"/model.safetensors")
    done = program("scan", os.fsdecode(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 parameters (1)" in done.stdout
    assert "\x1b" not in done.stdout
    os.remove(folder + b"/model.safetensors")
    done = program("scan", os.fsdecode(folder))
    assert done.returncode == 2
    assert done.stderr.endswith("/\\udcff\\x1b: no safetensors here or below\n")
