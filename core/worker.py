"""One training process: `python -m core.worker RUN_DIR --data-root DIR --slot NAME`. The runner starts it; the engine
of a cluster does, too, with `--launcher NAME --job ID` instead of a slot.

It takes the run's `alive.lock` first and holds it to the end, so that the lock tells everybody whether it lives. How it
ends, it writes into `status.json`: one line for people; the traceback goes to `train.log`.

A signal is no stop: it ends the run with a checkpoint, but as interrupted, so that `runs recover` resumes it. A person
stops a run by `stop.request`.

Exit code: 0 when the run finished or stopped, or was not queued; 1 when it failed; 75 (try again) when it was
interrupted, or another worker has held the slot or the run for too long.
"""

import argparse
import errno
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from filelock import Timeout

from core.config import TrainConfig
from core.errors import FerError, system_reason
from core.files import process_lock, read_json, touch, write_json, write_whole
from core.jobs.keep_best import after_end
from core.jobs.launchers import LOCAL, launcher_title
from core.jobs.machine_slots import hold_slot
from core.jobs.queue import take_queued
from core.machine import boot_id, host_name
from core.review.corrections import corrections_of
from core.runs.create import sweep_run, write_status
from core.runs.environment import describe_environment, uncommitted_changes
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_config
from core.runs.records import RunStatus
from core.runs.teachers import recorded, teaching_of
from core.training.reporter import StatusReporter

log = logging.getLogger("train")

ALIVE_LOCK_SECONDS = 20


class StopFlag:
    """Whether somebody asked this process to end: by a signal, or by a file in the run folder."""

    def __init__(self, paths: RunPaths) -> None:
        self._file, self._lock = paths.stop_request, paths.alive_lock
        self._held: tuple[int, int] | None = None
        self._signalled = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal is no reason to stop

    def _on_signal(self, signum: int, frame: Any) -> None:
        self._signalled = True

    def hold(self) -> None:
        """From now on this process has the lock file of the run, and has to notice when another takes its place: when
        the folder was put back from a copy, or when somebody has resumed the run since nobody could say whether this
        process lives. Another process may have locked that file, and train the run, too."""
        self._held = _file_id(self._lock)

    def check_held(self) -> None:
        """To be called before anything is written, and before it takes its place: end this process if the lock file is
        another one.

        Asks the file server: a mere look at a network file system may show for a minute what was there before.
        """
        if self._held and _file_id(self._lock, opened=True) not in (self._held, None):
            self._leave()

    def _leave(self) -> NoReturn:
        """At once, from whatever thread has noticed it, and without a word in the folder, which is another's now: other
        threads may have something to write there."""
        log.error("the folder of this run was replaced, or the run was resumed elsewhere: this process ends")
        os._exit(1)

    def __call__(self) -> bool:
        """As asked before each batch; ends this process as `check_held` does, as soon as it can be seen."""
        if self._held and _file_id(self._lock) not in (self._held, None):
            self._leave()
        return self._signalled or self.by_person

    @property
    def by_person(self) -> bool:
        """Whether somebody stopped the run. A signal says less: at a restart of the machine, every process gets one."""
        return self._file.exists()


_GONE = (0, 0)


def _file_id(path: Path, *, opened: bool = False) -> tuple[int, int] | None:
    """What tells a file from another one of its name: `_GONE` if there is none; None where nobody can tell.

    Args:
        path: the file.
        opened: ask by opening it.
    """
    try:
        if not opened:
            found = path.stat()
        else:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                found = os.fstat(handle)
            finally:
                os.close(handle)
    except OSError as error:
        return _GONE if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE) else None
    return found.st_dev, found.st_ino


Train = Callable[[RunPaths, TrainConfig, Path, StatusReporter, StopFlag], dict[str, Any]]
"""Trains a run that this process has taken, on data below that folder; returns the fields of its last status."""


def main(train: Train | None = None) -> int:
    """Take a run and its slot, train it, and let go; the exit code.

    Args:
        train: what to do with the run; tests have something that takes less than training.
    """
    parser = argparse.ArgumentParser(prog="python -m core.worker", description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--slot", default="cpu")
    parser.add_argument("--notice", default="", help="why it is not on a GPU, for the log")
    parser.add_argument("--launcher", default=LOCAL, help="which engine has started this process")
    parser.add_argument("--job", help="as whose job, by the engine's id")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    if arguments.notice:
        log.warning("%s", arguments.notice)
    folder = arguments.run_dir.resolve()
    paths = RunPaths(folder.parent, folder.name)
    if not paths.status.exists():
        parser.error(f"{folder} is not the folder of a run")
    stop_asked = StopFlag(paths)
    slot, slot_locks = arguments.slot, [QueuePaths(paths.root).slot_lock(arguments.slot)]
    if arguments.job:  # what it uses was allocated to it
        slot, slot_locks = f"{'gpu' if _sees_gpu() else 'cpu'}-{arguments.launcher}", []
    with ExitStack() as locks:
        try:
            if slot_locks:
                locks.enter_context(hold_slot(slot, ALIVE_LOCK_SECONDS))
            for lock in slot_locks:
                locks.enter_context(process_lock(lock).acquire(timeout=ALIVE_LOCK_SECONDS))
            touch(paths.alive_lock)
            stop_asked.hold()  # before it is locked: so the check below tells whether this file is what was locked
            locks.enter_context(process_lock(paths.alive_lock).acquire(timeout=ALIVE_LOCK_SECONDS))
        except Timeout as busy:
            log.info("%s is held by another worker", Path(busy.lock_file).name)
            return os.EX_TEMPFAIL
        stop_asked.check_held()
        return work(paths, arguments.data_root, slot, stop_asked, train or _train, job=arguments.job)


def _sees_gpu() -> bool:
    """Whether an engine has given this process a GPU: then it says which one."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").strip() not in ("", "-1", "NoDevFiles")


def work(
    paths: RunPaths, data_root: Path, slot: str, stop_asked: StopFlag, train: Train, *, job: str | None = None
) -> int:
    """Train the run if it is queued, or if it is the run of this job that an engine has started again, and record how
    it ended; the exit code."""
    status = take_queued(paths, {**_identity(slot), "activity": "starting"}, job=job)
    if status is None:
        log.info("run %s is not queued: nothing to do", paths.run_id)
        return 0
    reporter = StatusReporter(paths, status, stop_asked.check_held)
    config = None
    try:
        sweep_run(paths)
        config = read_config(paths)
        with reporter:
            final = train(paths, config, data_root, reporter, stop_asked)
    except Exception as error:  # whatever it is, the run must not stay "running"
        log.exception("training failed")
        final = {"state": "failed", "error": explain(error, config)}
    stop_asked.check_held()
    interrupted = final["state"] == "stopped" and not stop_asked.by_person
    if interrupted:  # so it is read as ended without a word, and recovered
        final = {"state": "running", "error": _interrupted(status.launcher)}
    ended = {"ended_at": datetime.now(UTC), "eta_seconds": None, "activity": ""}
    _write_end(paths, reporter.status.model_copy(update=ended | final), stop_asked.check_held)
    paths.stop_request.unlink(missing_ok=True)  # last: a crash in between must not undo the stop
    log.info("run %s %s", paths.run_id, "interrupted" if interrupted else final["state"])
    if final["state"] == "finished":
        after_end(paths)
    return os.EX_TEMPFAIL if interrupted else 1 if final["state"] == "failed" else 0


def _interrupted(launcher: str) -> str:
    if launcher == LOCAL:
        return "Interrupted by a signal, as at a restart of the machine. Resume continues where it was."
    by = launcher_title(launcher)
    return f"Interrupted by {by}: cancelled there, preempted or out of time. Resume continues where it was."


def _write_end(paths: RunPaths, status: RunStatus, check_held: Callable[[], None]) -> None:
    """Write the last status, also on a disk that is too full for another file: then over the old one, in its place."""
    try:
        write_status(paths, status, check=check_held)
    except OSError as error:
        check_held()
        log.warning("status.json is written in place: %s", error)
        with paths.status.open("r+b") as file:
            file.write(status.model_dump_json(indent=1).encode())
            file.truncate()


def _train(
    paths: RunPaths, config: TrainConfig, data_root: Path, reporter: StatusReporter, stop_asked: StopFlag
) -> dict[str, Any]:
    # NumPy takes a moment to import, torch seconds: the lock, the state and simple errors must not wait for them
    from core.data.dataset import read_identity, read_info

    info, identity = read_info(data_root, config.dataset), read_identity(data_root, config.dataset)
    corrections, teaching = corrections_of(paths, config), teaching_of(paths, config)
    from core.training.compute import choose_compute
    from core.training.loop import Stopped, train

    compute = choose_compute(config, gpu_slot=(reporter.status.slot or "").startswith("gpu-"))
    environment = describe_environment(
        command=f"python -m core.worker {paths.run_id}",  # no path: folders are shared and shipped
        device=compute.title,
        threads=compute.threads,
        precision=compute.precision,
        dataset={
            "name": info.name,
            "fingerprint": identity.content,
            "ordered_fingerprint": identity.ordered,
            "kind": info.kind,
        },
        **({"corrections": {"name": corrections.name, "fingerprint": corrections.fingerprint}} if corrections else {}),
        **recorded(teaching),
    )
    record_environment(paths, environment)
    reporter.update(now=True, device=compute.title, activity="loading data")
    log.info("training %s on %s", config.model, compute.title)
    try:
        train(paths, config, corrections, data_root, compute, reporter, stop_asked)
    except Stopped:
        return {"state": "stopped"}
    compare_with_original(paths)
    return {"state": "finished", "progress": 1.0}


def compare_with_original(paths: RunPaths) -> None:
    """If the run reproduces another: write the comparison. If that fails, the training has still succeeded."""
    from core.comparison.reproduction import write_reproduction

    try:
        result = write_reproduction(paths.root, paths.run_id)
    except (FerError, OSError) as error:
        log.warning("the comparison with the original failed: %s", error)
        return
    if result:
        log.info("reproduces %s: %s", result.reproduces, result.words)


def record_environment(paths: RunPaths, environment: dict[str, Any]) -> None:
    """Write `environment.json`, and as a patch what is not committed of the code; a resume adds to the first under
    `resumes` only what has changed since the start, and a patch only if the code has."""
    try:
        first = read_json(paths.environment)
        first.setdefault("resumes", []).append(
            {key: value for key, value in environment.items() if value != first.get(key)}
        )
    except FileNotFoundError:
        first = environment
    except (ValueError, AttributeError) as error:  # not ours to repair, but no reason to lose the training
        log.warning("environment.json was corrupt (%s) and is replaced", error)
        first = environment
    write_json(paths.environment, first)
    resumes = first.get("resumes", [])
    if not resumes or {"git", "code"} & resumes[-1].keys():
        patch = uncommitted_changes().encode(errors="replace")
        if patch:
            write_whole(paths.uncommitted(len(resumes)), lambda file: file.write(patch))


def _identity(slot: str) -> dict[str, Any]:
    return {
        "slot": slot,
        "host": host_name(),
        "boot_id": boot_id(),
        "pid": os.getpid(),
        "started_at": datetime.now(UTC),
        "heartbeat": time.monotonic(),
    }


def explain(error: Exception, config: TrainConfig | None = None) -> str:
    """One line for people."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, FerError):
        return text
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full. Free some space, then resume the run from its last checkpoint."
    if isinstance(error, OSError) and error.errno is not None:
        return f"File system error: {system_reason(error)}. The last checkpoint was kept."
    if isinstance(error, MemoryError) or re.search(r"out of memory|can't allocate memory", text, re.IGNORECASE):
        smaller = f"a batch size of {max(2, config.batch_size // 2)}" if config else "a smaller batch size"
        return f"Out of memory. Try {smaller}."
    return f"{type(error).__name__}: {text[:300]} (see the log)."


if __name__ == "__main__":
    sys.exit(main())
