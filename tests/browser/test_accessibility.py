"""axe-core finds nothing critical or serious of ours, on any page, in any state, light or dark: in real Chromium."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final

import axe_playwright_python
import pytest

from core.data.importers.demo import import_demo
from core.review.runs import annotate
from tests.browser.conftest import App, visit
from tests.browser.traffic import settle, until
from tests.browser.visitor import introduce
from tests.dashboard_fixtures import FakeRun, write_group, write_run

AXE: Final = (files(axe_playwright_python) / "axe.min.js").read_text("utf-8")

KNOWN: Final = (
    ("svg-img-alt", "[data-testid=stMetricChart]", "the marks of Vega in `st.metric(chart_data=...)` have no name"),
    ("color-contrast", "pre .token", "the colours of highlighted code are fixed"),
    (
        "color-contrast",
        "[data-testid=stElementContainer]:has(:disabled) [data-testid=stWidgetLabel]",
        "labels of disabled controls are pale; axe leaves out the controls themselves",
    ),
    ("color-contrast", ".js-plotly-plot", "axe cannot tell what is behind the text of a chart"),
)
"""Findings of Streamlit's own parts, which no option of them mends: rule, selector of what they are in, and what it is.
Checked with Streamlit 1.67."""

FIND: Final = """async ([only, known]) => {
    const found = await axe.run(document, {
        runOnly: only, resultTypes: ['violations'], elementRef: true,
        rules: only.includes('wcag2a') ? { 'label-content-name-mismatch': { enabled: true } } : {},
    });
    const serious = found.violations.filter(each => ['critical', 'serious'].includes(each.impact));
    return serious.flatMap(rule => rule.nodes
        .filter(node => !known.some(([id, selector]) => id === rule.id && node.element.closest(selector)))
        .map(node => `${rule.id}: ${node.html.slice(0, 200)} | ${node.failureSummary.split('\\n')[1]}`));
}"""

RULES: Final = {"light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "dark": ["color-contrast"]}
"""Theme to what is looked for: nothing but colours differs between the two."""

Act = Callable[[Any], None]


def as_it_is(page: Any) -> None:
    """Nothing is done."""


def click(role: str, name: str) -> Act:
    """A link or a tab: what it leads to."""

    def act(page: Any) -> None:
        page.get_by_role(role, name=name, exact=True).first.click()

    act.__name__ = f"{role} {name}"
    return act


def press_delete(page: Any) -> None:
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").wait_for()


def delete_run(page: Any) -> None:
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.get_by_role("dialog").wait_for()


def open_image(page: Any) -> None:
    page.locator(".tile").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()


def close_and_select_image(page: Any) -> None:
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    settle(page)
    page.locator(".tile").first.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save review").wait_for()


def open_shortcuts(page: Any) -> None:
    page.keyboard.press("?")
    page.get_by_text("All pages").wait_for()


def close_and_open_name(page: Any) -> None:
    page.keyboard.press("Escape")
    page.get_by_text("All pages").wait_for(state="detached")
    page.locator(".st-key-name button").click()
    page.get_by_text("This browser remembers it.").wait_for()


def serious_findings(page: Any) -> list[str]:
    """What axe finds in both themes, without what is known."""
    found = []
    known = [[rule, where] for rule, where, _ in KNOWN]
    for theme, rules in RULES.items():
        page.emulate_media(color_scheme=theme)
        until(page, "theme => getComputedStyle(document.querySelector('.stApp')).colorScheme === theme", arg=theme)
        settle(page)
        found += [f"{theme}: {each}" for each in page.evaluate(FIND, [rules, known])]
    return found


def look(page: Any, app: App, address: str, *acts: Act) -> list[str]:
    """What axe finds at an address, after each of these acts."""
    page.goto(f"{app.url}/{address}")
    settle(page)
    page.evaluate(AXE)
    # A colour on its way is none to judge; nor is one of a part that fades only if its next drawing takes long.
    page.add_style_tag(content="* { transition: none !important } [data-stale=true] { opacity: 1 !important }")
    found = []
    for act in acts:
        act(page)
        settle(page)
        found += [f"/{address} {act.__name__}: {each}" for each in serious_findings(page)]
    return found


@contextmanager
def some_runs(app: App) -> Iterator[dict[str, FakeRun]]:
    """State to a run in it, and one more that has finished and was reviewed."""
    import_demo(app.data_root, train_per_class=12, validation_per_class=6, test_per_class=6)
    made = {
        state: write_run(app.runs_root, app.data_root, state, name=f"a {state} run", epochs=3, done=2, seed=seed)
        for seed, state in enumerate(("finished", "failed", "running"))
    }
    made["other"] = write_run(app.runs_root, app.data_root, "finished", name="another run", epochs=3, seed=7)
    annotate(made["other"].paths, "Ada", {"review": "approved", "notes": "good"}, tag=["tag"], comment="well done")
    try:
        yield made
    finally:
        for run in made.values():
            run.close()


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_any_page_in_any_state(app: App, browser: Any) -> None:
    """One server and one browser: the pages without data, then with runs, then with what opens over them."""
    page = visit(browser, app.url)
    pages = [click("link", name) for name in ("Data", "Train", "Runs", "Compare", "Error analysis", "Predict")]
    assert look(page, app, "", as_it_is, open_shortcuts, close_and_open_name) == []
    assert look(page, app, "", *pages) == []
    with some_runs(app) as runs:
        run, other = runs["finished"].id, runs["other"].id
        introduce(page, "Ada")
        found = look(page, app, "", as_it_is, click("link", "Predict"), click("link", "Data"), press_delete)
        for address in ("train?preset=nope", "runs?state=Finished", "run?run=nope"):
            found += look(page, app, address, as_it_is)
        for state in ("failed", "running"):
            found += look(page, app, f"run?run={runs[state].id}", as_it_is)
        tabs = ("Predictions", "Error analysis", "System", "Config", "Files", "Review")
        found += look(page, app, f"run?run={other}", as_it_is, *(click("tab", name) for name in tabs))
        found += look(page, app, f"run?run={run}", delete_run)
        members = [runs[state] for state in ("finished", "failed", "running", "other")]
        group = write_group(members, [{"learning_rate": rate, "seed": 0} for rate in (0.1, 0.2, 0.3, 0.4)]).name
        tabs = (click("tab", name) for name in ("Runs", "Curves"))
        found += look(page, app, f"group?name={group}", as_it_is, *tabs)
        found += look(page, app, "train?sweep-seed=0,x&sweep-optimizer=adam,sgd&sweep-sample=3", as_it_is)
        tabs = ("Metrics", "Config diff", "Images")
        found += look(page, app, f"compare?runs={run},{other}", as_it_is, *(click("tab", name) for name in tabs))
        tabs = ("Per-class metrics", "Calibration", "Compare with run", "Label corrections")
        acts = (open_image, close_and_select_image, *(click("tab", name) for name in tabs))
        found += look(page, app, f"errors?run={run}", *acts)
        assert found == []
