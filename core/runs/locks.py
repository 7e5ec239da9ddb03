"""The locks of a run folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.files import process_lock
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
