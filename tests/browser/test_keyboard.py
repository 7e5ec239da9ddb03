"""A whole day's work without a mouse, in real Chromium."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.evaluation.predictions import read_predictions
from core.labels import LABELS
from core.review.images import read_label_reviews
from core.runs.reader import list_runs
from tests.browser.conftest import App
from tests.browser.test_errors import FOCUSED, wall
from tests.browser.test_journey import open_page
from tests.browser.traffic import settle
from tests.conftest import wait_for
from tests.dashboard_fixtures import FakeRun, write_run

HAS_FOCUS = """([selector, text]) => {
    let at = document.activeElement;
    while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at.matches(selector) && at.innerText.trim().endsWith(text);
}"""

TABLE = "[data-testid=stDataFrame] canvas"


class Keyboard:
    """Somebody who has no mouse: all there is are keys.

    Attributes:
        pressed: how many so far.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.pressed = 0

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, and wait for what follows from the last."""
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1
        settle(self.page)

    def focus(self, selector: str, text: str = "", key: str = "Tab", most: int = 60) -> None:
        """Press a key until what has the focus fits a selector and ends with a text.

        Raises:
            AssertionError: it did not get there.
        """
        for _ in range(most):
            if self.page.evaluate(HAS_FOCUS, [selector, text]):
                return
            self.page.keyboard.press(key)
            self.pressed += 1
        assert self.page.evaluate(HAS_FOCUS, [selector, text]), f"{most} times {key} did not lead to {selector} {text}"

    def go_to(self, name: str) -> None:
        """Another page, by its name in the navigation."""
        before = self.page.url
        self.focus("[data-testid=stTopNavLink]", name, "Shift+Tab")
        self.press("Enter")
        self.page.wait_for_url(lambda url: url != before)
        settle(self.page)


def two_runs(app: App, demo_root: Path) -> list[FakeRun]:
    shutil.copytree(demo_root, app.data_root, dirs_exist_ok=True)
    return [
        write_run(app.runs_root, app.data_root, "finished", name=name, epochs=2, seed=seed)
        for seed, name in enumerate(("first", "second"))
    ]


@pytest.mark.usefixtures("no_runner")
def test_a_run_is_started_opened_reviewed_and_compared_by_keyboard_alone(app: App, page: Any, demo_root: Path) -> None:
    first, second = two_runs(app, demo_root)
    page.context.add_cookies([{"name": "fer-name", "value": "Mara", "url": app.url}])
    open_page(page, app, "")
    keyboard = Keyboard(page)
    start_a_run(keyboard)
    [started] = {run.id for run in list_runs(app.runs_root)} - {first.id, second.id}

    # --- opened from the table: the newest is in the first row
    keyboard.go_to("Runs")
    tick(keyboard, 0, "Compare 1")
    keyboard.focus(".st-key-open-ticked button", key="Shift+Tab")
    keyboard.press("Enter")
    page.wait_for_url(f"**/run?run={started}*")

    review_three_images(keyboard, second)

    # --- the other two compared
    keyboard.go_to("Runs")
    tick(keyboard, 1, "Compare 1")
    tick(keyboard, 1, "Compare 2")
    keyboard.focus(".st-key-compare button", key="Shift+Tab")
    keyboard.press("Enter")
    page.wait_for_url("**/compare?runs=*")  # for a moment it has the query of the page before
    assert {first.id, second.id} == set(re.findall(r"runs=([^&]+)", page.url)[0].replace("%2C", ",").split(","))
    page.locator("fer-charts canvas").first.wait_for()
    keyboard.focus("[role=tab]", "Curves")
    keyboard.press("ArrowRight")
    keyboard.focus("[role=tab]", "Metrics")  # two keys at once may find Streamlit between two drawings, without a focus
    keyboard.press("ArrowRight")
    page.get_by_role("tab", name="Config diff", selected=True).wait_for()
    print(f"{keyboard.pressed} keys")


def start_a_run(keyboard: Keyboard) -> None:
    """From any page to the page of a new run."""
    keyboard.go_to("Train")
    keyboard.focus(".st-key-start button", "Start training")
    keyboard.press("Enter")
    keyboard.page.wait_for_url(re.compile(r"/run\?.*run="))
    settle(keyboard.page)


def tick(keyboard: Keyboard, down: int, then: str) -> None:
    """Tick the row so many below the current one, the first at first, or take its tick away; then the button has this
    name."""
    keyboard.page.locator(TABLE).first.wait_for()
    keyboard.focus(TABLE)
    keyboard.press(*["ArrowDown"] * down, "Shift+Space")
    keyboard.page.get_by_role("button", name=then, exact=True).wait_for()
    settle(keyboard.page)


def review_three_images(keyboard: Keyboard, run: FakeRun) -> None:
    """From any page: a cell of the matrix, one review on the wall, and two in the viewer, which goes on by itself."""
    page = keyboard.page
    table = read_predictions(run.paths.predictions("validation"))
    cells = table.groupby(["label", "predicted"]).size()
    true, predicted = cells[cells >= 4].index[0]
    inside = table[(table["label"] == true) & (table["predicted"] == predicted)]
    ids = inside.sort_values("loss", ascending=False, kind="stable")["image_id"].tolist()

    # --- to the matrix, within it to the cell, and from there to its images
    keyboard.go_to("Error analysis")
    page.locator("td button").nth(48).wait_for()
    wait_for(lambda: len(wall(page)["ids"]) > 0, 60, "the images")
    keyboard.focus("td button")
    keyboard.focus(f'[data-row="{true}"]', key="ArrowDown", most=7)
    keyboard.focus(f'[data-column="{predicted}"]', key="ArrowRight", most=7)
    keyboard.press("Enter")
    page.wait_for_url(re.compile(f"true={LABELS[true]}&predicted={LABELS[predicted]}"))
    wait_for(lambda: wall(page)["ids"] == ids[:60], 60, "the images of the cell")
    settle(page)
    keyboard.focus(".skip", most=1)
    keyboard.press("Enter")
    wait_for(lambda: page.evaluate(FOCUSED) == ids[0], 60, "the first image in focus")

    keyboard.press("m")
    wait_for(lambda: len(read_label_reviews(run.paths)) == 1, 60, "the first review")
    settle(page)
    heights = page.evaluate("""() => {
        const roots = [...document.querySelectorAll("*")].map(each => each.shadowRoot?.querySelector(".wall"));
        return [...roots.find(each => each).querySelectorAll(".tile")].map(tile => tile.offsetHeight);
    }""")
    assert len(set(heights)) == 1, "a tile is as high with a note as without"
    keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    for number, key in ((2, "a"), (3, "h"), (4, "ArrowLeft")):
        dialog.get_by_text(f"{number} of {len(ids)}").wait_for()
        settle(page)
        keyboard.press(key)
    dialog.get_by_text(f"3 of {len(ids)}").wait_for()
    saved = [(each.image, each.in_words()) for each in read_label_reviews(run.paths)]
    assert saved == list(zip(ids, ("Model error", "Ambiguous", "Hard, label correct"), strict=False))
    keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    settle(page)
    wait_for(lambda: page.evaluate(FOCUSED) == ids[2], 60, "the keyboard at the image that was in view last")
