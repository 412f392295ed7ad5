"""Deriving architectures: how long one takes in the core, and how long the list of tensors takes through Python.

    python benches/architecture.py [--rounds N] [--markdown FILE]

Needs release builds of pondera (`make build`) and of `pondera-benches`. There is no peer that derives a tensor list
from a config without building the model, so times stand beside the time to parse the config's own text.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from scan import ROOT, Report, machine, put_table, turns

import pondera

MODELS = ("deepseek-v3", "qwen3-30b-a3b", "llama-3.1-8b", "gemma-2-27b")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--markdown", type=Path)
    chosen = arguments.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        for name in MODELS:
            architecture = pondera.Architecture.from_config(name)
            path = Path(temporary) / f"{name}.json"
            path.write_text(json.dumps(architecture.config))
            binary = ROOT / "target" / "release" / "architecture"
            done = subprocess.run([binary, path, "2000"], check=True, capture_output=True, text=True)
            native = json.loads(done.stdout)
            report.value(
                f"{name}: roles and totals from a parsed config",
                f"{native['derive_us']:.1f} us",
                "below 50 us" if name == "deepseek-v3" else "",
                f"parsing its text takes {native['parse_us']:.1f} us",
            )
        deepseek = pondera.Architecture.from_config("deepseek-v3")
        times = turns(chosen.rounds, {"tensors": deepseek.tensors})["tensors"]
        report.value(
            f"deepseek-v3: `tensors()`, {len(deepseek.tensors()):,} names",
            f"{sorted(times)[len(times) // 2]:.2f} ms",
            "below 30 ms",
        )
    text = f"{machine()}, {chosen.rounds} rounds\n\n{report.markdown()}\n"
    print(text)
    if chosen.markdown:
        put_table(chosen.markdown, "architecture", text)


if __name__ == "__main__":
    main()
