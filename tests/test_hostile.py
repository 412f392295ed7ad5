"""Hostile and damaged folders: one clear problem each, never a panic, a hang or a large allocation."""

import json
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import hostile
from pondera import _native

SEVERITY = {code: severity for code, severity, _ in _native.problem_codes()}
MEMORY = 300_000_000
# The time until a scan is taken to hang. The cases are as large as their file may be, so that work that grows with the
# square of it takes minutes; a slow machine is told from that.
PATIENCE = 20


class Worker:
    """A process that scans, which may be lost and is then replaced."""

    def __init__(self):
        self.process = None

    def scan(self, folder):
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, hostile.__file__, "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        self.process.stdin.write(json.dumps(str(folder)).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.close()
            pytest.fail("the scan hangs" if not ready else "the scan ended the process")
        return json.loads(line)

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture(params=hostile.CASES, ids=lambda case: case.name)
def case(request, tmp_path):
    if request.param.skip:
        pytest.skip(request.param.skip)
    request.param.write(tmp_path)
    yield request.param
    # Some cases have a hundred megabytes.
    for path in tmp_path.rglob("*.safetensors"):
        if path.is_file() and not path.is_symlink():
            path.unlink()


def errors(codes):
    return [code for code in codes if SEVERITY[code] == "error"]


def test_cases_are_well_formed():
    names = [case.name for case in hostile.CASES]
    assert len(set(names)) == len(names) >= 60
    for case in hostile.CASES:
        count = len(errors(case.problems))
        assert count <= 1 or case.several, case.name
        assert bool(case.says) <= bool(case.problems), case.name
    # Every code that a file can be rejected with has its case.
    reached = {code for case in hostile.CASES for code in case.problems}
    rejected = {code for code, severity in SEVERITY.items() if severity == "error"}
    # The first two need sound shards that contradict their index; the property tests of the core make many. The last
    # is about several paths of the command line.
    assert rejected - reached == {"tensor-misplaced", "tensor-twice", "path-not-scanned"}


def test_scan(case, worker, tmp_path):
    found = worker.scan(tmp_path / case.scanned)
    assert "error" not in found
    assert Counter(code for code, _, _ in found["problems"]) == Counter(case.problems)
    assert found["checkpoints"] == case.checkpoints
    if case.tensors is not None:
        assert found["tensors"] == case.tensors
    if case.says:
        texts = [text for code, _, text in found["problems"] if code == case.problems[0]]
        assert any(case.says in text for text in texts), texts
    # A message is for people: it names a place on disk, and is not as long as the file.
    for code, severity, text in found["problems"]:
        assert severity == SEVERITY[code]
        assert str(tmp_path) in text
    assert found["grown"] < MEMORY


def test_command_line(case, worker, tmp_path, capsys):
    cli = pytest.importorskip("pondera.cli")
    # If the scan hangs it must not take the tests with it.
    worker.scan(tmp_path / case.scanned)
    code = cli.main(["scan", str(tmp_path / case.scanned)])
    out, err = capsys.readouterr()
    if case.checkpoints == 0:
        assert code == 2
        assert err.startswith("pondera: error: ")
    else:
        assert code == (1 if errors(case.problems) else 0)
        assert err == ""
    # Names come from files: they must not steer the terminal, nor make a line look like another's.
    steering = [char for char in out + err if not char.isprintable() and char != "\n"]
    assert not steering
    assert Path(tmp_path).is_dir()
