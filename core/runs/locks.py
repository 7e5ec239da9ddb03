"""The locks of a run folder, and whether the file system has locks that all its machines see."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from core.errors import RunError
from core.files import process_lock, sweep_leftovers, write_whole
from core.machine import local_lock_option
from core.runs.paths import RunPaths

META_LOCK_SECONDS: Final = 10.0


@contextmanager
def meta_lock(paths: RunPaths) -> Iterator[None]:
    """Held while `meta.json`, its history or the label reviews of a run change.

    Raises:
        OSError: the run is gone, its folder cannot be written, or (`filelock.Timeout`) the lock was held for too long.
    """
    paths.folder.stat()  # the lock would recreate the folder of a deleted run
    with process_lock(paths.meta_lock, timeout=META_LOCK_SECONDS, poll_interval=0.01):
        yield


def replace_alive_lock(paths: RunPaths) -> None:
    """Put another lock file in the place of the one that a process of the run may hold, wherever it is: it notices, and
    ends without writing anything more. Call it under the lock of the queue, before the status is written.

    It notices before it renames what it has written, and what it had written before this is swept away. So nothing of
    it comes any more even if it was cut off, or stood still, in the middle.

    Raises:
        OSError: the folder cannot be written.
    """
    write_whole(paths.alive_lock, lambda file: None)
    for checked in (paths.status, paths.checkpoint, paths.weights):
        sweep_leftovers(paths.folder, checked.name)


def require_shared_locks(runs_root: Path) -> None:
    """Refuse a folder whose file system is shared, but keeps each machine's locks to itself: two machines would train
    the same run.

    Raises:
        RunError: it is mounted in such a way.
    """
    if option := local_lock_option(runs_root):
        raise RunError(
            f"Can't train in {runs_root}: it is mounted with the option `{option}`, so that other machines don't see "
            "the locks of this one. Mount it without that option, or set FER_RUNS_ROOT to a folder on another file "
            "system."
        )
