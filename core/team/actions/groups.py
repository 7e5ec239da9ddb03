"""What is done with groups of runs: starting, stopping and resuming all of their runs at once."""

from pathlib import Path
from typing import Literal

from core.config import TrainConfig
from core.jobs import groups
from core.jobs.groups import GroupChange
from core.jobs.sweep import Sweep
from core.runs.groups import Group, GroupKind, members_of, readable_group
from core.runs.records import Run
from core.team.door import door
from core.team.people import Actor
from core.team.rights import Action, owns


def start_sweep(
    actor: Actor,
    runs_root: Path,
    data_root: Path,
    sweep: Sweep,
    *,
    title: str = "",
    keep: Literal["all", "best"] = "all",
    author: str | None = None,
    launcher: str = "local",
) -> Group:
    """Queue all runs of a sweep; their group. One act: it is one line of the log, and counts as one start.

    Args:
        actor: who starts it; the runs are theirs.
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        sweep: what to train.
        title: for people; empty: the fields and the dataset.
        keep: whose weights are kept: of all runs, or of the best by validation accuracy only.
        author: who is shown as having started them; None: the actor.
        launcher: what starts their processes.

    Raises:
        ConfigError: the sweep has too many runs or none, or the settings of one are not allowed.
        RunError: as `core.jobs.groups.start_group`.
    """


def stop_group(actor: Actor, runs_root: Path, name: str) -> GroupChange:
    """Ask all runs of a group to stop. As `core.jobs.groups.stop_group`."""


def resume_group(actor: Actor, runs_root: Path, data_root: Path, name: str) -> GroupChange:
    """Requeue the runs of a group that ended early. As `core.jobs.groups.resume_group`."""
