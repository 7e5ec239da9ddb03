"""What a browser shows of runs that go on: how soon, for how long, and whether a link brings it back."""

import os
import re
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.data.importers.demo import import_demo
from core.runs.reader import list_runs
from tests.browser.conftest import App, running_app, visit
from tests.browser.test_journey import open_page
from tests.browser.traffic import settle
from tests.browser.watching import delays, instead_of_a_runner, listen, new_run, start_worker
from tests.conftest import wait_for
from tests.dashboard_fixtures import write_run


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One server for all tests here. No runner takes what waits: the tests themselves are the runner."""
    folder = tmp_path_factory.mktemp("live")
    with instead_of_a_runner(folder / "runs"), running_app(folder) as running:
        yield running


def test_points_come_soon_and_nobody_asks_after_the_end(app: App, page: Any) -> None:
    traffic = listen(page)
    times = delays(page, app.url, app.runs_root, seconds=0.5)
    assert len(times) > 30
    print(f"delays: median {statistics.median(times):.2f} s, p95 {statistics.quantiles(times, n=20)[-1]:.2f} s")
    # The benchmark says how soon; here only that the line grows again and again while the run goes on.
    run = next(run for run in list_runs(app.runs_root) if run.name == "watched")
    assert run.status.ended_at
    ended = run.status.ended_at.timestamp()
    assert len({points for points, when in page.evaluate("window.drawn") if points > 5 and when < ended}) > 2

    def quiet() -> bool:
        since = time.monotonic()
        page.wait_for_timeout(4000)  # longer than a page waits between two questions
        return traffic.since(since) == 0

    wait_for(quiet, 60, "that the page asks nothing any more")


def test_a_killed_worker_is_shown_as_crashed(app: App, page: Any) -> None:
    run_id = new_run(app.runs_root, "doomed")
    worker = start_worker(app.runs_root, run_id, 1000, 0.5)
    try:
        wait_for(lambda: any(run.state == "running" for run in list_runs(app.runs_root)), 60, "the worker's start")
        open_page(page, app, f"run?run={run_id}")
        page.get_by_text("Running").first.wait_for()
        table = page.context.new_page()
        open_page(table, app, "runs?q=doomed")
        table.locator("canvas td", has_text="Running").first.wait_for(state="attached")
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    page.get_by_text("Crashed").first.wait_for()
    page.get_by_text("The training process died unexpectedly").first.wait_for()
    table.locator("canvas td", has_text="Crashed").first.wait_for(state="attached")


def test_a_link_restores_the_view_and_back_and_forward_work(app: App, page: Any, demo_root: Path) -> None:
    for number, author in enumerate(["Ana", "Ana", "Bo"]):
        write_run(app.runs_root, demo_root, "finished", name=f"linked {number}", author=author, epochs=2, seed=number)
    open_page(page, app, "runs")
    search = page.get_by_role("searchbox", name="Search")
    search.fill("linked")
    search.press("Enter")
    page.get_by_text(re.compile("^3 runs")).wait_for()
    settle(page)  # a list that is open while the page is drawn again closes
    page.get_by_label("Author").click()
    page.get_by_role("option", name="Ana").click()
    page.wait_for_url(re.compile("author=Ana"))
    page.keyboard.press("Escape")
    page.get_by_text(re.compile("^2 runs")).wait_for()

    other = visit(page.context.browser, page.url)  # nothing is known about this visitor
    other.get_by_text(re.compile("^2 runs")).wait_for()
    wait_for(lambda: other.get_by_role("searchbox", name="Search").input_value() == "linked", 60, "the search")
    other.context.close()

    [run] = [run for run in list_runs(app.runs_root) if run.name == "linked 0"]
    open_page(page, app, f"run?run={run.id}&axis=time")
    page.get_by_role("tab", name="Config").click()
    page.wait_for_url(re.compile("tab=Config"))
    settle(page)
    other = visit(page.context.browser, page.url)
    other.get_by_role("heading", name="linked 0").wait_for()
    other.get_by_role("tab", name="Config", selected=True).wait_for()
    assert "axis=time" in other.url
    other.context.close()

    page.go_back()
    page.wait_for_url(re.compile("/runs?.*author=Ana"))
    page.get_by_text(re.compile("^2 runs")).wait_for()
    wait_for(lambda: page.get_by_role("searchbox", name="Search").input_value() == "linked", 60, "the search")
    page.go_forward()
    page.wait_for_url(re.compile("/run?.*run="))
    page.get_by_role("heading", name="linked 0").wait_for()


def test_a_start_needs_no_torch_in_the_server(app: App, page: Any) -> None:
    maps = Path(f"/proc/{app.process.pid}/maps")
    if not maps.exists():
        pytest.skip("only Linux tells which libraries a process has loaded")
    import_demo(app.data_root, train_per_class=8, validation_per_class=2, test_per_class=2)
    open_page(page, app, "train")
    before = len(list_runs(app.runs_root))
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/run\?.*run="))
    settle(page)
    assert len(list_runs(app.runs_root)) == before + 1
    assert "libpython" in maps.read_text() or "python" in maps.read_text()
    assert "libtorch" not in maps.read_text()
