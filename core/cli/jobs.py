"""`python -m core runs stop`, `resume` and the like: what starts, stops and moves the training of runs there are."""

import sys
from enum import StrEnum
from functools import partial
from typing import Annotated, Final

import typer

from core.cli.options import (
    AsJson,
    DataRoot,
    LauncherName,
    RunName,
    RunsRoot,
    Settings,
    config_of,
    pairs,
    terminal_user,
)
from core.cli.output import print_json, print_reproduction
from core.errors import ConfigError

_NOW: Final = "Force stop, or give up a run that is lost; progress since the last checkpoint is lost."


class MoveTo(StrEnum):
    """Places in the queue."""

    FIRST = "first"
    EARLIER = "earlier"
    LATER = "later"
    LAST = "last"


def runs_stop(
    run: RunName,
    runs_root: RunsRoot,
    now: Annotated[bool, typer.Option("--now", help=_NOW)] = False,
) -> None:
    """Stop a run at its next batch, with a checkpoint; or remove it from the queue."""
    from core.runs.delete import force_stop_command
    from core.runs.reader import find_run, read_run
    from core.runs.records import RunState
    from core.team import actions

    found = find_run(runs_root, run)
    (actions.stop_now if now else actions.stop)(terminal_user(), found.paths.root, found.id)
    if not found.state.is_live:
        print(f"{found.id} is already {found.state.in_words()}.")
        return
    after = read_run(found.paths.root, found.id)
    if now and not after.state.is_live:
        print(" ".join(filter(None, (f"{found.id}: {after.state.in_words()}.", after.problem))))
    elif after.state is RunState.LOST:
        print(f"{found.id} is lost: if it still trains, it stops. To give it up: {force_stop_command(found.id)}")
    else:
        print(f"{found.id}: stopping.")


def runs_resume(
    run: RunName,
    runs_root: RunsRoot,
    data_root: DataRoot,
    launcher: Annotated[
        LauncherName | None, typer.Option(help="Where to train; by default where it was trained before.")
    ] = None,
) -> None:
    """Requeue a stopped, failed, crashed or lost run; it resumes from its last checkpoint."""
    from core.runs.reader import find_run
    from core.team import actions

    found = find_run(runs_root, run)
    actions.resume(terminal_user(), found.paths.root, data_root, found.id, launcher=launcher and launcher.value)
    print(f"{found.id}: requeued.")


def runs_retry(run: RunName, runs_root: RunsRoot, data_root: DataRoot) -> None:
    """Start a new run with the same settings as another and print its id."""
    from core.runs.reader import find_run
    from core.team import actions

    found = find_run(runs_root, run)
    print(actions.retry(terminal_user(), found.paths.root, data_root, found.id))


def runs_clone(
    run: RunName,
    runs_root: RunsRoot,
    data_root: DataRoot,
    settings: Settings = None,
    name: Annotated[str, typer.Option(help="Display name of the new run.")] = "",
    author: Annotated[str, typer.Option(help="Who starts the run.")] = "",
    launcher: Annotated[
        LauncherName, typer.Option(help="Where to train: on this machine, or on a cluster as site.toml says.")
    ] = LauncherName.LOCAL,
) -> None:
    """Start a new run from the settings of another, some of them overridden, and print its id."""
    from core.config import parse_config
    from core.runs.reader import find_run
    from core.team import actions

    found = find_run(runs_root, run)
    config = parse_config({**config_of(found).model_dump(), **pairs(settings)})
    act = partial(actions.clone, terminal_user(), found.paths.root, data_root, found.id, config)
    print(act(name=name, author=author, launcher=launcher.value))


def runs_reproduce(
    run: RunName,
    runs_root: RunsRoot,
    data_root: DataRoot,
    times: Annotated[int, typer.Option(min=1, max=200, help="Several reproductions, as a group.")] = 1,
    author: Annotated[str, typer.Option(help="Who starts the run.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress, and the result at the end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retrain a finished run with its recorded settings and check whether the result is reproduced."""
    from core.cli.follow import follow_to_end
    from core.comparison.reproduction import check_reproducible, read_reproduction
    from core.runs.reader import find_run, read_run
    from core.team import actions

    if times > 1 and wait:
        raise ConfigError("--wait and --times exclude each other. Follow the group: python -m core groups show NAME.")
    found = find_run(runs_root, run)
    warning = check_reproducible(found, data_root)
    if warning:
        print(warning, file=sys.stderr)
    if times > 1:
        group = actions.reproduce_often(terminal_user(), found.paths.root, data_root, found.id, times, author=author)
        if as_json:
            print_json({"group": group.name, "runs": group.run_ids})
        else:
            print("\n".join(group.run_ids))
        return
    run_id = actions.reproduce(terminal_user(), found.paths.root, data_root, found.id, author=author)
    if not as_json or wait:
        print(run_id, file=sys.stderr if as_json else sys.stdout)
    if wait:
        follow_to_end(found.paths.root, run_id)
    started = read_run(found.paths.root, run_id)
    result = read_reproduction(started)
    if as_json:
        shown = result and result.model_dump(mode="json")
        print_json(
            {"run": run_id, "reproduces": found.id, "state": started.state, "warning": warning, "reproduction": shown}
        )
    elif result:
        print_reproduction(result)


def runs_move(
    run: RunName,
    runs_root: RunsRoot,
    place: Annotated[MoveTo, typer.Option("--to", help="New place in the queue.")],
) -> None:
    """Move a queued run within the queue."""
    from core.runs.reader import find_run
    from core.team import actions

    found = find_run(runs_root, run)
    actions.move_queued(terminal_user(), found.paths.root, found.id, place.value)
    print(f"{found.id}: moved.")


def runs_recover(runs_root: RunsRoot, data_root: DataRoot) -> None:
    """Requeue interrupted runs after a reboot and start the runner."""
    from core.jobs.recovery import interrupted_without_checkpoint, lost_in_words, lost_runs
    from core.runs.reader import list_runs
    from core.team import actions

    recovered = actions.recover(terminal_user(), runs_root, data_root)
    for run_id in recovered:
        print(f"{run_id}: requeued.")
    runs = list_runs(runs_root)
    lost, stuck = lost_runs(runs), interrupted_without_checkpoint(runs)
    for run in stuck:
        print(f"{run.id}: interrupted, but its checkpoint is missing. Clone it: python -m core runs clone {run.id}")
    for run in lost:
        print(lost_in_words(run))
    if not (recovered or lost or stuck):
        print("No interrupted run.")
