"""Making and changing the files of groups. Reading is in `groups.py`."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from filelock import Timeout

from core.errors import RunError, system_reason
from core.files import how_to_write, make_folder, process_lock, write_json
from core.runs.groups import Group, GroupRecord, read_group, readable_group
from core.runs.paths import GroupPaths

GROUP_LOCK_SECONDS: Final = 60.0
"""Longer than the start of the largest group takes on this machine. An engine may take longer for it."""
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")
_NUMBERED: Final = 60
"""Characters of a name that leave room for a number."""


@contextmanager
def group_lock(runs_root: Path, *, make_root: bool = False) -> Iterator[None]:
    """Held while the files of groups change, and while the weights of their runs are thinned out; never while an engine
    is asked for anything.

    Args:
        runs_root: the folder of all runs.
        make_root: whether to make it if it is missing, as the start of first runs does.

    Raises:
        RunError: the folder cannot be written, or another process has held the lock for a minute.
    """
    with _held(runs_root, GroupPaths(runs_root).lock, make_root, "changed"):
        yield


@contextmanager
def group_start_lock(runs_root: Path, *, make_root: bool = False) -> Iterator[None]:
    """Held while the runs of a group are started or resumed, so that no two do it at once. Whoever stops a group does
    not wait for it: the starter looks after each run whether it is still wanted.

    Args, Raises:
        as for `group_lock`, inside of which it is never taken.
    """
    with _held(runs_root, GroupPaths(runs_root).start_lock, make_root, "started"):
        yield


@contextmanager
def _held(runs_root: Path, path: Path, make_root: bool, what: str) -> Iterator[None]:
    lock = process_lock(path, timeout=GROUP_LOCK_SECONDS)
    try:
        make_folder(path.parent, parents=make_root)
        lock.acquire()
    except Timeout:
        raise RunError(f"Another group is being {what}. Try again in a moment.") from None
    except OSError as error:
        raise _unwritable(runs_root, error) from error
    try:
        yield
    finally:
        lock.release()


def add_group(runs_root: Path, record: GroupRecord, name: str) -> Group:
    """Write a new group under a name, or under that name with a number if it is taken; under the `group_lock`.

    Raises:
        RunError: the file cannot be written.
    """
    paths = GroupPaths(runs_root)
    names = (name if number == 1 else f"{name[:_NUMBERED]}-{number}" for number in count(1))
    return _write(runs_root, Group(next(each for each in names if not os.path.lexists(paths.file(each))), record))


def change_group(runs_root: Path, name: str, **changes: Any) -> Group:
    """Replace entries of the record of a group; under the `group_lock`.

    Raises:
        RunError: there is none of that name, it cannot be read, or not be written.
    """
    found = readable_group(runs_root, name)
    return _write(runs_root, Group(name, found.record.model_copy(update=changes)))


def remove_group(runs_root: Path, name: str) -> None:
    """Remove the file of a group; its runs stay as they are.

    Raises:
        RunError: there is none of that name, or its file cannot be removed.
    """
    read_group(runs_root, name)
    try:
        GroupPaths(runs_root).file(name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"Can't delete group “{name}”: {system_reason(error)}.") from error


def _write(runs_root: Path, group: Group) -> Group:
    try:
        write_json(GroupPaths(runs_root).file(group.name), group.record.model_dump(mode="json"))
    except OSError as error:
        raise _unwritable(runs_root, error) from error
    return group


def _unwritable(runs_root: Path, error: OSError) -> RunError:
    advice = how_to_write(runs_root, error, "FER_RUNS_ROOT")
    return RunError(f"Can't write under {GroupPaths(runs_root).folder}: {system_reason(error)}.{advice}")


def name_from_title(title: str, otherwise: str) -> str:
    """A valid name made of a title for people; the other one where nothing of it is left."""
    return _SEPARATORS.sub("-", title.lower()).strip("-")[:_NUMBERED].strip("-") or otherwise
