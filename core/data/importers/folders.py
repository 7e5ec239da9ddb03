"""A folder of files with all that is below it, whatever links are in it: each folder is entered once, and none that may
hold images is left out without a word."""

import errno
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from core.data.archives import is_clutter
from core.data.importers.recognise import IMAGE_ENDINGS
from core.errors import DataError, quote, system_reason


def folders_below(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those below it, each with the names of its files.

    Links to folders inside `top` are followed. A folder has the path with the fewest folders in it; of several, one
    without links. What systems leave behind is left out, as are pipes, sockets and devices, unless they are named as
    images, so that it can be said that these are none.

    Raises:
        DataError: a folder cannot be read; a link leads to nothing or outside, or makes a folder's images appear twice.
    """
    inside = top.resolve()
    entered = {_identity(top)}
    level = deque([top])
    while level:
        below: list[os.DirEntry[str]] = []
        for folder in level:
            entries = _entries(folder, top)
            is_folder = {entry: _is_folder(entry) for entry in entries}
            below += [entry for entry in entries if is_folder[entry]]
            yield folder, [entry.name for entry in entries if not is_folder[entry] and _is_listed(entry, top)]
        level.clear()
        for entry in sorted(below, key=lambda entry: (entry.is_symlink(), entry.path)):
            folder = Path(entry.path)
            is_new = _identity(folder) not in entered
            if entry.is_symlink() and not _leads_on(folder, top, inside, is_new):
                continue
            if is_new:
                entered.add(_identity(folder))
                level.append(folder)


def _entries(folder: Path, top: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not is_clutter(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"Can't read the folder {_shown(folder, top)} in {quote(top.name)}: {system_reason(error)}. Make it "
            "readable, or move it elsewhere."
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return False
        raise


def _is_listed(entry: os.DirEntry[str], top: Path) -> bool:
    """Whether a file is one, or should be one by its name.

    Raises:
        DataError: it is a link to nothing, which may have been a folder.
    """
    is_image = Path(entry.name).suffix.lower() in IMAGE_ENDINGS
    if entry.is_symlink() and not os.path.exists(entry.path) and not is_image:
        raise DataError(
            f"{_shown(Path(entry.path), top)} in {quote(top.name)} is a link to something that is not there, or not "
            "readable. Remove the link, or put its target back."
        )
    return is_image or entry.is_file()


def _leads_on(link: Path, top: Path, inside: Path, is_new: bool) -> bool:
    """Whether a link to a folder leads to one that is to be entered by it; if not, it is one that the link is in.

    Raises:
        DataError: it leads outside, or to a folder that has been entered by another path.
    """
    target = link.resolve()
    if link.parent.resolve().is_relative_to(target):
        return False
    if not target.is_relative_to(inside):
        raise DataError(
            f"{_shown(link, top)} in {quote(top.name)} is a link to a folder outside. Import that folder by its own "
            "path, or put a copy in place of the link."
        )
    if not is_new:
        raise DataError(
            f"{_shown(link, top)} in {quote(top.name)} is a link to {_shown(target, inside)}, so the images would be "
            "in the set twice. Remove the link."
        )
    return True


def _shown(path: Path, top: Path) -> str:
    return quote(path.relative_to(top).as_posix())


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
