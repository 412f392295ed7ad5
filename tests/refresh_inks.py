"""Writes the colours of the page of `pondera ui` anew from those of the pictures: `python tests/refresh_inks.py`."""

from importlib import resources
from pathlib import Path

from pondera._picture.inks import PICTURE_INKS

COMMAND = "python tests/refresh_inks.py"
SHEET = Path(str(resources.files("pondera"))) / "ui" / "static" / "inks.css"


def sheet() -> str:
    """The style sheet: every ink as a property, for light pages and for dark ones."""
    light = "".join(f"  --{name}: {ink.light.lower()};\n" for name, ink in PICTURE_INKS.items())
    dark = "".join(
        f"    --{name}: {ink.dark.lower()};\n" for name, ink in PICTURE_INKS.items() if ink.dark != ink.light
    )
    return (
        f"/* The inks of the pictures, written by `{COMMAND}`; change them in pondera/_map/inks.py"
        " and pondera/_picture/inks.py. */\n\n"
        f":root {{\n{light}}}\n\n"
        f"@media (prefers-color-scheme: dark) {{\n  :root {{\n{dark}  }}\n}}\n"
    )


if __name__ == "__main__":
    SHEET.write_text(sheet(), encoding="utf-8")
    print(f"written: {SHEET.name}")
