"""What data is imported from: zip files and folders, which look the same from here. Nothing is unpacked to disk."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from core.data.archives import DamagedError, Entry, Fault, ZipReader, begins_as_zip
from core.data.fer2013 import ACCEPTED
from core.data.importers.kaggle_layout import is_image_path
from core.errors import DataError, quote

# Real images have at most 2,483 bytes, and there are 35,887 of them; what is far beyond is not FER2013.
MAX_FACE_BYTES: Final = 1_000_000
_MAX_TOTAL_BYTES: Final = 1_000_000_000
_MAX_FILES: Final = 200_000


class UnusableImageError(Exception):
    """Why one image cannot be used, in a few words."""


@dataclass(frozen=True)
class Files:
    """The files of a zip file or folder, by their paths inside it, and how to get the content of one."""

    names: list[str]
    read: Callable[[str], bytes]
    open: Callable[[str], AbstractContextManager[tuple[BinaryIO, int]]]
    """For what is too large to be read at once: the open file, and its size in bytes."""


@contextmanager
def open_files(path: Path, max_bytes: int) -> Iterator[Files]:
    """The files of a folder or zip file; what no legitimate one has is rejected.

    Args:
        path: the folder or zip file.
        max_bytes: reading a larger file raises `UnusableImageError`.

    Raises:
        DataError: the path is missing, neither of the two, corrupt, or far too large.
        OSError: it cannot be read.
    """
    if path.is_dir():
        yield _folder_files(path, max_bytes)
        return
    if not path.exists():
        raise DataError(f"File not found: {quote(str(path))}. {ACCEPTED}")
    if not path.is_file():
        raise DataError(f"{quote(path.name)} is neither a file nor a folder. {ACCEPTED}")
    if not begins_as_zip(path):
        raise DataError(f"Can't import {quote(path.name)}. {ACCEPTED}")
    with _zip_files(path, max_bytes) as files:
        yield files


def _folder_files(path: Path, max_bytes: int) -> Files:
    names: list[str] = []
    for folder, _, inside in os.walk(path):
        names.extend(Path(folder, name).relative_to(path).as_posix() for name in inside)
        if len(names) > _MAX_FILES:
            raise DataError(f"{quote(path.name)} contains more than {_MAX_FILES:,} files. {ACCEPTED}")

    def read(name: str) -> bytes:
        file = path / name
        if not file.is_file():  # a pipe, say, would be waited for without end
            raise UnusableImageError("not a file")
        with file.open("rb") as opened:
            data = opened.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise UnusableImageError(f"more than {max_bytes:,} bytes")
        return data

    @contextmanager
    def open_file(name: str) -> Iterator[tuple[BinaryIO, int]]:
        with (path / name).open("rb") as opened:
            yield opened, os.fstat(opened.fileno()).st_size

    return Files(names, read, open_file)


@contextmanager
def _zip_files(path: Path, max_bytes: int) -> Iterator[Files]:
    damaged = DataError(f"{quote(path.name)} is corrupt or truncated. Download or copy it again.")
    with io.FileIO(path) as file:
        try:
            archive = ZipReader(file)
        except DamagedError as error:
            raise damaged from error
        _check_entries(path.name, archive.entries)
        entries = {entry.name: entry for entry in archive.entries}

        def read(name: str) -> bytes:
            if entries[name].size > max_bytes:
                raise UnusableImageError(f"more than {max_bytes:,} bytes")
            try:
                return archive.read(entries[name])
            except DamagedError as error:
                raise damaged from error

        @contextmanager
        def open_entry(name: str) -> Iterator[tuple[BinaryIO, int]]:
            try:
                with archive.open(entries[name]) as stream:
                    yield stream, entries[name].size
            except DamagedError as error:
                raise damaged from error

        yield Files(list(entries), read, open_entry)


def _check_entries(zip_name: str, entries: Sequence[Entry]) -> None:
    """Reject what no legitimate zip of FER2013 has: unsafe paths, links, passwords, bombs."""
    zip_name = quote(zip_name)
    for entry in entries:
        if entry.faults:
            raise DataError(_refusal(zip_name, entry))
        if is_image_path(entry.name) and entry.size > MAX_FACE_BYTES:
            raise DataError(
                f"Rejected: {quote(entry.name)} in {zip_name} unpacks to {entry.size:,} bytes "
                f"(max {MAX_FACE_BYTES:,} for a 48×48 image)."
            )
    if len(entries) > _MAX_FILES or sum(entry.size for entry in entries) > _MAX_TOTAL_BYTES:
        raise DataError(
            f"Rejected: {zip_name} contains more than {_MAX_FILES:,} files or unpacks to more than "
            f"{_MAX_TOTAL_BYTES // 10**6:,} MB. {ACCEPTED}"
        )
    if len({entry.name for entry in entries}) < len(entries):
        raise DataError(f"Rejected: {zip_name} has two entries of the same name. Zip it again.")


def _refusal(zip_name: str, entry: Entry) -> str:
    fault = entry.faults[0]
    if fault is Fault.ENCRYPTED:
        return f"{zip_name} {fault}. Use one without."
    if fault is Fault.METHOD:
        return f"{zip_name} {fault}. Zip it again with standard compression."
    return f"Rejected: {quote(entry.name)} in {zip_name} {fault}."
