"""Creating, listing and reading runs. State is read from disk alone; nothing here needs the process that trains."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.config import TrainConfig
from core.errors import RunError
from core.files import lock_is_held, read_json, write_json
from core.runs.layout import RunPaths, is_run_id, new_run_id

STALLED_AFTER_SECONDS: Final = 120


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

    model_config = ConfigDict(extra="ignore")

    state: Literal["queued", "running", "finished", "failed", "stopped"] = "queued"
    created_at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    queue_position: float = 0.0
    """Waiting runs start in ascending order of this."""
    launcher: str = "local"
    slot: str | None = None
    host: str | None = None
    boot_id: str | None = None
    pid: int | None = None
    process_start: float | None = None
    """Seconds since the epoch, as psutil gives it; tells a process from a later one with the same pid."""
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
    starred: bool = False
    archived: bool = False
    parent: str | None = None
    """The run this one was cloned from."""


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
    """Why the state is crashed, stalled or damaged, in one sentence."""

    @property
    def id(self) -> str:
        return self.paths.run_id

    @property
    def name(self) -> str:
        """The display name people gave, else the id."""
        return self.meta.name or self.id

    @property
    def has_weights(self) -> bool:
        return self.paths.weights.exists()


def create_run(
    runs_root: Path,
    config: TrainConfig,
    *,
    name: str = "",
    author: str = "",
    parent: str | None = None,
    run_id: str | None = None,
) -> RunPaths:
    """Make the folder of a new run, waiting at the end of the queue.

    The folder appears under its name only when it is complete: nobody ever lists half a run.

    Raises:
        RunError: a run of that id is there already, or the folder cannot be written.
    """
    paths = RunPaths(runs_root, run_id or new_run_id())
    now = datetime.now(UTC)
    status = RunStatus(
        created_at=now, queued_at=now, queue_position=time.time(), epochs=config.epochs, activity="waiting"
    )
    draft = RunPaths(runs_root / ".queue" / f"new-{os.getpid()}-{time.monotonic_ns()}", paths.run_id)
    try:
        draft.folder.mkdir(parents=True)
        write_json(draft.config, config.model_dump(mode="json"))
        write_json(draft.status, status.model_dump(mode="json"))
        write_json(draft.meta, RunMeta(name=name, author=author, parent=parent).model_dump(mode="json"))
        if paths.folder.exists():
            raise RunError(f"There is already a run {paths.run_id!r}: choose another name.")
        draft.folder.rename(paths.folder)
        draft.root.rmdir()
    except OSError as error:
        raise RunError(f"Cannot write a run folder under {runs_root}: {error.strerror or error}.") from error
    return paths


def list_runs(runs_root: Path) -> list[Run]:
    """All runs, newest first by creation. Folders that are no runs are passed over, damaged ones are included."""
    try:
        names = [entry.name for entry in os.scandir(runs_root) if is_run_id(entry.name) and entry.is_dir()]
    except FileNotFoundError:
        return []
    runs = [_read(RunPaths(runs_root, name)) for name in names]
    return sorted(runs, key=lambda run: run.status.created_at, reverse=True)


def read_run(runs_root: Path, run_id: str) -> Run:
    """One run.

    Raises:
        RunError: there is none of that id.
    """
    paths = RunPaths(runs_root, run_id)
    if not paths.folder.is_dir():
        raise RunError(f"There is no run {run_id!r} under {runs_root}: see `python -m core runs list`.")
    return _read(paths)


def find_run(runs_root: Path, text: str) -> Run:
    """One run by its id, by the path of its folder, or by an unambiguous beginning of the id.

    Raises:
        RunError: none or several match.
    """
    path = Path(text).expanduser()
    if path.is_dir() and is_run_id(path.resolve().name) and "/" in text:
        return read_run(path.resolve().parent, path.resolve().name)
    if is_run_id(text) and not (runs_root / text).is_dir():
        matches = [run.id for run in list_runs(runs_root) if run.id.startswith(text)]
        if len(matches) == 1:
            return read_run(runs_root, matches[0])
        if matches:
            raise RunError(f"{text!r} fits {len(matches)} runs: give more of the id.")
    return read_run(runs_root, text)


def read_status(paths: RunPaths) -> RunStatus:
    """The status file as written, with no derived states.

    Raises:
        RunError: it cannot be read.
    """
    try:
        return RunStatus(**read_json(paths.status))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"Run {paths.run_id!r} has no readable status.json: {_reason(error)}.") from None


def write_status(paths: RunPaths, status: RunStatus) -> None:
    """Replace `status.json` whole."""
    write_json(paths.status, status.model_dump(mode="json"))


def write_meta(paths: RunPaths, change: Callable[[RunMeta], RunMeta]) -> RunMeta:
    """Change what people say about a run; two people changing different things at once both get theirs."""
    with FileLock(paths.folder / "meta.lock", timeout=10):
        meta = RunMeta.model_validate(change(_read_model(paths.meta, RunMeta) or RunMeta()).model_dump())
        write_json(paths.meta, meta.model_dump(mode="json"))
    return meta


def best_run(runs: list[Run]) -> Run | None:
    """The run that predictions use by default: approved before others, then by best validation accuracy."""
    candidates = [run for run in runs if run.has_weights and not run.meta.archived and run.meta.review != "rejected"]
    return max(
        candidates,
        key=lambda run: (run.meta.review == "approved", run.summary.get("best", {}).get("validation_accuracy") or 0.0),
        default=None,
    )


_Model = TypeVar("_Model", bound=BaseModel)


def _read_model(path: Path, model: type[_Model]) -> _Model | None:
    try:
        return model.model_validate(read_json(path))
    except (OSError, ValueError):  # pydantic's ValidationError is a ValueError
        return None


def _read(paths: RunPaths) -> Run:
    meta = _read_model(paths.meta, RunMeta) or RunMeta()
    config = _read_model(paths.config, TrainConfig)
    try:
        status = read_status(paths)
    except RunError as error:
        changed = datetime.fromtimestamp(paths.folder.stat().st_mtime, UTC)
        return Run(paths, RunState.DAMAGED, RunStatus(created_at=changed), meta, config, problem=str(error))
    state, problem = _derive_state(paths, status)
    if config is None and problem is None:
        problem = "Its config.json is missing, damaged or from another version."
    try:
        summary = read_json(paths.summary)
    except (OSError, ValueError):
        summary = {}
    return Run(paths, state, status, meta, config, summary if isinstance(summary, dict) else {}, problem)


def _derive_state(paths: RunPaths, status: RunStatus) -> tuple[RunState, str | None]:
    state = RunState(status.state)
    if state is not RunState.RUNNING:
        return state, status.error
    if not lock_is_held(paths.alive_lock):
        # The worker may have ended properly between the two looks: then the file now says how.
        try:
            status = read_status(paths)
        except RunError as error:
            return RunState.DAMAGED, str(error)
        if status.state != "running":
            return RunState(status.state), status.error
        return RunState.CRASHED, "The training process ended without a word; resume it from its last checkpoint."
    if status.heartbeat is not None and status.boot_id == boot_id():
        silence = time.monotonic() - status.heartbeat
        if silence > STALLED_AFTER_SECONDS:
            return RunState.STALLED, f"No progress for {silence / 60:.0f} minutes, though its process is alive."
    return state, None


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
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
