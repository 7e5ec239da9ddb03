"""A run's progress in the terminal: `python -m core train --wait`."""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from core.errors import TrainingError
from core.jobs.local import stop
from core.jobs.machine import WAITS, waits_for_others
from core.runs.history import Row, read_rows
from core.runs.layout import RunPaths
from core.runs.reader import read_run
from core.runs.store import Run, RunState

REFRESH_SECONDS = 0.5


class _TimeLeft(ProgressColumn):
    """The time left as the run itself reports it."""

    def render(self, task: Task) -> Text:
        seconds = task.fields.get("eta")
        if not seconds:
            return Text("")
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return Text(f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left")


def follow(runs_root: Path, run_id: str) -> Run:
    """Show a run's progress on standard error until it ends, with a line for each epoch; the run as it is then.

    Ctrl-C asks the run to stop, with a checkpoint; a second one leaves at once and lets it go on.

    Raises:
        RunError: the run is gone.
    """
    paths = RunPaths(runs_root, run_id)
    console = Console(file=sys.stderr, highlight=False)
    epochs, steps = _Tail(paths.epochs), _Tail(paths.steps)
    asked = False
    # Names and messages are the users' own text: never markup.
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}", markup=False),
        _TimeLeft(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("waiting", total=1.0, figures="", eta=None)
        while True:
            try:
                run = read_run(runs_root, run_id)
                for row in epochs.new():
                    console.print(
                        f"epoch {row['epoch']}/{run.status.epochs}: train loss {row['train_loss']:.4f}, "
                        f"validation loss {row['validation_loss']:.4f}, accuracy {row['validation_accuracy']:.2%}",
                        markup=False,
                    )
                figures = ""
                for row in steps.new()[-1:]:
                    figures = (
                        f"loss {row['loss']:.3f}  accuracy {100 * row['accuracy']:.0f} %  "
                        f"{row['images_per_second']:,.0f} images/s"
                    )
                    progress.update(bar, figures=figures)
                status = run.status
                activity = status.activity or run.state.value
                if run.state is RunState.QUEUED and waits_for_others(runs_root):
                    activity = WAITS
                description = f"{activity}, epoch {status.epoch}/{status.epochs}" if status.epoch else activity
                progress.update(bar, completed=status.progress, description=description, eta=status.eta_seconds)
                if not run.state.is_live:
                    return run
                time.sleep(REFRESH_SECONDS)
            except KeyboardInterrupt:
                if asked:
                    console.print(f"The run goes on; to stop it: python -m core runs stop {run_id}", markup=False)
                    return run
                asked = True
                stop(runs_root, run_id)
                console.print("Stopping at the next batch, with a checkpoint; Ctrl-C again to leave at once.")


def follow_to_end(runs_root: Path, run_id: str) -> Run:
    """As `follow`, then a line that says how it ended.

    Raises:
        TrainingError: it ended badly.
    """
    run = follow(runs_root, run_id)
    print(f"{run.state}{f': {run.problem}' if run.problem else ''}", file=sys.stderr)
    if run.state in ("failed", "crashed", "damaged"):
        raise TrainingError(run.problem or f"Run {run_id} {run.state}.")
    return run


class _Tail:
    """The rows of a history that have come since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[Row]:
        rows, self._offset = read_rows(self._path, self._offset)
        return rows
