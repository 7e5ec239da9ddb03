"""What data is imported from: zip files, tar archives and folders, which look the same from here. Nothing is unpacked
to disk."""

import errno
import io
import os
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from core.data.archives import (
    DAMAGES,
    BoundedStream,
    DamagedError,
    Entry,
    Fault,
    TooLargeError,
    ZipReader,
    begins_as_zip,
    is_tar,
    read_tar,
)
from core.data.fer2013 import ACCEPTED
from core.data.importers.folders import folders_below
from core.data.importers.kaggle_layout import is_image_path
from core.data.kinds import advice_for, kind_of, kind_of_members
from core.errors import DataError, quote
from core.files import open_regular

# Real images have at most 2,483 bytes, and there are 35,887 of them; what is far beyond is not FER2013.
MAX_FACE_BYTES: Final = 1_000_000
_MAX_TOTAL_BYTES: Final = 1_000_000_000
_MAX_FILES: Final = 200_000
_NO_FILE: Final = frozenset({errno.EINVAL, errno.ENXIO, errno.ENOENT})
"""What `open_regular` fails with on pipes and devices, on sockets, and on links to nothing."""


class UnusableImageError(Exception):
    """Why one image cannot be used, in a few words."""


@dataclass(frozen=True)
class Files:
    """The files of a zip file or folder, by their paths inside it, and how to get the content of one."""

    names: list[str]
    read: Callable[[str], bytes]
    open: Callable[[str], AbstractContextManager[tuple[BinaryIO, int]]]
    """For what is too large to be read at once: the open file, and its size in bytes."""
    each: Callable[[Sequence[str]], Iterator[tuple[str, Callable[[], bytes]]]]
    """Many files, in the order that is quickest: the name of each, and what reads it, to be called before the next is
    asked for."""


@contextmanager
def open_files(path: Path, max_bytes: int) -> Iterator[Files]:
    """The files of a folder, zip file or tar archive; what no legitimate one has is rejected.

    Args:
        path: the folder, zip file, or tar archive, which may be packed with gzip, bzip2 or xz.
        max_bytes: reading a larger file raises `UnusableImageError`.

    Raises:
        DataError: the path is missing, none of these, corrupt, or far too large.
        OSError: it cannot be read.
    """
    if path.is_dir():
        yield _folder_files(path, max_bytes)
        return
    if not path.exists():
        raise DataError(f"File not found: {quote(str(path))}. {ACCEPTED}")
    if not path.is_file():
        raise DataError(f"{quote(path.name)} is neither a file nor a folder. {ACCEPTED}")
    if begins_as_zip(path):
        with _zip_files(path, max_bytes) as files:
            yield files
    elif is_tar(path):
        yield _tar_files(path, max_bytes)
    else:
        raise wrong_kind(path.name, kind_of(path))


def wrong_kind(name: str, kind: str) -> DataError:
    """The error about a file that is no dataset, which says what it is instead."""
    is_kind = f": it is {kind}" if kind else ""
    return DataError(" ".join(filter(None, (f"Can't import {quote(name)}{is_kind}.", advice_for(kind), ACCEPTED))))


def _folder_files(path: Path, max_bytes: int) -> Files:
    names: list[str] = []
    for folder, inside in folders_below(path):
        names.extend((folder / name).relative_to(path).as_posix() for name in inside)
        if len(names) > _MAX_FILES:
            raise DataError(f"{quote(path.name)} contains more than {_MAX_FILES:,} files. {ACCEPTED}")

    def read(name: str) -> bytes:
        with open_file(name) as (opened, _):
            data = opened.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise UnusableImageError(f"more than {max_bytes:,} bytes")
        return data

    @contextmanager
    def open_file(name: str) -> Iterator[tuple[BinaryIO, int]]:
        try:
            handle = open_regular(path / name)
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise UnusableImageError("not a file") from None
        with open(handle, "rb") as opened:
            yield opened, os.fstat(opened.fileno()).st_size

    return Files(names, read, open_file, partial(_one_by_one, read))


def _one_by_one(read: Callable[[str], bytes], names: Sequence[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name in names:
        yield name, partial(read, name)


@contextmanager
def _zip_files(path: Path, max_bytes: int) -> Iterator[Files]:
    damaged = DataError(f"{quote(path.name)} is corrupt or truncated. Download or copy it again.")
    with io.FileIO(path) as file:
        try:
            archive = ZipReader(file)
        except DamagedError as error:
            raise damaged from error
        if kind := kind_of_members([entry.name for entry in archive.entries]):
            raise wrong_kind(path.name, kind)
        _check_entries(path.name, archive.entries, max_bytes)
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
                with archive.open(entries[name]) as stream, _named_errors(path.name):
                    yield stream, entries[name].size
            except DamagedError as error:
                raise damaged from error

        yield Files(list(entries), read, open_entry, partial(_one_by_one, read))


def _tar_files(path: Path, max_bytes: int) -> Files:
    """The files of a tar archive, which is read from its beginning for the names and again for each request."""

    def contents(wanted: Collection[str] | None = None) -> Generator[tuple[Entry, BinaryIO | None], None, None]:
        with path.open("rb") as file, _named_errors(path.name):
            stream = io.BufferedReader(BoundedStream(file, _MAX_TOTAL_BYTES), 1 << 16)
            for entry, content in read_tar(stream):
                entry = replace(entry, name=entry.name.removeprefix("./"))
                if wanted is None or entry.name in wanted:
                    yield entry, content

    def content_of(entry: Entry, content: BinaryIO | None) -> bytes:
        if content is None or entry.size > max_bytes:
            raise UnusableImageError("not a file" if content is None else f"more than {max_bytes:,} bytes")
        with _named_errors(path.name):
            return content.read(entry.size)

    def each(names: Sequence[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for entry, content in contents(frozenset(names)):
            yield entry.name, partial(content_of, entry, content)

    @contextmanager
    def found(name: str) -> Iterator[tuple[Entry, BinaryIO | None]]:
        """One file; the archive is open until the block ends."""
        with closing(contents([name])) as entries:
            yield next(entries)

    def read(name: str) -> bytes:
        with found(name) as (entry, content):
            return content_of(entry, content)

    @contextmanager
    def open_entry(name: str) -> Iterator[tuple[BinaryIO, int]]:
        with found(name) as (entry, content):
            if content is None:
                raise UnusableImageError("not a file")
            with _named_errors(path.name):
                yield content, entry.size

    entries = [entry for entry, content in contents() if content is not None or entry.faults]
    _check_entries(path.name, entries, max_bytes)
    return Files([entry.name for entry in entries], read, open_entry, each)


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    """What is raised while an archive is read, with its name."""
    try:
        yield
    except DataError:  # a ValueError, too
        raise
    except TooLargeError as error:
        raise DataError(f"Rejected: {quote(name)} unpacks to {error}. {ACCEPTED}") from None
    except DAMAGES as error:
        raise DataError(f"{quote(name)} is corrupt or truncated. Download or copy it again.") from error


def _check_entries(zip_name: str, entries: Sequence[Entry], max_bytes: int) -> None:
    """Reject what no legitimate archive of FER2013 has: unsafe paths, links, passwords, bombs."""
    zip_name = quote(zip_name)
    for entry in entries:
        if entry.faults:
            raise DataError(_refusal(zip_name, entry))
        if max_bytes == MAX_FACE_BYTES and is_image_path(entry.name) and entry.size > max_bytes:
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
