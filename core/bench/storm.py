"""Two servers and many runs while processes are killed at random: run by `python -m core bench faults`."""

import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from core.bench.sandbox import CONFIG, LONGEST_SECONDS, Report, Say, difference, place, processes_of, wait_for
from core.bench.visitor import Server, serve
from core.jobs.control import resume, start
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState


def measure_storm(runs: int, seconds: float, seed: int, say: Say) -> Report:
    """Two servers, their visitors and some runs on two slots, while workers, runners and servers are killed at random.

    Args:
        runs: how many.
        seconds: how long it goes on.
        seed: of what is killed when.
        say: gets a line of progress.
    """
    chance = random.Random(seed)
    killed = {"worker": 0, "runner": 0, "server": 0}
    resumed = 0
    with place() as (root, data_root):
        ids = [start(root, data_root, CONFIG) for _ in range(runs)]
        with _Visitors(root, data_root) as visitors:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                time.sleep(chance.uniform(0.5, 2.5))
                what = chance.choices(("worker", "runner", "server"), (4, 1, 2))[0]
                killed[what] += _kill_one(what, root, visitors, chance)
                resumed += _resume_all(root, data_root)
                say(f"killed {killed}, {resumed} resumed")

            def all_finished() -> bool:
                nonlocal resumed
                resumed += _resume_all(root, data_root)
                return all(read_run(root, each).state is RunState.FINISHED for each in ids)

            wait_for(all_finished, 0.5, seconds=LONGEST_SECONDS + 20 * runs)
            pages = visitors.pages
        first = RunPaths(root, ids[0])
        problems = [f"{each}: {words}" for each in ids[1:] if (words := difference(first, RunPaths(root, each)))]
        steps = [row["step"] for row in read_rows(first.steps)[0]]
        if steps != list(range(1, len(steps) + 1)):
            problems.append(f"{first.run_id}: its steps have gaps or doubles")
    report = {"seed": seed, "runs": runs, "finished": runs, "killed": killed, "resumed": resumed, "pages": pages}
    return {**report, "problems": problems, "held": not problems}


class _Visitors:
    """Two servers on the same folders, each with somebody who opens a page again and again: that is what brings a
    runner back that was killed."""

    def __init__(self, root: Path, data_root: Path) -> None:
        self.root, self.data_root = root, data_root
        self.pages = 0
        self.servers: list[Server | None] = [None, None]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(2)]

    def __enter__(self) -> "_Visitors":
        for thread in self._threads:
            thread.start()
        wait_for(lambda: all(self.servers))
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, number: int) -> None:
        while not self._over.is_set():
            log = self.root.parent / f"server-{number}.log"
            with suppress(RuntimeError, psutil.Error), serve(self.root, self.data_root, log) as server:  # it was killed
                self.servers[number] = server
                while not self._over.wait(1):
                    server.visit(("overview", "runs")[number])
                    self.pages += 1


def _kill_one(what: str, root: Path, visitors: _Visitors, chance: random.Random) -> bool:
    if what == "server":
        victims = [psutil.Process(server.process.pid) for server in visitors.servers if server and _lives(server)]
    else:
        module = {"worker": "core.worker", "runner": "core.jobs.runner"}[what]
        victims = processes_of(root, module)
    if not victims:
        return False
    with suppress(psutil.Error):
        chance.choice(victims).kill()
        return True
    return False


def _lives(server: Server) -> bool:
    return server.process.poll() is None


def _resume_all(root: Path, data_root: Path) -> int:
    """As somebody does who presses Resume."""
    found = [run for run in list_runs(root) if run.state in (RunState.CRASHED, RunState.FAILED)]
    for run in found:
        resume(root, data_root, run.id)
    return len(found)
