"""Where the project is, what folders and files may be called, how files are written so that a reader, or a power cut,
never meets half of one, their sizes in words, and whether a lock is held."""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

PROJECT_ROOT: Final = Path(__file__).resolve().parent.parent

NAME: Final = r"[a-z0-9][a-z0-9-]{0,63}"
"""Valid names of runs, datasets and correction sets, as a regular expression: safe as file names, never an option."""

_TEMPORARY: Final = ".tmp-"


def file_size(count: int) -> str:
    """Bytes in the unit that fits, such as `42 kB` or `17.1 MB`."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.0f} {unit}" if count >= 10 * length else f"{count / length:.1f} {unit}"
    return f"{count} B"


def write_whole(path: Path, write: Callable[[BinaryIO], object], *, lasting: bool = True, mode: int = 0o644) -> None:
    """Replace a file whole: temporary file beside it, fsync, rename, fsync of the folder.

    Args:
        path: the file to replace or create; its folder must exist.
        write: gets the open temporary file. What it raises passes through, and the old file stays as it was.
        lasting: False leaves out the last step, half of the cost: a power cut may then bring the old file back, whole.
        mode: who may read it; by default everybody, since a run folder is read by the whole team.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    handle, name = tempfile.mkstemp(prefix=f"{_TEMPORARY}{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)  # mkstemp gave 0600, so that what is private was never open
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if lasting:
        sync_folder(path.parent)


def write_json(path: Path, value: Any, *, lasting: bool = True, indent: int | None = 1) -> None:
    """Replace a JSON file whole, as `write_whole` does; without indent half as long and twice as fast to read.

    Raises:
        OSError: the disk is full or the folder is not writable.
        ValueError: NaN or infinity, which no other JSON reader takes.
    """
    text = json.dumps(value, indent=indent, allow_nan=False)
    write_whole(path, lambda file: file.write(text.encode()), lasting=lasting)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or nested too deeply to be ours.
    """
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("nested too deeply") from None


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

    Asks with a shared lock, so that two askers never take each other for the holder; a missing file is not held. For
    the moment of asking nobody can take the lock: who wants it should try for longer than that.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe in its place would make us wait
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)  # gives a shared lock back, too
    return False
