"""The commands of the program `pondera`, one module each, in one table."""

from pondera.commands import (
    check,
    compare,
    demo,
    explain,
    fit,
    gpus,
    map,
    models,
    report,
    scan,
    show,
    sweep,
    ui,
)
from pondera.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    check.COMMAND,
    compare.COMMAND,
    demo.COMMAND,
    explain.COMMAND,
    fit.COMMAND,
    gpus.COMMAND,
    map.COMMAND,
    models.COMMAND,
    report.COMMAND,
    scan.COMMAND,
    show.COMMAND,
    sweep.COMMAND,
    ui.COMMAND,
)
"""Every command, sorted by name. To add one: write its module, and add it here."""
