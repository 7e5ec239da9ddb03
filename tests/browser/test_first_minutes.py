"""The first minutes of somebody who has just cloned the project, in real Chromium, with real processes:
`pytest -m slow tests/browser/test_first_minutes.py` prints each step with its seconds."""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import new_page, running_app
from tests.browser.traffic import settle, until
from tests.conftest import PROJECT_ROOT

PREDICTION_SECONDS = 60
CURVE_SECONDS = 180
"""After the server is up."""

POINTS = "charts => Math.max(0, ...[...charts.panels.values()].flatMap(({ lines }) => lines.map(({ x }) => x.length)))"


class Steps:
    """What was done, each with the seconds since the server was up."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self.done: list[tuple[str, float]] = []

    def note(self, what: str) -> float:
        seconds = time.monotonic() - self._begin
        self.done.append((what, seconds))
        return seconds

    def __str__(self) -> str:
        return "\n".join(f"{seconds:6.1f} s  {what}" for what, seconds in self.done)


@pytest.mark.slow
def test_a_newcomer_sees_a_prediction_within_one_minute_and_a_live_curve_within_three(
    browser: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for shipped in (PROJECT_ROOT / "runs").glob("reference-*"):  # as in a fresh clone; no data
        shutil.copytree(shipped, tmp_path / "runs" / shipped.name)
    with running_app(tmp_path) as app:
        steps = Steps()
        try:
            first_minutes(new_page(browser), app.url, steps)
        finally:
            with capsys.disabled():
                print(f"\n{steps}")


def first_minutes(page: Any, url: str, steps: Steps) -> None:
    page.goto(url)
    page.get_by_role("button", name="Six faces").wait_for()
    steps.note("Overview, with sample images to click")
    page.get_by_role("button", name="Six faces").click()
    page.get_by_role("figure", name="Class probabilities").wait_for()
    assert steps.note("Click on a sample image: its prediction") < PREDICTION_SECONDS

    settle(page)
    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_role("button", name="Generate demo dataset").click()
    page.get_by_text("is ready").wait_for()
    steps.note("Data, Generate demo dataset: it is ready")
    settle(page)
    page.get_by_role("button", name="Train on this dataset").click()
    page.wait_for_url(re.compile(r"/train\b"))
    settle(page)
    assert page.get_by_role("radio", name="Quick test").is_checked()
    steps.note("Train on this dataset: the form, with Quick test selected")
    page.locator(".st-key-start button").click()
    page.wait_for_url(re.compile(r"/run\?.*run="))
    steps.note("Start training: the page of the run")
    charts = page.locator("fer-charts")
    charts.wait_for()
    for points, what in ((1, "The first point of the curve"), (2, "The second point: it is a live curve")):
        until(page, f"charts => ({POINTS})(charts) >= {points}", arg=charts.element_handle(), seconds=300)
        seconds = steps.note(what)
    assert seconds < CURVE_SECONDS
    assert page.get_by_text("Finished").count() == 0, "it is live"
