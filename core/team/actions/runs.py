"""What is done with runs: starting, stopping, queueing, deleting, scoring."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from core.config import TrainConfig
from core.errors import display_name
from core.jobs import control, queue, recovery
from core.jobs.inputs import check_inputs
from core.jobs.launchers import LOCAL, launcher_title
from core.runs import delete
from core.runs.reader import list_runs, read_run
from core.team.door import door
from core.team.people import Actor, shown_author
from core.team.rights import Action

if TYPE_CHECKING:
    from core.exchange.bundle import ImportedRun

_T = TypeVar("_T")


def start(
    actor: Actor,
    runs_root: Path,
    data_root: Path,
    config: TrainConfig,
    *,
    name: str = "",
    author: str | None = None,
    launcher: str = LOCAL,
) -> str:
    """Queue a new run; its id. As `core.jobs.control.start`.

    Args:
        actor: who starts it; the run is theirs.
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        config: its settings.
        name: its display name.
        author: who is shown as having started it; None: the actor.
        launcher: what starts its process.
    """
    with door(Action.START, actor, runs_root, detail=_about(config, name, launcher), make_root=True) as act:
        act.made = control.start(
            runs_root,
            data_root,
            config,
            name=name,
            author=shown_author(actor, author),
            started_by=actor.identity,
            launcher=launcher,
        )
    return act.made


def clone(
    actor: Actor,
    runs_root: Path,
    data_root: Path,
    run_id: str,
    config: TrainConfig,
    *,
    name: str = "",
    author: str | None = None,
    launcher: str = LOCAL,
) -> str:
    """Queue a new run that is based on another, whose id is `run_id`; the id of the new one.

    Raises:
        RunError: as `start`, there is no such run, or the dataset or correction set is not on this server.
    """
    run = read_run(runs_root, run_id)
    with door(Action.CLONE, actor, runs_root, run=run, detail=_about(config, name, launcher)) as act:
        act.made = control.start(
            runs_root,
            data_root,
            config,
            name=name,
            author=shown_author(actor, author),
            started_by=actor.identity,
            parent=run_id,
            corrections=check_inputs(runs_root, data_root, config.dataset, config.corrections),
            launcher=launcher,
        )
    return act.made


def retry(actor: Actor, runs_root: Path, data_root: Path, run_id: str) -> str:
    """Start a new run with the settings of another; its id. As `core.jobs.control.retry`."""
    run = read_run(runs_root, run_id)
    with door(Action.RETRY, actor, runs_root, run=run) as act:
        author = "" if actor.way == "command line" else actor.name
        act.made = control.retry(runs_root, data_root, run_id, author=author, started_by=actor.identity)
    return act.made


def reproduce(actor: Actor, runs_root: Path, data_root: Path, run_id: str, *, author: str | None = None) -> str:
    """Retrain a finished run as it was, to compare the results; the id of the new run. As
    `core.jobs.control.reproduce`."""
    run = read_run(runs_root, run_id)
    with door(Action.REPRODUCE, actor, runs_root, run=run) as act:
        author = shown_author(actor, author)
        act.made = control.reproduce(runs_root, data_root, run_id, author=author, started_by=actor.identity)
    return act.made


def import_run(
    actor: Actor,
    runs_root: Path,
    bundle: Path | IO[bytes],
    *,
    name: str = "",
    by: str | None = None,
    rename: bool = False,
    keep_review: bool = False,
) -> "ImportedRun":
    """Import a run that was exported as a bundle. As `core.exchange.bundle.import_bundle`.

    Args:
        actor: who does it.
        runs_root: the folder of all runs.
        bundle: the zip file, as a path or open for reading and seeking.
        name: what the actor calls the file; by default its own name.
        by: who is said to have imported it; None: the actor.
        rename: give it another id if there is a run of its id.
        keep_review: trust the review it comes with, as only who may review runs can.
    """
    from core.exchange.bundle import import_bundle  # reads Parquet and more, which other commands do without

    action = Action.IMPORT_REVIEWED_RUN if keep_review else Action.IMPORT_RUN
    name = name or (bundle.name if isinstance(bundle, Path) else "")
    with door(action, actor, runs_root, detail=f"from {display_name(name)}", make_root=True) as act:
        made = import_bundle(
            bundle, runs_root, by=shown_author(actor, by), name=name, rename=rename, keep_review=keep_review
        )
        act.made = made.run_id
    return made


def stop(actor: Actor, runs_root: Path, run_id: str) -> None:
    """Ask a run to stop at its next batch, or remove it from the queue. As `core.jobs.control.stop`."""
    with door(Action.STOP, actor, runs_root, run=read_run(runs_root, run_id)):
        control.stop(runs_root, run_id)


def stop_now(actor: Actor, runs_root: Path, run_id: str) -> None:
    """Kill the process of a run that does not stop by itself. As `core.jobs.control.stop_now`."""
    with door(Action.FORCE_STOP, actor, runs_root, run=read_run(runs_root, run_id)):
        control.stop_now(runs_root, run_id)


def resume(
    actor: Actor,
    runs_root: Path,
    data_root: Path,
    run_id: str,
    *,
    keep_place: bool = False,
    launcher: str | None = None,
) -> None:
    """Requeue a run that has ended early; it goes on from its last checkpoint. As `core.jobs.control.resume`."""
    with door(Action.RESUME, actor, runs_root, run=read_run(runs_root, run_id), detail=_where(launcher)):
        control.resume(runs_root, data_root, run_id, keep_place=keep_place, launcher=launcher)


def recover(actor: Actor, runs_root: Path, data_root: Path) -> list[str]:
    """Requeue all runs whose process is gone, as after a reboot; their ids. As `core.jobs.recovery.recover`."""
    if not recovery.interrupted_runs(list_runs(runs_root)):
        control.serve_queue(runs_root, data_root)  # as every look at a page does
        return []
    with door(Action.RECOVER, actor, runs_root):
        return recovery.recover(runs_root, data_root)


def move_queued(actor: Actor, runs_root: Path, run_id: str, place: queue.Place) -> None:
    """Move a run within the queue. As `core.jobs.queue.move_queued`."""
    run = read_run(runs_root, run_id)
    with door(Action.MOVE, actor, runs_root, run=run, detail=place):
        queue.move_queued(run.paths, place)


def delete_run(actor: Actor, runs_root: Path, run_id: str, *, shipped: bool = False) -> None:
    """Delete the folder of a run. As `core.runs.delete.delete_run`."""
    run = read_run(runs_root, run_id)
    with door(Action.DELETE, actor, runs_root, run=run, detail=run.meta.name):
        delete.delete_run(runs_root, run_id, shipped=shipped)


def score(actor: Actor, runs_root: Path, run_id: str, split: str, compute: Callable[[], _T]) -> _T:
    """Have the predictions of a run on a split computed and kept with it.

    Args:
        actor: who asks for it.
        runs_root: the folder of all runs.
        run_id: the run.
        split: such as `train`.
        compute: does it, or begins it; what it returns is returned.
    """
    with door(Action.SCORE, actor, runs_root, run=read_run(runs_root, run_id), detail=split):
        return compute()


def _about(config: TrainConfig, name: str, launcher: str) -> str:
    said = f"“{name}” on {config.dataset}" if name else f"on {config.dataset}"
    return ", ".join(filter(None, [said, _where(launcher)]))


def _where(launcher: str | None) -> str:
    """What is worth saying of who starts it: nothing of this machine."""
    return f"by {launcher_title(launcher)}" if launcher and launcher != LOCAL else ""
