"""What a browser sees of a run that goes on, and what it asks of the server: used by the tests and by the benchmark."""

import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.presets import make_config
from core.runs.create import create_run
from core.runs.paths import QueuePaths
from tests.browser.traffic import until
from tests.conftest import PROJECT_ROOT

WATCH_LINES = """
// Notes for every path drawn on a canvas how many points it has and when it was drawn.
window.drawn = [];
const [line, stroke] = [Path2D.prototype.lineTo, CanvasRenderingContext2D.prototype.stroke];
Path2D.prototype.lineTo = function () { this.points = (this.points ?? 0) + 1; return line.apply(this, arguments); };
CanvasRenderingContext2D.prototype.stroke = function (path) {
    if (path?.points > 2) window.drawn.push([path.points, (performance.timeOrigin + performance.now()) / 1000]);
    return stroke.apply(this, arguments);
};
"""


@dataclass
class Traffic:
    """The questions a page asks over its websocket, and the script runs that answer them."""

    asked: list[float] = field(default_factory=list)
    """When the page asked for a run of its script."""
    finished: list[float] = field(default_factory=list)
    """When one had ended."""

    @property
    def waits(self) -> bool:
        """Whether nothing has ended since it asked last."""
        return bool(self.asked) and max(self.finished, default=0.0) < self.asked[-1]

    def since(self, moment: float) -> int:
        """How often the page has asked, or been answered, after a moment of the monotonic clock."""
        return sum(each > moment for each in (*self.asked, *self.finished))


def listen(page: Any) -> Traffic:
    """Follow what a page says from now on; call it before the page is opened."""
    traffic = Traffic()

    def sent(payload: bytes | str) -> None:
        if isinstance(payload, bytes) and BackMsg.FromString(payload).WhichOneof("type") == "rerun_script":
            traffic.asked.append(time.monotonic())

    def received(payload: bytes | str) -> None:
        if isinstance(payload, bytes) and ForwardMsg.FromString(payload).WhichOneof("type") == "script_finished":
            traffic.finished.append(time.monotonic())

    def follow(socket: Any) -> None:
        socket.on("framesent", sent)
        socket.on("framereceived", received)

    page.on("websocket", follow)
    return traffic


def instead_of_a_runner(runs_root: Path) -> FileLock:
    """Holds the place of the runner, so that the server starts none; use it with `with`."""
    queue = QueuePaths(runs_root)
    queue.folder.mkdir(parents=True, exist_ok=True)
    return FileLock(queue.runner_lock)


def new_run(runs_root: Path, name: str) -> str:
    """A run that waits for a worker of ours."""
    return create_run(runs_root, make_config("quick", {"epochs": 1}), name=name).run_id


def start_worker(runs_root: Path, run_id: str, steps: int, seconds: float) -> "subprocess.Popen[str]":
    """The worker that does not train."""
    command = [sys.executable, "-m", "tests.browser.slow_worker", str(runs_root), run_id, str(steps), str(seconds)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class Load:
    """What a page cost its browser, as shares of the time that passed."""

    main_thread: float
    """CPU time of the renderer's main thread: does not grow where others keep the cores."""
    renderer: float
    """CPU time of all threads of the renderer's process."""
    tasks: float
    """The main thread's tasks by the clock on the wall, with the time in which they waited for a core."""

    def __str__(self) -> str:
        return (
            f"of one core: main thread {self.main_thread:.1%}, whole renderer {self.renderer:.1%}; "
            f"by the clock on the wall: main thread {self.tasks:.1%}"
        )


def busy(page: Any, seconds: float) -> Load:
    """What a page costs, from now on, while nobody touches it.

    The numbers are those of https://chromedevtools.github.io/devtools-protocol/tot/Performance/#method-getMetrics.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def metrics() -> dict[str, float]:
        return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}

    before = metrics()
    page.wait_for_timeout(1000 * seconds)
    after = metrics()
    session.detach()
    passed = after["Timestamp"] - before["Timestamp"]
    return Load(*((after[name] - before[name]) / passed for name in ("ThreadTime", "ProcessTime", "TaskDuration")))


def delays(page: Any, url: str, runs_root: Path, points: int = 34, seconds: float = 0.5) -> list[float]:
    """Seconds from a row's being written to its point's being drawn, for each point but the first three.

    Leaves the page open on the run, which has ended.
    """
    run_id = new_run(runs_root, "watched")
    page.add_init_script(WATCH_LINES)
    page.goto(f"{url}/run?run={run_id}&axis=step")
    page.get_by_text(re.compile(r"Queued \(position \d+\)")).first.wait_for()
    worker = start_worker(runs_root, run_id, points, seconds)
    out, _ = worker.communicate(timeout=300)
    written = {int(step): float(moment) for step, moment in (line.split() for line in out.splitlines())}
    page.get_by_text("Finished").first.wait_for()
    until(page, f"window.drawn.some(([points]) => points >= {points})")
    drawn: list[tuple[int, float]] = page.evaluate("window.drawn")
    # A line of so many points was on the screen at that moment; the axes' lines have two.
    return [
        min(when for count, when in drawn if count >= step and when > moment) - moment
        for step, moment in written.items()
        if step > 3
    ]
