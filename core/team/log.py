"""The activity log: who did what, when, on what and by which way. It only grows, and is written before something is
done, so that nothing is done that it does not know of.

What is done in a folder of runs or of datasets is in `.activity/` of that folder, a file per month with one JSON object
per line. An act has a line as soon as it is allowed or refused, and a second one, with the same id, if something has to
be added: that it failed, or the run that it made.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Literal

from filelock import Timeout
from pydantic import BaseModel, ConfigDict, Field

from core.errors import ActivityError, system_reason
from core.files import how_to_write, make_folder, open_regular, process_lock, sync_folder
from core.runs.values import Moment, Name, OneLine, Person

ACTIVITY_LOCK_SECONDS: Final = 10.0
LONGEST_DETAIL: Final = 500
"""Characters."""
_BLOCK: Final = 65_536
"""Bytes read at once, from the end of a file on."""

ActivityOutcome = Literal["allowed", "refused", "failed"]


class ActivityEntry(BaseModel):
    """One act."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(default_factory=lambda: secrets.token_hex(6), max_length=40)
    time: Moment = Field(default_factory=lambda: datetime.now(UTC))
    who: Person
    """Empty: somebody without a name."""
    email: OneLine = ""
    role: Name
    way: Name
    """`page`, `API`, `command line` or `server`."""
    action: Name
    """The key of an `Action`; a newer version may have others."""
    on: Name = ""
    """The id of the run, or the name of the dataset or correction set; empty: nothing in particular."""
    detail: OneLine = ""
    outcome: ActivityOutcome = "allowed"
    reason: OneLine = ""
    """Why it was refused, or has failed."""
    made: Name = ""
    """The id of the run, or the name of the dataset, that came of it."""

    def is_about(self, text: str) -> bool:
        """Whether it is about the run, dataset or correction set of this name, or one whose name begins so."""
        return any(name.startswith(text) for name in (self.on, self.made) if name)


@dataclass(frozen=True)
class Filter:
    """Which acts are looked for; what is empty lets all pass."""

    who: str = ""
    """A name or an email address, in any case."""
    action: str = ""
    """The key of an `Action`."""
    on: str = ""
    """The beginning of the name of a run, dataset or correction set."""
    outcome: str = ""
    since: datetime | None = None

    def matching(self, entries: Iterable[ActivityEntry]) -> Iterator[ActivityEntry]:
        """Those of the entries, newest first, that are looked for; no older ones are asked for."""
        recent = takewhile(lambda entry: self.since is None or entry.time >= self.since, entries)
        return filter(self._matches, recent)

    def _matches(self, entry: ActivityEntry) -> bool:
        return (
            self.who.casefold() in ("", entry.who.casefold(), entry.email)
            and self.action.lower() in ("", entry.action)
            and self.outcome in ("", entry.outcome)
            and (not self.on or entry.is_about(self.on))
        )


@dataclass(frozen=True)
class ActivityPaths:
    """The files of a log. Creating this object touches nothing on disk."""

    root: Path
    """The folder of all runs, or of all datasets."""

    @property
    def folder(self) -> Path:
        """Its name is none that a run or a dataset can have."""
        return self.root / ".activity"

    @property
    def lock(self) -> Path:
        """Held while a line is written."""
        return self.folder / "lock"

    def month(self, moment: datetime) -> Path:
        """The file of a month, of UTC."""
        return self.folder / f"{moment.astimezone(UTC):%Y-%m}.jsonl"

    def months(self) -> list[Path]:
        """The files that are there, newest first."""
        return sorted(self.folder.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl"), reverse=True)


def record(root: Path, entry: ActivityEntry, *, variable: str, make_root: bool = False) -> None:
    """Write down an act. It is on disk when this returns.

    Args:
        root: the folder of all runs, or of all datasets.
        entry: what to write.
        variable: the environment variable that names another such folder.
        make_root: whether to make that folder if it is missing.

    Raises:
        ActivityError: it cannot be written.
    """
    row = entry.model_dump(mode="json", exclude_defaults=True) | {"id": entry.id, "time": entry.time.isoformat()}
    _write(root, row, entry.time, variable, make_root)


def add_to(root: Path, entry: ActivityEntry, *, variable: str, **more: str) -> None:
    """Add to what is written of an act: `outcome` and `reason`, or `made`.

    Raises:
        ActivityError: it cannot be written.
    """
    _write(root, {"id": entry.id, **more}, entry.time, variable, False)


def _write(root: Path, row: dict[str, Any], moment: datetime, variable: str, make_root: bool) -> None:
    paths = ActivityPaths(root)
    try:
        make_folder(paths.folder, parents=make_root)
        with process_lock(paths.lock, timeout=ACTIVITY_LOCK_SECONDS, poll_interval=0.01):
            _append(paths.month(moment), json.dumps(row).encode() + b"\n")
    except Timeout:
        raise ActivityError("Nothing was done: the activity log is locked by another process. Try again.") from None
    except OSError as error:
        raise ActivityError(
            f"Nothing was done, since it can't be written down in {paths.folder}: {system_reason(error)}."
            f"{how_to_write(root, error, variable)}"
        ) from error


def _append(path: Path, line: bytes) -> None:
    """Add a line at the end of a file, as a whole or not at all."""
    is_new = not path.exists()
    with open(path, "a+b", buffering=0, opener=open_regular) as file:
        before = file.seek(0, os.SEEK_END)
        if before and os.pread(file.fileno(), 1, before - 1) != b"\n":  # its writer was killed in the middle of it
            line = b"\n" + line
        try:
            while line:
                line = line[file.write(line) :]
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise
    if is_new:
        sync_folder(path.parent)


def read_activity(roots: Iterable[Path]) -> Iterator[ActivityEntry]:
    """The acts of these folders, newest first; only as much is read as is asked for. Lines that are none are skipped.

    Raises:
        ActivityError: a file cannot be read.
    """
    logs = [_read_log(root) for root in dict.fromkeys(roots)]
    return merge(*logs, key=lambda entry: entry.time, reverse=True)


def _read_log(root: Path) -> Iterator[ActivityEntry]:
    added: dict[str, dict[str, Any]] = {}
    """By id: what later lines add to acts whose first line is still to come."""
    try:
        for path in ActivityPaths(root).months():
            for line in _lines_backwards(path):
                with suppress(ValueError, TypeError, KeyError, RecursionError):  # a ValidationError is one, too
                    row = json.loads(line)
                    if "action" in row:
                        yield ActivityEntry.model_validate(row | added.pop(row["id"], {}))
                    else:
                        added[row["id"]] = row | added.get(row["id"], {})
    except OSError as error:
        raise ActivityError(f"Can't read the activity log in {root.name}: {system_reason(error)}.") from error


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """The lines of a file, the last one first; what follows the last newline is not there yet."""
    with open(path, "rb", opener=open_regular) as file:
        end = file.seek(0, os.SEEK_END)
        rest, is_whole = b"", False
        while end:
            start = max(0, end - _BLOCK)
            block = os.pread(file.fileno(), end - start, start) + rest
            rest, *lines = block.split(b"\n")
            if lines and not is_whole:
                lines.pop()
                is_whole = True
            yield from reversed(lines)
            end = start
        if rest and is_whole:
            yield rest
