"""The Runs page and the page of one run in real Chromium."""

from typing import Any

from core.data.importers.demo import import_demo
from tests.browser.conftest import App
from tests.browser.traffic import resting_place, settle
from tests.dashboard_fixtures import write_run


def test_ticking_rows_does_not_move_the_table(app: App, page: Any) -> None:
    """Who ticks one row after the other at the same pace would hit the wrong ones."""
    for number in range(5):
        write_run(app.runs_root, app.data_root, "damaged", name=f"run {number}")
    page.goto(f"{app.url}/runs")
    settle(page)
    table = page.locator('[data-testid="stDataFrame"]')
    table.locator("canvas").first.wait_for()
    before = resting_place(table)
    for row, count in ((1, "Export CSV (1)"), (3, "Export CSV (2)")):
        page.mouse.click(before["x"] + 16, before["y"] + 35 * row + 50)
        page.get_by_role("button", name=count).wait_for()
        settle(page)  # the table comes after the buttons
    after = resting_place(table)
    assert (after["x"], after["y"]) == (before["x"], before["y"])


def open_table(page: Any, url: str) -> Any:
    """The table of the Runs page, drawn."""
    page.goto(url)
    settle(page)
    table = page.locator('[data-testid="stDataFrame"]')
    table.locator("canvas").first.wait_for()
    return table


def test_runs_are_ticked_compared_and_opened_with_the_keyboard_and_stay_ticked(app: App, page: Any) -> None:
    import_demo(app.data_root, train_per_class=2, validation_per_class=30, test_per_class=30)
    runs = [write_run(app.runs_root, app.data_root, "finished", name=f"run {number}", epochs=2) for number in range(3)]
    table = open_table(page, f"{app.url}/runs?sort=name")
    table.locator("canvas").first.focus()
    for presses, count in ((1, 1), (2, 2)):  # the first row, then the third one
        for _ in range(presses):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+Space")
        page.get_by_role("button", name=f"Compare {count}").wait_for()
        settle(page)
    page.get_by_role("button", name="Compare 2").press("Enter")
    page.wait_for_url("**/compare**")
    settle(page)
    page.go_back()
    page.get_by_role("button", name="Compare 2").wait_for()
    write_run(app.runs_root, app.data_root, "finished", name="a new one", epochs=2)
    page.reload()
    settle(page)
    page.get_by_role("button", name="Compare 2").wait_for()
    table = open_table(page, f"{app.url}/runs?selected={runs[1].id}")
    page.locator(".st-key-open-ticked button").press("Enter")
    page.wait_for_url(f"**/run?run={runs[1].id}")


def test_a_click_on_a_header_sorts_all_pages(app: App, page: Any) -> None:
    for number in range(30):
        write_run(app.runs_root, app.data_root, "damaged", name=f"run {number:02}")
    table = open_table(page, f"{app.url}/runs?columns=Name")
    box = resting_place(table)
    for address in ("**sort=name", "**sort=-name"):
        page.mouse.click(box["x"] + 140, box["y"] + 17)
        page.wait_for_url(address)
        settle(page)
    page.get_by_text("1–25 of 30 runs").wait_for()
    page.mouse.click(box["x"] + 16, box["y"] + 35 + 17)
    page.get_by_role("button", name="Export CSV (1)").wait_for()
    settle(page)
    page.locator(".st-key-open-ticked button").click()
    page.get_by_text("run 29").first.wait_for()


def test_a_search_needs_no_enter(app: App, page: Any) -> None:
    import_demo(app.data_root, train_per_class=2, validation_per_class=30, test_per_class=30)
    for seed in range(3):
        write_run(app.runs_root, app.data_root, "finished", name=f"run {seed}", epochs=1, seed=seed)
    open_table(page, f"{app.url}/runs")
    page.get_by_role("searchbox").press_sequentially("seed=2")
    page.get_by_text("1 run · 2 hidden by filters").wait_for()


CUT_OFF = """() => [...document.querySelectorAll('[data-testid="stMetric"] *')]
    .filter(each => each.scrollWidth > each.clientWidth && getComputedStyle(each).textOverflow === "ellipsis")
    .map(each => each.innerText)"""


def test_no_metric_of_a_run_is_cut_off(app: App, page: Any) -> None:
    import_demo(app.data_root, train_per_class=2, validation_per_class=30, test_per_class=30)
    run = write_run(app.runs_root, app.data_root, "finished", epochs=3)
    page.goto(f"{app.url}/run?run={run.id}")
    page.get_by_text("Test acc. (95% CI)").wait_for()
    settle(page)
    page.evaluate("document.fonts.ready.then(() => null)")
    assert page.evaluate(CUT_OFF) == []
