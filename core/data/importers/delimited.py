"""Tables in text files as spreadsheets and shells write them: a byte order mark says the encoding, columns are
separated by commas, semicolons or tabs, lines end as on any system, and whole numbers may end with `.0`."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TextIO, cast

from core.data.archives import DAMAGES, BoundedStream, TooLargeError
from core.data.importers.sources import Files, UnusableImageError
from core.errors import DataError, quote

TABLE_ENDINGS: Final = (".csv", ".tsv")

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS: Final = ",;\t"
_WHOLE: Final = re.compile(r"(\d+)[.,]0+", re.ASCII)
_HEAD_BYTES: Final = 4000
_MOST_LARGE: Final = 10
"""Files too large to be read at once whose beginning is looked at: in a tar archive each is a pass of its own."""


class CsvReader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def encoding_of(start: bytes) -> str:
    """The encoding that a file's first bytes say; UTF-8 where they say none."""
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), "utf-8-sig")


def text_of(data: bytes) -> str:
    """The text of a file, with `\\n` at the end of its lines."""
    return data.decode(encoding_of(data), "replace").replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def open_text(stream: BinaryIO) -> Iterator[TextIO]:
    """The same for what is too large to be read at once.

    Args:
        stream: a buffered one, at its beginning; it stays open.
    """
    start = cast(io.BufferedReader, stream).peek(4)
    text = io.TextIOWrapper(stream, encoding_of(start), errors="replace", newline=None)
    try:
        yield text
    finally:
        text.detach()


def delimiter_of(header: str) -> str:
    """What separates the columns: the one that is most frequent in the first line, outside of quotes."""
    bare = re.sub(r'"[^"]*"?', "", header)
    return max(_DELIMITERS, key=bare.count)


def columns_of(start: bytes) -> list[str]:
    """The columns, in lower case, that the first line of a table names, from its first bytes."""
    line = text_of(start).split("\n", 1)[0]
    try:
        cells = next(csv.reader([line], delimiter=delimiter_of(line)), [])
    except csv.Error:
        return []
    return [cell.strip().lower() for cell in cells]


def plain_number(text: str) -> str:
    """A cell without the decimals that a spreadsheet has given a whole number: `3.0` is `3`."""
    found = _WHOLE.fullmatch(text.strip())
    return found[1] if found else text.strip()


def head_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked where it is packed with gzip, bzip2 or xz.

    Raises:
        DataError: it is corrupt or truncated.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return io.BufferedReader(BoundedStream(file, 1 << 20)).read(_HEAD_BYTES)
    except (*DAMAGES, TooLargeError) as error:
        raise DataError(f"{quote(path.name)} is corrupt or truncated. Download or copy it again.") from error


def heads(files: Files, names: Sequence[str]) -> dict[str, bytes]:
    """The first bytes of files, all found in one pass; what is not a file has none.

    Raises:
        DataError: an archive is corrupt.
        OSError: one cannot be read.
    """
    found, large = {}, []
    for name, read in files.each(names):
        try:
            found[name] = read()[:_HEAD_BYTES]
        except UnusableImageError:
            large.append(name)
    for name in large[:_MOST_LARGE]:
        try:
            found[name] = _head_inside(files, name)
        except UnusableImageError:
            continue
    return found


def _head_inside(files: Files, name: str) -> bytes:
    try:
        with files.open(name) as (file, _):
            return file.read(_HEAD_BYTES)
    except DataError:  # a ValueError, too
        raise
    except DAMAGES as error:
        raise DataError(f"{quote(name)} is corrupt or truncated. Download or copy it again.") from error
