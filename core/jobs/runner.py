"""The runner: one process per machine that starts waiting runs in order, one per slot, and leaves when idle.

`python -m core.jobs.runner --runs-root DIR --data-root DIR`; pages and the command line start it by themselves.
It keeps nothing in memory that matters: killed at any moment, the next runner sees the same queue and the same locks.
"""

import argparse
import logging
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from core.errors import RunError
from core.files import lock_is_held, sweep_leftovers
from core.jobs.local import spawn_module
from core.jobs.queue import queue_lock, waiting_runs
from core.jobs.slots import Slot, list_slots
from core.runs.layout import QueuePaths, RunPaths
from core.runs.store import read_status, write_status

POLL_SECONDS = 0.5

log = logging.getLogger("runner")


class Runner:
    """Fills free slots with waiting runs."""

    def __init__(self, runs_root: Path, data_root: Path, slots: tuple[Slot, ...]) -> None:
        self.runs_root = runs_root
        self.data_root = data_root
        self.slots = slots
        self.queue = QueuePaths(runs_root)
        self.workers: dict[str, tuple[RunPaths, subprocess.Popen[bytes]]] = {}
        self.asked_to_leave = False

    def run(self) -> None:
        """Serve until nothing waits and nothing that was started here is still running."""
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGINT, self._leave)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        lock = FileLock(self.queue.runner_lock)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return  # another runner is up and will see what we were started for
        sweep_leftovers(self.queue.folder)
        log.info("runner up with slots %s", ", ".join(slot.name for slot in self.slots))
        while not self.asked_to_leave:
            self._reap()
            with queue_lock(self.runs_root):
                busy = self._fill_slots()
                if not busy:
                    # Under the queue lock: a start made after this finds no runner and brings up its own.
                    lock.release()
                    break
            time.sleep(POLL_SECONDS)
        lock.release()
        log.info("runner leaves")

    def _fill_slots(self) -> bool:
        """Start what can be started; whether there is anything to stay for."""
        waiting = waiting_runs(self.runs_root)
        started = {paths.run_id for paths, _ in self.workers.values()}
        next_runs = iter([run for run in waiting if run.id not in started])
        for slot in self.slots:
            if slot.name in self.workers or lock_is_held(self.queue.slot_lock(slot.name)):
                continue
            run = next(next_runs, None)
            if run is None:
                break
            self._start_worker(slot, run.paths)
        return bool(waiting or self.workers)

    def _start_worker(self, slot: Slot, paths: RunPaths) -> None:
        arguments = ["core.worker", str(paths.folder), "--data-root", str(self.data_root), "--slot", slot.name]
        environment = {"CUDA_VISIBLE_DEVICES": slot.cuda_visible_devices}
        self.workers[slot.name] = (paths, spawn_module(arguments, paths.log, environment))
        log.info("%s starts on %s", paths.run_id, slot.name)

    def _reap(self) -> None:
        for name, (paths, process) in list(self.workers.items()):
            code = process.poll()
            if code is None:
                continue
            del self.workers[name]
            log.info("%s left %s with code %s", paths.run_id, name, code)
            self._fail_if_never_started(paths, code)

    def _fail_if_never_started(self, paths: RunPaths, code: int) -> None:
        """A worker that died before it took its run would be started again for ever."""
        with queue_lock(self.runs_root):
            try:
                status = read_status(paths)
            except RunError as error:  # deleted or damaged meanwhile: one run's trouble is not the queue's
                log.warning("%s", error)
                return
            if status.state == "queued" and not lock_is_held(paths.alive_lock):
                error = f"The training process could not start (exit code {code}); its log says why."
                now = datetime.now(UTC)
                write_status(paths, status.model_copy(update={"state": "failed", "ended_at": now, "error": error}))

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        """Workers go on without us; the next runner finds their locks."""
        self.asked_to_leave = True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.jobs.runner", description=__doc__)
    parser.add_argument("--runs-root", type=Path, required=True)
    parser.add_argument("--data-root", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    Runner(arguments.runs_root, arguments.data_root, list_slots()).run()


if __name__ == "__main__":
    main()
