"""What every launcher can do: six verbs. States, curves and logs of a run come from its folder, whoever started it."""

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
        """Why nothing can be started with it from here, in one sentence with what to do; None if it can."""
        ...

    def start(self, paths: RunPaths, data_root: Path) -> None:
        """Have a queued run trained.

        Raises:
            RunError: the engine refused it, or does not answer; the run is as it was.
        """
        ...

    def stop(self, paths: RunPaths) -> None:
        """Ask a run to end with a checkpoint, or take it out of the engine's queue. Harmless twice or too late.

        Raises:
            RunError: the engine does not answer.
        """
        ...

    def alive(self, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
        """Whether the engine still has these runs, asked once for all of them; by run id. Never raises."""
        ...

    def preview(self, paths: RunPaths, data_root: Path) -> str:
        """What `start` would give the engine, as text to read before."""
        ...
