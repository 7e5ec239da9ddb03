"""The locks of a run folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from filelock import FileLock

from core.runs.paths import RunPaths

META_LOCK_SECONDS: Final = 10.0


@contextmanager
def meta_lock(paths: RunPaths) -> Iterator[None]:
    """Held by who changes what people say about a run: `meta.json` and its history, and verdicts on images.

    Raises:
        OSError: the run is gone, its folder cannot be written, or (`filelock.Timeout`) the lock was held for too long.
    """
    paths.folder.stat()  # the lock would make the folder of a run that was deleted anew
    with FileLock(paths.meta_lock, timeout=META_LOCK_SECONDS, poll_interval=0.01):
        yield
