"""What a runs folder costs with many runs in it: run by `python -m core bench runs`."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.bench.pages import report_progress
from core.bench.sandbox import environment
from core.bench.synthetic_runs import EPOCHS, make_runs
from core.config import TrainConfig
from core.jobs.control import start
from core.jobs.queue import queued_runs, take_queued
from core.machine import available_cores
from core.runs.create import create_run, write_status
from core.runs.reader import RunReader, read_status

ROUNDS_OF_CHANGES = 50


def measure_runs(counts: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of what pages, runner and workers do again and again, on runs made for this in a temporary folder.

    What the disk holds back is in the wall time alone; no runner is started. The medians are of all rounds, but for the
    first list, which there is only once.

    Args:
        counts: how many runs, one folder each.
        rounds: repetitions of each list and look.

    Returns:
        One record per count, of plain values for JSON.
    """
    measured = []
    with environment({"FER_RUNNER": "0"}):
        for count in counts:
            with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
                measured.append(_measure_in(Path(folder), count, rounds))
    return measured


def _measure_in(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    root, data_root, config = folder / "runs", folder / "data", TrainConfig(dataset="none")
    report_progress(f"making {count} runs")
    make_runs(root, count, EPOCHS, min(1, count))
    report_progress("listing them")
    reader = RunReader(root)
    [first] = _times(reader.list, 1)
    made = [create_run(root, config, queue_position=float(number)) for number in range(ROUNDS_OF_CHANGES)]
    status = read_status(made[0])
    waiting = iter(made)

    def take() -> None:
        take_queued(next(waiting), {"activity": "starting"})

    report_progress("starting more")
    times = {
        "first_list": [first],
        "later_list": _times(reader.list, rounds),
        "look_for_queued": _times(lambda: queued_runs(root), rounds),
        "write_status": _times(lambda: write_status(made[0], status), ROUNDS_OF_CHANGES),
        "take_from_queue": _times(take, ROUNDS_OF_CHANGES),
        "start": _times(lambda: start(root, data_root, config), ROUNDS_OF_CHANGES),
    }
    return {
        "runs": count,
        "cores": available_cores(),
        "milliseconds": {name: round(statistics.median(wall for wall, _ in each), 2) for name, each in times.items()},
        "cpu_milliseconds": {name: round(statistics.median(cpu for _, cpu in each), 2) for name, each in times.items()},
    }


def _times(work: Callable[[], object], rounds: int) -> list[tuple[float, float]]:
    """Of each round the milliseconds by the clock and of this process's CPU."""
    times = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    return times
