"""This machine: its runner takes queued runs in order, one per slot."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import RunError, system_reason
from core.files import touch
from core.jobs import control
from core.jobs.queue import cancel_queued
from core.runs.engines import Answer
from core.runs.paths import RunPaths


class LocalLauncher:
    """Leaves the run in the queue, and sees that a runner is up."""

    name = "local"

    def why_not(self) -> str | None:
        return None

    def start(self, paths: RunPaths, data_root: Path) -> None:
        control.ensure_runner(paths.root, data_root)

    def stop(self, paths: RunPaths) -> None:
        """Take a run out of the queue, or ask its worker to end at the next batch with a checkpoint.

        Raises:
            RunError: its folder cannot be written.
        """
        if cancel_queued(paths):
            return
        try:
            touch(paths.stop_request)
        except OSError as error:
            raise RunError(f"Can't ask run {paths.run_id} to stop: {system_reason(error)}.") from error

    def alive(self, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
        """Nobody asks: on this machine the locks tell."""
        return {paths.run_id: Answer("unknown") for paths in runs}

    def preview(self, paths: RunPaths, data_root: Path) -> str:
        return shlex.join(["python", "-m", "core.worker", str(paths.folder), "--data-root", str(data_root)]) + "\n"
