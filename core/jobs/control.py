"""Starting and stopping runs on this machine: the folder first, then a runner that picks it up.

The runner and its workers are in sessions of their own, so that they outlive the page, the server and the terminal.
"""

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.config import TrainConfig
from core.errors import RunError, system_reason
from core.files import lock_is_held, make_folder, open_regular, touch
from core.jobs.inputs import check_inputs, what_is_learned_from
from core.jobs.kill import is_frozen, kill_runner, kill_worker
from core.jobs.queue import cancel_queued, end_of_queue, note_killed, queue_lock, queued_runs, requeue
from core.machine import boot_id, cpu_slots, is_local
from core.processes import reap, start_module
from core.review.corrections import Corrections
from core.runs.create import Membership, create_run
from core.runs.naming import free_name, suggest_clone_name
from core.runs.paths import QueuePaths
from core.runs.reader import list_runs, read_run
from core.runs.records import Run, RunState
from core.runs.resume import can_continue
from core.runs.teachers import teaching_of
from core.runs.values import NAME_LENGTH
from core.text import one_line

_OUTPUT: Final = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
"""Logs are UTF-8 and complete, whatever the locale."""


def start(
    runs_root: Path,
    data_root: Path,
    config: TrainConfig,
    *,
    name: str = "",
    author: str = "",
    started_by: str = "",
    parent: str | None = None,
    reproduces: str | None = None,
    corrections: Corrections | None = None,
    membership: Membership | None = None,
) -> str:
    """Queue a new run and make sure that a runner is up. Returns its id at once.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        config: its settings.
        name: its display name.
        author: who is shown as having started it.
        started_by: whose run it is, see `RunMeta`.
        parent: the id of the run that its settings are from.
        reproduces: the id of the run that it is to be compared with at its end.
        corrections: the set that `config` names, if the caller has loaded it already.
        membership: where it belongs, if it is started with others.

    Raises:
        RunError: the name is too long, the run folder cannot be written, the correction set is missing or does not
            fit the data, or a run that it is to learn from must not teach it.
        DataError: there is a correction set or a teacher, but no dataset it could be for.
    """
    if (length := len(one_line(name))) > NAME_LENGTH:
        raise RunError(f"The name is too long: {length:,} characters (max {NAME_LENGTH}).")
    corrections, teaching = what_is_learned_from(runs_root, data_root, config, corrections)
    if teaching:
        config = config.model_copy(update=teaching.ids())
    with queue_lock(runs_root, make_root=True):
        paths = create_run(
            runs_root,
            config,
            run_id=membership.run_id if membership else None,
            group=membership.group if membership else "",
            tags=membership.tags if membership else (),
            name=name,
            author=author,
            started_by=started_by,
            parent=parent,
            queue_position=membership.queue_position if membership else end_of_queue(runs_root),
            data_root=data_root.resolve(),
            corrections=corrections,
            teaching=teaching,
            reproduces=reproduces,
        )
    ensure_runner(runs_root, data_root)
    return paths.run_id


def stop(runs_root: Path, run_id: str) -> None:
    """Ask a run to stop: a queued one leaves the queue, a running one ends at its next batch with a checkpoint.

    Harmless when called twice or too late.

    Raises:
        RunError: there is no such run, or its folder cannot be written.
    """
    run = read_run(runs_root, run_id)
    if run.state in (RunState.QUEUED, RunState.RUNNING, RunState.STALLED) and not cancel_queued(run.paths):
        try:
            touch(run.paths.stop_request)
        except OSError as error:
            raise RunError(f"Can't ask run {run_id} to stop: {system_reason(error)}.") from error


def stop_now(runs_root: Path, run_id: str) -> None:
    """Kill the training process of a run that does not stop by itself; progress since its last checkpoint is lost.

    Raises:
        RunError: there is no such run, or its process is not on this machine or not certain to be ours.
    """
    stop(runs_root, run_id)
    run = read_run(runs_root, run_id)
    if run.state not in (RunState.RUNNING, RunState.STALLED):
        return
    if not kill_worker(run.paths, run.status) or not note_killed(run.paths):
        again = read_run(runs_root, run_id)
        if again.state.is_live:
            raise RunError(
                f"Run {run_id} can't be force-stopped: process {run.status.pid} on {run.status.host} can't be verified "
                "from this machine."
            )


def resume(runs_root: Path, data_root: Path, run_id: str, *, keep_place: bool = False) -> None:
    """Put a stopped, failed or crashed run back in the queue; it continues from its last checkpoint.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        run_id: the run.
        keep_place: whether it returns to its last position, not to the end of the queue.

    Raises:
        RunError: there is no such run, its state does not allow it, or a run that it learns from is not as it was.
    """
    run = read_run(runs_root, run_id)
    teaching_of(run.paths, _settings(run, f"resume run {run.id}"))
    requeue(run.paths, data_root.resolve(), keep_place=keep_place)
    ensure_runner(runs_root, data_root)


def retry(runs_root: Path, data_root: Path, run_id: str, *, author: str = "", started_by: str = "") -> str:
    """Start a new run with the settings of another, under that one's name with a number; its id.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        run_id: the other one.
        author: who is shown as having started it; empty: the author of the other one.
        started_by: whose run it is, see `RunMeta`.

    Raises:
        RunError: there is no such run, its settings cannot be read, or what they name is not on this server.
    """
    run = read_run(runs_root, run_id)
    config = _settings(run, f"run {run.id} again")
    name = suggest_clone_name(run.name, config, config, _names(runs_root)) if run.meta.name else ""
    corrections = check_inputs(runs_root, data_root, config.dataset, config.corrections)
    return start(
        runs_root,
        data_root,
        config,
        name=name,
        author=author or run.meta.author,
        started_by=started_by,
        parent=run.id,
        corrections=corrections,
    )


def reproduce(runs_root: Path, data_root: Path, run_id: str, *, author: str = "", started_by: str = "") -> str:
    """Retrain a finished run with its recorded settings; the id of the new run, which ends with a comparison.

    Raises:
        RunError: there is no such run, it has not finished, or its settings cannot be read.
        DataError: its dataset is not on this machine.
    """
    from core.comparison.reproduction import check_reproducible

    run = read_run(runs_root, run_id)
    config = _settings(run, f"reproduce run {run.id}")
    check_reproducible(run, data_root)
    name = free_name(run.name, _names(runs_root), " (reproduction)")
    return start(
        runs_root,
        data_root,
        config,
        name=name,
        author=author,
        started_by=started_by,
        parent=run.id,
        reproduces=run.id,
    )


def _names(runs_root: Path) -> set[str]:
    return {run.name for run in list_runs(runs_root)}


def _settings(run: Run, doing: str) -> TrainConfig:
    """The settings of a run that is to be trained with all of them."""
    if run.config is None:
        raise RunError(f"Can't {doing}: {run.problem}")
    if run.newer_settings:
        raise RunError(
            f"Can't {doing} with all its settings: it was made by a newer version. Update this one, or clone the run."
        )
    return run.config


def recover(runs_root: Path, data_root: Path) -> list[str]:
    """After a reboot: requeue the runs whose process is certainly gone, and start the runner. Others are left to who
    knows: see `interrupted_elsewhere`.

    Returns:
        The ids that were requeued; runs that were queued before only get their runner back.

    Raises:
        RunError: no process can be started.
    """
    recovered = interrupted_runs(list_runs(runs_root))
    for run in recovered:
        requeue(run.paths, data_root.resolve())
    serve_queue(runs_root, data_root)
    return [run.id for run in recovered]


def interrupted_runs(runs: Sequence[Run]) -> list[Run]:
    """Those whose process is certainly gone and that can go on, oldest first; of runs listed newest first. Archived
    ones are left out."""
    return [run for run in _crashed(runs) if _is_gone(run) and can_continue(run.paths)]


def interrupted_without_checkpoint(runs: Sequence[Run]) -> list[Run]:
    """As `interrupted_runs`, but those that have nothing to go on from."""
    return [run for run in _crashed(runs) if _is_gone(run) and not can_continue(run.paths)]


def interrupted_elsewhere(runs: Sequence[Run]) -> list[Run]:
    """As `interrupted_runs`, but those that another machine may still train, for all that can be seen from here."""
    return [run for run in _crashed(runs) if not _is_gone(run)]


def _crashed(runs: Sequence[Run]) -> list[Run]:
    return [
        run
        for run in reversed(runs)
        if run.state is RunState.CRASHED and run.config and not run.newer_settings and not run.meta.archived
    ]


def _is_gone(run: Run) -> bool:
    """Whether the process of a run whose lock is free is certainly gone.

    Another machine may hold the lock all the same where both share a network file system that does not pass locks on.
    The name does not tell the machines apart, since a container that is made anew has another: this boot's kernel knows
    the locks of all its containers, and a file system that this machine has to itself, those of all boots.
    """
    status = run.status
    return status.boot_id == boot_id() or status.host in (socket.gethostname(), None) or is_local(run.paths.root)


def has_runner(runs_root: Path) -> bool:
    """Whether a runner looks after the queue: it is alive, and not frozen.

    Raises:
        OSError: its lock cannot be looked at.
    """
    queue = QueuePaths(runs_root)
    return lock_is_held(queue.runner_lock) and not is_frozen(queue)


def serve_queue(runs_root: Path, data_root: Path) -> None:
    """Start a runner if runs are queued and there is none, as after a reboot.

    Raises:
        RunError: no process can be started.
    """
    if queued_runs(runs_root):
        ensure_runner(runs_root, data_root)


def ensure_runner(runs_root: Path, data_root: Path) -> None:
    """Start this machine's runner unless one is up; one that is frozen is killed first, which costs nothing, since it
    keeps nothing in memory. Two at once are harmless: the second leaves by itself.

    A runner exits only under the `queue_lock`, after a look at the queue: what was queued before this call is seen by
    the runner found here, or by the one started here.

    Raises:
        RunError: no process can be started.
        ConfigError: `FER_CPU_SLOTS` makes no sense; the runner itself could tell nobody.
    """
    cpu_slots()
    queue = QueuePaths(runs_root.resolve())  # the runner has another working directory
    try:
        make_folder(queue.folder, parents=True)
        if lock_is_held(queue.runner_lock) and not (is_frozen(queue) and kill_runner(queue.root)):
            return
        roots = ["--runs-root", str(queue.root), "--data-root", str(data_root.resolve())]
        runner = spawn_module(["core.jobs.runner", *roots], queue.runner_log)
    except OSError as error:
        raise RunError(f"Can't start a runner for {runs_root}: {system_reason(error)}.") from error
    reap(runner)


def spawn_module(arguments: list[str], log: Path, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """`python -m ARGUMENTS` in a session of its own, its output appended to a log file.

    Raises:
        OSError: the log cannot be opened or is no regular file, or the system has no room for another process.
    """
    with open(log, "ab", opener=open_regular) as output:
        return start_module(
            *arguments,
            environment={**os.environ, **(environment or {}), **_OUTPUT},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
