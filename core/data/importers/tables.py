"""FER2013 as a table: `fer2013.csv`, `icml_face_data.csv`, and the `fer2013.tar.gz` that contains the first.

A table is read line by line and an archive as a stream: nothing is unpacked to disk, and apart from the images
(83 MB) memory does not grow with the size of the file.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TextIO, cast

import numpy as np

from core.data.archives import (
    DAMAGES,
    BoundedStream,
    Entry,
    TooLargeError,
    begins_as_tar,
    begins_as_zip,
    is_tar,
    read_tar,
)
from core.data.dataset import ImportProgress, SplitArrays
from core.data.importers.delimited import CsvReader, columns_of, delimiter_of, head_of, open_text, plain_number
from core.errors import DataError, quote
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.splits import SPLITS

TABLE_LABELS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""What the numbers 0..6 of the column `emotion` mean; ours are in another order."""

ID_PREFIX: Final = "csv/"
"""Before the number of the row, from 1, which is the id of an image."""

TABLE_NAMES: Final = ("fer2013.csv", "icml_face_data.csv", "fer2013.csv.gz", "fer2013.tar.gz", "fer2013.tar")
"""File names of the tables; of several in one place the first is used."""

_COLUMNS: Final = ("emotion", "pixels", "usage")
USAGES: Final = {"training": "train", "publictest": "validation", "privatetest": "test"}
_PIXELS: Final = IMAGE_SIZE**2

_NUMBERS: Final = re.compile(r"[0-9 ]*")

_MAX_LINE: Final = 64_000  # characters; a row has at most 2304 * 4 + 20
_MAX_ROWS: Final = 200_000
_MAX_BYTES: Final = 1_000_000_000  # unpacked; fer2013.csv has 301 MB
_MAX_BYTES_BEFORE: Final = 64_000_000  # what an archive may contain before its table
_BLOCK: Final = 4096


def is_lone_table(path: Path) -> bool:
    """Whether a file that is no archive, but may be packed, names columns as a table does.

    Raises:
        DataError: it is corrupt or truncated.
        OSError: it cannot be read.
    """
    if not path.is_file() or begins_as_zip(path) or is_tar(path):
        return False
    return bool({"emotion", "pixels"} & set(columns_of(head_of(path))))


def check_table(path: Path) -> None:
    """`check_table_stream` for a file."""
    with path.open("rb") as file:
        check_table_stream(file, path.name)


def has_table_columns(start: bytes) -> bool:
    """Whether a table that begins so has the columns of FER2013's."""
    return set(_COLUMNS) <= set(columns_of(start))


def is_table(name: str) -> bool:
    """Whether a file has the name of a table, or of an archive of one."""
    return PurePosixPath(name).name.lower() in TABLE_NAMES


def read_fer2013_csv(path: Path, progress: ImportProgress | None = None) -> dict[str, SplitArrays]:
    """The splits of a table: a CSV file, plain or gzipped, or a tar archive of one, plain or gzipped.

    Args:
        path: the file.
        progress: called now and then with rows done and rows in all, which is an estimate until the end.

    Raises:
        DataError: it is corrupt, truncated, not a table of FER2013, or some rows cannot be used.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return read_table_stream(file, path.name, path.stat().st_size, progress)


def read_table_stream(
    file: BinaryIO, name: str, size: int, progress: ImportProgress | None = None
) -> dict[str, SplitArrays]:
    """The same for a file that is open at its beginning; `size` in bytes."""
    name = quote(name)

    def show(rows: int, ended: bool = False) -> None:
        if progress:
            fraction = 1.0 if ended else max(file.tell() / max(size, 1), 1e-6)
            progress(rows, max(rows, round(rows / fraction)) if rows else 1)

    with _named(name), _table_stream(file, name) as stream, open_text(stream) as text:
        return _read_rows(text, name, show)


def check_table_stream(file: BinaryIO, name: str) -> None:
    """Look at the first line only, to say before an import what it would say.

    Raises:
        DataError: it is corrupt or truncated, or lacks columns of FER2013's.
        OSError: it cannot be read.
    """
    name = quote(name)
    with _named(name), _table_stream(file, name, is_read=False) as stream, open_text(stream) as text:
        _start(_lines(text, name), name)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """What is raised while a table is read, with its name."""
    try:
        yield
    except DataError:  # a ValueError, too
        raise
    except TooLargeError as error:
        raise DataError(
            f"Rejected: {name} unpacks to {error}. Use fer2013.csv or fer2013.tar.gz as published."
        ) from None
    except csv.Error as error:
        raise DataError(f"{name} is not a readable CSV: {error}.") from error
    except DAMAGES as error:
        raise DataError(f"{name} is corrupt or truncated. Download or copy it again.") from error


# --- from a file to the lines of the table


@contextmanager
def _table_stream(file: BinaryIO, name: str, is_read: bool = True) -> Iterator[BinaryIO]:
    """The table inside a file, as bytes to be read once.

    Args:
        is_read: whether the table is read to its end, and so is the archive around it.
    """
    bounded = BoundedStream(file, _MAX_BYTES)
    buffered = io.BufferedReader(bounded, 1 << 16)
    if not begins_as_tar(buffered.peek(512)):
        yield cast(BinaryIO, buffered)
        return
    bounded.limit = _MAX_BYTES_BEFORE
    for count, (entry, content) in enumerate(read_tar(buffered), 1):
        _check_entry(entry, name, count)
        if content and entry.name.lower().endswith(".csv") and _has_columns(content):
            bounded.limit = _MAX_BYTES
            yield content
            while is_read and buffered.read(1 << 16):  # to the end, where the checksum is
                pass
            return
    raise DataError(f"{name} contains no fer2013.csv. Use fer2013.tar.gz of the competition, or the CSV itself.")


def _has_columns(content: BinaryIO) -> bool:
    """Whether a table in an archive has the columns of FER2013's; it is not read on."""
    return has_table_columns(cast(io.BufferedReader, content).peek(2000))


def _check_entry(entry: Entry, name: str, count: int) -> None:
    if count > 1000:
        raise DataError(f"Rejected: {name} has more than 1,000 entries before fer2013.csv.")
    if entry.faults:
        raise DataError(f"Rejected: {quote(entry.name)} in {name} {entry.faults[0]}.")
    if entry.size > _MAX_BYTES:
        raise DataError(f"Rejected: {quote(entry.name)} in {name} unpacks to {entry.size:,} bytes.")


# --- from lines to images


@dataclass
class _Rows:
    """The usable rows so far."""

    blocks: list[np.ndarray] = field(default_factory=list)
    """uint8 (4096, 2304) each."""
    labels: list[int] = field(default_factory=list)
    splits: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def add(self, number: int, label: int, split: int, pixels: np.ndarray) -> None:
        place = len(self.labels) % _BLOCK
        if place == 0:
            self.blocks.append(np.empty((_BLOCK, _PIXELS), np.uint8))
        self.blocks[-1][place] = pixels
        self.labels.append(label)
        self.splits.append(split)
        self.numbers.append(number)


class _BadRowError(Exception):
    """Why one row cannot be used, in a few words."""


def _start(lines: Iterator[str], name: str) -> tuple[CsvReader, tuple[int, int, int]]:
    """The rows after the first line, and the columns that this names.

    Raises:
        DataError: it lacks one.
    """
    header = next(lines, "")
    reader = csv.reader(chain([header], lines), delimiter=delimiter_of(header))
    return reader, _columns(next(reader, []), name)


def _read_rows(text: TextIO, name: str, show: Callable[..., None]) -> dict[str, SplitArrays]:
    rows, number, bad, first_bad = _Rows(), 0, 0, ""
    reader, columns = _start(_lines(text, name), name)
    show(0)
    try:
        for cells in reader:
            if not cells:
                continue
            number += 1
            if number > _MAX_ROWS:
                raise DataError(f"Rejected: {name} has more than {_MAX_ROWS:,} rows (FER2013: 35,887).")
            try:
                rows.add(number, *_parse(cells, columns))
            except _BadRowError as error:
                bad += 1
                first_bad = first_bad or f"line {reader.line_num:,}, {error}"
            if number % 500 == 0:
                show(number)
    except csv.Error as error:
        raise DataError(f"{name} is not a readable CSV: line {reader.line_num:,}, {error}.") from error
    show(number, True)
    if not number:
        raise DataError(f"{name} has no rows. Use fer2013.csv with its 35,887 images.")
    if bad:
        raise DataError(f"{bad:,} of {number:,} rows of {name} are invalid (first: {first_bad}). Get the file again.")
    return _splits(rows, name)


def _lines(text: TextIO, name: str) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise DataError(f"{name} is not an FER2013 table: line {number:,} is longer than any image.")
        yield line


def _columns(header: list[str], name: str) -> tuple[int, int, int]:
    """The columns of emotion, pixels and usage; `icml_face_data.csv` has another order, and leading spaces."""
    found = [cell.strip().lower() for cell in header]
    missing = [column for column in _COLUMNS if column not in found]
    if missing:
        has = ", ".join(quote(cell) for cell in header[:8]) or "none"
        raise DataError(
            f"{name} lacks {len(missing)} of the columns emotion, pixels and Usage on line 1 ({', '.join(missing)}); "
            f"it has {has}. Use fer2013.csv or icml_face_data.csv."
        )
    return found.index("emotion"), found.index("pixels"), found.index("usage")


def _parse(cells: list[str], columns: tuple[int, int, int]) -> tuple[int, int, np.ndarray]:
    """Label (ours), number of the split, and uint8 (2304,) of one row."""
    if len(cells) <= max(columns):
        raise _BadRowError(f"{len(cells)} columns")
    emotion, pixels, usage = (cells[column].strip() for column in columns)
    emotion = plain_number(emotion)
    if emotion not in ("0", "1", "2", "3", "4", "5", "6"):
        raise _BadRowError(f"emotion {quote(emotion)} instead of 0 to 6")
    split = USAGES.get(usage.lower())
    if split is None:
        raise _BadRowError(f"Usage {quote(usage)} instead of Training, PublicTest or PrivateTest")
    if not _NUMBERS.fullmatch(pixels):
        wrong = next(word for word in pixels.split(" ") if not _NUMBERS.fullmatch(word))
        raise _BadRowError(f"pixel {quote(wrong)} instead of 0 to 255")
    values = np.fromstring(pixels, np.int64, sep=" ") if pixels else np.zeros(0, np.int64)
    if len(values) != _PIXELS:
        raise _BadRowError(f"{len(values):,} pixels instead of {_PIXELS:,}")
    if values.max() > 255 or values.min() < 0:  # below zero where a number overflows
        wrong = next(word for word in pixels.split() if int(word[-20:]) > 255 or len(word.lstrip("0")) > 3)
        raise _BadRowError(f"pixel {quote(wrong)} instead of 0 to 255")
    return LABELS.index(TABLE_LABELS[int(emotion)]), SPLITS.index(split), values.astype(np.uint8)


def _splits(rows: _Rows, name: str) -> dict[str, SplitArrays]:
    labels, splits = np.array(rows.labels, np.uint8), np.array(rows.splits)
    missing = [split for index, split in enumerate(SPLITS) if not (splits == index).any()]
    if missing:
        usage = next(usage for usage in ("Training", "PublicTest", "PrivateTest") if USAGES[usage.lower()] in missing)
        raise DataError(f"{name} has no {missing[0]} images (Usage {usage}). Use the complete table.")
    ids = np.array([f"{ID_PREFIX}{number:06d}" for number in rows.numbers])
    result = {}
    for index, split in enumerate(SPLITS):
        mine = np.flatnonzero(splits == index)
        images = np.empty((len(mine), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
        for place, row in enumerate(mine.tolist()):
            images[place] = rows.blocks[row // _BLOCK][row % _BLOCK].reshape(IMAGE_SIZE, IMAGE_SIZE)
        result[split] = (images, labels[mine], ids[mine])
    return result
