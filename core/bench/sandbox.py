"""A place where real runs are started, disturbed and compared with one that nobody disturbed: what the parts of
`python -m core bench faults` share."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil

from core.bench.mortal import EPOCHS_OF_THE_KILLED
from core.config import TrainConfig
from core.data.importers.demo import import_demo
from core.files import lock_is_held
from core.jobs.control import ensure_runner
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState

CONFIG: Final = TrainConfig(
    dataset="demo",
    epochs=EPOCHS_OF_THE_KILLED,
    batch_size=16,
    images_per_epoch=96,
    model="cnn-model-1",
    threads=1,
    device="cpu",
    schedule="cosine",
)
LONGEST_SECONDS: Final = 300
MEASURED_ROWS: Final = ("seconds", "elapsed_s", "images_per_second", "time")
"""Fields of rows that no two runs have in common."""

Report = dict[str, Any]
Say = Callable[[str], None]


@contextmanager
def place() -> Iterator[tuple[Path, Path]]:
    """A folder of runs and one with a small dataset, on a machine that has two slots and no other runs."""
    changes = {"FER_CPU_SLOTS": "2", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="fer-bench-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        (folder / "locks").mkdir()
        with environment({**changes, "FER_MACHINE_LOCKS": str(folder / "locks")}):
            try:
                import_demo(folder / "data", train_per_class=24, validation_per_class=6, test_per_class=6)
                yield folder / "runs", folder / "data"
            finally:
                for process in processes_of(folder):
                    with suppress(psutil.Error):
                        process.kill()


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """These variables for this process and what it starts; at the end they are as they were."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def finish(root: Path, data_root: Path, run_id: str) -> RunPaths:
    """Wait until a run has ended, and its runner, which would serve the next one, too; its paths."""
    ensure_runner(root, data_root)
    wait_for(lambda: not read_run(root, run_id).state.is_live)
    wait_for(lambda: not lock_is_held(QueuePaths(root).runner_lock))
    run = read_run(root, run_id)
    if run.state is not RunState.FINISHED:
        raise RuntimeError(f"Run {run_id} has {run.state.in_words()}: {run.problem}")
    return run.paths


def difference(expected: RunPaths, found: RunPaths) -> str | None:
    """How a run differs from one that nobody disturbed; None if it does not."""
    if (left := [path.name for path in found.folder.glob(".tmp-*")]) != []:
        return f"left behind: {', '.join(left)}"
    for name in ("steps", "epochs"):
        if _rows(getattr(expected, name)) != _rows(getattr(found, name)):
            return f"{name}.jsonl differs"
    for split in ("validation", "test"):
        if read_run(expected.root, expected.run_id).metrics(split) != read_run(found.root, found.run_id).metrics(split):
            return f"the metrics on {split} differ"
    return None if _hash(expected.weights) == _hash(found.weights) else "the weights differ"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in MEASURED_ROWS} for row in read_rows(path)[0]]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def processes_of(folder: Path, module: str | None = None) -> list[psutil.Process]:
    """Living processes whose command line names this folder; only those of `python -m MODULE`, if one is given."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        named = any(str(folder) in part for part in command) and (not module or command[1:3] == ["-m", module])
        if named and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def wait_for(condition: Callable[[], bool], poll_seconds: float = 0.05, *, seconds: float = LONGEST_SECONDS) -> None:
    """Raises:
    RuntimeError: the condition did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Nothing came of it within {seconds:g} s.")
        time.sleep(poll_seconds)
