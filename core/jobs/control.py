"""Starting and stopping runs: the folder first, then a runner of this machine that picks it up, or the engine of a
cluster (`elsewhere`).

The runner and its workers are in sessions of their own, so that they outlive the page, the server and the terminal.
"""

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from core.config import TrainConfig
from core.errors import FerError, RunError, system_reason
from core.files import lock_is_held, make_folder, open_regular
from core.jobs.elsewhere import hand_over_again, hand_over_new, launcher_like, require_launcher, stop_elsewhere
from core.jobs.inputs import check_inputs, what_is_learned_from
from core.jobs.kill import give_up, give_up_untold, is_frozen, kill_runner, kill_worker, note_killed
from core.jobs.launchers import LOCAL, get_launcher, launcher_title
from core.jobs.queue import end_of_queue, queue_lock, queued_runs, requeue
from core.machine import cpu_slots, trains_runs
from core.processes import reap, start_module
from core.review.corrections import Corrections
from core.runs.create import Membership, create_run
from core.runs.locks import require_shared_locks
from core.runs.naming import free_name, suggest_clone_name
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_run
from core.runs.records import Run, RunState
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
    launcher: str = LOCAL,
    membership: Membership | None = None,
) -> str:
    """Queue a new run, and make sure that a runner is up or hand it over to an engine. Returns its id at once.

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
        launcher: what starts its process, one of `LAUNCHERS`.
        membership: where it belongs, if it is started with others.

    Raises:
        RunError: the name is too long, the run folder cannot be written, the correction set is missing or does not
            fit the data, a run that it is to learn from must not teach it, or the engine refuses it.
        ConfigError: there is no such launcher, or the settings of the site cannot be used.
        DataError: there is a correction set or a teacher, but no dataset it could be for.
    """
    if (length := len(one_line(name))) > NAME_LENGTH:
        raise RunError(f"The name is too long: {length:,} characters (max {NAME_LENGTH}).")
    engine = require_launcher(launcher)
    require_shared_locks(runs_root)
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
            launcher=launcher,
        )
    hand_over_new(engine, paths, data_root)
    return paths.run_id


def stop(runs_root: Path, run_id: str) -> None:
    """Ask a run to stop: a queued one leaves the queue, a running one ends at its next batch with a checkpoint.

    Harmless when called twice or too late.

    Raises:
        RunError: there is no such run, its folder cannot be written, or its engine does not answer.
        ConfigError: it was started by something that this version does not know.
    """
    run = read_run(runs_root, run_id)
    if not run.state.is_live:
        return
    if run.status.launcher == LOCAL:
        get_launcher(LOCAL).stop(run.paths)
    else:
        stop_elsewhere(run)


def stop_now(runs_root: Path, run_id: str) -> None:
    """Kill the training process of a run that does not stop by itself; progress since its last checkpoint is lost. One
    that is lost is given up: if its process lives on, it ends without a word. An engine kills by itself what does not
    end soon after it was stopped; where it cannot be told, its run is given up, too.

    Raises:
        RunError: there is no such run, or its process is not on this machine or not certain to be ours.
    """
    launcher = read_run(runs_root, run_id).status.launcher
    try:
        stop(runs_root, run_id)
    except FerError:
        if launcher == LOCAL:
            raise
        give_up_untold(RunPaths(runs_root, run_id), launcher_title(launcher))
        return
    run = read_run(runs_root, run_id)
    if run.state is RunState.LOST and give_up(run.paths):
        return
    if run.state not in (RunState.RUNNING, RunState.STALLED) or run.status.launcher != LOCAL:
        return
    if not kill_worker(run.paths, run.status) or not note_killed(run.paths):
        again = read_run(runs_root, run_id)
        if again.state.is_live:
            raise RunError(
                f"Run {run_id} can't be force-stopped: process {run.status.pid} on {run.status.host} can't be verified "
                "from this machine."
            )


def resume(
    runs_root: Path, data_root: Path, run_id: str, *, keep_place: bool = False, launcher: str | None = None
) -> None:
    """Put a stopped, failed, crashed or lost run back in the queue; it continues from its last checkpoint.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        run_id: the run.
        keep_place: whether it returns to its last position, not to the end of the queue.
        launcher: what starts its process; None: what has started it before.

    Raises:
        RunError: there is no such run, its state does not allow it, a run that it learns from is not as it was, or the
            engine refuses it.
        ConfigError: there is no such launcher, or the settings of the site cannot be used.
    """
    require_shared_locks(runs_root)
    run = read_run(runs_root, run_id)
    engine = require_launcher(launcher or run.status.launcher)
    teaching_of(run.paths, _settings(run, f"resume run {run.id}"))
    requeue(run.paths, data_root.resolve(), keep_place=keep_place, launcher=engine.name)
    hand_over_again(engine, run, data_root)


def retry(runs_root: Path, data_root: Path, run_id: str, *, author: str = "", started_by: str = "") -> str:
    """Start a new run with the settings of another, under that one's name with a number, and where that one was
    trained, if that is possible from here; its id.

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
        launcher=launcher_like(run),
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
        launcher=launcher_like(run),
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


def for_each(run_ids: Iterable[str], act: Callable[[str], object]) -> tuple[list[str], list[str]]:
    """Do something with runs; what goes wrong with one does not stop the others.

    Args:
        run_ids: the runs, in the order in which it is done.
        act: does it to the run of an id.

    Returns:
        The ids of those that it was done to, and a sentence for each other one.
    """
    done, problems = [], []
    for run_id in run_ids:
        try:
            act(run_id)
            done.append(run_id)
        except FerError as error:
            problems.append(str(error))
    return done, problems


def has_runner(runs_root: Path) -> bool:
    """Whether this machine's runner looks after the queue: it is alive, and not frozen.

    Raises:
        OSError: its lock cannot be looked at.
    """
    queue = QueuePaths(runs_root)
    return lock_is_held(queue.runner_lock) and not is_frozen(runs_root, queue.runner_lock)


def serve_queue(runs_root: Path, data_root: Path) -> None:
    """Start a runner if runs are queued and there is none, as after a reboot.

    Raises:
        RunError: no process can be started.
    """
    if queued_runs(runs_root):
        ensure_runner(runs_root, data_root)


def ensure_runner(runs_root: Path, data_root: Path) -> None:
    """Start this machine's runner unless one is up; one that is frozen is killed first, which costs nothing, since it
    keeps nothing in memory. Two at once are harmless: the second leaves by itself. With `FER_RUNNER=0` it is left to
    other machines that share the runs.

    A runner exits only under the `queue_lock`, after a look at the queue: what was queued before this call is seen by
    the runner found here, or by the one started here.

    Raises:
        RunError: no process can be started, or the folder has no locks that other machines see.
        ConfigError: `FER_CPU_SLOTS` makes no sense; the runner itself could tell nobody.
    """
    cpu_slots()
    require_shared_locks(runs_root)
    if not trains_runs():
        return
    queue = QueuePaths(runs_root.resolve())  # the runner has another working directory
    try:
        make_folder(queue.folder, parents=True)
        lock = queue.runner_lock
        if lock_is_held(lock) and not (is_frozen(queue.root, lock) and kill_runner(queue.root)):
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
