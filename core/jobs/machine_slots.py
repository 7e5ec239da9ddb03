"""Which slots of this machine are in use, whichever runs root and whichever user they are in use by: one lock file per
slot, in a folder that all users share.

Nothing is ever written to a lock file, nor read from it, so what stands in a shared folder needs no trust: it is
opened for reading, never through a link, and everybody else may open it, too. Whoever wants to can hold a lock and keep
a slot from the others, as they could by using the GPU itself.
"""

import errno
import fcntl
import logging
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from filelock import Timeout

from core.errors import system_reason
from core.files import lock_is_held
from core.jobs.slots import list_slots
from core.machine import user_path
from core.runs.paths import QueuePaths

SLOT_POLL_SECONDS: Final = 0.05
SHARED_FOLDERS: Final = (Path("/run/lock"), Path("/tmp"))
"""First the one that nobody sweeps: a lock file that is removed while it is held locks nothing any more."""

WAITS: Final = "Queued: this machine is in use by a run of another runs root"

log = logging.getLogger(__name__)


def locks_folder() -> Path:
    """Where this machine's slots are locked: `FER_MACHINE_LOCKS`, else a folder in which every user may make files and
    nobody may remove another's, else the user's own temporary folder."""
    if named := os.environ.get("FER_MACHINE_LOCKS"):
        return user_path(named)
    return next(filter(_is_shared, SHARED_FOLDERS), None) or _temporary_folder()


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # none that can be written: the lock fails, and the log says so
        return SHARED_FOLDERS[-1]


def slot_lock(slot: str) -> Path:
    """The lock file of a slot. The whole CPU, `cpu`, and the first part of a shared one are the same place."""
    return locks_folder() / f"fer-dashboard-{'cpu-0' if slot == 'cpu' else slot}.lock"


@contextmanager
def hold_slot(slot: str, seconds: float) -> Iterator[None]:
    """Keep a slot of this machine from everybody else. The kernel frees it however the process ends.

    Where it cannot be locked, because the folder is missing, say, this is logged and the slot is used all the same:
    training must not depend on it.

    Args:
        slot: its name.
        seconds: how long to wait for it.

    Raises:
        Timeout: somebody else held it all the time.
    """
    handle = None
    try:
        handle = _acquire(slot_lock(slot), seconds)
    except Timeout:
        raise
    except OSError as error:
        _warn(slot_lock(slot), system_reason(error))
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def slot_in_use(slot: str) -> bool:
    """Whether a worker of this machine holds the slot; False also where nobody can tell."""
    try:
        return lock_is_held(slot_lock(slot))
    except OSError as error:
        _warn(slot_lock(slot), system_reason(error))
        return False


def waits_for_others(runs_root: Path) -> bool:
    """Whether every slot is in use, and one of them by a run of another runs root.

    Raises:
        ConfigError: `FER_CPU_SLOTS` makes no sense.
        OSError: a lock file of this runs root cannot be opened.
    """
    queue = QueuePaths(runs_root)
    slots = list_slots(runs_root)
    ours = [lock_is_held(queue.slot_lock(slot.name)) for slot in slots]
    return not all(ours) and all(own or slot_in_use(slot.name) for own, slot in zip(ours, slots, strict=True))


def _acquire(path: Path, seconds: float) -> int:
    """An open file that holds the lock."""
    deadline = time.monotonic() + seconds
    while True:
        handle = _open(path)
        try:
            _wait_for_lock(handle, path, deadline)
            if _is_still(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait_for_lock(handle: int, path: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Timeout(str(path)) from None
        time.sleep(SLOT_POLL_SECONDS)


def _open(path: Path) -> int:
    """The lock file, made if it is missing; for reading, which is enough to lock it.

    Raises:
        OSError: it cannot be opened, or is a link, a pipe or anything else that is no file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe that somebody has put there would make us wait
    with suppress(FileExistsError):
        # Only if it is missing: Linux lets nobody open another's file in a shared folder as if to create it.
        handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o444)
        os.fchmod(handle, 0o444)  # whatever the umask says
        return handle
    handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a file", str(path))
    return handle


def _is_still(path: Path, handle: int) -> bool:
    """Whether the open file is the one that others will open, and was not removed meanwhile."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _is_shared(folder: Path) -> bool:
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX) and bool(mode & stat.S_IWOTH)


@cache
def _warn(path: Path, reason: str) -> None:
    """Once: the runner asks twice a second."""
    log.warning("%s can't be locked (%s): runs of other runs roots may use the same slot.", path, reason)
