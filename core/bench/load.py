"""What many viewers of a live run cost: run by `python -m core bench load`.

A viewer is a websocket session that speaks Streamlit's protocol. It opens the page of a run that trains meanwhile and
asks for its parts again as often as the page tells a browser to. A poll is on time if it is answered before the next.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin, Subprotocol

from core.bench.sandbox import wait_for
from core.bench.streamlit_wire import FINISHED_FRAGMENT, ServerMessage, read_message, rerun_fragment, rerun_script
from core.bench.visitor import Server, serve
from core.config import TrainConfig
from core.jobs.control import start, stop, stop_now
from core.machine import available_cores
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState

ENDLESS_EPOCHS: Final = 10_000
_START_SECONDS: Final = 600
_STOP_SECONDS: Final = 60
_ARRIVAL_SECONDS: Final = 3.0
"""Within which the viewers of a stage open the page, at random moments: two polling intervals of a run."""


@dataclass
class Polls:
    """How a viewer's polls of the page's quickest part went; the others are asked for, but not counted."""

    interval: float = 0.0
    """Seconds between two."""
    seconds: list[float] = field(default_factory=list)
    """How long each answer took."""
    unanswered: int = 0
    problems: list[str] = field(default_factory=list)
    """What the page said of errors."""

    @property
    def on_time(self) -> int:
        return sum(each <= self.interval for each in self.seconds)


class Viewer:
    """One browser tab with the page of a run."""

    def __init__(self, port: int, run_id: str) -> None:
        self.port, self.query = port, urlencode({"run": run_id})
        self.page = ""
        self.polls = Polls()
        self._asked: dict[str, list[float]] = {}
        """Fragment to when it was asked for, of what is not answered yet."""
        self._drawn: set[str] = set()
        """Fragments that were drawn since the last end of a run of the script."""
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._intervals: dict[str, float] = {}

    async def watch(self, until: float) -> Polls:
        """Look at the page until that moment of the monotonic clock.

        Raises:
            OSError, WebSocketException: the server does not answer.
        """
        place = f"127.0.0.1:{self.port}"
        options: dict[str, Any] = {"subprotocols": [Subprotocol("streamlit")], "max_size": None, "compression": None}
        own = Origin(f"http://{place}")  # as the browser says of a page of the server itself
        async with connect(f"ws://{place}/_stcore/stream", origin=own, **options, open_timeout=60) as connection:
            await connection.send(rerun_script("run", self.query))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + until - time.monotonic()):
                    await self._listen(connection)
            for timer in self._timers.values():
                timer.cancel()
        quickest = min(self._intervals, key=self._intervals.__getitem__, default="")
        late = until - self.polls.interval  # what was asked for later might still have been answered in time
        self.polls.unanswered = sum(moment < late for moment in self._asked.get(quickest, []))
        return self.polls

    async def _listen(self, connection: ClientConnection) -> None:
        async for data in connection:
            message = read_message(data if isinstance(data, bytes) else data.encode())
            self.page = message.page or self.page
            if message.problem is not None:
                self.polls.problems.append(message.problem)
            if message.interval is not None:
                self._repeat(connection, message.fragment, message.interval)
            else:
                self._note_drawn(message)

    def _note_drawn(self, message: ServerMessage) -> None:
        if message.fragment:
            self._drawn.add(message.fragment)
        if message.script_finished == FINISHED_FRAGMENT:
            self._answered(self._drawn)
        # A run whose end is still in the server's queue when the next one begins is said to have ended early, although
        # all of it is sent (`ForwardMsgQueue.clear` of Streamlit): it counts with the end of that one.
        if message.page_is_complete:
            self._drawn.clear()

    def _repeat(self, connection: ClientConnection, fragment: str, interval: float) -> None:
        if fragment in self._timers:
            return
        self._intervals[fragment] = interval
        self.polls.interval = min(self._intervals.values())
        self._timers[fragment] = asyncio.create_task(self._poll(connection, fragment, interval))

    async def _poll(self, connection: ClientConnection, fragment: str, interval: float) -> None:
        following = time.monotonic()
        with suppress(WebSocketException):
            while True:
                following += interval
                await asyncio.sleep(following - time.monotonic())
                self._asked.setdefault(fragment, []).append(time.monotonic())
                await connection.send(rerun_fragment(fragment, self.page, self.query))

    def _answered(self, drawn: set[str]) -> None:
        """A run of the script that drew these fragments has ended: the server draws one only once, however often it was
        asked for meanwhile."""
        now = time.monotonic()
        for fragment in drawn & self._asked.keys():
            waited = [now - moment for moment in self._asked.pop(fragment)]
            if self._intervals[fragment] == self.polls.interval:
                self.polls.seconds += waited


def measure_load(
    data_root: Path, dataset: str, viewers: Sequence[int], seconds: float, settings: TrainConfig
) -> dict[str, Any]:
    """Polls on time, latency, load of the server and speed of a training, for each number of viewers.

    Args:
        data_root: the folder of datasets.
        dataset: what is trained on meanwhile.
        viewers: how many at once, one stage after the other.
        seconds: how long each stage takes.
        settings: what is trained; its epochs and dataset do not matter.

    Returns:
        Plain values for JSON.

    Raises:
        RuntimeError: the server or the training does not start, or a page shows an error.
    """
    config = settings.model_copy(update={"dataset": dataset, "epochs": ENDLESS_EPOCHS})
    with tempfile.TemporaryDirectory(prefix="fer-bench-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "runs"
        with training(root, data_root, config) as paths, serve(root, data_root, Path(folder) / "server.log") as server:
            stages = [_stage(server, paths, config.batch_size, count, seconds) for count in viewers]
    return {"cores": available_cores(), "seconds": seconds, "training": paths.run_id, "stages": stages}


@contextmanager
def training(root: Path, data_root: Path, config: TrainConfig) -> Iterator[RunPaths]:
    """A run that trains inside.

    Raises:
        RuntimeError: it does not begin.
    """
    paths = RunPaths(root, start(root, data_root, config, name="beside viewers"))
    try:
        wait_for(
            lambda: bool(read_rows(paths.steps)[0]) or not read_run(root, paths.run_id).state.is_live,
            seconds=_START_SECONDS,
        )
        run = read_run(root, paths.run_id)
        if run.state is not RunState.RUNNING:
            raise RuntimeError(run.problem or f"The run is {run.state.in_words()}.")
        yield paths
    finally:
        stop(root, paths.run_id)
        try:
            wait_for(lambda: not read_run(root, paths.run_id).state.is_live, seconds=_STOP_SECONDS)
        except RuntimeError:
            stop_now(root, paths.run_id)


def _stage(server: Server, paths: RunPaths, batch_size: int, count: int, seconds: float) -> dict[str, Any]:
    print(f"{count} viewers, {seconds:g} s…", file=sys.stderr, flush=True)
    process = psutil.Process(server.process.pid)
    steps, cpu, begun = _steps(paths), _cpu(process), time.monotonic()
    try:
        polls = asyncio.run(_watch(server.port, paths.run_id, count, begun + seconds))
    except (OSError, WebSocketException) as error:
        raise RuntimeError(f"The server does not answer: {error}.") from error
    took = time.monotonic() - begun
    if problems := [problem for each in polls for problem in each.problems]:
        raise RuntimeError(f"The page of the run shows an error: {problems[0]}")
    answers = sorted(each for every in polls for each in every.seconds)
    return {
        "viewers": count,
        "polls": len(answers) + sum(each.unanswered for each in polls),
        "on_time": sum(each.on_time for each in polls),
        "p50_ms": _quantile(answers, 0.5),
        "p95_ms": _quantile(answers, 0.95),
        "worst_ms": _quantile(answers, 1.0),
        "server_cpu": round((_cpu(process) - cpu) / took, 3),
        "server_memory_mb": round(process.memory_info().rss / 1e6),
        "training_images_per_second": round((_steps(paths) - steps) * batch_size / took, 1),
        "load": round(os.getloadavg()[0], 1),
    }


async def _watch(port: int, run_id: str, count: int, until: float) -> list[Polls]:
    """So many viewers beside each other; without one, just the time."""
    if not count:
        await asyncio.sleep(until - time.monotonic())
    # Tabs that were opened in the same instant would all ask in the same instant for ever, as people's do not.
    arrivals = random.Random(0)

    async def arrive_and_watch() -> Polls:
        await asyncio.sleep(arrivals.uniform(0, _ARRIVAL_SECONDS))
        return await Viewer(port, run_id).watch(until)

    return list(await asyncio.gather(*(arrive_and_watch() for _ in range(count))))


def _quantile(values: Sequence[float], share: float) -> int | None:
    """In milliseconds; None without values."""
    if len(values) < 2 or share == 1:
        return round(1000 * values[-1]) if values else None
    return round(1000 * statistics.quantiles(values, n=100, method="inclusive")[round(100 * share) - 1])


def _steps(paths: RunPaths) -> int:
    return max((int(row["step"]) for row in read_rows(paths.steps)[0][-1:]), default=0)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
