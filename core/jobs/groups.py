"""Starting, stopping and resuming groups of runs, and keeping the weights of their best only."""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Literal

from core.config import TrainConfig, parse_config
from core.errors import FerError, RunError
from core.jobs import control
from core.jobs.inputs import what_is_learned_from
from core.jobs.queue import end_of_queue, queue_lock
from core.jobs.recovery import lost_in_words
from core.runs.create import Membership
from core.runs.group_changes import (
    add_group,
    change_group,
    group_lock,
    group_start_lock,
    name_from_title,
    remove_group,
)
from core.runs.groups import (
    MOST_RUNS,
    Group,
    GroupKind,
    GroupMember,
    GroupRecord,
    config_of_member,
    members_of,
    readable_group,
)
from core.runs.naming import free_name, typed_setting
from core.runs.paths import new_run_id
from core.runs.reader import list_runs
from core.runs.records import Run, RunState
from core.runs.roles import ROLES

_STEP: Final = 2e-6
"""Between the queue positions of neighbours. A whole group fits between two other runs, which are a millisecond apart
or more, and as seconds since 1970 its runs still differ: two numbers there are 2.4e-7 apart."""
_LONGEST_DIFFERENCE: Final = 50
"""Characters of a run's name that say what differs; where it takes more, the run is numbered."""


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
    name: str = ""
    """Empty: made of the title, or of the kind."""
    how: Literal["grid", "random"] = "grid"
    sample: int | None = None
    sample_seed: int = 0
    keep: Literal["all", "best"] = "all"
    parent: str | None = None
    """The run that the settings are from, or that is reproduced."""


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
        RunError: there are too many runs, one could not be started, as for `control.start`, or nothing can be written.
        DataError: a dataset is missing or corrupt.
    """
    if not 1 <= len(new.values) <= MOST_RUNS:
        raise RunError(f"A group has 1 to {MOST_RUNS} runs (got {len(new.values):,}).")
    shared = new.config.model_dump()
    _check_inputs(runs_root, data_root, [parse_config({**shared, **values}) for values in new.values])
    record = GroupRecord(
        kind=new.kind,
        title=new.title,
        created_at=datetime.now(UTC),
        author=author,
        started_by=started_by,
        settings=new.config.model_dump(mode="json"),
        fields={name: list(values) for name, values in new.fields.items()},
        how=new.how,
        sample=new.sample,
        sample_seed=new.sample_seed,
        keep=new.keep,
        members=tuple(map(GroupMember.of, _new_ids(len(new.values)), new.values)),
        complete=False,
        launcher=launcher,
        parent=new.parent,
    )
    name = new.name or name_from_title(new.title, f"{new.kind}-{secrets.token_hex(2)}")
    with group_start_lock(runs_root, make_root=True):
        with group_lock(runs_root):
            group = add_group(runs_root, record, name)
        try:
            return _start_missing(runs_root, data_root, group)[0]
        except FerError:
            if not members_of(runs_root, group).runs:
                remove_group(runs_root, group.name)
            raise


def stop_group(runs_root: Path, name: str, *, by: str = "") -> GroupChange:
    """Ask all runs of a group to stop: queued ones leave the queue, running ones end with a checkpoint. Who is starting
    or resuming it gives up.

    Args:
        runs_root: the folder of all runs.
        name: of the group.
        by: who stops it, for people.

    Raises:
        RunError: there is no such group, or its file cannot be read or written.
    """
    group = readable_group(runs_root, name)
    if not _live(runs_root, group) and group.record.complete:
        return GroupChange(group, ())
    with group_lock(runs_root):
        group = change_group(runs_root, name, stopped_at=datetime.now(UTC), stopped_by=by)
    # Looked for once that is written: what somebody starts later, he stops himself. The last first: as long as one
    # waits, a running one that stops would make room for it.
    return _each(group, _live(runs_root, group)[::-1], lambda run_id: control.stop(runs_root, run_id))


def resume_group(runs_root: Path, data_root: Path, name: str) -> GroupChange:
    """Requeue the runs of a group that ended early, and start those that an interrupted start left out. Lost ones are
    left to who knows: of each, `problems` says how it is resumed.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        name: of the group.

    Raises:
        RunError: there is no such group, its file cannot be read or written, or one of the missing runs cannot be
            started.
    """
    with group_start_lock(runs_root):
        with group_lock(runs_root):
            group = change_group(runs_root, name, stopped_at=None, stopped_by="")
        runs = members_of(runs_root, group).runs

        def resume(run_id: str) -> None:
            control.resume(runs_root, data_root, run_id)
            _stop_with_group(runs_root, name, run_id)

        ended = [run.id for run in runs if is_resumed_with_group(run)]
        resumed = _each(group, takewhile(lambda _: not _is_stopped(runs_root, name), ended), resume)
        if _is_stopped(runs_root, name):
            return GroupChange(group, resumed.runs, (*resumed.problems, f"Group “{name}” was stopped meanwhile."))
        lost = tuple(lost_in_words(run) for run in runs if run.state is RunState.LOST)
        group, started = (group, ()) if group.record.complete else _start_missing(runs_root, data_root, group)
        return GroupChange(group, resumed.runs + started, resumed.problems + lost)


def is_resumed_with_group(run: Run) -> bool:
    """Whether a resume of its group requeues a run. Of a lost one a person decides: it may still be trained."""
    return run.state.is_resumable and run.state is not RunState.LOST


def _live(runs_root: Path, group: Group) -> list[str]:
    return [run.id for run in members_of(runs_root, group).runs if run.state.is_live]


def _is_stopped(runs_root: Path, name: str) -> bool:
    """Whether somebody has stopped the group since its start or resume began."""
    return readable_group(runs_root, name).record.stopped_at is not None


def _stop_with_group(runs_root: Path, name: str, run_id: str) -> bool:
    """Stop a run that was just started or resumed, if its group was stopped meanwhile: who did that may not have seen
    it. Whether it was."""
    stopped = _is_stopped(runs_root, name)
    if stopped:
        control.stop(runs_root, run_id)
    return stopped


def _each(group: Group, ids: Iterable[str], act: Callable[[str], None]) -> GroupChange:
    done, problems = control.for_each(ids, act)
    return GroupChange(group, tuple(done), tuple(problems))


def _check_inputs(runs_root: Path, data_root: Path, configs: Sequence[TrainConfig]) -> None:
    """Refuse settings whose dataset, correction set or teachers are missing or do not fit, each combination once."""
    from core.data.dataset import read_identity

    by_inputs = {
        (each.dataset, each.corrections, each.hold_out, each.model, *(getattr(each, name) for name in ROLES)): each
        for each in configs
    }
    for config in by_inputs.values():
        read_identity(data_root, config.dataset)
        what_is_learned_from(runs_root, data_root, config)


def _new_ids(count: int) -> list[str]:
    """So many different ids; two of one second may be the same."""
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids[new_run_id()] = None
    return list(ids)


def _start_missing(runs_root: Path, data_root: Path, group: Group) -> tuple[Group, tuple[str, ...]]:
    """Start the runs of a group that are not there, next to each other in the queue; the group, now complete, and their
    ids."""
    missing = members_of(runs_root, group).missing
    with queue_lock(runs_root, make_root=True):
        first = end_of_queue(runs_root)
    names = {run.name for run in list_runs(runs_root)}
    for number, member in enumerate(group.record.members):
        if member.id in missing:
            name = _name_of(group, number, names)
            names.add(name)
            try:
                _start_member(runs_root, data_root, group, member, name, first + number * _STEP)
                if _stop_with_group(runs_root, group.name, member.id) and member.id != missing[-1]:
                    raise RunError("The group was stopped meanwhile.")
            except FerError as error:
                there = len(members_of(runs_root, group).runs)
                if not there:
                    raise
                raise RunError(
                    f"{error} Of group “{group.name}”, {there} of {len(group.record.members)} runs have been started: "
                    "resume the group to start the others."
                ) from error
    with group_lock(runs_root):
        return change_group(runs_root, group.name, complete=True), missing


def _start_member(
    runs_root: Path, data_root: Path, group: Group, member: GroupMember, name: str, position: float
) -> None:
    record = group.record
    control.start(
        runs_root,
        data_root,
        config_of_member(group, member),
        name=name,
        author=record.author,
        started_by=record.started_by,
        parent=record.parent,
        reproduces=record.parent if record.kind == "reproductions" else None,
        membership=Membership(group.name, member.id, position, (group.name,) if record.kind == "folds" else ()),
        launcher=record.launcher,
    )


def _name_of(group: Group, number: int, taken: Collection[str]) -> str:
    """A name for a member that says what differs."""
    record, values = group.record, group.record.members[number].values
    if record.kind == "folds":
        return f"Fold {values['hold_out']} of {group.name}"
    if record.kind == "reproductions":
        return free_name(record.title or group.name, taken, " (reproduction)")
    what = " ".join(f"{field}={typed_setting(value) or 'none'}" for field, value in values.items())
    mark = what if len(what) <= _LONGEST_DIFFERENCE else f"#{number + 1}"
    return free_name(record.title or group.name, taken, f" {mark}")
