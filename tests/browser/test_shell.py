"""What is around every page, in real Chromium: the browser tab, the visitor's menu, messages, and double clicks."""

from typing import Any

import pytest

from core.data.importers.demo import import_demo
from core.runs.create import write_status
from core.runs.reader import read_status
from tests.browser.conftest import App, visit
from tests.browser.traffic import resting_place, settle, until
from tests.conftest import wait_for
from tests.dashboard_fixtures import FakeRun, end_run, write_run


@pytest.fixture
def running(app: App) -> FakeRun:
    """A run that trains, for as long as the test likes."""
    import_demo(app.data_root, train_per_class=4, validation_per_class=2, test_per_class=2)
    return write_run(app.runs_root, app.data_root, "running", name="my run", done=2, epochs=4)


def favicon(page: Any) -> str:
    return str(page.locator("link[rel='shortcut icon']").get_attribute("href"))


def test_tab_and_messages_follow_a_run_without_a_reload(app: App, running: FakeRun, browser: Any) -> None:
    """Two people: one looks at the run, the other has a dialog open on another page, which stays open."""
    page, other = visit(browser, f"{app.url}/run?run={running.id}"), visit(browser, f"{app.url}/data")
    other.get_by_role("button", name="Delete…").click()
    other.get_by_role("dialog").wait_for()
    until(page, "document.title.startsWith('● 60% · my run')")
    before = favicon(page)
    write_status(running.paths, read_status(running.paths).model_copy(update={"progress": 0.8}))
    until(page, "document.title.startsWith('● 80% · my run')")
    end_run(running)
    said: set[Any] = set()

    def both_said() -> bool:
        """Each message goes again after ten seconds."""
        said.update(
            each for each in (page, other) if each.get_by_test_id("stToast").filter(has_text="my run: finished").count()
        )
        return len(said) == 2

    wait_for(both_said, 60, "the message on both pages")
    until(page, "document.title === '✓ my run'")
    assert favicon(page) != before
    assert other.get_by_role("dialog").is_visible()
    settle(page)
    page.get_by_role("link", name="Runs").click()
    until(page, "document.title === 'Runs – FER'")


def test_pages_use_the_width(app: App, browser: Any) -> None:
    page = visit(browser, app.url)
    title = page.get_by_role("heading", name="FER Dashboard")
    row = title.locator("xpath=ancestor::*[contains(@class, 'stHorizontalBlock')][1]")
    for width, content in ((1400, 1240), (1024, 800), (2400, 1600)):
        page.set_viewport_size({"width": width, "height": 900})
        until(page, f"innerWidth === {width}")
        shown = resting_place(row)["width"]
        assert shown >= content and shown <= 1600
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_open_tab_is_in_sight_on_a_phone(app: App, running: FakeRun, page: Any) -> None:
    from playwright.sync_api import expect

    page.set_viewport_size({"width": 420, "height": 900})
    page.goto(f"{app.url}/run?run={running.id}&tab=Review")
    settle(page)
    expect(page.get_by_role("tab", name="Review", selected=True)).to_be_in_viewport(ratio=0.9)
    expect(page.get_by_role("tab", name="Curves")).not_to_be_in_viewport()


def test_the_buttons_above_the_runs_take_two_rows_on_a_phone(app: App, running: FakeRun, page: Any) -> None:
    page.set_viewport_size({"width": 420, "height": 900})
    page.goto(f"{app.url}/runs")
    settle(page)
    # Asked at one moment: what stands above them may come later and move them all.
    boxes = "[...document.querySelectorAll('.st-key-ticked-actions button')].map(each => each.getBoundingClientRect())"
    until(page, f"new Set({boxes}.filter(box => box.width).map(box => Math.round(box.y))).size === 2")
    page.get_by_role("button", name="Archive").wait_for()  # its name is there, though it shows an icon


def test_question_mark_lists_the_keys_but_is_typed_in_a_field(app: App, browser: Any) -> None:
    page = visit(browser, app.url)
    until(page, "window.ferOpensShortcuts")  # it does not listen yet when it is drawn
    page.keyboard.press("?")
    page.get_by_text("Show this list").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("Show this list").wait_for(state="detached")
    page.locator(".st-key-name button").click()
    box = page.get_by_role("textbox", name="Your name")
    box.press_sequentially("Ada?")
    assert box.input_value() == "Ada?" and page.get_by_text("Show this list").count() == 0
