"""The error analysis in real Chromium: every cell of the matrix shows its images; and from errors to a better run."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import load_split
from core.evaluation.fixed_broken import fixed_and_broken
from core.evaluation.predictions import read_predictions, write_predictions
from core.labels import LABELS
from core.review.corrections import list_corrections, run_corrections
from core.review.images import read_label_reviews
from core.runs.locks import meta_lock
from core.runs.paths import RunPaths
from core.runs.reader import list_runs
from dashboard.ui.components.wall import sprite
from tests.browser.conftest import App
from tests.browser.test_journey import TRAINING_MS, open_page
from tests.browser.traffic import settle
from tests.browser.visitor import introduce
from tests.conftest import wait_for
from tests.dashboard_fixtures import FakeRun, write_run

WALL = """() => {
    const root = [...document.querySelectorAll("*")].map(e => e.shadowRoot?.querySelector(".wall")).find(e => e);
    return root ? {
        ids: [...root.querySelectorAll(".tile")].map(tile => tile.dataset.id),
        sprite: root.style.getPropertyValue("--sprite"),
    } : { ids: [], sprite: "" };
}"""

IN_SIGHT = """tile => {
    const { top, bottom } = tile.getBoundingClientRect();
    return top >= 0 && bottom <= window.innerHeight;
}"""

FOCUSED = """() => {
    let at = document.activeElement;
    while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at.dataset.id;
}"""


def demo_run(app: App, demo_root: Path) -> FakeRun:
    """A finished run on the demo dataset."""
    shutil.copytree(demo_root, app.data_root, dirs_exist_ok=True)
    app.runs_root.mkdir(exist_ok=True)
    return write_run(app.runs_root, app.data_root, "finished", name="first", epochs=1)


def wall(page: Any) -> dict[str, Any]:
    return dict(page.evaluate(WALL))


@pytest.mark.slow
def test_every_cell_opens_exactly_its_images(app: App, page: Any, demo_root: Path) -> None:
    run = demo_run(app, demo_root)
    table = read_predictions(run.paths.predictions("validation")).sort_values("loss", ascending=False, kind="stable")
    images = load_split(app.data_root, "demo", "validation").images
    open_page(page, app, f"errors?run={run.id}")
    cells = page.locator("td button")
    cells.nth(48).wait_for()
    shown = 0
    for true in range(7):
        for predicted in range(7):
            inside = table[(table["label"] == true) & (table["predicted"] == predicted)]
            cell = cells.nth(7 * true + predicted)
            assert cell.inner_text() == str(len(inside))
            cell.click()
            page.wait_for_url(re.compile(f"true={LABELS[true]}&predicted={LABELS[predicted]}"))
            ids = inside["image_id"].tolist()
            wait_for(lambda ids=ids: wall(page)["ids"] == ids, 60, f"the images of cell {true}, {predicted}")
            if ids:  # the very images, in that order, in sight
                assert page.locator(".tile").first.evaluate(IN_SIGHT)
                assert wall(page)["sprite"] == f'url("{sprite(images[inside["index"].to_numpy()])}")'
            assert page.locator('td button[aria-pressed="true"]').count() == 1
            shown += len(inside)
    assert shown == len(table)

    # --- by keyboard: from the last cell one to the left, and its choice taken back
    cells.nth(48).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.locator('td button[aria-pressed="true"][data-row="6"][data-column="5"]').wait_for()
    page.wait_for_timeout(600)  # within half a second it would count as one act
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "predicted=" not in url)


def choose(page: Any, within: Any, label: str, option: str) -> None:
    """An option of a select box in some part of the page."""
    settle(page)  # a list that is opened while the page is drawn again closes
    within.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def test_from_errors_to_a_better_run(app: App, page: Any, demo_root: Path) -> None:
    run = demo_run(app, demo_root)
    train = load_split(app.data_root, "demo", "train")
    probabilities = np.full((len(train), 7), 0.05, np.float32)
    probabilities[np.arange(len(train)), (train.labels + 1) % 7] = 0.7  # wrong about everything
    write_predictions(run.paths.predictions("train"), train.ids, train.labels, probabilities)

    # --- without a name a key saves nothing; it selects the face, and the bar asks
    open_page(page, app, f"errors?run={run.id}&split=train&true=angry")
    tiles = page.locator(".tile")
    tiles.first.focus()
    page.keyboard.press("m")
    page.get_by_text("then press the key again").first.wait_for()  # and read out
    assert read_label_reviews(run.paths) == []

    # --- three reviews, two of one reviewer at once by keyboard
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    introduce(page, "Mara")
    page.get_by_role("button", name="Save 2 reviews", disabled=False).wait_for()  # a list that is open while the bar is
    settle(page)  # drawn again closes
    choose(page, page, "Correct label", "sad")
    page.get_by_role("button", name="Save 2 reviews").click()
    page.get_by_text("Wrong label: sad").first.wait_for()
    settle(page)
    tiles.nth(2).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Review with a comment").click()
    dialog.get_by_role("button", name="Save review").wait_for()
    settle(page)
    choose(page, dialog, "Review", "Not a face")
    dialog.get_by_role("button", name="Save review").click()
    wait_for(lambda: len(read_label_reviews(run.paths)) == 3, 60, "the third review")
    settle(page)
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    settle(page)
    wait_for(lambda: page.evaluate(FOCUSED) == wall(page)["ids"][2], 60, "the keyboard at the tile again")

    # --- one key per face, faster than they are saved, and the last undone
    tiles.nth(3).focus()
    with meta_lock(run.paths):
        for key in "mau":
            page.keyboard.press(key)
            page.wait_for_timeout(150)  # one message for each
    wait_for(lambda: len(read_label_reviews(run.paths)) == 6, 60, "the reviews by key")
    settle(page)
    ids = wall(page)["ids"]
    assert [(each.image, each.in_words(), each.by) for each in read_label_reviews(run.paths)[3:]] == [
        (ids[3], "Model error", "Mara"),
        (ids[4], "Ambiguous", "Mara"),
        (ids[4], "Review removed", "Mara"),
    ]

    # --- a correction set of them, and the form as a clone with it
    page.get_by_role("tab", name="Label corrections").click()
    page.get_by_role("button", name="Create correction set").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("first-look")
    page.get_by_role("dialog").get_by_role("textbox", name="Name").press("Enter")
    page.get_by_text("1 exclusion and 2 relabels in train").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Train with this set").click()
    page.wait_for_url(re.compile(r"/train\?.*corrections=first-look"))
    [saved] = list_corrections(app.runs_root)
    settle(page)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/run\?.*run="))

    # --- the run that was trained with it, and what became of the errors
    clone = next(each for each in list_runs(app.runs_root) if each.id != run.id)
    assert clone.meta.parent == run.id and run_corrections(clone.paths) == saved
    wait_for(lambda: state_of(clone.paths) == "finished", TRAINING_MS / 1000, "the end of the clone")
    open_page(page, app, f"run?run={clone.id}&tab=Error+analysis")
    page.get_by_text("Changes vs first").wait_for()
    found = fixed_and_broken(*(read_predictions(each.predictions("validation")) for each in (run.paths, clone.paths)))
    counts = found["outcome"].value_counts()
    page.get_by_text(f"{counts['fixed']} fixed").first.wait_for()
    page.get_by_text(f"{counts['broken']} regressed").first.wait_for()
    assert "Traceback" not in app.log.read_text()


def state_of(paths: RunPaths) -> str:
    return next(str(each.state) for each in list_runs(paths.root) if each.id == paths.run_id)
