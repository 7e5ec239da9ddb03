"""Writing files so that a reader, or a power cut, never meets half of one; and asking whether a lock is held."""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

_TEMPORARY = ".tmp-"


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file whole: temporary file beside it, fsync, rename, fsync of the folder.

    Args:
        path: the file to replace or create; its folder must exist.
        write: gets the open temporary file. What it raises passes through, and the old file stays as it was.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    handle, name = tempfile.mkstemp(prefix=f"{_TEMPORARY}{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp gives 0600, but a run folder is read by the whole team
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file whole; NaN and infinity are refused, since no other JSON reader takes them."""
    text = json.dumps(value, indent=1, allow_nan=False)
    write_whole(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON.
    """
    return json.loads(path.read_bytes())


def sync_folder(folder: Path) -> None:
    """Make a rename inside this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep_leftovers(folder: Path) -> None:
    """Delete what writers that were killed left behind. Only for the folder's owner: nobody else may be writing."""
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        leftover.unlink(missing_ok=True)


def lock_is_held(path: Path) -> bool:
    """Whether some living process holds this lock file (taken with `filelock.FileLock`), on this machine or, where
    the file system passes locks on, another. The kernel frees the lock of a process however it dies.

    Asks with a shared lock, so that two askers never take each other for the holder; a missing file is not held.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)  # gives a shared lock back, too
    return False
