"""What is done with groups of runs. Each is one act, however many runs it concerns: one line of the log, and one start
of the few that somebody may make within a minute."""

from pathlib import Path
from typing import Literal

from core.config import TrainConfig
from core.jobs import folds, groups, reproductions
from core.jobs.groups import GroupChange
from core.jobs.sweep import Sweep
from core.runs import group_changes
from core.runs.groups import Group, members_of, read_group
from core.runs.reader import read_run
from core.runs.records import Run
from core.team.door import door
from core.team.people import Actor, shown_author
from core.team.rights import Action, owns


def start_sweep(
    actor: Actor,
    runs_root: Path,
    data_root: Path,
    sweep: Sweep,
    *,
    title: str = "",
    keep: Literal["all", "best"] = "all",
    parent: str | None = None,
    author: str | None = None,
    launcher: str = "local",
) -> Group:
    """Queue all runs of a sweep; their group. As `core.jobs.groups.start_group`.

    Args:
        actor: who starts it; the runs are theirs.
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        sweep: what to train.
        title: for people; empty: the fields and the dataset.
        keep: whose weights are kept: of all runs, or of the best by validation accuracy only.
        parent: the id of the run that the settings are from, if any.
        author: who is shown as having started them; None: the actor.
        launcher: what starts their processes.

    Raises:
        ConfigError: the sweep has too many runs or none, or the settings of one are not allowed.
        RunError: as `core.jobs.groups.start_group`.
    """
    new = sweep.as_group(title=title, keep=keep, parent=parent)
    detail = f"{len(new.values)} runs: {', '.join(sweep.fields)} on {sweep.base.dataset}"
    with door(Action.START_SWEEP, actor, runs_root, detail=detail, make_root=True) as act:
        group = groups.start_group(
            runs_root,
            data_root,
            new,
            author=shown_author(actor, author),
            started_by=actor.identity,
            launcher=launcher,
        )
        act.made = group.name
    return group


def queue_folds(
    actor: Actor, runs_root: Path, data_root: Path, config: TrainConfig, count: int, *, author: str | None = None
) -> Group:
    """Queue one run per fold of a cross-validation; their group. As `core.jobs.folds.queue_folds`."""
    detail = f"{count} folds of {config.dataset}"
    with door(Action.START_FOLDS, actor, runs_root, detail=detail, make_root=True) as act:
        shown = shown_author(actor, author)
        group = folds.queue_folds(runs_root, data_root, config, count, author=shown, started_by=actor.identity)
        act.made = group.name
    return group


def reproduce_often(
    actor: Actor, runs_root: Path, data_root: Path, run_id: str, count: int, *, author: str | None = None
) -> Group:
    """Retrain a finished run several times as it was; their group. As `core.jobs.reproductions.reproduce_often`."""
    run = read_run(runs_root, run_id)
    with door(Action.REPRODUCE, actor, runs_root, run=run, detail=f"{count} times") as act:
        shown = shown_author(actor, author)
        group = reproductions.reproduce_often(
            runs_root, data_root, run_id, count, author=shown, started_by=actor.identity
        )
        act.made = group.name
    return group


def stop_group(actor: Actor, runs_root: Path, name: str) -> GroupChange:
    """Ask all runs of a group to stop. As `core.jobs.groups.stop_group`."""
    run = _least_own(actor, runs_root, name)
    with door(Action.STOP_GROUP, actor, runs_root, name, run=run):
        return groups.stop_group(runs_root, name, by=actor.name)


def resume_group(actor: Actor, runs_root: Path, data_root: Path, name: str) -> GroupChange:
    """Requeue the runs of a group that ended early. As `core.jobs.groups.resume_group`."""
    run = _least_own(actor, runs_root, name)
    with door(Action.RESUME_GROUP, actor, runs_root, name, run=run):
        return groups.resume_group(runs_root, data_root, name)


def delete_group(actor: Actor, runs_root: Path, name: str) -> None:
    """Delete a group; its runs stay. As `core.runs.group_changes.remove_group`."""
    title = read_group(runs_root, name).title
    with door(Action.DELETE_GROUP, actor, runs_root, name, detail=title):
        group_changes.remove_group(runs_root, name)


def _least_own(actor: Actor, runs_root: Path, name: str) -> Run | None:
    """A run of a group that somebody else has started, if there is one: who may not stop it, may not stop them all."""
    runs = members_of(runs_root, read_group(runs_root, name)).runs
    return next((run for run in runs if not owns(actor, run)), runs[0] if runs else None)
