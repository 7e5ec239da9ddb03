"""Many pictures at once: the files, folders, patterns and zip files that people name, one after another.

Nothing is unpacked to disk, and at most one picture is in memory. What cannot be read is a picture, too: one that
raises an `ImageError` when it is asked for, so that the others go on.
"""

import glob
import io
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from core.data.archives import DamagedError, Entry, Fault, ZipReader, begins_as_zip, is_clutter, is_zip
from core.data.decode import MAX_IMAGE_BYTES
from core.errors import ImageError, display_name, system_reason

MAX_ENTRIES: Final = 10_000
"""Pictures read from one zip file."""
MAX_UNPACKED: Final = 2_000_000_000
"""Bytes unpacked from one zip file."""

_ADVICE: Final = {
    Fault.SPECIAL: ", not a picture",
    Fault.ENCRYPTED: ": pack it without one",
    Fault.METHOD: ": pack it again as an ordinary zip file",
}
"""By the faults that make an entry unreadable; where it points to means nothing, since nothing is unpacked."""


class Picture(NamedTuple):
    """A picture that has a name and can be read, or not."""

    name: str
    """As the user gave it; inside a zip file with the zip's name before it. May hold anything: only show it escaped."""
    read: Callable[[], bytes]
    """Its content, or an `ImageError`."""
    key: str = ""
    """Tells it from others of the same name, where somebody keeps what was computed."""


def pictures_at(places: Iterable[str]) -> Iterator[Picture]:
    """The pictures that paths stand for, lazily and in order.

    Args:
        places: files, zip files, folders (with all below, hidden files passed over) and patterns such as `**/*.jpg`.
    """
    for place in places:
        if os.path.lexists(place):
            yield from _at_path(Path(place))
        elif glob.has_magic(place):
            found = False
            for path in sorted(glob.iglob(place, recursive=True)):
                found = True
                yield from _at_path(Path(path))
            if not found:
                yield _unreadable(place, f"No file fits {display_name(place)!r}: check the pattern.")
        else:
            yield _unreadable(place, f"Cannot read {display_name(place)}: No such file or directory.")


def pictures_in_zip(file: io.RawIOBase, name: str) -> Iterator[Picture]:
    """The pictures in a zip file; folders and what systems leave in them are passed over.

    Args:
        file: the open zip file; each picture is read from it when it is asked for.
        name: what the user calls it.
    """
    shown = f"'{display_name(name)}'"
    try:
        archive = ZipReader(file)
    except (DamagedError, OSError):
        yield _unreadable(name, f"{shown} is damaged or cut short: copy it again.")
        return
    entries = [entry for entry in archive.entries if not is_clutter(entry.name)]
    if not entries:
        yield _unreadable(name, f"{shown} holds no files: choose a zip file of pictures.")
    left = MAX_UNPACKED
    for entry in entries[:MAX_ENTRIES]:
        left -= min(entry.size, MAX_IMAGE_BYTES)
        if left < 0:
            message = f"{shown} unpacks to more than {MAX_UNPACKED // 10**6:,} MB: the rest of it was left out."
            yield _unreadable(name, message)
            return
        yield Picture(f"{name}/{entry.name}", partial(_read_entry, archive, entry, shown))
    if len(entries) > MAX_ENTRIES:
        message = f"{shown} holds {len(entries):,} files: those after the first {MAX_ENTRIES:,} were left out."
        yield _unreadable(name, message)


def _at_path(path: Path) -> Iterator[Picture]:
    if path.is_dir():
        yield from _below(path)
        return
    try:
        is_zip = path.is_file() and begins_as_zip(path)
    except OSError:
        is_zip = False
    if is_zip:
        with io.FileIO(path) as file:
            yield from pictures_in_zip(file, str(path))
    else:
        yield Picture(str(path), lambda: read_picture(path))


def _below(folder: Path) -> Iterator[Picture]:
    empty = True
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        for name in sorted(files):
            if not is_clutter(name):
                empty = False
                yield from _at_path(Path(here, name))
    if empty:
        yield _unreadable(str(folder), f"The folder {display_name(str(folder))!r} holds no files.")


def _read_entry(archive: ZipReader, entry: Entry, zip_shown: str) -> bytes:
    """The content of one entry, or an `ImageError` that says what is wrong with it."""
    shown = f"'{display_name(entry.name)}' in {zip_shown}"
    for fault in entry.faults:
        if fault in _ADVICE:
            raise ImageError(f"{shown} {fault}{_ADVICE[fault]}.")
    if entry.size > MAX_IMAGE_BYTES:
        raise ImageError(f"{shown} has more than {MAX_IMAGE_BYTES // 10**6} MB: save it smaller and try again.")
    try:
        data = archive.read(entry)
    except (DamagedError, OSError):
        raise ImageError(f"{shown} is damaged: pack the zip file again.") from None
    if is_zip(data):
        raise ImageError(f"{shown} is a zip file itself: unpack it first.")
    return data


def read_picture(path: Path) -> bytes:
    """The content of a file, no more of it than is needed to see that it is too large.

    Raises:
        ImageError: it cannot be read.
    """
    shown = display_name(path.name)
    try:
        if path.exists() and not path.is_file():  # a pipe, say, would be waited for without end
            raise ImageError(f"Cannot read {shown}: it is not a file.")
        with path.open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        why = system_reason(error) if isinstance(error, OSError) else error
        raise ImageError(f"Cannot read {shown}: {why}.") from None


def _unreadable(name: str, message: str) -> Picture:
    def refuse() -> bytes:
        raise ImageError(message)

    return Picture(name, refuse)
