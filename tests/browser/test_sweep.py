"""A sweep from the form to its page, in real Chromium, with runs that really train."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from core.data.importers.demo import import_demo
from core.runs.groups import list_groups, members_of
from core.runs.records import RunState
from tests.browser.conftest import App
from tests.browser.traffic import settle
from tests.browser.visitor import introduce
from tests.conftest import wait_for

STABLE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
DIVERGES = 10
"""With SGD, a weight decay of 1 and no warmup, each step multiplies all weights by 1 − 10 or more: float32 overflows
within a few dozen steps, whatever the data. After a warmup, all weights would have decayed to 0 and stay there."""
FORM = {
    "preset": "quick",
    "optimizer": "sgd",
    "schedule": "constant",
    "warmup_fraction": "0",
    "weight_decay": "1",
    "batch_size": "2",
    "epochs": "5000",
    "name": "eight rates",
}


def states(app: App) -> list[RunState]:
    [group] = list_groups(app.runs_root)
    return [run.state for run in members_of(app.runs_root, group).runs]


def counted(page: Any, said: str) -> Any:
    """The badge that says how many runs are in a state; the name of its icon stands before it."""
    return page.get_by_test_id("stMarkdownContainer").filter(has_text=re.compile(rf"{said}$")).first


@pytest.mark.slow
def test_a_sweep_of_eight_with_one_that_fails_is_started_watched_and_stopped(app: App, page: Any) -> None:
    import_demo(app.data_root, train_per_class=12, validation_per_class=4, test_per_class=2)
    page.goto(f"{app.url}/train?{'&'.join(f'{name}={text}' for name, text in FORM.items())}")
    settle(page)
    introduce(page, "Ada")
    page.get_by_role("tab", name="Optimizer").click()
    rate = page.get_by_label(re.compile("^Learning rate"))
    rate.fill(", ".join(map(str, (DIVERGES, *STABLE))))
    rate.press("Enter")
    settle(page)
    expect(page.get_by_text(re.compile(r"^8 runs, about .+ each\)"))).to_be_visible()
    start = page.get_by_role("button", name="Start 8 runs")
    start.dblclick()

    page.wait_for_url(re.compile(r"/group\?name=eight-rates$"))
    expect(page.get_by_role("heading", name="eight rates", exact=True)).to_be_visible()
    assert len(states(app)) == 8, "a double click starts one sweep"
    # The first one fails, is named with its sentence, and holds none of the others back.
    expect(counted(page, "1 failed")).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile(r"loss is (NaN|infinite).*Try a lower learning rate")).first).to_be_visible()
    expect(page.get_by_role("link", name=f"Learning rate {DIVERGES}")).to_be_visible()
    expect(counted(page, "1 running")).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile(r"^0 of 8 finished"))).to_be_visible()

    page.get_by_role("button", name="Stop all").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop 7 runs").click()
    expect(counted(page, "7 stopped")).to_be_visible(timeout=120_000)
    wait_for(lambda: sorted(states(app)) == ["failed", *["stopped"] * 7], 60, "the states on disk")
    expect(page.get_by_role("button", name="Resume 8 runs")).to_be_visible()
    page.get_by_role("tab", name="Runs").click()
    expect(page.locator('[data-testid="stDataFrame"] canvas').first).to_be_visible()
    assert "Traceback" not in app.log.read_text()
