"""Draws the golden pictures of estimates anew: `python tests/refresh_pictures.py`. Look before you commit."""

from pathlib import Path

import pondera
from pondera._heat import heat
from pondera._picture.heat import draw_heat
from pondera._picture.memory import draw_memory
from pondera._picture.place import NARROW
from refresh_maps import refresh

FOLDER = Path(__file__).resolve().parent / "golden" / "pictures"
COMMAND = "python tests/refresh_pictures.py"

ENGINE = "vllm==0.19.0"
MODEL = "llama-3.1-8b"
GPUS = ("L4", "L40S", "H100-SXM-80GB", "B200")

# fmt: off
ESTIMATES = {
    "fits": {"gpu": "h100", "engine": ENGINE, "context": "32k", "concurrency": 8},
    "too-much": {"gpu": "L4", "engine": ENGINE, "context": "32k", "concurrency": 8},
    "half-the-gpu": {"gpu": "h100", "engine": ENGINE, "context": "8k", "gpu_memory_utilization": 0.5},
    "half-too-little": {"gpu": "L4", "engine": ENGINE, "context": "8k", "gpu_memory_utilization": 0.5},
    "fills-too-much": {"gpu": "h100", "engine": ENGINE, "context": "8k", "gpu_memory_utilization": 1.0},
    "transformers": {"gpu": "h100", "engine": "transformers==5.0", "context": "32k", "concurrency": 8},
    "stages": {"gpu": "L40S", "gpus": 4, "engine": ENGINE, "context": "8k", "pipeline_parallel": 2,
               "tensor_parallel": 2},
}
# fmt: on
"""Deployments whose bars differ in kind: to spare, too much of the GPU, of a budget, or held whatever is asked."""


def estimates() -> dict[str, pondera.Fit]:
    """The estimates of these, by name."""
    return {name: pondera.fit(MODEL, **asked) for name, asked in ESTIMATES.items()}


def beside() -> list[pondera.Fit]:
    """One model on several GPUs."""
    asked = {**ESTIMATES["fits"], "context": "16k"}
    return [pondera.fit(MODEL, **{**asked, "gpu": gpu}) for gpu in GPUS]


def drawn() -> dict[str, str]:
    """Every golden file by its name."""
    alone = heat(MODEL, gpu="h100", engine=ENGINE, context="4k..128k", concurrency="1..256")
    # Longer contexts and more requests than there can be.
    several = heat(MODEL, gpu=GPUS[::2], engine=ENGINE, context="1k..256k:17", concurrency="1..512:13")
    shown = [fit.to_dict() for fit in beside()]
    return {
        **{f"memory-{name}.svg": draw_memory([fit.to_dict()]) for name, fit in estimates().items()},
        "memory-several.svg": draw_memory(shown),
        "memory-several-narrow.svg": draw_memory(shown, width=NARROW),
        "heat.svg": draw_heat(alone),
        "heat-narrow.svg": draw_heat(alone, width=NARROW),
        "heat-several.svg": draw_heat(several),
    }


if __name__ == "__main__":
    refresh(FOLDER, drawn())
