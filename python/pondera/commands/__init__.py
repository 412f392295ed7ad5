"""The commands of the program `pondera`, one module each, in one table."""

from pondera.commands import demo, scan
from pondera.commands.command import Command

COMMANDS: tuple[Command, ...] = (demo.COMMAND, scan.COMMAND)
"""Every command, sorted by name. To add one: write its module, and add it here."""
