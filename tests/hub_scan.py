"""Brings a `HubScan` what it wants out of a folder, as the Hub would, and holds its answer against the local scan."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pondera
from pondera._native import HubScan

Want = tuple[str, int, int, str]


def listed(folder: Path) -> list[tuple[str, int]] | None:
    """Every file below a folder by name and length; None if a repository of the Hub could not hold the folder."""
    files = []
    for place, folders, names in os.walk(folder):
        if not folders and not names and Path(place) != folder:
            return None
        for name in folders + names:
            path = Path(place, name)
            kind = path.lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)) or not _is_plain(name):
                return None
            if stat.S_ISREG(kind):
                files.append((path.relative_to(folder).as_posix(), path.stat().st_size))
    return files


def _is_plain(name: str) -> bool:
    try:
        return ("\\" not in name or os.name != "nt") and name.encode() is not None
    except UnicodeEncodeError:
        return False


@dataclass
class Fetched:
    """A scan that has all it wants, and what it asked for, round by round."""

    scan: HubScan
    rounds: list[list[Want]] = field(default_factory=list)

    @property
    def requests(self) -> list[Want]:
        """Everything that was asked for."""
        return [want for wants in self.rounds for want in wants]


def fetch(folder: Path, path: str = "", *, tree: bool = False, root: str | None = None) -> Fetched:
    """Scan a folder as if it lay elsewhere. Its own path is the root, so that paths in both answers are the same."""
    files = listed(folder)
    assert files is not None
    fetched = Fetched(HubScan(root or str(folder), files, path=path, tree=tree))
    while wanted := fetched.scan.wanted():
        fetched.rounds.append(wanted)
        for name, start, end, _ in wanted:
            with (folder / name).open("rb") as file:
                file.seek(start)
                fetched.scan.give(name, start, file.read(end - start))
    return fetched


def facts(checkpoint: pondera.Checkpoint) -> dict[str, Any]:
    """All that a checkpoint says. Which file of the disk a shard is cannot be known from elsewhere."""
    table = checkpoint.table()
    return {
        **checkpoint.to_dict(),
        "base": checkpoint.base,
        "layers": {
            name: (tally.tensors, tally.parameters, tally.bytes) for name, tally in checkpoint.layers.items()
        },
        "metadata": checkpoint.metadata,
        "files": [(one.path, one.file_bytes, one.header_bytes, one.tensors) for one in checkpoint.files],
        "table": {name: table[name].tolist() for name in table.columns},
    }


def outcome(ask: Any) -> Any:
    """What a call gives, or the error it raises."""
    try:
        return ask()
    except (pondera.PonderaError, OSError) as error:
        return type(error), str(error)
