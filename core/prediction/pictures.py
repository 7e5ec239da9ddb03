"""Many images at once: the files, folders, patterns and zip files that people name, one after another.

Nothing is unpacked to disk, and at most one image is in memory. An unreadable file is an `ImageFile`, too: one that
raises an `ImageError` when it is read, so that the others are processed.
"""

import glob
import io
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from core.data.archives import DamagedError, Entry, Fault, ZipReader, begins_as_zip, is_clutter, is_zip
from core.data.decode import MAX_IMAGE_BYTES, TOO_LARGE
from core.errors import ImageError, display_name, system_reason

MAX_ENTRIES: Final = 10_000
"""Images read from one zip file."""
MAX_UNPACKED: Final = 2_000_000_000
"""Bytes unpacked from one zip file."""

_ADVICE: Final = {
    Fault.SPECIAL: ", not an image",
    Fault.ENCRYPTED: ". Zip it without one",
    Fault.METHOD: ". Zip it again with standard compression",
}
"""By the faults that make an entry unreadable; its path means nothing, since nothing is unpacked."""


class ImageFile(NamedTuple):
    """An image file, named and not read yet; it may be unreadable."""

    name: str
    """As the user named it; inside a zip file after the zip's name. May hold anything: only show it escaped."""
    read: Callable[[], bytes]
    """Its content, or an `ImageError`."""
    key: str = ""
    """Distinguishes it from others of the same name, for caches."""


def images_at(places: Iterable[str]) -> Iterator[ImageFile]:
    """The images that paths stand for, lazily and in order.

    Args:
        places: files, zip files, folders (recursively, without hidden files) and patterns such as `**/*.jpg`.
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
                yield _unreadable(place, f"No file matches {display_name(place)!r}. Check the pattern.")
        else:
            yield _unreadable(place, f"Can't read {display_name(place)}: No such file or directory.")


def images_in_zip(file: io.RawIOBase, name: str) -> Iterator[ImageFile]:
    """The images in a zip file; folders and hidden system files are skipped.

    Args:
        file: the open zip file; each image is read from it on demand.
        name: what the user calls it.
    """
    shown = f"'{display_name(name)}'"
    try:
        archive = ZipReader(file)
    except (DamagedError, OSError):
        yield _unreadable(name, f"{shown} is corrupt or truncated. Copy it again.")
        return
    entries = [entry for entry in archive.entries if not is_clutter(entry.name)]
    if not entries:
        yield _unreadable(name, f"{shown} contains no files. Choose a zip file of images.")
    left = MAX_UNPACKED
    for entry in entries[:MAX_ENTRIES]:
        left -= min(entry.size, MAX_IMAGE_BYTES)
        if left < 0:
            message = f"{shown} unpacks to more than {MAX_UNPACKED // 10**6:,} MB. The rest was skipped."
            yield _unreadable(name, message)
            return
        yield ImageFile(f"{name}/{entry.name}", partial(_read_entry, archive, entry, shown))
    if len(entries) > MAX_ENTRIES:
        message = f"{shown} contains {len(entries):,} files. Those after the first {MAX_ENTRIES:,} were skipped."
        yield _unreadable(name, message)


def _at_path(path: Path) -> Iterator[ImageFile]:
    if path.is_dir():
        yield from _below(path)
        return
    try:
        is_zip = path.is_file() and begins_as_zip(path)
    except OSError:
        is_zip = False
    if is_zip:
        with io.FileIO(path) as file:
            yield from images_in_zip(file, str(path))
    else:
        yield ImageFile(str(path), lambda: read_image_file(path))


def _below(folder: Path) -> Iterator[ImageFile]:
    empty = True
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        for name in sorted(files):
            if not is_clutter(name):
                empty = False
                yield from _at_path(Path(here, name))
    if empty:
        yield _unreadable(str(folder), f"The folder {display_name(str(folder))!r} contains no files.")


def _read_entry(archive: ZipReader, entry: Entry, zip_shown: str) -> bytes:
    """The content of one entry, or an `ImageError` that says what is wrong with it."""
    shown = f"'{display_name(entry.name)}' in {zip_shown}"
    for fault in entry.faults:
        if fault in _ADVICE:
            raise ImageError(f"{shown} {fault}{_ADVICE[fault]}.")
    if entry.size > MAX_IMAGE_BYTES:
        raise ImageError(f"{shown} {TOO_LARGE}.")
    try:
        data = archive.read(entry)
    except (DamagedError, OSError):
        raise ImageError(f"{shown} is corrupt. Zip it again.") from None
    if is_zip(data):
        raise ImageError(f"{shown} is a zip file itself. Unpack it first.")
    return data


def read_image_file(path: Path) -> bytes:
    """The content of a file, no more of it than is needed to detect that it is too large.

    Raises:
        ImageError: it cannot be read.
    """
    shown = display_name(path.name)
    try:
        if path.exists() and not path.is_file():  # a pipe, say, would be waited for without end
            raise ImageError(f"Can't read {shown}: it is not a file.")
        with path.open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        why = system_reason(error) if isinstance(error, OSError) else error
        raise ImageError(f"Can't read {shown}: {why}.") from None


def _unreadable(name: str, message: str) -> ImageFile:
    def refuse() -> bytes:
        raise ImageError(message)

    return ImageFile(name, refuse)
