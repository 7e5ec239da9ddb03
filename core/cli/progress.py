"""Progress of a command, on standard error: a bar at a terminal, elsewhere only the lines it is told to print.

Standard output belongs to results, which may be JSON for another program.
"""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text


class ProgressBar:
    """A bar with a text and the time left, to be used in a `with` statement; it disappears at the end."""

    def __init__(self, *, beside_results: bool = False) -> None:
        """Without a bar where standard error is no terminal.

        Args:
            beside_results: results are printed meanwhile; at a terminal they show the progress themselves, and a bar
                would interfere.
        """
        self._console = Console(stderr=True, highlight=False)
        self.is_shown = self._console.is_terminal and not (beside_results and sys.stdout.isatty())
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            # File names and messages are the users' own text: never markup.
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            _TimeLeft(),
            console=self._console,
            transient=True,
            redirect_stdout=False,  # else what is printed meanwhile would end up on standard error
            redirect_stderr=False,
            disable=not self.is_shown,
        )
        self._task = self._progress.add_task("", total=None, seconds_left=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, text: str, fraction: float | None = None, seconds_left: float | None = None) -> None:
        """Update the progress.

        Args:
            text: what is being done, in one line.
            fraction: 0 to 1; None where the end is not known.
            seconds_left: an estimate that is better than one from the fractions so far.
        """
        total = None if fraction is None else 1.0
        self._progress.update(self._task, description=text, total=total, completed=fraction, seconds_left=seconds_left)

    def say(self, line: str) -> None:
        """Print a line that stays, above the bar."""
        self._console.print(line, markup=False, emoji=False, soft_wrap=True)


class _TimeLeft(ProgressColumn):
    """The time left as given, else extrapolated from the speed so far."""

    def render(self, task: Task) -> Text:
        seconds = task.fields["seconds_left"] or task.time_remaining
        return Text(f"{clock(seconds)} left" if seconds else "")


def clock(seconds: float) -> str:
    """As a clock shows it: `2:05` or `1:02:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
