"""A worker that is quick to start: everything of `core.worker` but the training, which writes a few rows.

`FER_TINY_STEPS` and `FER_TINY_SECONDS` say how many rows, and how long each takes. It takes a second lock per run and
per slot, which nobody else knows of: two at once where one may be would leave a file `violation-*` beside them. Each
start appends a line to `starts`: the run, when it was queued, the machine and the process.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from filelock import Timeout

from core.config import TrainConfig
from core.files import make_folder, open_regular, process_lock
from core.runs.history import HistoryWriter, read_rows
from core.runs.paths import RunPaths
from core.training.reporter import StatusReporter
from core.worker import StopFlag, main

STEPS = int(os.environ.get("FER_TINY_STEPS", "5"))
SECONDS = float(os.environ.get("FER_TINY_SECONDS", "0.02"))


def train(
    paths: RunPaths, config: TrainConfig, data_root: Path, reporter: StatusReporter, stop_asked: StopFlag
) -> dict[str, Any]:
    """Write the rows that are missing."""
    witness = paths.root / ".queue" / "witness"
    make_folder(witness)
    status = reporter.status
    names = (f"run-{paths.run_id}", f"slot-{status.host}-{status.slot}")
    locks = [process_lock(witness / name) for name in names]
    try:
        for lock in locks:
            lock.acquire(timeout=0)
    except Timeout as taken:
        (witness / f"violation-{Path(taken.lock_file).name}-{os.getpid()}").touch()
        raise
    with open(witness / "starts", "a", opener=open_regular) as starts:
        print(paths.run_id, status.queued_at, status.host, os.getpid(), file=starts)
    with HistoryWriter(paths.steps) as history:
        for step in range(len(read_rows(paths.steps)[0]) + 1, STEPS + 1):
            if stop_asked():
                return {"state": "stopped"}
            time.sleep(SECONDS)
            history.append([{"step": step, "epoch": 1, "pid": os.getpid()}])
            reporter.update(now=True, progress=step / STEPS, activity="training")
    return {"state": "finished", "progress": 1.0}


if __name__ == "__main__":
    sys.exit(main(train))
