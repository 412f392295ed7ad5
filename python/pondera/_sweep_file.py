"""All points of a sweep in a file: Parquet, Arrow, CSV or JSON, worked out and written piece by piece."""

from __future__ import annotations

import contextlib
import csv
import errno
import functools
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from pondera._native import PonderaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pondera._native import Sweep, Table

    Pieces = Iterator[Table]

_PIECE = 1 << 17
"""Points that are in memory at one time."""


class PointsFile:
    """A file that is to be written. One that is there is replaced when all is written, and not before.

    What is written goes to a part beside it, which is there within `with` and not after.
    """

    def __init__(self, path: str) -> None:
        """Nothing is written yet.

        Raises:
            PonderaError: The name has no known ending, or what is needed for it is not installed.
            FileNotFoundError: There is no such folder.
        """
        # A link stays, and what it leads to is written.
        self.path = Path(os.path.realpath(path)) if Path(path).is_symlink() else Path(path)
        ending = Path(path).suffix.lower()
        if ending not in _WRITERS:
            raise PonderaError(f"{path}: the name of the file must end in {', '.join(_WRITERS)}")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(self.path.parent))
        if self.path.exists() and not self.path.is_file():
            raise PonderaError(f"{path}: there is something that is no file; give another name")
        self._write = _WRITERS[ending]
        if self._write in (_parquet, _arrow):
            try:
                import pyarrow  # noqa: F401
            except ImportError as error:
                raise PonderaError(
                    f"{path}: this needs pyarrow: pip install 'pondera[parquet]'; .csv and .json need nothing"
                ) from error

    def __enter__(self) -> Self:
        """Begins the part, so that a folder that takes no file is told before any work.

        Raises:
            OSError: It cannot be begun.
        """
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            self._file = self._part.open("wb")
        except OSError as error:
            raise self._of_this(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._part.unlink()

    def _of_this(self, error: OSError) -> OSError:
        # The name that was asked for says more than that of the part.
        return OSError(error.errno, error.strerror or str(error), str(self.path))

    def write(self, sweep: Sweep, progress: Callable[[int, int], object] | None = None) -> int:
        """Writes the points that meet the condition of a sweep.

        Args:
            sweep: The sweep.
            progress: Called with how many points are done and how many there are.

        Returns:
            How many were written.

        Raises:
            OSError: It cannot be written.
        """
        written = 0

        def pieces() -> Iterator[Table]:
            nonlocal written
            # Without points there is a piece still, which tells the columns.
            for start in range(0, sweep.points, _PIECE):
                stop = min(start + _PIECE, sweep.points)
                table = sweep.table(start, stop)
                written += len(table)
                yield table
                if progress is not None:
                    progress(stop, sweep.points)

        try:
            self._write(self._file, pieces())
            self._file.close()
            self._part.replace(self.path)
        except OSError as error:
            raise self._of_this(error) from error
        return written


def _parquet(file: BinaryIO, pieces: Pieces) -> None:
    import pyarrow
    import pyarrow.parquet

    _by_pyarrow(functools.partial(pyarrow.parquet.ParquetWriter, file), pieces)


def _arrow(file: BinaryIO, pieces: Pieces) -> None:
    import pyarrow

    _by_pyarrow(functools.partial(pyarrow.ipc.new_file, file), pieces)


def _by_pyarrow(opened: Callable[[Any], Any], pieces: Pieces) -> None:
    """Write the pieces by what opens a writer for their schema."""
    import pyarrow

    first = pyarrow.table(next(pieces))
    with opened(first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(pyarrow.table(piece))


def _csv(file: BinaryIO, pieces: Pieces) -> None:
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        for number, piece in enumerate(pieces):
            if number == 0:
                writer.writerow(piece.columns)
            writer.writerows(_rows(piece))


def _json(file: BinaryIO, pieces: Pieces) -> None:
    """An array of an object for each point, a line each."""
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        before = "[\n"
        for piece in pieces:
            for row in _rows(piece):
                point = json.dumps(dict(zip(piece.columns, row, strict=True)), separators=(",", ":"))
                text.write(before + point)
                before = ",\n"
        text.write("[]\n" if before == "[\n" else "\n]\n")


def _rows(piece: Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(piece[name].tolist() for name in piece.columns), strict=True)


_WRITERS = {".parquet": _parquet, ".arrow": _arrow, ".csv": _csv, ".json": _json}
"""What writes the files of each ending."""
