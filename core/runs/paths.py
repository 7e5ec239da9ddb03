"""Every path in a run folder, and the names runs may have. Nobody else joins a path under `runs/`."""

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from core.errors import RunError
from core.files import NAME
from core.machine import as_file_name, name_in_files

_ADJECTIVES: Final = (
    "amber bold brave bright brisk calm clear cosy crisp eager early fair fleet fresh gentle glad golden green happy "
    "keen kind light lively lucky mellow merry mild neat noble patient plain proud quick quiet rapid ready serene "
    "sharp silver smooth snug sober soft steady still sunny swift tidy vivid warm wise"
).split()
_NOUNS: Final = (
    "acorn anchor aspen badger beacon birch breeze bridge brook canyon cedar cliff cloud comet coral crane delta dune "
    "ember falcon fern field finch fjord forest garden glade grove harbour heron hill island kite lake lark linden "
    "maple meadow moon oak otter pebble pine pond raven reef river robin sail spruce star stone swan tern valley wave "
    "willow"
).split()


def new_run_id(now: datetime | None = None) -> str:
    """A fresh id such as `20261122-134501-calm-river-3f9a`: sorts by time (UTC), is easy to say, does not collide."""
    now = now or datetime.now(UTC)
    words = f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}"
    return f"{now:%Y%m%d-%H%M%S}-{words}-{secrets.token_hex(2)}"


def is_run_id(name: str) -> bool:
    """Whether a name may be a run folder: 1 to 64 of a-z, 0-9 and -, not starting with -."""
    return re.fullmatch(NAME, name) is not None


def is_shipped(run_id: str) -> bool:
    """Whether a run came with the project, by its id; all others were started by people here."""
    return run_id.startswith("reference-")


@dataclass(frozen=True)
class RunPaths:
    """The files of one run. Creating this object touches nothing on disk."""

    root: Path
    """The folder that holds all runs."""
    run_id: str

    def __post_init__(self) -> None:
        if not is_run_id(self.run_id):
            raise RunError(f"Invalid run ID {self.run_id!r}: use 1–64 characters: a–z, 0–9 and hyphens.")

    @cached_property  # asked for thousands of times where many runs are listed
    def folder(self) -> Path:
        return self.root / self.run_id

    @property
    def config(self) -> Path:
        return self.folder / "config.json"

    @property
    def status(self) -> Path:
        return self.folder / "status.json"

    @property
    def alive_lock(self) -> Path:
        return self.folder / "alive.lock"

    @property
    def stop_request(self) -> Path:
        return self.folder / "stop.request"

    @property
    def environment(self) -> Path:
        return self.folder / "environment.json"

    def uncommitted(self, resumes: int = 0) -> Path:
        """What was changed in the code since its commit, as a patch: at the start, or at the n-th resume."""
        return self.folder / (f"uncommitted-resume-{resumes}.diff" if resumes else "uncommitted.diff")

    @property
    def reproduction(self) -> Path:
        """The comparison with the run that this one reproduces."""
        return self.folder / "reproduction.json"

    @property
    def epochs(self) -> Path:
        return self.folder / "epochs.jsonl"

    @property
    def steps(self) -> Path:
        return self.folder / "steps.jsonl"

    @property
    def system(self) -> Path:
        return self.folder / "system.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "train.log"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        return self.folder / "fer2013_model_2.pth"

    def predictions(self, split: str) -> Path:
        return self.folder / f"predictions-{split}.parquet"

    def has_predictions(self, split: str) -> bool:
        """Whether that file is there. `Path.exists` would raise where the folder may not be entered, and one such run
        must not take those beside it off a page."""
        return os.path.isfile(self.predictions(split))

    @property
    def summary(self) -> Path:
        return self.folder / "summary.json"

    @property
    def meta(self) -> Path:
        return self.folder / "meta.json"

    @property
    def meta_lock(self) -> Path:
        """Held for milliseconds around each change of `meta.json`, and around each label review."""
        return self.folder / "meta.lock"

    @property
    def changes(self) -> Path:
        """Who changed what in `meta.json`, and when; append-only, under `meta_lock`."""
        return self.folder / "changes.jsonl"

    @property
    def reviews(self) -> Path:
        """Label reviews; append-only, under `meta_lock`."""
        return self.folder / "reviews.jsonl"

    @property
    def corrections(self) -> Path:
        """The correction set it is trained with, if any."""
        return self.folder / "corrections.json"

    @property
    def notifications(self) -> Path:
        """Which messages about it were sent, and to whom."""
        return self.folder / "notifications.json"

    @property
    def removed(self) -> Path:
        """Which of its files were removed to make room, and why."""
        return self.folder / "removed.json"

    @property
    def imports(self) -> Path:
        """Where it came from, if it was imported; append-only."""
        return self.folder / "imports.jsonl"

    def events(self, number: int) -> Path:
        """The metrics for TensorBoard; each start of the worker writes a file of its own, numbered from 1."""
        return self.folder / f"events.out.tfevents.{number:04}"

    def event_numbers(self) -> list[int]:
        """The numbers of those that are there, in order; files of other programs are not among them.

        Raises:
            OSError: the folder cannot be read.
        """
        names = (re.fullmatch(r"events\.out\.tfevents\.([0-9]{4,8})", name) for name in os.listdir(self.folder))
        return sorted(int(found[1]) for found in names if found)

    @property
    def teachers(self) -> Path:
        """The runs it learns from, if any."""
        return self.folder / "teachers.json"


@dataclass(frozen=True)
class QueuePaths:
    """What the runner keeps beside the runs, in a folder whose name no run can have. Where other machines may share the
    runs root, each has a runner of its own, with its name in the names of its files."""

    root: Path

    @property
    def host(self) -> str:
        """Whose files these are; empty where no other machine can have the runs root open."""
        return name_in_files(self.root)

    def _own(self, name: str) -> Path:
        stem, dot, kind = name.partition(".")
        return self.folder / f"{stem}{'-' if self.host else ''}{self.host}{dot}{kind}"

    @property
    def folder(self) -> Path:
        return self.root / ".queue"

    @property
    def drafts(self) -> Path:
        """Where new run folders are filled before they get their name."""
        return self.folder / "drafts"

    @property
    def lock(self) -> Path:
        """Held while a run enters or leaves the queue."""
        return self.folder / "queue.lock"

    @property
    def runner_lock(self) -> Path:
        """Held by this machine's runner for as long as it lives, and touched by it every few seconds."""
        return self._own("runner.lock")

    def runner_lock_of(self, host: str) -> Path:
        """The same of another machine that shares the runs root, by its `host`."""
        return self.folder / f"runner-{as_file_name(host)}.lock"

    @property
    def clock(self) -> Path:
        """Touched to learn what time it is where the files are kept."""
        return self._own("clock")

    @property
    def gpus(self) -> Path:
        """Which GPUs of this machine PyTorch cannot use, and why."""
        return self._own("gpus.json")

    @property
    def stuck(self) -> Path:
        """Which queued runs the runner can neither start nor mark as failed, and why."""
        return self._own("stuck.json")

    @property
    def runner_log(self) -> Path:
        return self._own("runner.log")

    @property
    def notify_lock(self) -> Path:
        """Held by the one process that sends messages about the runs of this runs root."""
        return self.folder / "notify.lock"

    @property
    def notifications(self) -> Path:
        """Which messages about the queue were sent, and since when messages are sent at all."""
        return self.folder / "notifications.json"

    def slot_lock(self, slot: str) -> Path:
        """Held by the worker that uses this slot (`cpu`, `gpu-0`, ...) for as long as it lives."""
        return self._own(f"slot-{slot}.lock")


@dataclass(frozen=True)
class CorrectionPaths:
    """Correction sets, which all runs can use, in a folder whose name no run can have."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "_corrections"

    @property
    def lock(self) -> Path:
        """Held while a correction set is written."""
        return self.folder / ".lock"

    def file(self, name: str) -> Path:
        """The correction set of that name, which must be one that `core.files.NAME` allows."""
        return self.folder / f"{name}.json"


@dataclass(frozen=True)
class PeoplePaths:
    """Where people want to be told about their own runs, in a folder whose name no run can have."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "_people"

    def file(self, name: str) -> Path:
        """Of the person of that name; readable by the user of the server and the runner only."""
        return self.folder / f"{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:32]}.json"


@dataclass(frozen=True)
class EnsemblePaths:
    """Ensembles of runs, in a folder whose name no run can have."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "_ensembles"

    @property
    def lock(self) -> Path:
        """Held while an ensemble is written."""
        return self.folder / ".lock"

    def file(self, name: str) -> Path:
        """The ensemble of that name, which must be one that `core.files.NAME` allows."""
        return self.folder / f"{name}.json"


@dataclass(frozen=True)
class GroupPaths:
    """Groups of runs, such as sweeps, in a folder whose name no run can have."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "_groups"

    @property
    def lock(self) -> Path:
        """Held for milliseconds while the file of a group changes, and while weights of its runs are thinned out."""
        return self.folder / ".lock"

    @property
    def start_lock(self) -> Path:
        """Held while runs of a group are started or resumed, one after the other."""
        return self.folder / ".start-lock"

    def file(self, name: str) -> Path:
        """The group of that name, which must be one that `core.files.NAME` allows."""
        return self.folder / f"{name}.json"

    def names(self) -> list[str]:
        """Of all groups there are, sorted.

        Raises:
            OSError: the folder is there, but cannot be read.
        """
        try:
            found = os.listdir(self.folder)
        except FileNotFoundError:  # usually there is none yet
            return []
        names = (file.removesuffix(".json") for file in found if file.endswith(".json"))
        return sorted(name for name in names if re.fullmatch(NAME, name))
