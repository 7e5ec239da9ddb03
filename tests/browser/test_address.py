"""Addresses, in real Chromium: a copied one opens the same view elsewhere, and back and forward go page by page."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from difflib import unified_diff
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.data.importers.demo import import_demo
from core.files import read_json, write_json
from tests.browser.conftest import App, new_page, visit
from tests.browser.late import can_hold, hold_after, holds_after, release, wait_until_held
from tests.browser.traffic import settle
from tests.browser.watching import Traffic, listen
from tests.dashboard_fixtures import FakeRun, write_run

SHOWN = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    const roots = [main, ...[...main.querySelectorAll("*")].map(each => each.shadowRoot).filter(each => each)];
    const all = selector => roots.flatMap(root => [...root.querySelectorAll(selector)]);
    const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    const words = [];
    while (texts.nextNode()) {
        const outside = !texts.currentNode.parentElement.closest("svg, style"); // charts are drawn late
        if (outside) words.push(texts.currentNode.data);
    }
    return [
        ...words,
        ...all("input:not([type=file])").map(each => each.type == "checkbox" ? each.checked : each.value),
        ...all("[aria-selected=true], [aria-checked=true], [aria-pressed=true]").map(each => each.innerText),
        ...all(".tile").map(each => each.dataset.id),
    ].join("\\n");
}"""


SETTLED = """() => new Promise(done => {
    const tables = document.querySelector('[data-testid="stDataFrame"]');
    setTimeout(done, tables ? 300 : 100);
})"""
"""Ends when the text of what was drawn is there: a table has that of its cells 200 ms after they were drawn, by a timer
that was set before this one."""


@pytest.fixture
def runs(app: App) -> list[FakeRun]:
    """Three finished runs of last week; the second was cloned from the first."""
    import_demo(app.data_root, train_per_class=4, validation_per_class=9, test_per_class=2)
    age = timedelta(days=7)
    made = [
        write_run(app.runs_root, app.data_root, "finished", name=f"run {seed}", epochs=2, seed=seed, age=age)
        for seed in range(3)
    ]
    write_json(made[1].paths.meta, read_json(made[1].paths.meta) | {"parent": made[0].id})
    return made


@pytest.fixture
def small_run(app: App) -> FakeRun:
    """A finished run on a dataset that is soon made."""
    import_demo(app.data_root, train_per_class=4, validation_per_class=2, test_per_class=2)
    return write_run(app.runs_root, app.data_root, "finished", epochs=1)


def shown(page: Any) -> str:
    """All that a person can read on the page, what is typed and what is chosen."""
    page.mouse.move(1, 1)  # what lies under the pointer may look otherwise
    settle(page)
    late = page.locator('[data-testid="stSkeleton"], [data-testid="stDataFrame"]:not(:has(canvas td))')
    before, text, waiting = "", str(page.evaluate(SHOWN)), 1
    while text != before or waiting:  # parts come one after the other
        page.evaluate(SETTLED)
        waiting = late.count()
        before, text = text, str(page.evaluate(SHOWN))
    return re.sub(r"just now|\d+ \w+ ago", "lately", text)


def expect(page: Any, url: str, text: str) -> None:
    """The page has this address and looks like that, now or soon."""
    end = time.monotonic() + 60
    while (shown(page), page.url) != (text, url) and time.monotonic() < end:
        page.wait_for_timeout(200)
    assert page.url == url
    changes = unified_diff(text.splitlines(), shown(page).splitlines(), "before", "now", lineterm="", n=1)
    assert "\n".join(changes) == ""


Step = tuple[Callable[[Any], Any], str]
"""What a person does, and what stands in the address afterwards (a regular expression)."""


def link(name: str, address: str, place: int = 0) -> Step:
    return lambda page: page.get_by_test_id("stPageLink").filter(has_text=name).nth(place).click(), address


def sidebar(name: str, address: str) -> Step:
    links = re.compile(f"{name}$")
    return lambda page: page.get_by_test_id("stTopNavLink").filter(has_text=links).click(), address


def tab(name: str, parameter: str = "tab") -> Step:
    return lambda page: page.get_by_role("tab", name=name).click(), f"{parameter}={name}".replace(" ", r"\+")


def split(name: str, address: str) -> Step:
    return lambda page: page.get_by_text(name, exact=True).first.click(), address


def option(label: str, name: str, address: str) -> Step:
    def choose(page: Any) -> None:
        shown(page)  # a list that is opened while the page still grows closes again
        box = page.get_by_role("combobox", name=label)
        box.fill(name)
        box.press("ArrowDown")
        page.get_by_role("option", name=name, exact=True).click()

    return choose, address


def clone(run_id: str) -> Step:
    def click(page: Any) -> None:
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name="Clone").click()

    return click, rf"/train\?.*clone={run_id}"


NEXT_PAGE: Step = (lambda page: page.get_by_test_id("stPaginationNext").first.click(), "page=2")


def test_copied_addresses_and_back_and_forward(app: App, runs: list[FakeRun], browser: Any) -> None:
    a, b, c = (run.id for run in runs)
    page = visit(browser, f"{app.url}/compare?runs={a},{b},{c}&baseline={b}")
    ways: list[list[Step]] = [
        [split("test", "compare-split=test"), tab("Metrics", "section")],
        [link("run 1", rf"/run\?.*run={b}"), tab("Config")],
        [link("Cloned from", rf"/run\?.*run={a}")],
        [clone(a)],
        [sidebar("Runs", "/runs"), option("Sort by", "Sort: Name", "sort=name")],
        [sidebar("Error analysis", "/errors"), option("Show", "All", "show=All")],
        [NEXT_PAGE],
    ]
    seen: list[tuple[str, str]] = []
    for steps in ways:
        for click, address in steps:
            click(page)
            page.wait_for_url(re.compile(address))
        text = shown(page)  # first: only then the address is complete
        seen.append((page.url, text))

    other = new_page(browser)
    for (url, text), (after, _) in zip(seen, [*seen[1:], ("", "")], strict=True):
        if urlsplit(url).path != urlsplit(after).path:  # else the next one says more of the same page
            other.goto(url)
            expect(other, url, text)
    for url, text in reversed(seen[:-1]):
        page.go_back()
        expect(page, url, text)
    for url, text in seen[1:3]:
        page.go_forward()
        expect(page, url, text)
    assert "Traceback" not in app.log.read_text()


def test_the_overview_answers_at_both_of_its_addresses(app: App, page: Any) -> None:
    page.goto(f"{app.url}/data")
    page.get_by_role("heading", name="Data", exact=True).wait_for()
    page.goto(f"{app.url}/overview")
    page.wait_for_url(re.compile(r":\d+/$"))
    page.get_by_role("heading", name="FER Dashboard", exact=True).wait_for()
    settle(page)
    assert page.get_by_role("dialog").count() == 0, "no word of a page that is not found"
    entries = page.get_by_test_id("stTopNavLink").all_inner_texts()
    assert [entry for entry in entries if "Overview" in entry] == [entries[0]]
    for _ in range(2):  # the browser may have noted both addresses
        if page.url != f"{app.url}/data":
            page.go_back()
    page.wait_for_url(f"{app.url}/data")


def test_what_a_page_sends_last_does_not_stand_behind_the_next_one(app: App, small_run: FakeRun, page: Any) -> None:
    can_hold(page)
    page.goto(f"{app.url}/train")
    settle(page)
    name = page.get_by_label("Name", exact=True)
    name.fill("my run")
    hold_after(page, "")
    name.blur()
    wait_until_held(page, "name=my+run")
    page.get_by_role("link", name="Runs").click()
    wait_until_held(page, "Show archived")
    release(page)
    settle(page)
    assert page.url == f"{app.url}/runs"
    page.go_back()
    page.wait_for_url(re.compile(r"/train\?preset=\w+&name=my\+run$"))


def open_with_timers(page: Any, url: str) -> Traffic:
    """A page with a run that waits; what it asks by itself, and is answered. What reaches it can be held back."""
    can_hold(page)
    traffic = listen(page)
    page.goto(url)
    settle(page)
    return traffic


def wait_for_a_poll(page: Any, traffic: Traffic) -> None:
    """Until a timer of the page has asked for something, and was answered; the page need not have learned of that."""
    moment = time.monotonic()
    while not any(asked > moment and max(traffic.finished) > asked for asked in traffic.asked):
        assert time.monotonic() < moment + 60, "no timer has asked"
        page.wait_for_timeout(100)


@pytest.mark.usefixtures("no_runner")
def test_a_page_that_is_opened_on_a_slow_line_keeps_its_address(app: App, page: Any) -> None:
    """The timers of the page that was left go on until the browser learns that it was left."""
    run = write_run(app.runs_root, app.data_root, "queued", name="it waits")
    traffic = open_with_timers(page, f"{app.url}/runs?selected={run.id}&search=waits")
    hold_after(page, "")
    page.locator(".st-key-open-ticked button").click()
    wait_until_held(page, "Remove from queue")
    wait_for_a_poll(page, traffic)
    release(page)
    page.get_by_role("heading", name="it waits").wait_for()
    settle(page)
    wait_for_a_poll(page, traffic)
    settle(page)
    assert page.url == f"{app.url}/run?run={run.id}"


@pytest.mark.usefixtures("no_runner")
def test_a_run_that_is_ticked_on_a_slow_line_stays_ticked(app: App, page: Any) -> None:
    """The timers of the page go on meanwhile, and say that none is ticked."""
    run = write_run(app.runs_root, app.data_root, "queued", name="it waits")
    traffic = open_with_timers(page, f"{app.url}/runs")
    page.locator("[data-testid=stDataFrame] canvas").first.focus()
    page.keyboard.press("ArrowDown")
    settle(page)
    hold_after(page, "")
    page.keyboard.press("Shift+Space")
    wait_until_held(page, "Compare 1")
    wait_for_a_poll(page, traffic)
    wait_for_a_poll(page, traffic)  # of the table, which asks most often
    assert not holds_after(page, "Compare 1", "0 selected"), "from then on it is drawn as ticked"
    release(page)
    settle(page)
    assert page.url == f"{app.url}/runs?selected={run.id}"
    page.get_by_role("button", name="1 selected").wait_for()


@pytest.mark.usefixtures("no_runner")
def test_what_is_being_typed_outlives_the_timers_of_the_page(app: App, page: Any) -> None:
    write_run(app.runs_root, app.data_root, "queued", name="it waits")
    traffic = open_with_timers(page, f"{app.url}/runs")
    page.get_by_role("button", name="0 selected").click()
    name = page.get_by_role("combobox", name="Selected runs")
    name.press_sequentially("it wa")
    for _ in range(2):
        wait_for_a_poll(page, traffic)
    assert name.input_value() == "it wa"


def test_a_click_while_a_page_is_drawn_stays_in_its_address(app: App, small_run: FakeRun, page: Any) -> None:
    can_hold(page)
    page.goto(f"{app.url}/errors?show=All")
    settle(page)
    page.get_by_role("link", name="Runs").click()
    page.wait_for_url(f"{app.url}/runs")
    settle(page)
    hold_after(page, "Label corrections")  # the last tab
    page.get_by_role("link", name="Error analysis").click()
    wait_until_held(page, "filtered images")
    page.get_by_role("tab", name="Calibration").click()
    page.wait_for_url(re.compile("errors-tab=Calibration"))
    release(page)
    settle(page)
    assert parse_qs(urlsplit(page.url).query) == {"show": ["All"], "errors-tab": ["Calibration"]}
    page.go_back()
    page.wait_for_url(f"{app.url}/runs")
