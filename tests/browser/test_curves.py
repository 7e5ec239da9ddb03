"""Curves in Chromium: what the visitor did to them stays while data arrive."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import App
from tests.browser.test_journey import open_page
from tests.browser.traffic import resting_place, settle
from tests.browser.watching import busy, new_run, start_worker
from tests.conftest import wait_for
from tests.dashboard_fixtures import write_run

STEPS = 5000
"""Of the run: more than there is time for."""
MOST_BUSY = 0.12
"""Of the time that a live page may keep the browser's main thread, as a share of one core."""


def state(page: Any, chart: int = 0) -> dict[str, Any]:
    """What a chart shows."""
    shown: dict[str, Any] = page.locator("fer-charts").evaluate(
        """(charts, chart) => {
            const panel = [...charts.panels.values()][chart];
            const { scales, series } = panel.plot;
            return {
                x: [scales.x.min, scales.x.max],
                y: [scales.y.min, scales.y.max],
                shown: series.filter((each) => each.show && each.line).map((each) => each.label),
                points: panel.lines[0].x.length,
                last: panel.last,
                tip: panel.tip.checkVisibility() ? panel.tip.innerText : "",
                crosshairs: [...charts.panels.values()].filter(({ plot }) => plot.cursor.left >= 0).length,
                log: scales.y.distr === 3,
                ticks: panel.plot.axes[1]._values,
            };
        }""",
        chart,
    )
    return shown


def pointer(page: Any, across: float, down: float, chart: int = 0) -> tuple[float, float]:
    """Where a place in the plot of a chart is on the screen, both as a fraction of it."""
    box = resting_place(page.locator("fer-charts .u-over").nth(chart))
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def zoom(page: Any, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a box in the first chart."""
    first, last = pointer(page, *begin), pointer(page, *end)
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*last, steps=4)
    page.mouse.up()


def arrive(page: Any, updates: int) -> None:
    """Wait until data have arrived so many times."""
    for _ in range(updates):
        before = state(page)["last"]  # a long line is thinned: its points may be as many as before
        wait_for(lambda before=before: state(page)["last"] > before, 60, "new points")  # type: ignore[misc]


@pytest.mark.usefixtures("no_runner")
@pytest.mark.parametrize("updates", [2, pytest.param(30, marks=pytest.mark.slow)], ids=["some", "a-minute"])
def test_tooltip_hidden_lines_and_zoom_outlive_new_data(app: App, page: Any, updates: int) -> None:
    """One update comes about every two seconds."""
    run_id = new_run(app.runs_root, "live")
    worker = start_worker(app.runs_root, run_id, STEPS, 0.05)
    try:
        open_page(page, app, f"run?run={run_id}&axis=step")
        page.locator("fer-charts canvas").first.wait_for()
        arrive(page, 1)
        assert state(page)["x"] == [0, STEPS], "as planned, however few there are"

        zoom(page, (0.0, 0.02), (0.1, 0.98))
        page.get_by_role("button", name="validation", exact=True).click()
        page.mouse.move(*pointer(page, 0.02, 0.4))
        wait_for(lambda: "train" in state(page)["tip"], 60, "the tooltip")
        before = state(page)
        assert before["x"][1] < STEPS / 5 and before["shown"] == ["train", "train"] and before["crosshairs"] == 4

        page.locator("fer-charts").evaluate(
            """(charts) => {
                window.closed = 0;
                const { tip } = [...charts.panels.values()][0];
                new MutationObserver(() => (window.closed += tip.hidden)).observe(tip, { attributes: true });
            }"""
        )
        arrive(page, updates)
        after = state(page)
        for what in ("x", "shown", "crosshairs"):
            assert after[what] == before[what], what
        assert "train" in after["tip"] and page.evaluate("window.closed") == 0

        page.get_by_role("button", name="validation", exact=True).click()
        page.get_by_role("button", name="train", exact=True).click()
        assert state(page)["shown"] == ["validation"], "the raw training curve goes with the smoothed one"
        arrive(page, 1)
        assert state(page)["shown"] == ["validation"]
        page.get_by_role("button", name="Reset zoom").click()
        assert state(page)["x"] == [0, STEPS]
    finally:
        worker.terminate()
        worker.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("no_runner")
def test_a_live_page_leaves_the_browser_idle(app: App, page: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = new_run(app.runs_root, "live")
    worker = start_worker(app.runs_root, run_id, STEPS, 0.5)
    try:
        open_page(page, app, f"run?run={run_id}&axis=step")
        page.locator("fer-charts canvas").first.wait_for()
        arrive(page, 2)
        before = state(page)["points"]
        load = busy(page, seconds=60)
        assert state(page)["points"] > before + 60, "it was live"
    finally:
        worker.terminate()
        worker.wait()
    with capsys.disabled():
        print(f"\n{load}")
    assert load.main_thread < MOST_BUSY


def test_a_finished_run_is_read_with_the_keyboard_and_zoomed_along_both_axes(
    app: App, page: Any, demo_root: Path
) -> None:
    run = write_run(app.runs_root, demo_root, "finished", name="done", epochs=4)
    open_page(page, app, f"run?run={run.id}&smoothing=0")
    loss = page.get_by_role(
        "img", name=re.compile(r"^Loss: train last [\d.]+ at epoch 4; validation last [\d.]+ at epoch 4")
    )
    loss.focus()
    page.keyboard.press("ArrowLeft")
    wait_for(lambda: state(page)["tip"].startswith("Epoch 4\n"), 60, "the values at the last epoch")
    assert "validation" in page.locator("fer-charts [aria-live]").inner_text()
    assert page.get_by_role("button", name="Reset zoom").count() == 0
    page.keyboard.press("+")
    assert state(page)["x"][0] > 0
    page.keyboard.press("0")
    full = state(page)
    assert full["x"] == [0, 4]

    zoom(page, (0.3, 0.3), (0.6, 0.6))
    boxed = state(page)
    assert boxed["x"][0] == pytest.approx(1.2, abs=0.1) and boxed["x"][1] == pytest.approx(2.4, abs=0.1)
    height = full["y"][1] - full["y"][0]
    assert boxed["y"][1] - boxed["y"][0] == pytest.approx(0.3 * height, rel=0.15)
    assert state(page, 1)["x"] == boxed["x"] and state(page, 1)["y"] != boxed["y"], "x is shared, y is not"
    page.mouse.dblclick(*pointer(page, 0.5, 0.5))
    assert state(page)["x"] == full["x"] and state(page)["y"] == full["y"]

    page.get_by_text("Log scale").click()
    page.wait_for_url(re.compile("log=true"))
    settle(page)
    wait_for(lambda: state(page)["log"], 60, "a logarithmic axis")
    assert not state(page, 1)["log"], "no accuracy on it"


@pytest.mark.parametrize("log", ["false", "true"])
def test_a_diverged_loss_has_a_readable_axis(app: App, page: Any, demo_root: Path, log: str) -> None:
    run = write_run(app.runs_root, demo_root, "finished", epochs=2)
    rows = [json.loads(line) for line in run.paths.steps.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["loss"] = min(1.5**number, 1e30)
    run.paths.steps.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    open_page(page, app, f"run?run={run.id}&smoothing=0&log={log}")
    page.locator("fer-charts canvas").first.wait_for()
    ticks = [tick for tick in state(page)["ticks"] if tick]
    assert len(ticks) > 2 and max(map(len, ticks)) <= 6 and re.search(r"e\d\d$", ticks[-1]), ticks
