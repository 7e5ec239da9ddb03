"""What is known of a run, and how its folder is made and changed. Reading is in `reader.py`."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, computed_field

from core.config import TrainConfig
from core.data.identity import DataIdentity
from core.errors import RunError, system_reason
from core.files import sweep_leftovers, sync_folder, write_json
from core.labels import LABELS, NUM_CLASSES
from core.runs.layout import QueuePaths, RunPaths, new_run_id
from core.splits import with_current_splits

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


ReviewState = Literal["unreviewed", "in review", "approved", "rejected"]


class RunMeta(BaseModel):
    """`meta.json`: what people say about a run; never read by training."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    author: str = ""
    notes: str = ""
    tags: list[str] = []
    review: ReviewState = "unreviewed"
    reviewer: str = ""
    """Who gave it this review state."""
    starred: bool = False
    archived: bool = False
    parent: str | None = None
    """The run this one was cloned from."""
    reproduces: str | None = None
    """The run that this one trains again, to see whether the same comes out."""


Count = Annotated[int, Field(ge=0, le=2**53)]
"""Above 2**53 not every JSON reader gives the same number, and a table of 64-bit integers may overflow."""
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Interval = tuple[Share, Share]
ConfusionRow = Annotated[tuple[Count, ...], Field(min_length=NUM_CLASSES, max_length=NUM_CLASSES)]
ConfusionMatrix = Annotated[tuple[ConfusionRow, ...], Field(min_length=NUM_CLASSES, max_length=NUM_CLASSES)]


class _Metrics(BaseModel):
    """Part of `summary.json`. Strict: pages compute with these, so that a text is no number and no value is NaN or
    infinite. What older versions did not write is None; what newer ones add is ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON, with the keys that were given."""
        return self.model_dump(mode="json", exclude_unset=True)


class EpochMetrics(_Metrics):
    """A row of `epochs.jsonl`. Times in seconds, losses in nats, accuracies 0..1."""

    epoch: Count
    """From 1."""
    step: Count | None = None
    """Optimizer steps done at its end."""
    elapsed_s: NotNegative | None = None
    """Time spent training until its end, over all resumes."""
    seconds: float | None = None
    """Time this epoch took, validation included."""
    train_loss: float | None = None
    train_accuracy: Share | None = None
    validation_loss: float | None = None
    validation_accuracy: Share
    corrected_validation_loss: float | None = None
    """By the labels as people have corrected them, as the next; only where a list touches validation."""
    corrected_validation_accuracy: Share | None = None
    learning_rate: float | None = None
    images_per_second: NotNegative | None = None


MaybeEpoch = Annotated[EpochMetrics | None, BeforeValidator(lambda value: None if value == {} else value)]
"""Older folders may hold `{}` for None."""


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How one class fares: shares 0..1, and `support`, the images of the class."""

    precision: float
    recall: float
    f1: float
    support: int


class SubsetMetrics(_Metrics):
    """The metrics given for a part of a split: accuracy 0..1 with its 95 % interval (Wilson), macro F1 0..1."""

    images: Count
    correct: Count | None = None
    accuracy: Share
    interval: Interval
    macro_f1: Share | None = None


class ViewMetrics(SubsetMetrics):
    """The metrics of a split from one way to predict, single view or test-time augmentation. Losses in nats."""

    mean_recall: Share | None = None
    log_loss: float | None = None
    calibration_error: NotNegative | None = None
    temperature: Annotated[float, Field(ge=0.01, le=100)] | None = None
    """Fitted on validation, within 0.05..20."""
    log_loss_calibrated: float | None = None
    calibration_error_calibrated: NotNegative | None = None
    confusion: ConfusionMatrix | None = None
    """7 x 7 counts: rows are true classes, columns predicted ones."""
    corrected: SubsetMetrics | None = None
    """Of validation, where a list of corrections touches it: by the corrected labels."""
    without_train_duplicates: SubsetMetrics | None = None
    """Of the images that do not also stand in train, pixel for pixel; None where there are none."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def per_class(self) -> dict[str, ClassMetrics]:
        """Class to its metrics, which all follow from `confusion`: with six tables of them in a file, reading them
        would take as long as all the rest. Empty without `confusion`; 0 where there is nothing to divide by."""
        matrix = self.confusion or ()
        found = {}
        for index, (label, row) in enumerate(zip(LABELS, matrix, strict=False)):
            right, support, predicted = row[index], sum(row), sum(other[index] for other in matrix)
            shares = (right / (predicted or 1), right / (support or 1), 2 * right / (support + predicted or 1))
            found[label] = ClassMetrics(*shares, support)
        return found


class SplitMetrics(ViewMetrics):
    """The metrics of a split, as an evaluation gives them: single view, and below `tta` with augmentation."""

    tta: ViewMetrics | None = None


def _with_current_splits(evaluation: object) -> object:
    """Old names of splits replaced; what is no table is left to the validator that refuses it."""
    return with_current_splits(evaluation) if isinstance(evaluation, dict) else evaluation


class Summary(_Metrics):
    """`summary.json`: best and last metrics, and at the end those of the evaluation."""

    best: MaybeEpoch = None
    """The row of the best epoch so far; None before the first has ended."""
    last: MaybeEpoch = None
    epochs_done: Count = 0
    train_images: Count | None = None
    images_per_epoch: Count | None = None
    validation_images: Count | None = None
    elapsed_seconds: NotNegative | None = None
    dataset_fingerprint: str | None = None
    dataset_ordered_fingerprint: str | None = None
    evaluation: Annotated[dict[str, SplitMetrics], BeforeValidator(_with_current_splits)] = {}
    """Split to its metrics; empty until the run is evaluated."""


@dataclass(frozen=True)
class Run:
    """One run as read from its folder at one moment."""

    paths: RunPaths
    state: RunState
    status: RunStatus
    meta: RunMeta
    config: TrainConfig | None
    """None when the file is damaged or from a version with other settings; `problem` says so."""
    summary: Summary = field(default_factory=Summary)
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
    def best(self) -> EpochMetrics | None:
        """The row of its best epoch so far; None before the first has ended."""
        return self.summary.best

    @property
    def validation_accuracy(self) -> float | None:
        """Of its best epoch so far, 0..1."""
        return self.best.validation_accuracy if self.best else None

    def metrics(self, split: str) -> SplitMetrics | None:
        """What the evaluation says about a split; None until it has been scored."""
        return self.summary.evaluation.get(split)

    def accuracy(self, split: str) -> float | None:
        """On a split, 0..1; None until it has been scored."""
        found = self.metrics(split)
        return found.accuracy if found else None

    @property
    def data(self) -> DataIdentity:
        """Which data it was trained on; `content` is empty before its first epoch has ended."""
        return DataIdentity(self.summary.dataset_fingerprint or "", self.summary.dataset_ordered_fingerprint or "")

    @property
    def temperature(self) -> float | None:
        """Fitted on validation when the run was evaluated; None before."""
        validation = self.metrics("validation")
        return validation.temperature if validation else None

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
        raise RunError(f"Cannot write a run folder under {runs_root}: {system_reason(error)}.") from error
    return paths


def sweep_drafts(runs_root: Path) -> None:
    """Delete half-made run folders whose makers were killed long ago."""
    for draft in QueuePaths(runs_root).drafts.glob("*"):
        with suppress(OSError):  # its maker may have given it its name meanwhile
            if draft.lstat().st_mtime < time.time() - ABANDONED_AFTER_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


def sweep_run(paths: RunPaths) -> None:
    """Delete half-written files in a run folder. Only for the worker that has taken the run: nobody else writes there
    then, but for people who change `meta.json`."""
    with meta_lock(paths):
        sweep_leftovers(paths.folder)


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
        raise RunError(f"Cannot change meta.json of run {paths.run_id!r}: {reason_of(error)}.") from error
    return new


@contextmanager
def meta_lock(paths: RunPaths) -> Iterator[None]:
    """Held by who changes what people say about a run: `meta.json` and its history, and verdicts on images.

    Raises:
        OSError: the run is gone, its folder cannot be written, or (`filelock.Timeout`) the lock was held for too long.
    """
    paths.folder.stat()  # the lock would make the folder of a run that was deleted anew
    with FileLock(paths.meta_lock, timeout=META_LOCK_SECONDS, poll_interval=0.01):
        yield


@cache
def boot_id() -> str:
    """A name for the time since this machine last started: monotonic clocks compare only within it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return f"boot-{psutil.boot_time():.0f}"


def reason_of(error: Exception) -> str:
    """Why a file cannot be used, in a few words."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return "it is damaged; put back a copy of the file"
        return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
    if isinstance(error, Timeout):
        return "somebody else is changing it for too long"
    if isinstance(error, OSError):
        return system_reason(error)
    return str(error)
