"""One click does one thing, and a second one that follows at once does nothing: in real Chromium."""

from typing import Any

import pytest

from core.data.importers.demo import import_demo
from core.jobs.queue import queued_runs
from core.review.runs import read_changes
from tests.browser.conftest import App, visit
from tests.browser.traffic import HANDLED, resting_place, settle, until
from tests.browser.visitor import introduce
from tests.conftest import wait_for
from tests.dashboard_fixtures import FakeRun, write_group, write_run


@pytest.fixture
def run(app: App) -> FakeRun:
    """A finished run of Ada's."""
    import_demo(app.data_root, train_per_class=4, validation_per_class=2, test_per_class=2)
    return write_run(app.runs_root, app.data_root, "finished", name="run", author="Ada", epochs=1)


def test_train_is_whole_after_a_look_at_the_runs(app: App, run: FakeRun, page: Any) -> None:
    page.goto(f"{app.url}/train")
    page.get_by_role("button", name="Start training").wait_for()
    settle(page)
    introduce(page, "Ben")
    page.get_by_role("link", name="Runs").click()
    page.locator('[data-testid="stDataFrame"] canvas').first.wait_for()
    settle(page)
    assert page.url == f"{app.url}/runs", "what was typed on Train filters nothing here"
    page.get_by_role("link", name="Train").click()
    page.wait_for_url(f"{app.url}/train")  # Runs has a button "Start training", too
    settle(page)
    page.get_by_text("Author: Ben").wait_for()
    assert page.get_by_text("Something went wrong").count() == 0
    assert "Traceback" not in app.log.read_text()


def test_what_is_typed_stays_when_the_next_click_leaves_the_page(app: App, run: FakeRun, browser: Any) -> None:
    page = visit(browser, f"{app.url}/train")
    page.get_by_label("Name", exact=True).fill("my run")
    page.get_by_role("link", name="Runs").click(delay=60)  # without Enter; a hand holds the button that long
    page.wait_for_url(f"{app.url}/runs")
    settle(page)
    assert page.url == f"{app.url}/runs", "what was typed on Train filters nothing here"
    page.get_by_role("link", name="Train").click()
    page.wait_for_url(f"{app.url}/train?preset=quick&name=my+run")
    settle(page)
    assert page.get_by_label("Name", exact=True).input_value() == "my run"


def test_the_first_click_on_start_training_counts_while_a_filter_is_set(app: App, run: FakeRun, page: Any) -> None:
    page.goto(f"{app.url}/runs?q=run&author=Ada")
    page.locator('[data-testid="stDataFrame"] canvas').first.wait_for()
    settle(page)
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("heading", name="Train", exact=True).wait_for()
    wait_for(lambda: page.url == f"{app.url}/train", 60, "the address of Train")


@pytest.mark.parametrize("pause_ms", [180, 450])
def test_a_double_click_on_approve_approves(app: App, run: FakeRun, browser: Any, pause_ms: int) -> None:
    page = visit(browser, f"{app.url}/run?run={run.id}&tab=Review")
    introduce(page, "Ada")
    page.get_by_text("Enter your name at the top").wait_for(state="detached")  # the buttons move up
    for name in ("Approve", "Reject"):
        page.get_by_role("button", name=name, disabled=False).wait_for()
    settle(page)
    places = {name: resting_place(page.get_by_role("button", name=name)) for name in ("Approve", "Reject")}
    double_click(page, page.get_by_role("button", name="Approve"), pause_ms)
    page.get_by_text("unreviewed → approved").wait_for()
    settle(page)
    assert reviews(run) == ["approved"]
    assert page.get_by_role("button", name="Approve").is_disabled()
    assert {name: resting_place(page.get_by_role("button", name=name)) for name in places} == places
    page.get_by_role("button", name="Reject").click()  # what is meant is still done
    page.get_by_text("approved → rejected").wait_for()
    assert reviews(run) == ["approved", "rejected"]


def reviews(run: FakeRun) -> list[str]:
    return [change.new for change in read_changes(run.paths) if change.field == "review"]


@pytest.mark.parametrize("pause_ms", [180, 400, 900])
@pytest.mark.usefixtures("no_runner")
def test_a_double_click_removes_one_run_from_the_queue(app: App, browser: Any, pause_ms: int) -> None:
    """Two clicks that are meant as two remove no second run either: its row does not come to lie under the pointer."""
    queued = [write_run(app.runs_root, app.data_root, "queued", name=f"number {number}") for number in range(4)]
    everyone = [run.id for run in queued]
    page = visit(browser, app.url)
    double_click(page, page.locator(f".st-key-remove-{everyone[1]} button").first, pause_ms)
    page.get_by_text("Removed from queue").wait_for()
    assert queue_of(app) == [everyone[0], *everyone[2:]]
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Removed from queue").wait_for(state="detached")
    assert queue_of(app) == everyone


COUNT_AND_DROP = """() => {
    const send = WebSocket.prototype.send;
    window.dropped = null;
    WebSocket.prototype.send = function (data) {
        if (window.dropped === null) return send.call(this, data);
        window.dropped += 1;
    };
}"""
"""While `dropped` is a number, the page asks the server for nothing, and counts what it would have asked."""

NOT_PRESSED_ONCE = (
    "[data-testid^=stNumberInputStep], [role=group]:has([role=combobox]) button, [data-testid=stCheckbox] button"
)
"""Buttons of which two presses mean two steps, the arrow that opens and closes a list, and the help of a toggle, which
Streamlit lets toggle it."""


PLACE = """each => {
    const root = each.getRootNode();
    const element = root instanceof ShadowRoot ? root : each.closest("[data-testid=stElementContainer]") ?? document;
    return [...element.querySelectorAll("button:enabled")].indexOf(each);
}"""
"""Of a button among those of its element, from 0: all cells of a matrix are one element, all pills of a group, too."""


@pytest.mark.slow
@pytest.mark.parametrize("most", [2, 1000], ids=["two-of-a-kind", "all"])
def test_a_second_press_within_200_ms_does_nothing_on_any_button_of_any_page(
    app: App, run: FakeRun, browser: Any, most: int
) -> None:
    other = write_run(app.runs_root, app.data_root, "failed", name="other", epochs=2, done=1, seed=1)
    page = visit(browser, app.url)
    introduce(page, "Ada")
    page.context.add_init_script(f"({COUNT_AND_DROP})()")
    addresses = ["", "data", "train", f"train?clone={run.id}", "runs", "compare", f"compare?runs={run.id},{other.id}"]
    addresses += [f"run?run={run.id}&tab={tab}" for tab in ("Curves", "Files", "Review")] + [f"run?run={other.id}"]
    group = write_group([run, other], [{"seed": 0}, {"seed": 1}]).name
    addresses += [f"group?name={group}&group-tab=Runs", "train?sweep-seed=0..3"]
    addresses += [f"errors?run={run.id}", f"errors?run={run.id}&errors-tab=Label+corrections", "predict"]
    pressed = 0
    for address in addresses:
        page.goto(f"{app.url}/{address}")
        settle(page)
        for button in page.query_selector_all("[data-testid=stMain] button:enabled"):
            if (
                button.is_visible()
                and button.evaluate(PLACE) < most
                and not button.evaluate(f"each => each.closest({NOT_PRESSED_ONCE!r})")
            ):
                assert press_twice(page, button) <= 1, f"{button.inner_text()} on /{address}"
                pressed += 1
    assert pressed > 60


def press_twice(page: Any, button: Any) -> int:
    """How often the page asks the server for something, before the server has answered the first time."""
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate("dropped = 0")
    page.mouse.click(*middle)
    page.wait_for_timeout(120)
    page.mouse.click(*middle)
    page.evaluate(HANDLED)
    asked = int(page.evaluate("dropped"))
    if button.get_attribute("aria-haspopup") in ("dialog", "menu", "true"):  # it has opened and not closed again
        until(page, "button => button.ariaExpanded === 'true'", arg=button)
        page.keyboard.press("Escape")
        until(page, "button => button.ariaExpanded === 'false'", arg=button)
        page.locator("[role=dialog], [role=menu]").first.wait_for(state="detached")
    page.evaluate("dropped = null")
    return asked


def queue_of(app: App) -> list[str]:
    return [run.id for run in queued_runs(app.runs_root)]


def double_click(page: Any, button: Any, pause_ms: int) -> None:
    """Two clicks at one place of the window, whatever lies there at the second; then all that follows from them."""
    box = resting_place(button)
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(*middle)
    page.wait_for_timeout(pause_ms)
    page.mouse.click(*middle)
    settle(page)
