"""Append-only histories: one JSON object per line. A line without its newline is not there yet."""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from core.errors import RunError, system_reason
from core.files import open_regular, read_regular, sync_folder, write_whole

Row = dict[str, Any]

_MARKED_BYTES: Final = 4_096
"""Some twenty rows."""


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


@dataclass(frozen=True)
class Page:
    """Rows of a history that follow each other."""

    rows: list[Row]
    start: int
    """Where they begin, in bytes."""
    end: int
    """Where they end: where the next page starts."""
    mark: str
    """Of what stands before the end: see `read_page`."""


def read_rows(path: Path, offset: int = 0) -> tuple[list[Row], int]:
    """Rows from a byte offset on, and the offset to ask from next time.

    Reads only what was appended since; ignores what follows the last newline; skips lines that are no JSON object. A
    missing file has no rows. A file shorter than the offset was rewritten (a resume dropped rows) and is read anew:
    callers see it by the returned offset being smaller than the one they gave, or by the file's new inode.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            start = offset if offset <= file.seek(0, 2) else 0
            whole = _whole_lines(file, start)
    except FileNotFoundError:
        return [], 0
    return _parse(whole), start + len(whole)


def read_page(path: Path, offset: int, most: int, mark: str = "") -> Page:
    """As `read_rows`, but not more than a page, for readers that cannot see the inode.

    Args:
        path: the history.
        offset: where to start, in bytes: the end of an earlier page, or 0.
        most: bytes of a page. A line that is longer is a page by itself.
        mark: of the earlier page. With it, a file that was rewritten is read anew also where it has become longer than
            before: a resume drops the rows of its end and writes others in their place.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            is_same = offset <= file.seek(0, 2) and mark in ("", _mark_at(file, offset))
            start = offset if is_same else 0
            whole = _whole_lines(file, start, most)
            end = start + len(whole)
            return Page(_parse(whole), start, end, _mark_at(file, end))
    except FileNotFoundError:
        return Page([], 0, 0, _mark_of(b""))


def _whole_lines(file: BinaryIO, start: int, most: int = -1) -> bytes:
    """The lines from a byte on that are complete; at most so many bytes, or one line, if that is not negative."""
    file.seek(start)
    data = file.read(most)
    if 0 <= most <= len(data) and b"\n" not in data:
        data += file.readline()
    return data[: data.rfind(b"\n") + 1]


def _mark_at(file: BinaryIO, offset: int) -> str:
    """What is recognised of the bytes before an offset. A rewritten history has others there: rows are dropped from its
    end only, and each has its time in it."""
    start = max(0, offset - _MARKED_BYTES)
    file.seek(start)
    return _mark_of(file.read(offset - start))


def _mark_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


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
