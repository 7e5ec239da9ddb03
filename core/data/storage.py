"""Folders of datasets below `data_root`: each appears, is replaced and disappears as a whole, whatever is killed
meanwhile. What the files in them mean is known to `dataset.py`.
"""

import errno
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from filelock import Timeout

from core.errors import DataError, system_reason
from core.files import NAME, how_to_write, make_folder, process_lock, sync_folder

_INCOMING: Final = ".incoming-"  # partially written or deleted; garbage once nobody holds the lock
_REPLACED: Final = ".replaced-"  # the old set while the new one takes its place; valid until the new one is there
_LOCK: Final = ".import.lock"
_LOCK_SECONDS: Final = 120
_T = TypeVar("_T")


def check_dataset_name(name: str) -> None:
    """Reject what is not a valid dataset name.

    Raises:
        DataError: it is not a valid name.
    """
    if not re.fullmatch(NAME, name):
        raise DataError(
            f"Invalid dataset name {name[:80]!r}. Use a–z, 0–9 and hyphens (max 64), not starting with a hyphen."
        )


def dataset_names(data_root: Path) -> set[str]:
    """Names of all folders that may be datasets; what killed imports left is cleaned up."""
    if not data_root.is_dir():
        return set()
    entries = [entry.name for entry in data_root.iterdir() if entry.is_dir()]
    if any(entry.startswith((_INCOMING, _REPLACED)) for entry in entries):
        _sweep_unless_written(data_root)
    return {entry.removeprefix(_REPLACED) for entry in entries}


def find_folder(data_root: Path, name: str) -> Path:
    """The folder of a dataset: under its own name, or the old one where a replacement is, or was, half done.

    Raises:
        DataError: the name is not allowed, or there is none.
    """
    check_dataset_name(name)
    final, replaced = data_root / name, data_root / f"{_REPLACED}{name}"
    for folder in (final, replaced, final):  # the last look: the replacement may have ended between the first two
        if folder.is_dir():
            return folder
    raise DataError(f"Dataset {name!r} is not imported. Run `python -m core data import PATH` or use the Data page.")


def read_whole(data_root: Path, name: str, read: Callable[[Path], _T]) -> _T:
    """Read several files of a dataset; where it is replaced meanwhile, start over, so as not to mix old and new.

    Raises:
        DataError: it is not there, or its files are corrupt.
    """
    while True:
        folder = find_folder(data_root, name)
        before = _identity(folder)
        try:
            result = read(folder)
        except DataError:
            raise
        except (OSError, ValueError, TypeError, IndexError, EOFError, SyntaxError) as error:  # np.load raises these
            # The old one, which is read until the new one is in its place, is removed from then on.
            if before and _identity(folder) == before and find_folder(data_root, name) == folder:
                raise _damaged(name, error) from error
        else:
            if _identity(folder) == before:
                return result


def check_writable(data_root: Path) -> None:
    """Find out before the work of an import whether it can be written; nothing is made.

    Raises:
        DataError: the folder, or the one to make it in, cannot be written.
    """
    with _explained(data_root):
        place = next(each for each in (data_root, *data_root.absolute().parents) if each.exists())
        with tempfile.TemporaryFile(dir=place):
            pass


@contextmanager
def replacing(data_root: Path, name: str) -> Iterator[Path]:
    """An empty folder to write a dataset into; at the end of the block it takes the place of the one of that name.

    Raises:
        DataError: the folder cannot be written; then, as with anything else raised in the block, the old set stays.
    """
    with _locked(data_root):
        _sweep(data_root)
        incoming = data_root / f"{_INCOMING}{name}"
        try:
            make_folder(incoming)
            yield incoming
            _swap(incoming, data_root / name, data_root / f"{_REPLACED}{name}")
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def disk_bytes(data_root: Path, name: str) -> int:
    """Size of a dataset on disk.

    Raises:
        DataError: it is not there.
    """
    return sum(file.stat().st_size for file in find_folder(data_root, name).iterdir() if file.is_file())


def delete_dataset(data_root: Path, name: str) -> None:
    """Delete a dataset. Processes that have it open keep reading it until they end.

    Raises:
        DataError: it is not there, or cannot be deleted.
    """
    find_folder(data_root, name)
    with _locked(data_root):
        for folder in (data_root / name, data_root / f"{_REPLACED}{name}"):
            if folder.is_dir():
                folder.rename(data_root / f"{_INCOMING}deleted-{folder.name.removeprefix('.')}")
        sync_folder(data_root)
        _sweep(data_root)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Tells a folder from a later one of the same name."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _damaged(name: str, error: Exception) -> DataError:
    text = system_reason(error) if isinstance(error, OSError) else str(error)
    reason = (text.splitlines() or [type(error).__name__])[0]
    return DataError(f"Dataset {name!r} is corrupt ({reason}). Import it again.")


def _swap(incoming: Path, final: Path, replaced: Path) -> None:
    """Give the new folder its name. Between the two renames readers find the old set as `replaced`."""
    if final.is_dir():
        final.rename(replaced)
    try:
        incoming.rename(final)
    except OSError:
        if replaced.is_dir():
            replaced.rename(final)
        raise
    sync_folder(final.parent)  # before the old set goes: a power cut must not cost both
    shutil.rmtree(replaced, ignore_errors=True)


def _sweep(data_root: Path) -> None:
    """Clean up after imports that were killed. Only under the lock: then nobody else is writing."""
    for leftover in data_root.glob(f"{_INCOMING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for old in data_root.glob(f"{_REPLACED}*"):
        final = data_root / old.name.removeprefix(_REPLACED)
        if final.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(final)


def _sweep_unless_written(data_root: Path) -> None:
    with suppress(OSError), process_lock(data_root / _LOCK, timeout=0):  # held, or a folder that is only read: not now
        _sweep(data_root)


@contextmanager
def _locked(data_root: Path) -> Iterator[None]:
    """Hold the lock under which datasets are written; an OSError becomes a DataError."""
    with _explained(data_root):
        make_folder(data_root, parents=True)
        with process_lock(data_root / _LOCK, timeout=_LOCK_SECONDS):
            yield


@contextmanager
def _explained(data_root: Path) -> Iterator[None]:
    """An OSError inside becomes a DataError that says what to do."""
    try:
        yield
    except Timeout:  # an OSError, too
        raise DataError("Another import is in progress. Try again when it is done.") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"The disk of {data_root} is full. Free some space (FER2013 needs 85 MB) and try again."
            ) from error
        advice = how_to_write(data_root, error, "FER_DATA_ROOT")
        raise DataError(f"Cannot write datasets under {data_root}: {system_reason(error)}.{advice}") from error
