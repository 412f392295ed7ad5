"""Draws the golden maps anew: `python tests/refresh_maps.py`. Look at what changed before you commit it."""

from pathlib import Path

import pondera
from map_minds import MINDS
from pondera._text import Screen

FOLDER = Path(__file__).resolve().parent / "golden" / "maps"
COMMAND = "python tests/refresh_maps.py"

MODELS = (
    "bert-base-uncased",
    "deepseek-v3",
    "deepseek-v4-flash",
    "gemma-4-26b-a4b",
    "gemma-4-e2b",
    "gpt-oss-20b",
    "kimi-k2",
    "kimi-linear-48b-a3b",
    "llama-3.1-405b",
    "llama-3.1-8b",
    "llama-3.2-11b-vision",
    "llama-4-scout",
    "mamba-codestral-7b",
    "modernbert-base",
    "nemotron-3-nano-30b-a3b",
    "qwen3-next-80b-a3b",
    "t5-small",
    "vit-base",
    "whisper-tiny",
)
"""Models that differ in how they are built: dense, experts, latent, sliding, hybrid, states, encoders, vision."""

PAIR = ("llama-3.1-8b", "gemma-4-26b-a4b")
WHAT_IF = ("llama-3.1-8b", {"num_key_value_heads": 2})
TEXTS = ("gemma-4-26b-a4b", "nemotron-3-nano-30b-a3b", "t5-small")


def drawn() -> dict[str, str]:
    """Every golden file by its name."""
    files = {f"{name}.svg": pondera.draw(name).svg for name in MODELS}
    files |= {f"{name}.svg": pondera.draw(mind).svg for name, mind in MINDS.items()}
    pair = pondera.draw(*PAIR)
    files[f"{PAIR[0]}_{PAIR[1]}.svg"] = pair.svg
    files[f"{PAIR[0]}_{PAIR[1]}.txt"] = "".join(f"{line}\n" for line in pair.lines(Screen(width=120)))
    name, fields = WHAT_IF
    files[f"{name}-what-if.svg"] = pondera.draw(name, set=fields).svg
    files["gpt-oss-20b-by-bytes.svg"] = pondera.draw("gpt-oss-20b", by="bytes").svg
    return files | {f"{name}.txt": f"{pondera.draw(name).text}\n" for name in TEXTS}


def refresh(folder: Path, files: dict[str, str]) -> None:
    """Writes golden files, and removes those that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    refresh(FOLDER, drawn())
