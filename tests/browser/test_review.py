"""What a team does with finished runs, in real Chromium: two people edit one run."""

from typing import Any

import pytest

from core.data.importers.demo import import_demo
from core.review.runs import read_changes
from core.runs.reader import read_run
from tests.browser.conftest import App, visit
from tests.browser.traffic import settle
from tests.browser.visitor import introduce
from tests.conftest import wait_for
from tests.dashboard_fixtures import FakeRun, write_run


@pytest.fixture
def runs(app: App) -> list[FakeRun]:
    """Three finished runs."""
    import_demo(app.data_root, train_per_class=24, validation_per_class=6, test_per_class=6)
    return [
        write_run(app.runs_root, app.data_root, "finished", name=f"run {seed}", epochs=2, seed=seed)
        for seed in range(3)
    ]


def type_in(page: Any, label: str, text: str) -> None:
    box = page.get_by_label(label, exact=True)
    box.fill(text)
    box.press("Control+Enter" if label == "Notes" else "Enter")
    settle(page)


def add_tag(page: Any, word: str) -> None:
    box = page.get_by_test_id("stMultiSelect").get_by_role("combobox")
    box.click()
    box.press_sequentially(word)
    page.get_by_text(f"Add: {word}").click()
    settle(page)


def meta(run: FakeRun) -> Any:
    return read_run(run.paths.root, run.id).meta


def test_two_people_edit_one_run_and_nothing_is_lost(app: App, runs: list[FakeRun], browser: Any) -> None:
    run = runs[0]
    url = f"{app.url}/run?run={run.id}&tab=Review"
    ada, ben = (visit(browser, url) for _ in range(2))
    for page, name in ((ada, "Ada Ü."), (ben, "Ben")):
        introduce(page, name)
    type_in(ada, "Notes", "Ada's words")
    type_in(ben, "Notes", "Ben's words")
    ben.get_by_role("button", name="Save notes").click()
    wait_for(lambda: meta(run).notes == "Ben's words", 60, "Ben's notes")
    ada.get_by_role("button", name="Save notes").click()
    ada.get_by_text("changed by someone else since you opened this page").wait_for()
    assert meta(run).notes == "Ben's words" and ada.get_by_label("Notes", exact=True).input_value() == "Ada's words"
    ada.get_by_role("button", name="Append mine").click()
    settle(ada)
    ada.get_by_role("button", name="Save notes").click()
    wait_for(lambda: meta(run).notes == "Ben's words\n\nAda's words", 60, "both texts")

    add_tag(ben, "from-ben")
    wait_for(lambda: meta(run).tags == ["from-ben"], 60, "Ben's tag")
    add_tag(ada, "from-ada")  # her page was drawn before
    wait_for(lambda: set(meta(run).tags) == {"from-ben", "from-ada"}, 60, "both tags")
    assert {change.by for change in read_changes(run.paths)} == {"Ada Ü.", "Ben"}

    # asked once: the browser keeps the name
    later = ada.context.new_page()
    later.goto(url)
    settle(later)
    assert later.locator(".st-key-name button").get_by_text("Ada Ü.", exact=True).is_visible()
