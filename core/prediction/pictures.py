"""Many images at once: the files, folders, patterns and zip files that people name, one after another.

Nothing is unpacked to disk, and at most one image is in memory. An unreadable file is an `ImageFile`, too: one that
raises an `ImageError` when it is read, so that the others are processed.
"""

import glob
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from core.data.archives import DamagedError, Entry, Fault, ZipReader, begins_as_zip, is_clutter, is_zip
from core.data.decode import MAX_IMAGE_BYTES, TOO_LARGE
from core.errors import ImageError, display_name, system_reason
from core.files import open_regular

MAX_ENTRIES: Final = 10_000
"""Images read from one zip file."""
MAX_UNPACKED: Final = 2_000_000_000
"""Bytes unpacked from one zip file."""

_ANY_FOLDERS: Final = re.compile(r"(?<![^/])\*\*(?:/+\*\*)*(?:/+|$)")
"""`**` of a pattern, which stands for any number of folders."""

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
        places: files, zip files, folders (recursively, without hidden files) and patterns such as `**/*.jpg`. Of each,
            a file comes once, however many of its folders match or link to each other.
    """
    for place in places:
        seen: set[str] = set()
        if os.path.lexists(place):
            found: Iterable[str | ImageFile] = [place]
        elif glob.has_magic(place):
            found = sorted(_matches(place, seen), key=lambda each: each if isinstance(each, str) else each.name)
            if not found:
                yield _unreadable(place, f"No file matches {display_name(place)!r}. Check the pattern.")
        else:
            found = [_unreadable(place, f"Can't read {display_name(place)}: No such file or directory.")]
        for each in found:
            yield from [each] if isinstance(each, ImageFile) else _at_path(Path(each), seen)


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


def _at_path(path: Path, seen: set[str]) -> Iterator[ImageFile]:
    """The images at a path, without those seen before; their paths, apart from links to folders, become seen."""
    if path.is_dir():
        yield from _below(path, seen)
        return
    if not _is_new(str(path), seen):
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


def _is_new(path: str, seen: set[str]) -> bool:
    """Whether a path has not been seen, whatever links to its folder are in it; from now on it has."""
    folder, name = os.path.split(path)
    real = os.path.join(os.path.realpath(folder), name)
    is_new = real not in seen
    seen.add(real)
    return is_new


def _below(folder: Path, seen: set[str]) -> Iterator[ImageFile]:
    is_entered = has_any = False
    for found in _walk(str(folder), seen):
        if isinstance(found, ImageFile):
            has_any = True
            yield found
            continue
        here, files = found
        is_entered, has_any = True, has_any or bool(files)
        for name in files:
            yield from _at_path(Path(here, name), seen)
    if is_entered and not has_any:
        yield _unreadable(str(folder), f"The folder {display_name(str(folder))!r} contains no files.")


def _walk(top: str, seen: set[str]) -> Iterator[tuple[str, list[str]] | ImageFile]:
    """A folder and those below it, each with the names of its files; in place of one that cannot be read, or is a link
    to elsewhere, an `ImageFile` that says so, once. Links to folders are not followed, so there is an end."""
    unread: list[ImageFile] = []

    def note(error: OSError) -> None:
        name = str(error.filename)
        if _is_new(name, seen):
            unread.append(_unreadable(name, f"Can't read the folder {display_name(name)!r}: {system_reason(error)}."))

    inside = os.path.realpath(top)
    for here, folders, files in os.walk(top, onerror=note):
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        paths = [os.path.join(here, name) for name in folders]
        unread += [_link(path) for path in paths if _leads_elsewhere(path, inside) and _is_new(path, seen)]
        yield from unread
        unread.clear()
        yield here, sorted(name for name in files if not is_clutter(name))
    yield from unread


def _leads_elsewhere(folder: str, inside: str) -> bool:
    """Whether a folder is a link to one that is neither below `inside` nor around it."""
    target = os.path.realpath(folder)
    return os.path.islink(folder) and os.path.commonpath([target, inside]) not in (target, inside)


def _link(folder: str) -> ImageFile:
    shown = display_name(folder)
    return _unreadable(folder, f"The folder {shown!r} is a link, which is not followed. Name the folder it leads to.")


def _matches(pattern: str, seen: set[str]) -> Iterator[str | ImageFile]:
    """The paths that a pattern matches, as `glob.iglob` finds them, but `**` follows no links, which may lead in
    circles. A folder that it cannot enter is an `ImageFile` that says so."""
    head, *tail = _ANY_FOLDERS.split(pattern, maxsplit=1)
    if not tail:
        yield from glob.iglob(head)
        return
    for top in glob.iglob(head) if head else [os.curdir]:
        if not tail[0]:  # all that is below
            yield top
            continue
        for found in _walk(top, seen):
            if isinstance(found, ImageFile):
                yield found
            else:
                here = os.path.relpath(found[0]) if top == os.curdir else found[0]
                folder = "" if here == os.curdir else os.path.join(glob.escape(here), "")
                yield from _matches(folder + tail[0], seen)


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
        with open(path, "rb", opener=open_regular) as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = system_reason(error) if isinstance(error, OSError) else error
        raise ImageError(f"Can't read {shown}: {why}.") from None


def _unreadable(name: str, message: str) -> ImageFile:
    def refuse() -> bytes:
        raise ImageError(message)

    return ImageFile(name, refuse)
