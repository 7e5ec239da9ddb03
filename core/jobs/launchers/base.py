"""What every launcher can do: six verbs. States, curves and logs of a run come from its folder, whoever started it.

A launcher of an engine has the worker started as `python -m core.worker RUN_DIR --data-root DIR --launcher NAME --job
ID`, where the id is the engine's. Such a worker locks no slot, since the engine has allocated what it uses, and it
takes its run again when the engine starts the same job again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from core.runs.engines import Answer
from core.runs.paths import RunPaths


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
