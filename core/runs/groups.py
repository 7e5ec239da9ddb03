"""Groups: runs that were started together to answer one question, such as a sweep, seeds or folds. Each is a small
file, `_groups/<name>.json`, that lists its members; everything else is in their run folders. Changing the files is in
`group_changes.py`.

The record is written before the first of its runs, so that whatever ends the start in the middle leaves a group that
says which runs it lacks. A member that is deleted afterwards stays in the record, with the settings it had.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.config import TrainConfig
from core.errors import RunError, system_reason
from core.files import NAME, read_regular
from core.runs.estimate import seconds_until_done
from core.runs.paths import GroupPaths, RunPaths
from core.runs.reader import read_run
from core.runs.records import Run, RunState, reason_of
from core.runs.values import Moment, Name, OneLine, Person

MOST_RUNS: Final = 200
"""In one group."""

GroupKind = Literal["sweep", "seeds", "folds", "teachers", "reproductions"]
KIND_LABELS: Final[dict[GroupKind, str]] = {
    "sweep": "Sweep",
    "seeds": "Seeds",
    "folds": "Folds",
    "teachers": "Teachers",
    "reproductions": "Reproductions",
}

SettingValue = bool | int | float | str
"""Of the settings that may differ within a group."""
_RunId = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]


class GroupMember(BaseModel):
    """A run of a group, whether it is there or not."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    id: _RunId
    values: dict[str, SettingValue] = Field(default_factory=dict)
    """The settings in which it differs from those that the group shares."""

    @classmethod
    def of(cls, run_id: str, values: Mapping[str, Any]) -> "GroupMember":
        return cls(id=run_id, values=dict(values))


class GroupRecord(BaseModel):
    """The content of `_groups/<name>.json`."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    kind: GroupKind = "sweep"
    title: Name = ""
    """For people."""
    created_at: Moment
    author: Person = ""
    """Who is shown as having started it."""
    started_by: OneLine = ""
    """Whose it is, as in `RunMeta`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What its runs share: a whole `config.json`, in which each member replaces its own values."""
    fields: dict[str, list[SettingValue]] = Field(default_factory=dict)
    """The settings that differ, each with its values in the order given."""
    how: Literal["grid", "random"] = "grid"
    """All combinations of these values, or a random sample of them."""
    sample: Annotated[int, Field(ge=1)] | None = None
    """How many combinations were drawn; None for a grid."""
    sample_seed: int = 0
    keep: Literal["all", "best"] = "all"
    """Whose weights are kept: of all members, or of the best by validation accuracy only."""
    members: Annotated[tuple[GroupMember, ...], Field(max_length=MOST_RUNS)] = ()
    """In the order in which they were queued."""
    complete: bool = True
    """Whether all its runs were created: until then, one that is not there was never started, and is by a resume."""
    stopped_at: Moment | None = None
    """When somebody stopped it; a resume removes this."""
    stopped_by: Person = ""
    launcher: OneLine = "local"
    parent: _RunId | None = None
    """The run that the settings are from, if any; of reproductions, the run that they reproduce."""


@dataclass(frozen=True)
class Group:
    """A group by its name."""

    name: str
    record: GroupRecord
    """Without members where there is a problem."""
    problem: str | None = None
    """Why its file cannot be used, in one sentence."""

    @property
    def title(self) -> str:
        """The title people gave, else what differs between its runs."""
        dataset = self.record.settings.get("dataset")
        return self.record.title or (f"{', '.join(self.record.fields)} on {dataset}" if dataset else self.name)

    @property
    def kind(self) -> GroupKind:
        return self.record.kind

    @property
    def run_ids(self) -> list[str]:
        return [member.id for member in self.record.members]

    def values_of(self, run_id: str) -> Mapping[str, Any]:
        """The settings in which a member differs from the others."""
        return next((member.values for member in self.record.members if member.id == run_id), {})


@dataclass(frozen=True)
class Members:
    """The runs of a group as they are now."""

    runs: tuple[Run, ...]
    """Those that are there, in the order of the group."""
    missing: tuple[str, ...] = ()
    """Ids of those that were deleted, or never created: see `GroupRecord.complete`."""


@dataclass(frozen=True)
class Progress:
    """How far a group is."""

    total: int
    counts: Mapping[RunState, int] = field(default_factory=dict)
    """How many of its runs are in which state; of states that none is in, nothing."""
    missing: int = 0
    fraction: float = 0.0
    """Of the training to do, 0..1: what has ended counts whole, be it finished or not."""
    seconds_left: float | None = None
    """Until its last run has ended, with all that is ahead of it in the queue; 0 if it has ended, None if unknown."""

    @property
    def is_live(self) -> bool:
        """Whether something of it may still change by itself."""
        return any(state.is_live for state in self.counts)

    @property
    def finished(self) -> int:
        return self.counts.get(RunState.FINISHED, 0)


ReadRun = Callable[[str], Run]
"""Gives the run of an id, or raises RunError; pages pass one that remembers."""


def list_groups(runs_root: Path) -> list[Group]:
    """All groups, newest first, those with a problem included.

    Raises:
        RunError: the folder of groups cannot be read.
    """
    try:
        names = GroupPaths(runs_root).names()
    except OSError as error:
        raise RunError(f"Can't read the groups under {runs_root}: {system_reason(error)}.") from error
    found = [group for group in (_read(runs_root, name) for name in names) if group]
    return sorted(found, key=lambda group: (group.record.created_at, group.name), reverse=True)


def read_group(runs_root: Path, name: str) -> Group:
    """One group; what is wrong with its file is told in `problem`.

    Raises:
        RunError: there is none of that name.
    """
    found = _read(runs_root, name) if re.fullmatch(NAME, name) else None
    if found is None:
        raise RunError(f"Group “{name}” not found.")
    return found


def _read(runs_root: Path, name: str) -> Group | None:
    try:
        return Group(name, GroupRecord.model_validate_json(read_regular(GroupPaths(runs_root).file(name))))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        nothing = GroupRecord(created_at=datetime.fromtimestamp(0, UTC))
        return Group(name, nothing, f"Can't read group “{name}”: {reason_of(error)}.")


def group_of(run: Run) -> Group | None:
    """The group that a run was started with; None if there is none, or if it cannot be read. Reads one small file."""
    return group_listing(run.paths, run.meta.group)


def group_listing(paths: RunPaths, name: str) -> Group | None:
    """As `group_of`, for who has read nothing of a run but which group it names."""
    found = _read(paths.root, name) if re.fullmatch(NAME, name) else None
    return found if found and paths.run_id in found.run_ids else None


def members_of(runs_root: Path, group: Group, read: ReadRun | None = None) -> Members:
    """The runs of a group.

    Args:
        runs_root: the folder of all runs.
        group: as read.
        read: see `ReadRun`.
    """
    read = read or partial(read_run, runs_root)
    runs, missing = [], []
    for run_id in group.run_ids:
        try:
            runs.append(read(run_id))
        except RunError:
            missing.append(run_id)
    return Members(tuple(runs), tuple(missing))


def progress_of(
    group: Group, members: Members, runs: Sequence[Run], images: Mapping[str, Mapping[str, int]], slots: int
) -> Progress:
    """How far a group is.

    Args:
        group: as read.
        members: its runs.
        runs: all runs there are: how long others took, and which are ahead in the queue.
        images: dataset to the size of each of its splits.
        slots: how many runs this machine trains at once, at least 1.
    """
    counts = Counter(run.state for run in members.runs)
    done = sum(run.status.progress if run.state.is_live else 1.0 for run in members.runs)
    awaited = 0 if group.record.complete else len(members.missing)
    expected = len(members.runs) + awaited
    live = {run.id for run in members.runs if run.state.is_live}
    left = seconds_until_done(live, runs, images, slots) if live else 0.0
    return Progress(
        total=len(group.record.members),
        counts=counts,
        missing=len(members.missing),
        fraction=done / expected if expected else 1.0,
        seconds_left=left,
    )


def best_member(runs: Sequence[Run]) -> Run | None:
    """The run with the best validation accuracy so far, the first of equals. Test accuracy plays no part: what is
    chosen by it can no longer be measured with it."""
    scored = [run for run in runs if run.validation_accuracy is not None and run.state is not RunState.DAMAGED]
    return max(scored, key=lambda run: run.validation_accuracy or 0.0, default=None)


def config_of_member(group: Group, member: GroupMember) -> TrainConfig:
    """The settings that a member has, or would have.

    Raises:
        RunError: this version cannot use them.
    """
    try:
        return TrainConfig.model_validate(group.record.settings | member.values)
    except ValueError as error:
        raise RunError(f"Can't use the settings of {member.id} in group “{group.name}”: {reason_of(error)}.") from error


def readable_group(runs_root: Path, name: str) -> Group:
    """As `read_group`, for who can do nothing with one that has a problem.

    Raises:
        RunError: there is none of that name, or it cannot be read.
    """
    found = read_group(runs_root, name)
    if found.problem:
        raise RunError(found.problem)
    return found
