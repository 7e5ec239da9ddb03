"""axe-core finds nothing critical or serious of ours, on any page, in any state, light or dark: in real Chromium."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from typing import Any, Final

import axe_playwright_python
import pytest

from core.data.importers.demo import import_demo
from core.review.runs import annotate
from tests.browser.conftest import App, visit
from tests.browser.traffic import settle
from tests.browser.visitor import introduce
from tests.dashboard_fixtures import FakeRun, write_run

AXE: Final = (files(axe_playwright_python) / "axe.min.js").read_text()

KNOWN: Final = (
    ("svg-img-alt", "[data-testid=stMetricChart]", "the marks of Vega in `st.metric(chart_data=...)` have no name"),
    ("color-contrast", "pre .token", "the colours of highlighted code are fixed"),
    ("color-contrast", "label:has(+ * [disabled], + * [aria-disabled=true])", "labels of disabled controls are pale"),
    ("color-contrast", ".js-plotly-plot", "axe cannot tell what is behind the text of a chart"),
)
"""Findings of Streamlit's own parts, which no option of them mends: rule, selector of what they are in, and what it is.
Checked with Streamlit 1.67."""

FIND: Final = """async known => {
    const found = await axe.run(document, {
        resultTypes: ['violations'], elementRef: true, rules: { 'label-content-name-mismatch': { enabled: true } },
    });
    const serious = found.violations.filter(each => ['critical', 'serious'].includes(each.impact));
    return serious.flatMap(rule => rule.nodes
        .filter(node => !known.some(([id, selector]) => id === rule.id && node.element.closest(selector)))
        .map(node => `${rule.id}: ${node.html.slice(0, 160)} | ${node.failureSummary.split('\\n')[1]}`));
}"""

Act = Callable[[Any], None]


def press(name: str, page: Any) -> None:
    """A button that opens a dialog."""
    page.get_by_role("button", name=name).first.click()
    page.get_by_role("dialog").wait_for()


def choose(option: str, page: Any) -> None:
    """An entry of the menu of a run that opens a dialog."""
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name=option).click()
    page.get_by_role("dialog").wait_for()


def open_image(page: Any) -> None:
    page.locator(".tile").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()


def select_image(page: Any) -> None:
    page.locator(".tile").first.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save review").wait_for()


def open_shortcuts(page: Any) -> None:
    page.keyboard.press("?")
    page.get_by_text("All pages").wait_for()


def open_name(page: Any) -> None:
    page.locator(".st-key-name button").click()
    page.get_by_text("This browser remembers it.").wait_for()


def serious_findings(page: Any) -> list[str]:
    """What axe finds in both themes, without what is known."""
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.wait_for_function(
            "theme => getComputedStyle(document.querySelector('.stApp')).colorScheme === theme", arg=theme
        )
        settle(page)
        found += [f"{theme}: {each}" for each in page.evaluate(FIND, [[rule, where] for rule, where, _ in KNOWN])]
    return found


def look(page: Any, app: App, states: list[tuple[str, Act | None]]) -> dict[str, list[str]]:
    """Addresses, each with what is done there, to what axe finds."""
    found = {}
    for number, (address, act) in enumerate(states):
        page.goto(f"{app.url}/{address}")
        settle(page)
        page.evaluate(AXE)
        if act:
            act(page)
            settle(page)
        if findings := serious_findings(page):
            found[f"{number} {address}"] = findings
        page.keyboard.press("Escape")
    return found


EMPTY: Final = ["", "data", "train", "runs", "run", "compare", "errors", "predict"]


def test_axe_finds_nothing_on_pages_without_data(app: App, browser: Any) -> None:
    page = visit(browser, app.url)
    assert look(page, app, [(address, None) for address in EMPTY]) == {}


@pytest.fixture
def runs(app: App) -> Iterator[dict[str, FakeRun]]:
    """State to a run in it; two have finished."""
    import_demo(app.data_root, train_per_class=12, validation_per_class=6, test_per_class=6)
    made = {
        state: write_run(app.runs_root, app.data_root, state, name=f"a {state} run", epochs=3, done=2, seed=seed)
        for seed, state in enumerate(("finished", "failed", "stopped", "running", "stalled"))
    }
    made["other"] = write_run(app.runs_root, app.data_root, "finished", name="another run", epochs=3, seed=7)
    annotate(made["other"].paths, "Ada", {"review": "approved", "notes": "good"}, tag=["tag"], comment="well done")
    yield made
    for run in made.values():
        run.close()


def test_axe_finds_nothing_on_pages_with_runs(app: App, runs: dict[str, FakeRun], browser: Any) -> None:
    run, other = runs["finished"].id, runs["other"].id
    states: list[tuple[str, Act | None]] = [(address, None) for address in ("", "data", "train", "run", "predict")]
    states += [("train?preset=nope", None), (f"train?clone={run}", None), ("", open_shortcuts), ("", open_name)]
    states += [("runs", None), ("runs?state=Finished&q=run", None), ("runs?q=nothing", None), ("run?run=nope", None)]
    states += [(f"run?run={runs[state].id}", None) for state in ("failed", "stopped", "running", "stalled")]
    tabs = ("Curves", "Predictions", "Error+analysis", "System", "Log", "Config", "Environment", "Files", "Review")
    states += [(f"run?run={other}&tab={tab}", None) for tab in tabs]
    states += [(f"run?run={run}", partial(choose, "Delete")), (f"run?run={run}", partial(choose, "Reproduce"))]
    states += [("data", partial(press, "Delete")), ("compare", None), (f"compare?runs={run},{other}", None)]
    tabs = ("Calibration", "Compare+with+run", "Label+corrections")
    states += [(f"errors?run={run}&tab={tab}", None) for tab in tabs]
    states += [(f"errors?run={run}", act) for act in (None, select_image, open_image)]
    states += [("errors?run=nope", None), (f"errors?run={run}&split=train", None), ("predict?run=nope", None)]
    page = visit(browser, app.url)
    introduce(page, "Ada")
    assert look(page, app, states) == {}
