"""Hostile and damaged model folders, each with the problems that a scan must report for it.

`python tests/hostile.py FOLDER` writes them all, one folder each. `python tests/hostile.py --serve` scans the folders
named on standard input, one a line, and answers each with a line of JSON: so a test can measure the time and memory
of a scan, and survives one that never ends.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import hostile_folders
import hostile_headers
from hostile_case import Case

CASES: list[Case] = [*hostile_headers.cases(), *hostile_folders.cases()]
"""Every case."""


def resident(field: str) -> int:
    """A number of bytes from the kernel's account of this process, as `VmRSS` or its greatest value, `VmHWM`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def serve() -> None:
    """Scan each folder named on standard input."""
    import pondera

    measured = Path("/proc/self/clear_refs").exists()
    for line in sys.stdin:
        before = 0
        if measured:
            # This sets the greatest value back to the present one.
            Path("/proc/self/clear_refs").write_text("5")
            before = resident("VmRSS")
        answer: dict[str, Any]
        try:
            tree = pondera.scan_tree(json.loads(line), threads=2)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        else:
            grown = resident("VmHWM") - before if measured else 0
            problems = [*tree.problems, *(problem for checkpoint in tree for problem in checkpoint.problems)]
            answer = {
                "grown": grown,
                "checkpoints": len(tree),
                "tensors": sum(checkpoint.tensors for checkpoint in tree),
                "problems": [[problem.code, problem.severity, str(problem)[:1000]] for problem in problems],
            }
        print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where to write the cases")
    parser.add_argument("--serve", action="store_true", help="scan folders named on standard input")
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    if options.folder is None:
        parser.error("name a folder")
    for place, case in enumerate(CASES):
        folder = options.folder / f"{place:03}"
        folder.mkdir(parents=True)
        if case.skip:
            print(f"{folder}: {case.name}: skipped, {case.skip}")
            continue
        case.write(folder)
        expected = ", ".join(sorted(set(case.problems))) or "accepted"
        print(f"{folder / case.scanned}: {case.name}: {expected}")


if __name__ == "__main__":
    main()
