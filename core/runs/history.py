"""Append-only histories: one JSON object per line. A line without its newline is not there yet."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import RunError, system_reason
from core.files import open_regular, read_regular, sync_folder, write_whole

Row = dict[str, Any]


class HistoryWriter:
    """Appends rows to one file, each visible to readers as soon as `append` returns."""

    def __init__(self, path: Path) -> None:
        _cut_torn_line(path)
        self._new_in = None if path.exists() else path.parent
        self._file = open(path, "ab", buffering=0, opener=open_regular)  # noqa: SIM115 -- closed by `close`

    def append(self, rows: Iterable[Mapping[str, Any]], *, lasting: bool = False) -> None:
        """Write rows in one call to the system. NaN and infinity become null, which every JSON reader takes.

        Args:
            rows: one line each.
            lasting: return only when a power cut can no longer take them; costs milliseconds.

        Raises:
            OSError: the disk is full; the last line may be torn then, and the next writer cuts it off.
        """
        lines = b"".join(json.dumps(_finite(row), allow_nan=False).encode() + b"\n" for row in rows)
        while lines:  # a disk that is nearly full takes a part, and says no to the rest
            lines = lines[self._file.write(lines) :]
        if lasting:
            os.fsync(self._file.fileno())
            if self._new_in:
                sync_folder(self._new_in)
                self._new_in = None

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "HistoryWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def appended(path: Path, rows: Iterable[Mapping[str, Any]]) -> Iterator[None]:
    """Rows that are on disk inside, and that go again if something is raised there.

    Raises:
        OSError: they cannot be written; the file is as it was.
    """
    with HistoryWriter(path) as history:
        before = path.stat().st_size
        try:
            history.append(rows, lasting=True)
            yield
        except BaseException:
            os.truncate(path, before)
            raise


def read_rows(path: Path, offset: int = 0, most: int = -1) -> tuple[list[Row], int]:
    """Rows from a byte offset on, and the offset to ask from next time; of at most so many bytes, if not negative.

    Reads only what was appended since; ignores what follows the last newline; skips lines that are no JSON object. A
    missing file has no rows. A file shorter than the offset was rewritten (a resume dropped rows) and is read anew:
    callers see it by the returned offset being smaller than the one they gave, or by the file's new inode.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            size = file.seek(0, 2)
            start = offset if offset <= size else 0
            file.seek(start)
            data = file.read(most)
    except FileNotFoundError:
        return [], 0
    whole = data[: data.rfind(b"\n") + 1]
    return _parse(whole), start + len(whole)


def read_all(path: Path) -> list[Row]:
    """All rows there are.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        return read_rows(path)[0]
    except OSError as error:
        raise RunError(f"Can't read {path.name}: {system_reason(error)}.") from error


def drop_rows_after(path: Path, key: str, last: float) -> None:
    """Keep only the rows whose `key` is a number up to `last`; a resume calls this so that no step stands twice.

    The file stays untouched when there is nothing to drop, so that readers need not start over.
    """
    rows, _ = read_rows(path)
    kept = [row for row in rows if isinstance(value := row.get(key), int | float) and value <= last]
    if len(kept) < len(rows):
        text = "".join(json.dumps(row) + "\n" for row in kept)
        write_whole(path, lambda file: file.write(text.encode()))


def _cut_torn_line(path: Path) -> None:
    """A writer that was killed in the middle of a line must not have its half joined to the next row."""
    if not path.exists():
        return
    data = read_regular(path)
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)


def _parse(whole: bytes) -> list[Row]:
    lines = whole.splitlines()
    try:  # one call for all lines is several times faster than a call for each
        rows = json.loads(b"[" + b",".join(lines) + b"]")
        if len(rows) == len(lines):
            return [row for row in rows if isinstance(row, dict)]
    except (ValueError, RecursionError):
        pass
    return [row for row in map(_parse_line, lines) if row is not None]


def _parse_line(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _finite(row: Mapping[str, Any]) -> Row:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
