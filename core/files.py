"""Where the project is, what folders and files may be called, how files are written so that a reader, or a power cut,
never meets half of one, their sizes in words, and whether a lock is held."""

import errno
import fcntl
import json
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from filelock import FileLock, Timeout

PROJECT_ROOT: Final = Path(__file__).resolve().parent.parent

NAME: Final = r"[a-z0-9][a-z0-9-]{0,63}"
"""Valid names of runs, datasets and correction sets, as a regular expression: safe as file names, never an option."""

NO_LOCKS: Final = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What `flock` fails with where a file system has no locks, such as Lustre mounted without them, or some FUSE ones."""

UNWRITABLE: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
"""What a folder fails with that this user cannot write."""

_READABLE: Final = 0o644
"""A run folder is read by the whole team, whatever the umask says."""

_TEMPORARY: Final = ".tmp-"


def file_size(count: int) -> str:
    """Bytes in the unit that fits, such as `42 kB` or `17.1 MB`."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.0f} {unit}" if count >= 10 * length else f"{count / length:.1f} {unit}"
    return f"{count} B"


def shared_mode(folder: Path) -> int | None:
    """Who may read and write what is made in a folder that several users share: whoever may do so there.

    Returns:
        The permission bits of a folder; a file has those of them that are not for executing. None where only the owner
        may write, or where, as in /tmp, nobody may change what is another's.

    Raises:
        OSError: it cannot be looked at.
    """
    mode = folder.stat().st_mode
    return stat.S_IMODE(mode) if mode & stat.S_IWGRP and not mode & stat.S_ISVTX else None


def share(made: int | Path, folder: Path) -> bool:
    """Give what this process has made in a folder, or will move there, the group and the mode of that folder; whether
    several users share it. If not, nothing changes.

    Args:
        made: a file or folder, or the handle of an open file.
        folder: where it is, or will be.

    Raises:
        OSError: one of the two cannot be looked at.
    """
    mode = shared_mode(folder)
    if mode is None:
        return False
    about, group = os.stat(made), folder.stat().st_gid
    with suppress(PermissionError):  # who is not in the group may have been let in as one of all others
        if about.st_gid != group:
            os.chown(made, -1, group)
    with suppress(PermissionError):
        os.chmod(made, mode if stat.S_ISDIR(about.st_mode) else mode & 0o666)
    return True


def make_folder(folder: Path, *, parents: bool = False) -> None:
    """Make a folder if it is missing; in one that several users share, it is shared, too.

    Args:
        folder: the folder.
        parents: whether to make those above it.

    Raises:
        OSError: it cannot be made.
    """
    if parents and not folder.parent.exists():
        make_folder(folder.parent, parents=True)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        share(folder, folder.parent)


def touch(path: Path) -> None:
    """Make an empty file if it is missing; in a folder that several users share, it is shared, too.

    Raises:
        OSError: it cannot be made, or is no regular file.
    """
    os.close(open_regular(path, os.O_WRONLY | os.O_CREAT))


def how_to_write(root: Path, error: OSError, variable: str) -> str:
    """What to do about a folder that this user cannot write, as a sentence that begins with a space; empty if the error
    says something else.

    Args:
        root: the folder of all runs or datasets.
        error: what the system refused.
        variable: the environment variable that names another such folder.
    """
    if error.errno not in UNWRITABLE:
        return ""
    place = _existing(Path(error.filename or root))
    with suppress(OSError):
        if error.errno != errno.EROFS and place != root and shared_mode(root) is not None:  # made before it was shared
            owner = _owner(place)
            return f" {place.name} belongs to {owner} alone: as {owner}, run `chmod -R g+rwX {root}` to share it."
    return f" Set {variable} to a folder that can be written."


def _existing(path: Path) -> Path:
    """A file, or the nearest folder above it that is there."""
    return next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))


def _owner(path: Path) -> str:
    number = path.lstat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def write_whole(
    path: Path,
    write: Callable[[BinaryIO], object],
    *,
    lasting: bool = True,
    private: bool = False,
    check: Callable[[], object] = lambda: None,
) -> None:
    """Replace a file whole: temporary file beside it, fsync, rename, fsync of the folder.

    Args:
        path: the file to replace or create; its folder must exist.
        write: gets the open temporary file. What it raises passes through, and the old file stays as it was.
        lasting: False leaves out the last step, half of the cost: a power cut may then bring the old file back, whole.
        private: True lets only this user read it; else everybody may, and in a folder that several users share (see
            `share`), all of them may replace and change it.
        check: called when only the rename is left to do. What it raises passes through, as that of `write` does. Who
            has it fail, and then sweeps (`sweep_leftovers`), can be sure that this file does not come any more.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    with staged(path, write, private=private) as put_in_place:
        check()
        put_in_place()
    if lasting:
        sync_folder(path.parent)


@contextmanager
def staged(path: Path, write: Callable[[BinaryIO], object], *, private: bool = False) -> Iterator[Callable[[], None]]:
    """As `write_whole`, in two steps: inside, the new file is on disk under another name, and a call of what is given
    renames it; without one, it goes again. So what belongs to it can be done when only a rename may still fail.

    Raises:
        OSError: as `write_whole`; also if the folder was replaced meanwhile, so that under that name is half a file.
    """
    handle, name = tempfile.mkstemp(prefix=f"{_TEMPORARY}{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        if not private and not share(Path(name), path.parent):  # mkstemp has made it for this user only
            os.chmod(name, _READABLE)

        def put_in_place() -> None:
            # The folder may have been put back from a copy that was made while this file was being written.
            if os.stat(name).st_size != size:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), name)
            os.replace(name, path)

        yield put_in_place
    finally:
        Path(name).unlink(missing_ok=True)


def write_json(
    path: Path,
    value: Any,
    *,
    lasting: bool = True,
    indent: int | None = 1,
    check: Callable[[], object] = lambda: None,
) -> None:
    """Replace a JSON file whole, as `write_whole` does; without indent half as long and twice as fast to read.

    Raises:
        OSError: the disk is full or the folder is not writable.
        ValueError: NaN or infinity, which no other JSON reader takes.
    """
    text = json.dumps(value, indent=indent, allow_nan=False)
    write_whole(path, lambda file: file.write(text.encode()), lasting=lasting, check=check)


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Open a file, but nothing else that may have its name: a named pipe would keep us waiting for ever, and a device
    may have no end. A file that this makes is shared where its folder is. For the standard library's `open`, as
    `opener`.

    Raises:
        OSError: it is no regular file, or cannot be opened.
    """
    is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if is_new:
            share(handle, Path(path).parent)
    except OSError:
        os.close(handle)
        raise
    return handle


def read_regular(path: Path) -> bytes:
    """The content of a file, as `open_regular` opens it.

    Raises:
        OSError: it is no regular file, or cannot be read.
    """
    with open(path, "rb", opener=open_regular) as file:
        return file.read()


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        OSError: it is no regular file, or cannot be read.
        ValueError: it is not JSON, or nested too deeply to be ours.
    """
    try:
        return json.loads(read_regular(path))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def sync_folder(folder: Path) -> None:
    """Make a rename inside this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep_leftovers(folder: Path, name: str | None = None) -> None:
    """Delete what writers that were killed left behind, of one file or of all. Should one of them live, its write
    fails. Only for the folder's owner: nobody else may be writing."""
    for leftover in folder.glob(f"{_TEMPORARY}*" if name is None else f"{_TEMPORARY}{name}-*"):
        leftover.unlink(missing_ok=True)


class _ProcessLock(FileLock):
    """A lock that says in words why it cannot be had."""

    def acquire(self, *args: Any, **options: Any) -> Any:
        try:
            if not os.path.lexists(self.lock_file):
                touch(Path(self.lock_file))  # of itself it would be as the umask says, and no other user's lock
            return super().acquire(*args, **options)
        except Timeout:
            raise
        except OSError as error:
            raise _in_words(error) from error


def process_lock(path: Path, timeout: float = -1, *, poll_interval: float = 0.05) -> FileLock:
    """A lock that the kernel frees however its holder dies: `flock` on a file that stays.

    Where the file system has none, taking it fails: a file whose existence is the lock, to which `filelock` would turn,
    outlives its holder, and `lock_is_held` would not see it.

    Args:
        path: the lock file; its folder must exist.
        timeout: seconds to wait for it; for ever if negative.
        poll_interval: seconds between two attempts.

    Taking it raises:
        Timeout: somebody held it all the time.
        OSError: the file cannot be opened, or its file system has no locks.
    """
    return _ProcessLock(path, timeout, poll_interval=poll_interval, fallback_to_soft=False)


def _in_words(error: OSError) -> OSError:
    """The same error; where a file system has no locks, with words that say so and what to do."""
    if error.errno not in NO_LOCKS:
        return error
    return OSError(
        error.errno,
        "its file system has no file locks (flock); set FER_RUNS_ROOT or FER_DATA_ROOT to a folder on another one",
        error.filename,
    )


def lock_is_held(path: Path) -> bool:
    """Whether some living process holds this lock file (taken with `process_lock`), on this machine or, where
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
    except (BlockingIOError, PermissionError):  # some file systems say EACCES for a lock that is held
        return True
    except OSError as error:
        raise _in_words(error) from error
    finally:
        os.close(handle)  # gives a shared lock back, too
    return False
