"""What people do most, in Chromium among 115 runs, in clicks and seconds: `python -m tests.bench.bench_interactions`.

Seconds are until the answer is on the screen, from the first act on and, where there are several, from the last one on;
each the median of three. What it was before is as somebody noted it in a day with these pages in November 2026, on a
busy machine ("tick 2, Compare 0.7 s").
"""

import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import TimeoutError

from core.bench.synthetic_runs import make_runs
from core.data.importers.demo import import_demo
from core.jobs import control
from core.jobs.queue import queued_runs
from core.runs.reader import list_runs
from tests.browser.conftest import App, new_page, open_browser, running_app
from tests.browser.traffic import settle, until
from tests.browser.watching import instead_of_a_runner, new_run, start_worker
from tests.dashboard_fixtures import FakeRun, end_run, write_run

ROUNDS: Final = 3
RUNS: Final = 115
SEEDS: Final = 3
"""Finished runs that differ in nothing but the seed, the newest ones; the others have made-up predictions."""
TABLE: Final = "[data-testid=stDataFrame]"
ROW: Final = 35
"""Height of a row, and of the header, in pixels."""
X_RANGE: Final = "charts => { const { min, max } = [...charts.panels.values()][0].plot.scales.x; return max - min; }"
TIP: Final = "charts => [...charts.panels.values()][0].tip.checkVisibility()"


class Hand:
    """What a person does on a page, counted."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.clicks = 0
        self.keys = 0
        self.last_act = time.monotonic()

    def click(self, target: Any, **where: Any) -> None:
        target.click(trial=True, **where)  # it is there, and nothing is in front of it: what follows is the act alone
        self.last_act = time.monotonic()
        target.click(**where)
        self.clicks += 1

    def click_at(self, target: Any, x: float, y: float) -> None:
        self.click(target, position={"x": x, "y": y})

    def press(self, key: str) -> None:
        self.last_act = time.monotonic()
        self.page.keyboard.press(key)
        self.keys += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text[:-1])
        self.last_act = time.monotonic()
        self.page.keyboard.type(text[-1:])
        self.keys += len(text)

    def button(self, name: str | re.Pattern[str]) -> None:
        self.click(self.page.get_by_role("button", name=name).first)

    def sees(self, text: str | re.Pattern[str]) -> None:
        self.page.get_by_text(text).first.wait_for()


@dataclass(frozen=True)
class Material:
    """The runs there are."""

    app: App
    seeds: list[FakeRun]
    live: str
    """Id of a run that gets a new step twice a second."""
    training: FakeRun
    """One that is running, with two epochs done."""


Act = Callable[[Hand, Material], object]


@dataclass(frozen=True)
class Interaction:
    """One thing that people do.

    Attributes:
        name: what it is.
        before: clicks and seconds before, in words.
        address: where one is when it begins; may hold `{run}`, `{runs}` (the seeds) and `{live}`.
        act: what is done, and what is waited for.
        rounds: how often it is measured.
    """

    name: str
    before: str
    address: str | None
    act: Act
    rounds: int = ROUNDS


def see_what_is_running(hand: Hand, there: Material) -> None:
    hand.page.goto(there.app.url)
    hand.sees("in training")
    hand.page.locator("[data-testid=stMetricValue]", has_text="%").first.wait_for()


def sort_by_accuracy(hand: Hand, there: Material) -> None:
    hand.click_at(hand.page.locator(TABLE), 140, ROW / 2)
    hand.page.wait_for_url(re.compile("sort=-validation"))
    settle(hand.page)


def sort_by_the_box(hand: Hand, there: Material) -> None:
    hand.click(hand.page.locator(".st-key-sort [data-baseweb=select]"))
    hand.click(hand.page.get_by_role("option", name=re.compile("Val. accuracy")).first)
    hand.page.wait_for_url(re.compile("sort="))
    settle(hand.page)


def filter_by_a_setting(hand: Hand, there: Material) -> None:
    hand.click(hand.page.get_by_role("searchbox"))
    hand.type("seed=2")
    hand.sees(re.compile(r"^\d+ runs?.* hidden by filters"))


def compare_two(hand: Hand, there: Material) -> None:
    for row in (1, 2):
        hand.click_at(hand.page.locator(TABLE), 16, ROW * row + 17)
        hand.page.get_by_role("button", name=f"Compare {row}" if row > 1 else "Export CSV (1)").wait_for()
    hand.button("Compare 2")
    hand.page.locator("fer-charts canvas").first.wait_for()


def overlay_another_metric(hand: Hand, there: Material) -> None:
    hand.button("Training loss")
    hand.page.get_by_role("img", name=re.compile("^Training loss")).wait_for()


def average_seeds(hand: Hand, there: Material) -> None:
    hand.click(hand.page.get_by_text("Average seeds"))
    hand.sees("Lines: mean over seeds")


def show_config_diff(hand: Hand, there: Material) -> None:
    hand.click(hand.page.get_by_role("tab", name="Config diff"))
    hand.page.locator(f"{TABLE} canvas").first.wait_for()


def place(page: Any, across: float, down: float) -> tuple[float, float]:
    """Of a point of the first chart, on the screen."""
    box = page.locator("fer-charts .u-over").first.bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def zoom(hand: Hand, there: Material) -> None:
    charts = hand.page.locator("fer-charts").element_handle()
    before = charts.evaluate(X_RANGE)
    hand.page.mouse.move(*place(hand.page, 0.0, 0.1))
    hand.page.mouse.down()
    hand.page.mouse.move(*place(hand.page, 0.3, 0.9), steps=4)
    hand.page.mouse.up()
    hand.clicks += 1
    until(hand.page, f"charts => ({X_RANGE})(charts) < {before / 2}", arg=charts)


def hover(hand: Hand, there: Material) -> None:
    hand.page.mouse.move(*place(hand.page, 0.02, 0.5))
    until(hand.page, TIP, arg=hand.page.locator("fer-charts").element_handle())


def look_at_two_images(hand: Hand, there: Material) -> None:
    hand.click(hand.page.locator(".tile").first)
    hand.sees(re.compile("^1 of "))
    settle(hand.page)
    hand.press("ArrowRight")
    hand.sees(re.compile("^2 of "))


def tag_a_run(hand: Hand, there: Material) -> None:
    hand.click_at(hand.page.locator(TABLE), 16, ROW + 17)
    hand.page.get_by_role("button", name="Export CSV (1)").wait_for()
    hand.button("Edit")
    hand.click(hand.page.get_by_role("combobox", name="Add tags"))
    hand.type(f"tag{time.monotonic_ns()}")
    hand.press("Enter")
    settle(hand.page)
    hand.button("Apply tags")
    hand.sees("Changed the tags of")


def hear_of_the_end(hand: Hand, there: Material) -> None:
    end_run(there.training)
    until(hand.page, "document.title.startsWith('✓')")


def open_what_was_shared(hand: Hand, there: Material) -> None:
    hand.page.goto(f"{there.app.url}/errors?run={there.seeds[0].id}&split=test&true=angry")
    hand.page.locator(".tile").first.wait_for()
    settle(hand.page)


def clone(hand: Hand, there: Material) -> None:
    hand.button("More")
    hand.click(hand.page.get_by_role("menuitem", name="Clone"))
    hand.click(hand.page.locator(".st-key-start button"))
    hand.page.wait_for_url(re.compile(r"/run\?.*run="))
    hand.sees(re.compile("^Queued"))


def reproduce(hand: Hand, there: Material) -> None:
    hand.button("More")
    hand.click(hand.page.get_by_role("menuitem", name="Reproduce…"))
    hand.click(hand.page.locator(".st-key-reproduce-start button"))
    hand.sees(re.compile("^Queued"))


def list_the_keys(hand: Hand, there: Material) -> None:
    until(hand.page, "window.ferOpensShortcuts")  # a page that has just come does not listen yet
    hand.press("?")
    hand.sees("Show this list")


def stop(hand: Hand, there: Material) -> None:
    hand.button("Stop")
    hand.sees("Stopped")


INTERACTIONS: Final = (
    Interaction("See what is running, with its metric", "0 clicks, 2.2 s", None, see_what_is_running),
    Interaction("Sort all runs by a metric", "not possible", "runs?columns=Val.+accuracy+(best)", sort_by_accuracy),
    Interaction("The same by the box", "2 clicks, 0.3 s", "runs?columns=Val.+accuracy+(best)", sort_by_the_box),
    Interaction("Filter runs by a hyperparameter", "not possible", "runs", filter_by_a_setting),
    Interaction("Two runs of the table over each other", "3 clicks, 0.7 s", "runs", compare_two),
    Interaction("Overlay another metric", "not possible", "compare?runs={runs}", overlay_another_metric),
    Interaction("Mean and band of the seeds", "not possible", "compare?runs={runs}", average_seeds),
    Interaction("Config diff", "scroll 3,000 px", "compare?runs={runs}", show_config_diff),
    Interaction("Zoom into a live curve", "not possible", "run?run={live}&axis=step", zoom),
    Interaction("Read values of a live curve", "gone after 1.1 s", "run?run={live}&axis=step", hover),
    Interaction("An image, and the next one", "5 clicks, > 0.8 s", "errors?run={run}", look_at_two_images),
    Interaction("Tag a run", "4 to 5 clicks", "runs?sort=name", tag_a_run),
    Interaction("Open a shared view", "0 clicks", None, open_what_was_shared),
    Interaction("Clone a run and start it", "3 clicks", "run?run={run}", clone),
    Interaction("Reproduce a run", "3 clicks", "run?run={run}", reproduce),
    Interaction("List of keyboard shortcuts", "none", "data", list_the_keys),
    Interaction("Be told that a run has ended", "never", "run?run={training}", hear_of_the_end, rounds=1),
)
STOP: Final = Interaction("Stop a run", "1 click, 1.9 s", "run?run={training}", stop, rounds=1)


@contextmanager
def material(app: App) -> Iterator[Material]:
    import_demo(app.data_root)
    make_runs(app.runs_root, RUNS - SEEDS - 2)
    finished = [
        write_run(app.runs_root, app.data_root, "finished", name=f"a seed {seed}", epochs=12, seed=seed)
        for seed in range(SEEDS)
    ]
    training = write_run(app.runs_root, app.data_root, "running", name="in training", epochs=4, done=2)
    live = new_run(app.runs_root, "live")
    worker = start_worker(app.runs_root, live, 10_000, 0.5)
    try:
        yield Material(app, finished, live, training)
    finally:
        worker.kill()
        worker.wait()
        training.close()


def measure(page: Any, interaction: Interaction, there: Material, training: str) -> tuple[Hand, float, float]:
    """What was done, and the medians of the seconds it took: from the first act on, and from the last."""
    ids = {"run": there.seeds[0].id, "runs": ",".join(run.id for run in there.seeds)}
    times, waits = [], []
    for _ in range(interaction.rounds):
        page.goto("about:blank")
        if interaction.address is not None:
            address = interaction.address.format(**ids, live=there.live, training=training)
            page.goto(f"{there.app.url}/{address}")
            settle(page)
            if "{live}" in address or address.startswith("run"):
                page.locator(f"fer-charts canvas, {TABLE} canvas").first.wait_for()
        hand = Hand(page)
        begin = time.monotonic()
        interaction.act(hand, there)
        end = time.monotonic()
        times.append(end - begin)
        waits.append(end - hand.last_act)
        settle(page)
    return hand, statistics.median(times), statistics.median(waits)


def report(interaction: Interaction, hand: Hand, seconds: float, wait: float) -> None:
    done = f"{hand.clicks} clicks, {hand.keys} keys, {seconds:.2f} s"
    last = f", {wait:.2f} s after the {'last' if hand.clicks + hand.keys > 1 else 'act'}" if wait < seconds else ""
    print(f"| {interaction.name} | {interaction.before} | {done}{last} |", flush=True)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fer-bench-")))
        runner = stack.enter_context(instead_of_a_runner(folder / "runs"))
        app = stack.enter_context(running_app(folder))
        page = new_page(stack.enter_context(open_browser()))
        page.context.add_cookies([{"name": "fer-name", "value": "Mara", "url": app.url}])
        print("| what | before | now |\n|---|---|---|")
        with material(app) as there:
            for interaction in INTERACTIONS:
                try:
                    report(interaction, *measure(page, interaction, there, there.training.id))
                except TimeoutError as error:  # the others are measured all the same
                    print(f"| {interaction.name} | {interaction.before} | failed: {error.message.splitlines()[0]} |")
        for queued in queued_runs(app.runs_root):
            control.stop(app.runs_root, queued.id)
        runner.release()
        page.goto(f"{app.url}/train?epochs=50&name=to+stop")  # real training, so that something can stop
        settle(page)
        page.locator(".st-key-start button").click()
        page.wait_for_url(re.compile(r"/run\?.*run="))
        page.get_by_text(re.compile("training|epoch 1", re.IGNORECASE)).first.wait_for()
        [run] = [each for each in list_runs(app.runs_root) if each.name == "to stop"]
        until(page, "document.title.startsWith('●')", seconds=120)
        report(STOP, *measure(page, STOP, there, run.id))


if __name__ == "__main__":
    main()
