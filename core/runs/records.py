"""What is known of a run: the records its files hold."""

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from filelock import Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.config import TrainConfig
from core.data.identity import DataIdentity
from core.errors import system_reason
from core.runs.paths import RunPaths
from core.runs.summary import EpochMetrics, SplitMetrics, Summary
from core.runs.values import Argument, Count, ManyLines, Moment, Name, NotNegative, OneLine, Person, Tags


class RunState(StrEnum):
    """What a run is doing. The first five are written; the last four are derived when a run is read."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    CRASHED = "crashed"  # says running, but its process is certainly gone
    STALLED = "stalled"  # its lock is held, but nothing has moved for long
    LOST = "lost"  # says running, on another machine, and nobody can say whether it still does
    DAMAGED = "damaged"  # its files cannot be read

    @property
    def is_live(self) -> bool:
        """Whether the run may still change by itself, so that a page should look again."""
        return self in (RunState.QUEUED, RunState.RUNNING, RunState.STALLED, RunState.LOST)

    @property
    def is_resumable(self) -> bool:
        """Whether somebody may requeue the run, if it has what a resume needs."""
        return self in (RunState.STOPPED, RunState.FAILED, RunState.CRASHED, RunState.LOST)

    def in_words(self) -> str:
        """What people read, on the pages and in the terminal; files, addresses and `--json` have the value."""
        return "unreadable" if self is RunState.DAMAGED else self.value


class RunStatus(BaseModel):
    """`status.json`: what the run is doing and how far it is. Written by the queue until a worker takes the run."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    state: Literal["queued", "running", "finished", "failed", "stopped"] = "queued"
    created_at: Moment
    queued_at: Moment | None = None
    """When it was last queued; tells one time in the queue from the next."""
    started_at: Moment | None = None
    """When it last began to run."""
    ended_at: Moment | None = None
    queue_position: float = 0.0
    """Queued runs start in ascending order of this."""
    data_root: Argument | None = None
    """While it is queued: the folder of datasets it was started with; None means the runner's."""
    claimed_by: OneLine | None = None
    """While it is queued, in a folder that machines share: whose runner is starting it (`QueuePaths.host`)."""
    launcher: OneLine = "local"
    """What starts its process: this machine's runner (`local`), or an engine."""
    job: OneLine | None = None
    """The engine's id of the job that trains it, or will."""
    slot: OneLine | None = None
    host: OneLine | None = None
    boot_id: OneLine | None = None
    pid: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    heartbeat: float | None = None
    """The machine's monotonic clock, in seconds, when training last moved."""
    lease_at: Moment | None = None
    """When its process last said that it lives, by the clock of its machine, which may be wrong: to be shown only."""
    lease_sequence: Count = 0
    """How often it has said so, over all resumes."""
    activity: OneLine = ""
    """What the worker is busy with, in words, such as `training` or `evaluating`."""
    epoch: Count = 0
    """The epoch in progress, from 1; 0 before the first."""
    epochs: Count = 0
    batch: Count = 0
    batches: Count = 0
    """Batches per epoch."""
    progress: float = Field(default=0.0, ge=0, le=1)
    eta_seconds: float | None = None
    elapsed_seconds: NotNegative = 0.0
    """Time spent training, over all resumes, by a monotonic clock."""
    images_per_second: NotNegative | None = None
    flop_per_image: Count | None = None
    """Floating-point operations to train on one image."""
    peak_flop_per_second: NotNegative | None = None
    """Of its device, in its precision, at best."""
    peak_source: OneLine | None = None
    """Where that is from: `data sheet` or `measured`."""
    device: OneLine | None = None
    error: OneLine | None = None
    """One line for people; the traceback is in `train.log`."""

    @property
    def flop_per_second(self) -> float | None:
        """Floating-point operations per second of the training."""
        if self.images_per_second is None or self.flop_per_image is None:
            return None
        return self.images_per_second * self.flop_per_image

    @property
    def fraction_of_peak(self) -> float | None:
        """Model FLOPs utilization: the operations per second that training needs, of those the device has at best; at
        most 1. None where that is not known, as after a peak that was measured while something else was at work."""
        if self.flop_per_second is None or not self.peak_flop_per_second:
            return None
        fraction = self.flop_per_second / self.peak_flop_per_second
        return fraction if fraction <= 1 else None

    @property
    def utilization(self) -> str:
        """Both in words, such as `0.95 TFLOP/s, 36% of peak`; empty where they are not known."""
        if self.flop_per_second is None:
            return ""
        share = f", {self.fraction_of_peak:.0%} of peak" if self.fraction_of_peak is not None else ""
        return f"{self.flop_per_second / 1e12:.3g} TFLOP/s{share}"


ReviewState = Literal["unreviewed", "in review", "approved", "rejected"]


class RunMeta(BaseModel):
    """`meta.json`: what people add to a run; never read by training."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Name = ""
    author: Person = ""
    """Who is shown as having started it; on the command line anybody may say who."""
    started_by: OneLine = ""
    """Whose run it is: the email address of the login, or else the name, of who started it; empty in older runs."""
    notes: ManyLines = ""
    tags: Tags = []
    review: ReviewState = "unreviewed"
    reviewer: Person = ""
    """Who gave it this review state."""
    starred: bool = False
    archived: bool = False
    parent: Name | None = None
    """The run this one was cloned from."""
    reproduces: Name | None = None
    """The run that this one retrains, to check whether its result is reproduced."""
    group: Name = ""
    """The group it was started with; it counts only if that one lists it, too: see `core.runs.groups`."""


@dataclass(frozen=True)
class Run:
    """One run as read from its folder at one moment."""

    paths: RunPaths
    state: RunState
    status: RunStatus
    meta: RunMeta
    config: TrainConfig | None
    """None when the file is unreadable or from a version with other settings; `problem` says so."""
    summary: Summary = field(default_factory=Summary)
    newer_settings: tuple[str, ...] = ()
    """Settings in its `config.json` that a newer version has written; this one ignores them."""
    problem: str | None = None
    """Why the run failed, crashed, stalled, is lost or unreadable, why an engine keeps it waiting, or which of its
    files cannot be used, in one sentence."""

    @property
    def id(self) -> str:
        return self.paths.run_id

    @property
    def name(self) -> str:
        """The display name people gave, else the id."""
        return self.meta.name or self.id

    @property
    def best(self) -> EpochMetrics | None:
        """The row of its best epoch so far, as evaluated; None before the first has ended."""
        return self.summary.best_as_evaluated

    @property
    def validation_accuracy(self) -> float | None:
        """Of its best epoch so far, 0..1."""
        return self.best.validation_accuracy if self.best else None

    @property
    def validation_interval(self) -> tuple[float, float] | None:
        """The 95% confidence interval of that accuracy, 0..1; None where the number of images is not known."""
        from core.evaluation.metrics import accuracy_interval

        accuracy, images = self.validation_accuracy, self.summary.validation_images
        return None if accuracy is None or images is None else accuracy_interval(round(accuracy * images), images)

    def metrics(self, split: str) -> SplitMetrics | None:
        """The metrics of a split; None until it has been evaluated."""
        return self.summary.evaluation.get(split)

    def accuracy(self, split: str) -> float | None:
        """On a split, 0..1; None until it has been evaluated."""
        found = self.metrics(split)
        return found.accuracy if found else None

    def accuracy_with_flip(self, split: str) -> float | None:
        """On a split with flip TTA, 0..1; None until it has been evaluated so."""
        found = self.metrics(split)
        return found.tta.accuracy if found and found.tta else None

    @property
    def data(self) -> DataIdentity:
        """Which data it was trained on; `content` is empty before its first epoch has ended."""
        return DataIdentity(self.summary.dataset_fingerprint or "", self.summary.dataset_ordered_fingerprint or "")

    @property
    def temperature(self) -> float | None:
        """Of the single view, fitted on validation when the run was evaluated; None before."""
        return self.temperature_for(flip=False)

    def temperature_for(self, *, flip: bool) -> float | None:
        """The temperature of the single view, or of the average over an image and its flip. Each has its own, fitted on
        validation when the run was evaluated. None where it was not recorded: the other is no substitute, so
        predictions are then uncalibrated."""
        validation = self.metrics("validation")
        if flip:
            return validation.tta.temperature if validation and validation.tta else None
        return validation.temperature if validation else None

    @property
    def is_imported(self) -> bool:
        """Whether it came from elsewhere, or was exported and imported again."""
        return os.path.isfile(self.paths.imports)

    @property
    def has_weights(self) -> bool:
        return os.path.isfile(self.paths.weights)  # Path.exists raises where the folder may not be entered


def reason_of(error: Exception) -> str:
    """Why a file cannot be used, in a few words."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return "file is corrupt; restore it from a backup"
        return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
    if isinstance(error, Timeout):
        return "another process has locked it for too long"
    if isinstance(error, OSError):
        return system_reason(error)
    return str(error)
