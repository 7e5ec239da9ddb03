"""After a restart of the machine, or whatever else has ended training processes: which runs were interrupted, and how
they go on."""

from collections.abc import Sequence
from pathlib import Path

from core.errors import RunError
from core.jobs.control import for_each, resume, serve_queue
from core.jobs.launchers import LOCAL, RESTARTING
from core.jobs.queue import requeue
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run
from core.runs.records import Run, RunState
from core.runs.resume import can_continue


def recover(runs_root: Path, data_root: Path) -> list[str]:
    """Requeue the runs whose process is certainly gone, and start the runner. Lost ones are left to who knows: see
    `lost_runs`. One that cannot be requeued does not keep the others back.

    Returns:
        The ids that were requeued; runs that were queued before only get their runner back.

    Raises:
        FerError: no process can be started, a run cannot be requeued, or an engine refuses its run; the others are
            queued.
    """
    interrupted = interrupted_runs(list_runs(runs_root))
    ours = [run.id for run in interrupted if run.status.launcher == LOCAL]
    others = [run.id for run in interrupted if run.status.launcher != LOCAL]

    def requeue_here(run_id: str) -> None:
        try:
            requeue(RunPaths(runs_root, run_id), data_root.resolve())
        except RunError:
            if not read_run(runs_root, run_id).state.is_live:  # else somebody was faster
                raise

    done, problems = for_each(ours, requeue_here)
    serve_queue(runs_root, data_root)
    elsewhere, refused = for_each(others, lambda run_id: resume(runs_root, data_root, run_id))
    if problems := problems + refused:
        count = len(done) + len(elsewhere)
        raise RunError(" ".join([f"{count:,} of {len(interrupted):,} interrupted runs requeued.", *problems]))
    return [run.id for run in interrupted]


def interrupted_runs(runs: Sequence[Run]) -> list[Run]:
    """Those that have crashed and can go on, oldest first; of runs listed newest first. Archived ones are left out."""
    return [run for run in _crashed(runs) if can_continue(run.paths)]


def interrupted_without_checkpoint(runs: Sequence[Run]) -> list[Run]:
    """As `interrupted_runs`, but those that have nothing to go on from."""
    return [run for run in _crashed(runs) if not can_continue(run.paths)]


def lost_runs(runs: Sequence[Run]) -> list[Run]:
    """As `interrupted_runs`, but those that another machine may still train, for all that can be told from here."""
    return _kept(runs, RunState.LOST)


def lost_in_words(run: Run) -> str:
    """What is known of a lost run, and how a person who knows more has it go on."""
    return f"{run.id}: lost. {run.problem} To do so: python -m core runs resume {run.id}"


def _crashed(runs: Sequence[Run]) -> list[Run]:
    """Those that nobody starts again by himself."""
    return [run for run in _kept(runs, RunState.CRASHED) if run.status.launcher not in RESTARTING]


def _kept(runs: Sequence[Run], state: RunState) -> list[Run]:
    found = [run for run in reversed(runs) if run.state is state and not run.meta.archived]
    return [run for run in found if run.config and not run.newer_settings]
