"""`python -m core groups ...`: sweeps, seeds, folds and other runs that were started together."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.options import AsJson, DataRoot, RunsRoot, terminal_user
from core.cli.output import accuracy_on_validation, as_percent, print_json
from core.cli.progress import clock
from core.runs.groups import Group, Members, Progress, best_member, list_groups, members_of, progress_of
from core.runs.naming import typed_setting
from core.runs.records import RunState

if TYPE_CHECKING:
    from core.comparison.effects import FieldEffect
    from core.jobs.groups import GroupChange
    from core.runs.records import Run

groups_app = typer.Typer(
    help="Groups of runs that were started together: sweeps, seeds, folds, reproductions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Look = Callable[[Group], tuple[Members, Progress]]
"""Tells the members of a group, and how far it is."""
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the group.")]


@groups_app.command("list")
def groups_list(runs_root: RunsRoot, data_root: DataRoot, as_json: AsJson = False) -> None:
    """List groups, newest first, with their progress and their best run so far."""
    groups = list_groups(runs_root)
    if not (groups or as_json):
        print("No groups yet. Start one with `python -m core train --sweep learning_rate=0.01,0.02`.")
        return
    look = _look(runs_root, data_root)
    if as_json:
        print_json([_as_json(group, look) for group in groups])
        return
    for group in groups:
        if group.problem:
            print(f"{group.name}: {group.problem}")
            continue
        members, progress = look(group)
        best = best_member(members.runs)
        found = f", best {accuracy_on_validation(best)} on validation ({best.id})" if best else ""
        print(f"{group.name}: {group.kind}, {_in_words(progress)}{found}")


@groups_app.command("show")
def groups_show(name: _Name, runs_root: RunsRoot, data_root: DataRoot, as_json: AsJson = False) -> None:
    """Show a group: its progress, the effect of each field on validation accuracy, and its runs."""
    from core.comparison.effects import effects_of
    from core.runs.groups import readable_group

    group = readable_group(runs_root, name)
    if as_json:
        print_json(group_as_json(runs_root, data_root, group))
        return
    members, progress = _look(runs_root, data_root)(group)
    print(f"{group.title}: {group.kind}, {_in_words(progress)}")
    if group.record.stopped_at:
        print(f"stopped by {group.record.stopped_by or 'somebody'} at {group.record.stopped_at:%Y-%m-%d %H:%M} UTC")
    _print_effects(effects_of(group, members.runs))
    _print_runs(group, members)
    ids = [run.id for run in members.runs if run.state is RunState.FINISHED]
    if group.kind == "teachers" and ids:
        print(f"Train a student with them: python -m core train --set teachers={','.join(ids)}")


@groups_app.command("stop")
def groups_stop(name: _Name, runs_root: RunsRoot) -> None:
    """Stop all runs of a group: queued ones leave the queue, running ones end at their next batch with a checkpoint."""
    from core.team import actions

    changed = actions.stop_group(terminal_user(), runs_root, name)
    _print_change(changed, "stopping", "None of its runs is queued or running.")


@groups_app.command("resume")
def groups_resume(name: _Name, runs_root: RunsRoot, data_root: DataRoot) -> None:
    """Requeue the stopped, failed and crashed runs of a group, and start those that an interrupted start left out."""
    from core.team import actions

    changed = actions.resume_group(terminal_user(), runs_root, data_root, name)
    _print_change(changed, "queued", "None of its runs can be resumed.")


@groups_app.command("delete")
def groups_delete(name: _Name, runs_root: RunsRoot) -> None:
    """Delete a group. Its runs stay."""
    from core.team import actions

    actions.delete_group(terminal_user(), runs_root, name)
    print(f"{name}: deleted.")


def _print_change(change: "GroupChange", done: str, otherwise: str) -> None:
    for run_id in change.runs:
        print(f"{run_id}: {done}.")
    for problem in change.problems:
        print(problem)
    if not (change.runs or change.problems):
        print(otherwise)


def sizes(data_root: Path) -> Mapping[str, Mapping[str, int]]:
    """Dataset to the number of images in each of its splits."""
    from core.data.dataset import list_datasets
    from core.splits import SPLITS

    return {info.name: {split: info.images(split) for split in SPLITS} for info in list_datasets(data_root)}


def _look(runs_root: Path, data_root: Path) -> _Look:
    """One look at all runs, which takes half a second for 1,000 of them, for any number of groups."""
    from core.jobs.slots import list_slots
    from core.runs.reader import RunReader

    reader = RunReader(runs_root)
    runs, images, slots = reader.list(), sizes(data_root), len(list_slots(runs_root))

    def look(group: Group) -> tuple[Members, Progress]:
        members = members_of(runs_root, group, reader.read)
        return members, progress_of(group, members, runs, images, slots)

    return look


def _in_words(progress: Progress) -> str:
    """Such as `3 of 8 finished, 1 failed, 63% done, about 2:05 left`."""
    parts = [f"{progress.finished} of {progress.total} finished"]
    parts += [f"{n} {state.in_words()}" for state, n in progress.counts.items() if state is not RunState.FINISHED]
    if progress.missing:
        parts.append(f"{progress.missing} missing")
    if progress.is_live:
        parts.append(f"{progress.fraction:.0%} done")
        if progress.seconds_left:
            parts.append(f"about {clock(progress.seconds_left)} left")
    return ", ".join(parts)


def _print_effects(effects: "Sequence[FieldEffect]") -> None:
    shown = [effect for effect in effects if effect.best]
    if shown:
        print(f"\n{'field':24} {'value':>14} {'runs':>5} {'mean':>9}  {'std':>8}")
    for effect in shown:
        for each in effect.values:
            spread = "-" if each.deviation is None else f"{100 * each.deviation:.2f} pp"
            value = typed_setting(each.value) or "none"
            print(f"{effect.field:24} {value:>14} {len(each.accuracies):>5} {as_percent(each.mean):>9}  {spread:>8}")


def _print_runs(group: Group, members: Members) -> None:
    best = best_member(members.runs)
    print(f"\n{'run':34} {'state':10} {'validation (95% CI)':>19}    values")
    by_id = {run.id: run for run in members.runs}
    for member in group.record.members:
        run = by_id.get(member.id)
        state = run.state.in_words() if run else ("deleted" if group.record.complete else "not started")
        accuracy = accuracy_on_validation(run) if run else "-"
        mark = "*" if best and member.id == best.id else " "
        values = " ".join(f"{field}={typed_setting(value) or 'none'}" for field, value in member.values.items())
        print(f"{member.id:34} {state:10} {accuracy:>19} {mark}  {values}".rstrip())


def group_as_json(runs_root: Path, data_root: Path, group: Group) -> dict[str, Any]:
    """A group as `--json` prints it."""
    return _as_json(group, _look(runs_root, data_root))


def _as_json(group: Group, look: _Look) -> dict[str, Any]:
    from core.comparison.effects import effects_of

    record = group.record.model_dump(mode="json", exclude={"settings", "members"})
    if group.problem:
        return {"name": group.name, "problem": group.problem}
    members, progress = look(group)
    best = best_member(members.runs)
    return {
        "name": group.name,
        **record,
        "title": group.title,
        "progress": {
            "total": progress.total,
            "states": {state.value: n for state, n in progress.counts.items()},
            "missing": progress.missing,
            "fraction": progress.fraction,
            "seconds_left": progress.seconds_left,
        },
        "best": best.id if best else None,
        "effects": [_effect_as_json(effect) for effect in effects_of(group, members.runs)],
        "runs": [_run_as_json(group, run) for run in members.runs],
        "missing": list(members.missing),
    }


def _effect_as_json(effect: "FieldEffect") -> dict[str, Any]:
    values = [
        {"value": each.value, "runs": len(each.accuracies), "mean": each.mean, "standard_deviation": each.deviation}
        for each in effect.values
    ]
    return {"field": effect.field, "spread": effect.spread, "values": values}


def _run_as_json(group: Group, run: "Run") -> dict[str, Any]:
    return {
        "id": run.id,
        "state": run.state.value,
        "validation_accuracy": run.validation_accuracy,
        "values": dict(group.values_of(run.id)),
        "problem": run.problem,
    }
