"""Starting, stopping and resuming groups of runs, and keeping the weights of their best only."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from core.config import TrainConfig
from core.errors import FerError, RunError
from core.jobs import control
from core.jobs.queue import end_of_queue, queue_lock
from core.review.corrections import load_corrections
from core.runs.groups import (
    MOST_RUNS,
    Group,
    GroupKind,
    GroupMember,
    GroupRecord,
    add_group,
    change_group,
    config_of_member,
    group_lock,
    group_name,
    members_of,
    readable_group,
)
from core.runs.naming import MAX_NAME, typed_setting
from core.runs.paths import new_run_id
from core.runs.reader import read_run
from core.runs.records import Run, RunState

_STEP: Final = 2e-6
"""Between the queue positions of neighbours: a whole group fits between two other runs, which are a millisecond apart
or more, and time in seconds still tells them apart (to 2.4e-7)."""
_RESUMABLE: Final = (RunState.STOPPED, RunState.FAILED, RunState.CRASHED)


@dataclass(frozen=True)
class NewGroup:
    """A group to be started."""

    kind: GroupKind
    config: TrainConfig
    """The settings that its runs share."""
    values: Sequence[Mapping[str, Any]]
    """Of each run, in the order of the queue: the settings that replace those."""
    fields: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """The settings that differ, each with its values in the order given."""
    title: str = ""
    """For people; empty: the fields and the dataset."""
    how: Literal["grid", "random"] = "grid"
    sample: int | None = None
    sample_seed: int = 0
    keep: Literal["all", "best"] = "all"
    parent: str | None = None
    """The run whose settings these are, or that is reproduced."""


@dataclass(frozen=True)
class GroupChange:
    """What became of stopping or resuming a group."""

    group: Group
    """As it is now."""
    runs: tuple[str, ...]
    """Ids of those that were stopped, resumed or started."""
    problems: tuple[str, ...] = ()
    """A sentence for each run that could not be; it did not stop the others."""


def start_group(
    runs_root: Path,
    data_root: Path,
    new: NewGroup,
    *,
    author: str = "",
    started_by: str = "",
    launcher: str = "local",
) -> Group:
    """Queue the runs of a group, one behind the other, and make sure that a runner is up.

    Whatever is wrong with the settings of one of them is said before any is created. If the start ends in the middle,
    the group says which runs it lacks, and `resume_group` starts them.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        new: what to start.
        author: who is shown as having started it.
        started_by: whose runs they are, see `RunMeta`.
        launcher: what starts their processes.

    Raises:
        ConfigError: the settings of a run are not allowed.
        RunError: there are too many runs, one of them could not be started as for `control.start`, or nothing can be
            written.
        DataError: as for `control.start`.
    """


def stop_group(runs_root: Path, name: str, *, by: str = "") -> GroupChange:
    """Ask all runs of a group to stop: queued ones leave the queue, running ones end with a checkpoint.

    Raises:
        RunError: there is no such group, or its file cannot be read or written.
    """


def resume_group(runs_root: Path, data_root: Path, name: str) -> GroupChange:
    """Requeue the runs of a group that ended early, and start those that an interrupted start left out.

    Raises:
        RunError: there is no such group, or its file cannot be read or written.
    """


def keep_best(run: Run) -> list[str]:
    """After the end of a run: of a group that keeps the weights of its best only, remove those of the finished others.

    Returns:
        The ids of the runs whose weights and checkpoint were removed.
    """
