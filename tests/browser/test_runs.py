"""The Runs page and the page of one run in real Chromium."""

from typing import Any

from core.data.importers.demo import import_demo
from tests.browser.conftest import App
from tests.browser.test_review import settle
from tests.dashboard_fixtures import write_run


def test_ticking_rows_does_not_move_the_table(app: App, page: Any) -> None:
    """Who ticks one row after the other at the same pace would hit the wrong ones."""
    for number in range(5):
        write_run(app.runs_root, app.data_root, "damaged", name=f"run {number}")
    page.goto(f"{app.url}/runs")
    settle(page)
    table = page.locator('[data-testid="stDataFrame"]')
    table.locator("canvas").first.wait_for()
    before = table.bounding_box()
    for row, count in ((1, "Export CSV (1)"), (3, "Export CSV (2)")):
        page.mouse.click(before["x"] + 16, before["y"] + 35 * row + 50)
        page.get_by_role("button", name=count).wait_for()
    page.get_by_role("button", name="Archive").wait_for()
    after = table.bounding_box()
    assert (after["x"], after["y"]) == (before["x"], before["y"])


CUT_OFF = """() => [...document.querySelectorAll('[data-testid="stMetric"] *')]
    .filter(each => each.scrollWidth > each.clientWidth && getComputedStyle(each).textOverflow === "ellipsis")
    .map(each => each.innerText)"""


def test_no_metric_of_a_run_is_cut_off(app: App, page: Any) -> None:
    import_demo(app.data_root, train_per_class=2, validation_per_class=30, test_per_class=30)
    run = write_run(app.runs_root, app.data_root, "finished", epochs=3)
    page.goto(f"{app.url}/run?run={run.id}")
    page.get_by_text("Test acc. (95% CI)").wait_for()
    settle(page)
    assert page.evaluate(CUT_OFF) == []
