"""A run's progress in the terminal: `python -m core train --wait`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.cli.options import terminal_user
from core.cli.progress import ProgressBar
from core.errors import TrainingError
from core.jobs.launchers import LOCAL
from core.jobs.machine_slots import WAITS, waits_for_others
from core.jobs.slots import gpu_notice
from core.runs.history import Row, read_page
from core.runs.paths import RunPaths
from core.runs.reader import RunReader
from core.runs.records import Run, RunState
from core.team import actions

REFRESH_SECONDS = 0.5
_PAGE: Final = 1 << 24
"""Bytes of a history that are read at a time."""
_BAD: Final = (RunState.FAILED, RunState.CRASHED, RunState.DAMAGED)


def follow(runs_root: Path, run_id: str) -> Run:
    """Show a run's progress on standard error until it ends, with a line for each epoch; the run as it is then.

    Ctrl-C asks the run to stop, with a checkpoint; a second one returns at once while the run continues.

    Raises:
        RunError: the run is gone.
    """
    paths = RunPaths(runs_root, run_id)
    epochs, steps = Tail(paths.epochs, "epoch"), Tail(paths.steps, "step")
    reader = RunReader(runs_root)
    asked, metrics, notice = False, "", ""
    with ProgressBar() as bar:
        while True:
            try:
                run = reader.read(run_id)
                for row in epochs.new():
                    bar.say(
                        f"epoch {row['epoch']}/{run.status.epochs}: train loss {row['train_loss']:.4f}, "
                        f"validation loss {row['validation_loss']:.4f}, accuracy {row['validation_accuracy']:.2%}"
                    )
                for row in steps.new()[-1:]:
                    metrics = (
                        f"loss {row['loss']:.3f}  accuracy {row['accuracy']:.0%}  "
                        f"{row['images_per_second']:,.0f} images/s"
                    )
                if not notice and (notice := gpu_notice(runs_root)):
                    bar.say(notice)
                status = run.status
                activity = (
                    run.state.in_words() if run.state is RunState.LOST else status.activity or run.state.in_words()
                )
                if run.state is RunState.QUEUED and status.launcher != LOCAL:
                    activity = run.problem or activity
                elif run.state is RunState.QUEUED and waits_for_others(runs_root):
                    activity = WAITS
                epoch = f", epoch {status.epoch}/{status.epochs}" if status.epoch else ""
                bar.update(f"{activity}{epoch}  {metrics}", status.progress, status.eta_seconds)
                if not run.state.is_live:
                    return run
                time.sleep(REFRESH_SECONDS)
            except KeyboardInterrupt:
                if asked:
                    bar.say(f"The run continues. To stop it: python -m core runs stop {run_id}")
                    return run
                asked = True
                actions.stop(terminal_user(), runs_root, run_id)
                bar.say("Stopping at the next batch, with a checkpoint; Ctrl-C again to leave at once.")


def follow_to_end(runs_root: Path, run_id: str) -> Run:
    """As `follow`, then a line with the final state.

    Raises:
        TrainingError: it ended badly.
    """
    run = follow(runs_root, run_id)
    print(_ended(run), file=sys.stderr)
    if run.state in _BAD:
        raise TrainingError(run.problem or f"Run {run_id} {run.state.in_words()}.")
    return run


def follow_all(runs_root: Path, run_ids: Sequence[str]) -> list[str]:
    """Follow runs one after the other, with a line for the final state of each; who leaves one leaves all.

    Returns:
        The ids of those that ended badly, as far as they were followed.
    """
    failed = []
    for run_id in run_ids:
        run = follow(runs_root, run_id)
        if run.state.is_live:
            break
        print(f"{run_id}: {_ended(run)}", file=sys.stderr)
        if run.state in _BAD:
            failed.append(run_id)
    return failed


def _ended(run: Run) -> str:
    return f"{run.state.in_words()}{f': {run.problem}' if run.problem else ''}"


class Tail:
    """The rows of a history that have come since the last look, each once: a resume rewrites the end of the file.

    Args:
        path: `epochs.jsonl` or `steps.jsonl` of a run; it may not be there yet.
        number: the field of a row that counts them, from 1: `epoch` or `step`.
    """

    def __init__(self, path: Path, number: str) -> None:
        self._path, self._number = path, number
        self._offset, self._mark, self._last = 0, "", 0

    def new(self) -> list[Row]:
        page = read_page(self._path, self._offset, _PAGE, self._mark)
        self._offset, self._mark = page.end, page.mark
        rows = [row for row in page.rows if row.get(self._number, 0) > self._last]
        self._last = rows[-1][self._number] if rows else self._last
        return rows
