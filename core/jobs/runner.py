"""The runner: one process per machine and runs root that starts queued runs in order, one per slot, and exits when
idle, unless it was told to stay. Slots are the machine's: while a run of another runs root is on one, none is started
there. Machines that share a runs root each have a runner, which take runs from one queue.

`python -m core.jobs.runner --runs-root DIR --data-root DIR`; pages and the command line start it by themselves.
It keeps nothing in memory that matters: killed at any moment, the next runner sees the same queue and the same locks.
"""

import argparse
import logging
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Final

from filelock import Timeout

from core.errors import RunError, system_reason
from core.files import lock_is_held, make_folder, process_lock, write_json
from core.jobs.control import spawn_module
from core.jobs.kill import BEAT_SECONDS, is_frozen
from core.jobs.launchers import register_launchers
from core.jobs.machine_slots import slot_in_use
from core.jobs.notify.notifier import Notifier
from core.jobs.queue import QueuedRun, claim_queued, fail_queued, note_dead, note_died, queue_lock, queued_runs
from core.jobs.slots import Slot, check_slots, list_slots
from core.runs.create import sweep_drafts
from core.runs.locks import require_shared_locks
from core.runs.paths import QueuePaths, RunPaths

WORKER: Final = "core.worker"
RUNNER_POLL_SECONDS: Final = 0.5
TROUBLE_SECONDS: Final = 10
LOG_BYTES: Final = 1_000_000
"""A log longer than this is emptied by the next runner; a run leaves about 150 bytes in it."""

log = logging.getLogger("runner")


@dataclass(frozen=True)
class Worker:
    """A training process that this runner started."""

    paths: RunPaths
    queued_at: datetime | None
    """When its run was queued: a run can be requeued before its last worker is seen to be gone."""
    process: subprocess.Popen[bytes]


class Runner:
    """Fills free slots with queued runs."""

    def __init__(
        self, runs_root: Path, data_root: Path, slots: tuple[Slot, ...], *, stay: bool = False, worker: str = WORKER
    ) -> None:
        self.runs_root = runs_root
        self.data_root = data_root
        self.slots = slots
        self.stay = stay
        """Whether to wait for work when there is none, as a service does."""
        self.worker = worker
        """The module that trains one run; tests of the queue have one that is quick to start."""
        self.queue = QueuePaths(runs_root)
        self.workers: dict[str, Worker] = {}
        """By slot name."""
        self.lent: set[str] = set()
        """Names of slots that were last seen in use by another runs root."""
        self.stuck: dict[str, str] = {}
        """Runs that could be neither started nor marked as failed, and why: passed over for as long as this runner
        lives, so that others start."""
        self.busy: set[str] = set()
        """Runs that another worker held at their last try: others go first."""
        self.asked_to_leave = False
        self._last_beat = 0.0

    def run(self) -> None:
        """Serve until the queue is empty and nothing that was started here is still running.

        Raises:
            RunError: the runs root cannot be written, or its file system has no locks.
        """
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGINT, self._leave)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        lock = process_lock(self.queue.runner_lock)
        try:
            lock.acquire(timeout=1)  # longer than somebody who only asks whether it is held
        except Timeout:
            return  # another runner is up and will see what we were started for
        except OSError as error:
            raise RunError(f"Can't use the runs folder {self.runs_root}: {system_reason(error)}.") from error
        self._tidy()
        notifier = Notifier(self.runs_root)
        notifier.start()
        log.info("runner up with slots %s", ", ".join(slot.name for slot in self.slots))
        while not self.asked_to_leave:
            try:
                self._beat()
                with queue_lock(self.runs_root):
                    if not self._serve() and not self.stay:
                        # Under the queue lock: a start made after this finds no runner and brings up its own.
                        lock.release()
                        break
            except (RunError, OSError) as error:  # somebody sleeps on the lock, say: the queue must outlive that
                log.warning("%s", error)
                if not self.stay and not self.runs_root.exists():
                    break  # removed: nothing to serve any more
                time.sleep(TROUBLE_SECONDS)
            except Exception:  # whatever stands in a run folder, the others must not wait for it
                log.exception("unexpected")
                time.sleep(TROUBLE_SECONDS)
            time.sleep(RUNNER_POLL_SECONDS)
        lock.release()
        log.info("runner leaves")
        notifier.finish(lambda: self.asked_to_leave)

    def _serve(self) -> bool:
        """Look after the workers there are and start what can be started; whether there is anything to stay for."""
        gone = [name for name, worker in self.workers.items() if worker.process.poll() is not None]
        ended = [(name, self.workers.pop(name)) for name in gone]
        for name, worker in ended:
            self._note_end(name, worker)
        free = [slot for slot in self.slots if slot.name not in self.workers]
        if not free:
            return True  # the queue need not be read while nothing can start
        queued = queued_runs(self.runs_root)
        at_work = {worker.paths.run_id for worker in self.workers.values()}
        passed = at_work | self.stuck.keys()
        next_runs = [run for run in queued if run.id not in passed and not self._is_claimed(run)]
        next_runs.sort(key=lambda run: run.id in self.busy)
        for slot in free:
            if not next_runs or self.asked_to_leave:  # at a restart of the machine, which has just ended its worker
                break
            if lock_is_held(self.queue.slot_lock(slot.name)):
                continue  # by a worker of a runner that was killed
            if not self._is_lent(slot.name):
                self._start_worker(slot, next_runs.pop(0))
        return bool(self.workers) or any(run.id not in self.stuck for run in queued)

    def _is_claimed(self, run: QueuedRun) -> bool:
        """Whether the runner of another machine is starting a run, and will see to it."""
        by = run.status.claimed_by
        if by in (None, self.queue.host):
            return False
        lock = self.queue.runner_lock_of(by)
        return lock_is_held(lock) and not is_frozen(self.runs_root, lock)

    def _is_lent(self, slot: str) -> bool:
        """Whether a run of another runs root is on the slot; the log says so once."""
        lent = slot_in_use(slot)
        if lent and slot not in self.lent:
            log.info("%s is in use by a run of another runs root: runs stay queued until it has ended", slot)
        (self.lent.add if lent else self.lent.discard)(slot)
        return lent

    def _start_worker(self, slot: Slot, run: QueuedRun) -> None:
        data_root = run.status.data_root or str(self.data_root)
        arguments = [self.worker, str(run.paths.folder), "--data-root", data_root, "--slot", slot.name]
        if slot.notice:
            arguments += ["--notice", slot.notice]
        environment = {"CUDA_VISIBLE_DEVICES": slot.cuda_visible_devices}
        try:
            if self.queue.host:
                claim_queued(run.paths, self.queue.host)
            process = spawn_module(arguments, run.paths.log, environment)
        except (OSError, ValueError) as error:  # a ValueError: what a process cannot be given
            log.warning("%s can't be started: %s", run.id, error)
            reason = system_reason(error) if isinstance(error, OSError) else str(error)
            self._fail(run.paths, run.status.queued_at, f"Can't start the training process: {reason}.")
            return
        self.workers[slot.name] = Worker(run.paths, run.status.queued_at, process)
        log.info("%s starts on %s", run.id, slot.name)

    def _note_end(self, slot: str, worker: Worker) -> None:
        """A worker that died before it took its run would be started again for ever."""
        code = worker.process.returncode
        log.info("%s left %s with code %s", worker.paths.run_id, slot, code)
        again = code in (
            os.EX_TEMPFAIL,
            -signal.SIGTERM,
        )  # of a restart of the machine, before the worker could take it
        (self.busy.add if again else self.busy.discard)(worker.paths.run_id)
        try:
            if again:
                claim_queued(worker.paths, None)
            note_died(worker.paths, worker.process.pid)
        except (RunError, OSError) as trouble:  # the lock tells it all the same, on this machine
            log.warning("%s", trouble)
        if not again:
            error = f"The training process exited before training started (exit code {code}). See the log."
            self._fail(worker.paths, worker.queued_at, error)

    def _fail(self, paths: RunPaths, since: datetime | None, error: str) -> None:
        """Mark the run as failed. One run's trouble is not the queue's: where even that fails, it is passed over."""
        try:
            fail_queued(paths, since, error)
        except RunError as trouble:  # deleted or damaged meanwhile: it is no longer in the queue
            log.warning("%s", trouble)
        except OSError as trouble:
            log.warning("%s is passed over: %s", paths.run_id, trouble)
            self.stuck[paths.run_id] = f"{error} Its folder can't be written: {system_reason(trouble)}."
            self._tell_stuck()

    def _tell_stuck(self) -> None:
        try:
            write_json(self.queue.stuck, self.stuck)
        except OSError as trouble:
            log.warning("%s", trouble)

    def _beat(self) -> None:
        """Show that this runner is not frozen."""
        if time.monotonic() - self._last_beat > BEAT_SECONDS:
            os.utime(self.queue.runner_lock)
            self._last_beat = time.monotonic()

    def _tidy(self) -> None:
        sweep_drafts(self.runs_root)
        if self.queue.host:  # else the locks tell everybody
            with suppress(RunError), queue_lock(self.runs_root):
                note_dead(self.runs_root)
        if self.queue.stuck.exists():
            self._tell_stuck()  # none so far: whoever could not be started before is tried again
        if self.queue.runner_log.exists() and self.queue.runner_log.stat().st_size > LOG_BYTES:
            os.truncate(self.queue.runner_log, 0)

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        """Workers go on without us; the next runner finds their locks."""
        self.asked_to_leave = True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.jobs.runner", description=__doc__)
    parser.add_argument("--runs-root", type=Path, required=True)
    parser.add_argument("--data-root", type=Path, required=True, help="for runs that do not say where their data is")
    parser.add_argument("--stay", action="store_true", help="wait for work when there is none, as a service does")
    parser.add_argument("--worker", default=WORKER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    roots = arguments.runs_root.resolve(), arguments.data_root.resolve()
    try:
        require_shared_locks(roots[0])
        make_folder(QueuePaths(roots[0]).folder)  # a service may be there before the first run
    except OSError as error:
        parser.exit(1, f"Can't use the runs folder {roots[0]}: {system_reason(error)}.\n")
    except RunError as error:
        parser.exit(1, f"{error}\n")
    check_slots(roots[0])
    register_launchers()
    try:
        Runner(*roots, list_slots(roots[0]), stay=arguments.stay, worker=arguments.worker).run()
    except RunError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
