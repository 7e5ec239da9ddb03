"""Creating, listing and reading runs. State is read from disk alone; nothing here needs the process that trains."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from core.config import TrainConfig
from core.errors import RunError
from core.files import lock_is_held, sweep_leftovers, sync_folder, write_json
from core.runs.layout import QueuePaths, RunPaths, is_run_id, new_run_id

STALLED_AFTER_SECONDS: Final = 120
META_LOCK_SECONDS: Final = 10.0
ABANDONED_AFTER_SECONDS: Final = 3600
"""Age at which a half-made run folder counts as left behind by a process that was killed."""


class RunState(StrEnum):
    """What a run is doing. The first five are written; the last three are derived when a run is read."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    CRASHED = "crashed"  # says running, but nobody holds its lock
    STALLED = "stalled"  # its lock is held, but nothing has moved for long
    DAMAGED = "damaged"  # its files cannot be read

    @property
    def is_live(self) -> bool:
        """Whether the run may still change by itself, so that a page should look again."""
        return self in (RunState.QUEUED, RunState.RUNNING, RunState.STALLED)


class RunStatus(BaseModel):
    """`status.json`: what the run is doing and how far it is. Written by the queue until a worker takes the run."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    state: Literal["queued", "running", "finished", "failed", "stopped"] = "queued"
    created_at: AwareDatetime
    queued_at: AwareDatetime | None = None
    """When it last began to wait; tells one wait from the next."""
    started_at: AwareDatetime | None = None
    """When it last began to run."""
    ended_at: AwareDatetime | None = None
    queue_position: float = 0.0
    """Waiting runs start in ascending order of this."""
    data_root: str | None = None
    """While it waits: the folder of data sets it was started with; None means the runner's."""
    launcher: str = "local"
    slot: str | None = None
    host: str | None = None
    boot_id: str | None = None
    pid: int | None = None
    heartbeat: float | None = None
    """The machine's monotonic clock, in seconds, when training last moved."""
    activity: str = ""
    """What the worker is busy with, in words, such as `training` or `evaluating`."""
    epoch: int = 0
    """The epoch in progress, from 1; 0 before the first."""
    epochs: int = 0
    batch: int = 0
    batches: int = 0
    """Batches per epoch."""
    progress: float = Field(default=0.0, ge=0, le=1)
    eta_seconds: float | None = None
    elapsed_seconds: float = 0.0
    """Time spent training, over all resumes, by a monotonic clock."""
    images_per_second: float | None = None
    device: str | None = None
    error: str | None = None
    """One line for people; the traceback is in `train.log`."""


class RunMeta(BaseModel):
    """`meta.json`: what people say about a run; never read by training."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    author: str = ""
    notes: str = ""
    tags: list[str] = []
    review: Literal["unreviewed", "in review", "approved", "rejected"] = "unreviewed"
    reviewer: str = ""
    """Who gave it this review state."""
    starred: bool = False
    archived: bool = False
    parent: str | None = None
    """The run this one was cloned from."""
    reproduces: str | None = None
    """The run that this one trains again, to see whether the same comes out."""


class _EpochFigures(BaseModel):
    epoch: int
    validation_accuracy: float


class _SplitFigures(BaseModel):
    images: int
    accuracy: float
    interval: tuple[float, float]


class _Summary(BaseModel):
    """What everybody who shows a summary relies on; the file holds more."""

    model_config = ConfigDict(allow_inf_nan=False)

    epochs_done: int = 0
    best: _EpochFigures | Annotated[dict[str, Any], Field(max_length=0)] = Field(default_factory=dict)
    evaluation: dict[str, _SplitFigures] = {}


@dataclass(frozen=True)
class Run:
    """One run as read from its folder at one moment."""

    paths: RunPaths
    state: RunState
    status: RunStatus
    meta: RunMeta
    config: TrainConfig | None
    """None when the file is damaged or from a version with other settings; `problem` says so."""
    summary: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    """Why the run failed, crashed, stalled or is damaged, or which of its files cannot be used, in one sentence."""

    @property
    def id(self) -> str:
        return self.paths.run_id

    @property
    def name(self) -> str:
        """The display name people gave, else the id."""
        return self.meta.name or self.id

    @property
    def has_weights(self) -> bool:
        return os.path.isfile(self.paths.weights)  # Path.exists raises where the folder may not be entered


def create_run(
    runs_root: Path,
    config: TrainConfig,
    *,
    name: str = "",
    author: str = "",
    parent: str | None = None,
    run_id: str | None = None,
    queue_position: float | None = None,
    data_root: Path | None = None,
    corrections: BaseModel | None = None,
    reproduces: str | None = None,
) -> RunPaths:
    """Make the folder of a new run, waiting in the queue; by default at its end, as far as the clock tells.

    The folder appears under its name only when it is complete: nobody ever lists half a run. The list of `corrections`
    that its settings name is copied into it.

    Raises:
        RunError: a run of that id is there already, or the folder cannot be written.
    """
    paths = RunPaths(runs_root, run_id or new_run_id())
    now = datetime.now(UTC)
    status = RunStatus(
        created_at=now,
        queued_at=now,
        queue_position=time.time() if queue_position is None else queue_position,
        data_root=str(data_root) if data_root else None,
        epochs=config.epochs,
        activity="waiting",
    )
    meta = RunMeta(name=name, author=author, parent=parent, reproduces=reproduces)
    drafts = QueuePaths(runs_root).drafts
    try:
        drafts.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=drafts, ignore_cleanup_errors=True) as own:
            draft = RunPaths(Path(own), paths.run_id)
            draft.folder.mkdir()
            write_json(draft.config, config.model_dump(mode="json"))
            write_json(draft.status, status.model_dump(mode="json"))
            write_json(draft.meta, meta.model_dump(mode="json"))
            if corrections is not None:
                write_json(draft.corrections, corrections.model_dump(mode="json"))
            if os.path.lexists(paths.folder):
                raise RunError(f"There is already a run {paths.run_id!r}: choose another name.")
            draft.folder.rename(paths.folder)
        sync_folder(runs_root)
    except OSError as error:
        raise RunError(f"Cannot write a run folder under {runs_root}: {error.strerror or error}.") from error
    return paths


def sweep_drafts(runs_root: Path) -> None:
    """Delete half-made run folders whose makers were killed long ago."""
    for draft in QueuePaths(runs_root).drafts.glob("*"):
        if _changed_at(draft).timestamp() < time.time() - ABANDONED_AFTER_SECONDS:
            shutil.rmtree(draft, ignore_errors=True)


def sweep_run(paths: RunPaths) -> None:
    """Delete half-written files in a run folder. Only for the worker that has taken the run: nobody else writes there
    then, but for people who change `meta.json`."""
    with meta_lock(paths):
        sweep_leftovers(paths.folder)


class RunReader:
    """Reads runs again and again, but only those of their files that have changed since the last look.

    What a state means is derived anew at each look: a process can die without a trace in any file. The runs share what
    was read, so nobody may change it. Several threads may look at once.
    """

    def __init__(self, runs_root: Path) -> None:
        self._root = runs_root
        self._folders: dict[str, _Folder] = {}

    def list(self) -> list[Run]:
        """All runs, newest first by creation. Folders that are no runs are passed over, damaged ones are included.

        Raises:
            RunError: the folder of all runs cannot be read.
        """
        try:
            entries = [entry for entry in os.scandir(self._root) if is_run_id(entry.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(f"Cannot read the runs under {self._root}: {error.strerror}.") from error
        names = [entry.name for entry in entries if entry.is_dir() or entry.is_symlink()]
        known = self._folders
        folders = {name: known.get(name) or _Folder(RunPaths(self._root, name)) for name in names}
        self._folders = folders  # what has been deleted is forgotten
        runs = [folder.read() for folder in folders.values()]
        return sorted(runs, key=lambda run: (run.status.created_at, run.id), reverse=True)

    def read(self, run_id: str) -> Run:
        """One run.

        Raises:
            RunError: there is none of that id.
        """
        paths = RunPaths(self._root, run_id)
        if not os.path.isdir(paths.folder) and not os.path.islink(paths.folder):
            raise RunError(f"There is no run {run_id!r} under {self._root}: see `python -m core runs list`.")
        return self._folders.setdefault(run_id, _Folder(paths)).read()


def list_runs(runs_root: Path) -> list[Run]:
    """All runs, once; who asks again and again keeps a `RunReader`.

    Raises:
        RunError: the folder of all runs cannot be read.
    """
    return RunReader(runs_root).list()


def read_run(runs_root: Path, run_id: str) -> Run:
    """One run.

    Raises:
        RunError: there is none of that id.
    """
    return RunReader(runs_root).read(run_id)


def find_run(runs_root: Path, text: str) -> Run:
    """One run by its id, by the path of its folder, or by an unambiguous beginning of the id.

    Raises:
        RunError: none or several match.
    """
    if "/" in text and os.path.isdir(folder := os.path.expanduser(text)):
        path = Path(folder).resolve()
        if not os.path.lexists(RunPaths(path.parent, path.name).status):
            raise RunError(f"{text} is not the folder of a run: it has no status.json.")
        return read_run(path.parent, path.name)
    if is_run_id(text) and not os.path.lexists(runs_root / text):
        matches = [run.id for run in list_runs(runs_root) if run.id.startswith(text)]
        if len(matches) > 1:
            raise RunError(f"{text!r} fits {len(matches)} runs: give more of the id.")
        text = matches[0] if matches else text
    return read_run(runs_root, text)


def read_status(paths: RunPaths) -> RunStatus:
    """The status file as written, with no derived states.

    Raises:
        RunError: it cannot be read.
    """
    return _read_status(paths, _File(paths.status, RunStatus.model_validate_json))


def write_status(paths: RunPaths, status: RunStatus, *, lasting: bool = True) -> None:
    """Replace `status.json` whole; `lasting=False` for the many small changes while a run trains."""
    write_json(paths.status, status.model_dump(mode="json"), lasting=lasting)


def write_meta(paths: RunPaths, change: Callable[[RunMeta], RunMeta]) -> RunMeta:
    """Change what people say about a run; two people changing different things at once both get theirs.

    Raises:
        RunError: the new values are not allowed, or the file is damaged or cannot be written; it stays as it was.
    """
    try:
        with meta_lock(paths):
            try:
                old = RunMeta.model_validate_json(paths.meta.read_bytes())
            except FileNotFoundError:
                old = RunMeta()
            new = RunMeta.model_validate(change(old).model_dump())
            write_json(paths.meta, new.model_dump(mode="json"))
    except (OSError, ValidationError) as error:
        raise RunError(f"Cannot change meta.json of run {paths.run_id!r}: {_reason(error)}.") from error
    return new


def best_run(runs: list[Run]) -> Run | None:
    """The run that predictions use by default: approved before others, then by best validation accuracy.

    Runs that are archived, rejected, damaged or without weights are left out.
    """
    sound = [run for run in runs if run.config and run.state is not RunState.DAMAGED and run.has_weights]
    return max(
        (run for run in sound if not run.meta.archived and run.meta.review != "rejected"),
        key=lambda run: (run.meta.review == "approved", run.summary.get("best", {}).get("validation_accuracy", 0.0)),
        default=None,
    )


@contextmanager
def meta_lock(paths: RunPaths) -> Iterator[None]:
    """Held by who changes what people say about a run: `meta.json` and its history, and verdicts on images.

    Raises:
        OSError: the run is gone, its folder cannot be written, or (`filelock.Timeout`) the lock was held for too long.
    """
    paths.folder.stat()  # the lock would make the folder of a run that was deleted anew
    with FileLock(paths.meta_lock, timeout=META_LOCK_SECONDS, poll_interval=0.01):
        yield


_T = TypeVar("_T")


class _File(Generic[_T]):
    """One file, parsed again only when it is another one than at the last look."""

    def __init__(self, path: Path, parse: Callable[[bytes], _T]) -> None:
        self.path, self._parse = path, parse
        self._last: tuple[tuple[int, int, int], _T | None, Exception | None] | None = None

    def look(self) -> tuple[_T | None, Exception | None]:
        """Its content, or why there is none: an OSError or a ValueError."""
        try:
            stat = os.stat(self.path)  # before reading: what is written in between is then seen at the next look
        except OSError as error:
            return None, error
        key = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        last = self._last
        if last is None or last[0] != key:
            try:
                last = key, self._parse(self.path.read_bytes()), None
            except OSError as error:
                return None, error  # may have passed by the next look, without a change of the file
            except ValueError as error:  # pydantic's ValidationError is one
                last = key, None, error
            self._last = last
        return last[1], last[2]


class _Folder:
    """One run, with its files as they were at the last look."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._status = _File(paths.status, RunStatus.model_validate_json)
        self._meta = _File(paths.meta, RunMeta.model_validate_json)
        self._config = _File(paths.config, TrainConfig.model_validate_json)
        self._summary = _File(paths.summary, _parse_summary)

    def read(self) -> Run:
        """The run as it is now. Whatever is wrong with its files is told in `problem`, never raised."""
        paths, problems = self._paths, []
        try:
            status, state, problem = _settle(paths, self._status)
        except RunError as error:
            status, state, problem = RunStatus(created_at=_changed_at(paths.folder)), RunState.DAMAGED, str(error)
        meta, meta_error = self._meta.look()
        config, config_error = self._config.look()
        summary, summary_error = self._summary.look()
        for file, wrong, may_miss in (
            (self._meta, meta_error, True),
            (self._config, config_error, False),
            (self._summary, summary_error, True),
        ):
            if wrong and not (may_miss and isinstance(wrong, FileNotFoundError)):
                problems.append(f"Its {file.path.name} cannot be used: {_reason(wrong)}.")
        problem = problem or " ".join(problems) or None
        return Run(paths, state, status, meta or RunMeta(), config, summary or {}, problem)


def _read_status(paths: RunPaths, file: _File[RunStatus]) -> RunStatus:
    status, error = file.look()
    if status is None:
        assert error
        raise RunError(f"Run {paths.run_id!r} has no readable status.json: {_reason(error)}.") from None
    return status


def _parse_summary(data: bytes) -> dict[str, Any]:
    summary = from_json(data, allow_inf_nan=False)  # three times as fast as the json module
    _Summary.model_validate(summary)
    assert isinstance(summary, dict)
    return summary


def _settle(paths: RunPaths, file: _File[RunStatus]) -> tuple[RunStatus, RunState, str | None]:
    """The status, the state it means, and what is wrong.

    Raises:
        RunError: it cannot be told, since a file is unreadable.
    """
    if os.path.islink(paths.folder):
        raise RunError(f"Run {paths.run_id!r} is a symbolic link: a run is a folder, move it here.")
    status = _read_status(paths, file)
    while status.state == "running" and not _is_alive(paths):
        again = _read_status(paths, file)  # its worker may have ended properly between the two looks
        if again == status:
            problem = "The training process ended without a word; resume it from its last checkpoint."
            return status, RunState.CRASHED, problem
        status = again
    if status.state == "running" and status.heartbeat is not None and status.boot_id == boot_id():
        silence = time.monotonic() - status.heartbeat
        if silence > STALLED_AFTER_SECONDS:
            problem = f"No progress for {silence / 60:.0f} minutes, though its process is alive."
            return status, RunState.STALLED, problem
    return status, RunState(status.state), status.error


def _is_alive(paths: RunPaths) -> bool:
    try:
        return lock_is_held(paths.alive_lock)
    except OSError as error:
        raise RunError(f"Run {paths.run_id!r} has no readable alive.lock: {_reason(error)}.") from error


def _changed_at(folder: Path) -> datetime:
    """When a folder last changed; the beginning of time for one that is gone."""
    try:
        return datetime.fromtimestamp(folder.lstat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)


@cache
def boot_id() -> str:
    """A name for the time since this machine last started: monotonic clocks compare only within it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return f"boot-{psutil.boot_time():.0f}"


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
    if isinstance(error, Timeout):
        return "somebody else is changing it for too long"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
