"""What every launcher can do: six verbs. States, curves and logs of a run come from its folder, whoever started it.

A launcher of an engine has the worker started as `python -m core.worker RUN_DIR --data-root DIR --launcher NAME --job
ID`, where the id is the engine's. Such a worker locks no slot, since the engine has allocated what it uses, and it
takes its run again when the engine starts the same job again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from core.errors import RunError
from core.runs.engines import Answer
from core.runs.file_time import age_of
from core.runs.paths import RunPaths
from core.runs.reader import read_status
from core.runs.records import RunStatus

SUBMITTING_SECONDS: Final = 120.0
"""So long a queued run may be unknown to its engine: it is being submitted."""
FRESH_SECONDS: Final = 2.0
"""So long an answer of an engine holds: all who look meanwhile share it."""
UNASKED_SECONDS: Final = 15.0
"""So long nobody asks again an engine that has not answered: pages would wait for it, one after the other."""
POSSIBLE_SECONDS: Final = 60.0
"""So long it holds that runs can be started with an engine."""


class Launcher(Protocol):
    """Starts training processes for runs whose folders are there already."""

    @property
    def name(self) -> str:
        """As in `status.json` and on the command line: `local`, `slurm` or `ray`."""
        ...

    def why_not(self) -> str | None:
        """Why nothing can be started with it from here, in one sentence with what to do; None if it can. It takes
        seconds at most, and costs next to nothing where the engine isn't installed: pages ask."""
        ...

    def start(self, paths: RunPaths, data_root: Path) -> None:
        """Have a queued run trained. The engine's id of the job is recorded with `core.jobs.queue.note_job`.

        Raises:
            RunError: the engine refused it, or does not answer; the run is as it was.
        """
        ...

    def stop(self, paths: RunPaths) -> None:
        """Take a run out of the engine's queue, or have its process asked to end, and killed if it does not. Harmless
        twice or too late.

        Raises:
            RunError: the engine does not answer.
        """
        ...

    def alive(self, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
        """Whether the engine still has these runs, asked once for all of them; by run id. Never raises."""
        ...

    def preview(self, paths: RunPaths, data_root: Path) -> str:
        """What `start` would give the engine, as text to read before.

        Raises:
            FerError: it could not be given to it, as the settings of the site or the folders are.
        """
        ...


def read_statuses(runs: Sequence[RunPaths]) -> dict[str, RunStatus]:
    """The statuses of runs, by run id, without those that cannot be read.

    To be read before an engine is asked about them: a job that is noted later may be unknown to what the engine said.
    """
    found = {}
    for paths in runs:
        with suppress(RunError):
            found[paths.run_id] = read_status(paths)
    return found


def being_submitted(paths: RunPaths, status: RunStatus | None, engine: str) -> Answer | None:
    """That a run of which an engine has no living job is about to be known to it; None if that is not so.

    Args:
        paths: the run.
        status: its status, read before the engine was asked; None if it cannot be read.
        engine: its name, for people.
    """
    if status is None or status.state != "queued" or status.job is not None:
        return None
    age = age_of(paths.status, paths.root)  # it was written when the run was queued
    if age is not None and age >= SUBMITTING_SECONDS:
        return None
    return Answer("yes", waits=True, text=f"It is being submitted to {engine}.")
