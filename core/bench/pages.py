"""Server time of the pages with many runs, and TensorBoard on the same folder: run by `python -m core bench pages`.

A visitor without a browser opens each page over the server's websocket. Wall time is from asking until the last message
has arrived; on a busy machine the CPU time is more reliable.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from core.bench.server import free_port
from core.bench.synthetic_runs import DETAILED, EPOCHS, make_runs
from core.bench.visitor import Server, Visit, serve, wait_for_answer
from core.exchange.tensorboard import write_events
from core.files import write_whole
from core.runs.history import read_rows
from core.runs.paths import RunPaths

TENSORBOARD_SECONDS = 600


def measure_pages(runs: int, rounds: int) -> dict[str, Any]:
    """Wall and processor time of each page, on runs made for this in a temporary folder; progress goes to stderr.

    Args:
        runs: how many, 20 or more.
        rounds: openings of each page after the first one; the median is reported.

    Returns:
        Plain values for JSON.

    Raises:
        RuntimeError: the server does not start, or a page shows an error.
    """
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        return _measure_in(Path(folder), runs, rounds)


def _measure_in(folder: Path, runs: int, rounds: int) -> dict[str, Any]:
    root, data, log = folder / "runs", folder / "data", folder / "server.log"
    report_progress(f"making {runs} runs")
    ids = make_runs(root, runs, EPOCHS, min(DETAILED, runs))
    one, twenty = ids[0], ",".join(ids)
    results: dict[str, Any] = {
        "runs": runs,
        "epochs": EPOCHS,
        "runs_with_steps": len(ids),
        "step_rows": len(read_rows(RunPaths(root, one).steps)[0]),
        "cores": os.cpu_count(),
        "rounds": rounds,
        "load_before": round(os.getloadavg()[0], 1),
    }
    with serve(root, data, log) as server:
        report_progress("first page of a new server: one run")
        server.visit("run", run=one)
        results["start_to_run_page_s"] = round(time.perf_counter() - server.started, 3)
    with serve(root, data, log) as server:
        server.visit("data")  # imports what all pages share, reads no run
        results["pages"] = {
            "runs": measure_page(server, rounds, "runs"),
            "run": measure_page(server, rounds, "run", run=one),
            f"compare_{len(ids)}": measure_page(server, rounds, "compare", runs=twenty),
            "overview": measure_page(server, rounds, "overview"),
        }
        results["server_memory_mb"] = round(psutil.Process(server.process.pid).memory_info().rss / 1e6)
    results["tensorboard"] = measure_tensorboard(root, one)
    results["load_after"] = round(os.getloadavg()[0], 1)
    return results


def measure_page(server: Server, rounds: int, name: str, **query: str) -> dict[str, Any]:
    """The first visit of a page, and the median of the later ones."""
    report_progress(f"page {name}")
    cold, *warm = [server.visit(name, **query) for _ in range(rounds + 1)]
    for visit in (cold, *warm):
        if visit.problems:
            raise RuntimeError(f"The page {name} shows an error: {visit.problems[0]}")
    return {"cold": summarize_visits([cold]), "warm": summarize_visits(warm)}


def summarize_visits(visits: Sequence[Visit]) -> dict[str, Any]:
    def middle(field: str) -> float:
        return statistics.median(getattr(visit, field) for visit in visits)

    return {
        "wall_s": round(middle("seconds"), 3),
        "cpu_s": round(statistics.mean(visit.cpu_seconds for visit in visits), 3),  # a median of hundredths is coarse
        "bytes_read": int(middle("bytes_read")),
        "bytes_sent": int(middle("bytes_sent")),
    }


# --- TensorBoard


def measure_tensorboard(root: Path, run_id: str) -> dict[str, Any]:
    """From starting it on the same runs until it serves the scalars of one of them."""
    command = shutil.which("tensorboard", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if command is None:
        return {"missing": "TensorBoard is not installed: `pip install tensorboard` to have it measured, too."}
    report_progress("writing event files")
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            paths = RunPaths(root, folder.name)
            write_whole(paths.events(1), partial(write_events, paths), lasting=False)
    report_progress("TensorBoard")
    port = free_port()
    started = time.perf_counter()
    process = subprocess.Popen(
        [command, "--logdir", str(root), "--port", str(port), "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}/data"
    scalars = f"{base}/plugin/scalars/scalars?run={quote(run_id)}&tag={quote('epochs/validation_accuracy')}"
    try:
        wait_until(lambda: len(fetch_json(scalars, process)) >= EPOCHS)
        served = time.perf_counter() - started
        again = [timed(lambda: fetch_json(scalars, process)) for _ in range(5)]
        runs = len(list(root.glob("[a-z0-9]*/events.out.tfevents.*")))
        wait_until(lambda: len(fetch_json(f"{base}/runs", process)) >= runs)
        everything = time.perf_counter() - started
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        return {
            "start_to_scalars_of_one_run_s": round(served, 3),
            "start_to_all_runs_listed_s": round(everything, 3),
            "scalars_of_one_run_again_s": round(statistics.median(again), 3),
            "cpu_s": round(sum(sum(each.cpu_times()[:2]) for each in family), 1),
            "bytes_read": sum(each.io_counters().read_chars for each in family) if sys.platform == "linux" else None,
        }
    except TimeoutError:
        return {"missing": f"TensorBoard did not serve the scalars within {TENSORBOARD_SECONDS} s."}
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait(20)


def fetch_json(url: str, process: "subprocess.Popen[bytes]") -> list[Any]:
    """A JSON list from TensorBoard; empty until it has one."""
    with contextlib.suppress(RuntimeError, ValueError):
        value = json.loads(wait_for_answer(url, process, 5))
        return value if isinstance(value, list) else []
    return []


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + TENSORBOARD_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def timed(act: Any) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def report_progress(what: str) -> None:
    print(f"{what}…", file=sys.stderr, flush=True)
