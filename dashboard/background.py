"""Work that goes on when the page that began it is left, shared by all viewers: the import of a data set, and the
scoring of a run."""

import logging
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from core.data.fer2013 import DatasetInfo, Progress
from core.errors import CountsDifferError, DataError, FerError
from core.processes import start_module
from core.runs.layout import RunPaths

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """How far an import is, or how it ended."""

    running: bool = False
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    result: DatasetInfo | None = None
    error: str = ""
    differences: tuple[Mapping[str, Any], ...] = ()

    @property
    def seconds_left(self) -> float | None:
        return self.seconds / self.done * (self.total - self.done) if self.done else None


class Importer:
    """Runs one import in a thread. A thread is enough: an import is all or nothing, and can simply be done again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = 0.0
        self._now = Snapshot()

    def start(self, work: Callable[[Progress], DatasetInfo]) -> None:
        """Begin.

        Raises:
            DataError: another import is running.
        """
        with self._lock:
            if self._now.running:
                raise DataError("Another import is running: wait until it has ended.")
            self._started = time.monotonic()
            self._now = Snapshot(running=True)
        threading.Thread(target=self._run, args=(work,), name="import", daemon=True).start()

    def look(self) -> Snapshot:
        """The present state."""
        return self._now

    def forget(self) -> None:
        """Drop the result or error of an import that has ended, once it has been shown."""
        with self._lock:
            if not self._now.running:
                self._now = Snapshot()

    def _run(self, work: Callable[[Progress], DatasetInfo]) -> None:
        def progress(done: int, total: int) -> None:
            self._now = Snapshot(running=True, done=done, total=total, seconds=time.monotonic() - self._started)

        try:
            self._now = Snapshot(result=work(progress))
        except CountsDifferError as error:
            self._now = Snapshot(error=str(error), differences=tuple(error.differences))
        except FerError as error:
            self._now = Snapshot(error=str(error))
        except Exception:
            log.exception("An import failed.")
            self._now = Snapshot(error="The import failed unexpectedly; the server's log says why.")


@dataclass(frozen=True)
class Scoring:
    """Whether a scoring is going on, or how it failed."""

    running: bool = False
    error: str = ""


class Scorings:
    """Runs `python -m core evaluate`, once per run and split at a time. In processes of their own: torch would slow
    this server down, and what they compute outlives it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[tuple[Path, str], tuple[subprocess.Popen[bytes], IO[bytes]]] = {}

    def start(self, paths: RunPaths, split: str, data_root: Path) -> None:
        """Begin, unless it is going on."""
        with self._lock:
            job = self._jobs.get((paths.folder, split))
            if job and job[0].poll() is None:
                return
            said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
            roots = ["--runs-root", str(paths.root.resolve()), "--data-root", str(data_root.resolve())]
            process = start_module(
                *("core", "evaluate", paths.run_id, "--split", split, *roots),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
            self._jobs[paths.folder, split] = process, said

    def look(self, paths: RunPaths, split: str) -> Scoring:
        """The present state."""
        with self._lock:
            job = self._jobs.get((paths.folder, split))
            if job is None:
                return Scoring()
            process, said = job
            code = process.poll()
            if code is None:
                return Scoring(running=True)
            if code == 0:
                return Scoring()
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            if code != 2:  # no sentence for people, but a traceback
                log.error("Scoring %s on %s failed:\n%s", paths.run_id, split, "\n".join(lines))
                return Scoring(error="The predictions could not be computed; the server's log says why.")
            return Scoring(error=lines[-1] if lines else "The predictions could not be computed.")
