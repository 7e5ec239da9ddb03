"""A worker that does not train: it holds its lock, appends one made-up step after the other, and tells when.

python -m tests.browser.slow_worker RUNS_ROOT RUN_ID STEPS SECONDS
"""

import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from core.bench.synthetic_records import step_row
from core.jobs.queue import take_queued
from core.machine import boot_id
from core.runs.create import write_status
from core.runs.history import HistoryWriter
from core.runs.paths import RunPaths
from core.runs.reader import read_status


def main(root: str, run_id: str, steps: str, seconds: str) -> None:
    """Each line of the output is a step and the time at which its row was there, in seconds since 1970."""
    paths = RunPaths(Path(root), run_id)
    chance = random.Random(0)
    with FileLock(paths.alive_lock):
        now = datetime.now(UTC)
        take_queued(paths, {"started_at": now, "boot_id": boot_id(), "epoch": 1, "batches": int(steps)})
        with HistoryWriter(paths.steps) as history:
            for step in range(1, int(steps) + 1):
                time.sleep(float(seconds) * chance.uniform(0.5, 1.5))  # not in step with the page's own clock
                loss = 2 - step / int(steps) + chance.uniform(0, 0.2)
                history.append([step_row(step, steps=int(steps), elapsed_s=float(step), loss=loss, accuracy=0.2)])
                print(step, time.time(), flush=True)
                status = read_status(paths)
                changes = {"batch": step, "progress": step / int(steps), "heartbeat": time.monotonic()}
                write_status(paths, status.model_copy(update=changes), lasting=False)
        ended = {"state": "finished", "ended_at": datetime.now(UTC), "activity": ""}
        write_status(paths, read_status(paths).model_copy(update=ended))


if __name__ == "__main__":
    main(*sys.argv[1:])
