"""From which folders of the server a page may import. The command line may from all that its user can read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import DataError, quote
from core.machine import user_path
from dashboard.state.exposure import is_on_loopback_only

IMPORT_ROOTS: Final = "FER_IMPORT_ROOTS"
MOST_ENTRIES: Final = 250_000
"""Files and folders below a path; no import takes so many."""
PATHS_OFF: Final = (
    "Server paths are off, since this dashboard can be reached from other machines. Upload the files instead, or ask "
    f"whoever runs the server to list the folders to import from in {IMPORT_ROOTS}."
)


def import_roots() -> list[Path]:
    """The folders of `FER_IMPORT_ROOTS`, separated as in `PATH`, without links.

    Raises:
        ConfigError: one begins with `~`, and there is no such home folder.
    """
    return [user_path(text).resolve() for text in os.environ.get(IMPORT_ROOTS, "").split(os.pathsep) if text.strip()]


def are_paths_on() -> bool:
    """Whether a page may import by path at all. Without `FER_IMPORT_ROOTS`, only where nobody else can ask: then it
    reads what the person who started the dashboard could import with the command line."""
    return bool(import_roots()) or is_on_loopback_only()


def path_to_import(text: str) -> Path:
    """The place that a visitor named, to be opened for them.

    What lies elsewhere is refused in the same words whether or not it exists. Links are followed inside the roots only.

    Args:
        text: a path as people type it.

    Raises:
        DataError: it is outside the roots, has a link to the outside, or holds far too much.
        ConfigError: it begins with `~`, and there is no such home folder.
    """
    roots = import_roots()
    if not roots:
        if not is_on_loopback_only():
            raise DataError(PATHS_OFF)
        return user_path(text)
    try:
        path = user_path(text).resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL, links in a circle
        path = Path("/")
    if not _is_inside(path, roots):
        places = ", ".join(quote(str(root)) for root in roots)
        raise DataError(f"Paths must be inside {places} (the folders of {IMPORT_ROOTS}).")
    for link in _links(path):
        if not _is_inside(link.resolve(), roots):
            raise DataError(
                f"{quote(link.relative_to(path).as_posix())} links to a place outside the folders of {IMPORT_ROOTS}. "
                "Copy the files there instead."
            )
    return path


def _is_inside(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _links(folder: Path) -> Iterator[Path]:
    """All links below a folder; of a file, none."""
    seen = 0
    for where, folders, files in os.walk(folder):
        seen += len(folders) + len(files)
        if seen > MOST_ENTRIES:
            raise DataError(f"{quote(folder.name)} contains more than {MOST_ENTRIES:,} files and folders.")
        yield from (Path(where, name) for name in (*folders, *files) if os.path.islink(os.path.join(where, name)))
