"""Galleries page by page, in real Chromium: every click turns the page, and back goes one page back."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from core.data.dataset import load_split, write_dataset
from core.data.importers.demo import import_demo
from core.evaluation.predictions import write_predictions
from core.splits import SPLITS
from tests.browser.conftest import App, visit
from tests.browser.traffic import settle
from tests.dashboard_fixtures import write_run


def current(page: Any) -> Any:
    """The button of the page that is shown."""
    return page.locator('[data-testid="stPagination"] button[aria-current="page"]')


def expect_page(page: Any, number: int) -> None:
    """This page stands in the address, is marked, and stays when the page's script has ended."""
    page.wait_for_url(lambda url: in_address(url) == number)  # first: a click marks its page before anybody is told
    current(page).filter(has_text=re.compile(rf"^{number}$")).first.wait_for()
    settle(page)
    assert (in_address(page.url), set(current(page).all_inner_texts())) == (number, {str(number)}), "above and below"


def in_address(url: str) -> int:
    return int(parse_qs(urlsplit(url).query).get("page", ["1"])[0].partition("-")[0])


def runs(app: App) -> list[str]:
    """The ids of two runs: one is wrong about each validation image, the other is right."""
    import_demo(app.data_root, train_per_class=2, validation_per_class=40, test_per_class=2)
    validation = load_split(app.data_root, "demo", "validation")
    made = []
    for shift in (1, 0):
        run = write_run(app.runs_root, app.data_root, "finished", name=f"run {shift}", epochs=1, age=timedelta(days=7))
        probabilities = np.full((len(validation), 7), 0.05, np.float32)
        probabilities[np.arange(len(validation)), (validation.labels + shift) % 7] = 0.7
        write_predictions(run.paths.predictions("validation"), validation.ids, validation.labels, probabilities)
        made.append(run.id)
    return made


@pytest.mark.parametrize("gallery", ["Errors", "Compare with run", "Compare"])
def test_each_click_turns_the_page_and_back_goes_back(app: App, browser: Any, gallery: str) -> None:
    wrong, right = runs(app)
    address = {
        "Errors": f"errors?run={wrong}&show=All",
        "Compare with run": f"errors?run={right}&errors-tab=Compare+with+run",
        "Compare": f"compare?runs={wrong},{right}&baseline={wrong}&section=Images",
    }[gallery]
    turn_pages(browser, f"{app.url}/{address}")


def test_the_data_audit_by_pages(app: App, browser: Any) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (48, 48, 48), np.uint8)
    labels, ids = np.zeros(len(faces), np.uint8), np.array([str(number) for number in range(len(faces))])
    copies = dict.fromkeys(SPLITS, (faces, labels, ids))  # each image is in every split: as many groups of copies
    write_dataset(app.data_root, "copies", title="Copies", kind="own", source="test", splits=copies)
    turn_pages(browser, f"{app.url}/data")


def test_runs_by_pages(app: App, browser: Any) -> None:
    for number in range(151):
        write_run(app.runs_root, app.data_root, "damaged", name=f"run {number}")
    turn_pages(browser, f"{app.url}/runs")


def turn_pages(browser: Any, address: str) -> None:
    """Page by page to the fourth, then back; and the same from an address that was copied."""
    page = visit(browser, address)
    for number in (2, 3, 4):
        page.get_by_test_id("stPaginationNext").first.click()
        expect_page(page, number)
    copied = page.url
    for number in (3, 2, 1):
        page.go_back()
        expect_page(page, number)
    page.get_by_test_id("stPaginationNext").first.click()
    expect_page(page, 2)

    other = visit(browser, copied)
    expect_page(other, 4)
    other.get_by_test_id("stPaginationPrev").first.click()
    expect_page(other, 3)
    other.go_back()
    expect_page(other, 4)
    assert other.url == copied
