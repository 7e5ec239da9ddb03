"""What a newcomer does: get data, train, watch, look at errors, predict. In real Chromium, with real processes."""

import re
from pathlib import Path
from typing import Any

from PIL import Image

from core.data.dataset import load_split
from core.labels import LABELS
from core.runs.reader import list_runs
from tests.browser.conftest import App
from tests.browser.traffic import settle
from tests.conftest import wait_for

TRAINING_MS = 600_000
"""How long a short run may take on a machine that has much else to do."""


def open_page(page: Any, app: App, name: str) -> None:
    page.goto(f"{app.url}/{name}")
    settle(page)


def choose_setting(page: Any, label: str, value: str) -> None:
    box = page.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Enter")
    settle(page)


LAST_X = "charts => [...(charts.panels?.values() ?? [])][0]?.plot?.data[0].at(-1) ?? 0"


def drawn_until(page: Any) -> float:
    """To which epoch the first curve is drawn; 0 while the page makes it anew."""
    return float(page.locator("fer-charts").first.evaluate(LAST_X))


def test_from_nothing_to_a_prediction(app: App, page: Any, tmp_path: Path) -> None:
    # --- a first visit says what to do
    page.goto(app.url)
    settle(page)
    page.get_by_role("heading", name="FER Dashboard").wait_for()

    # --- the synthetic demo dataset
    open_page(page, app, "data")
    page.get_by_role("tab", name="Synthetic demo").click()
    page.get_by_role("button", name="Generate demo dataset").click()
    page.get_by_text("is ready").wait_for()
    assert load_split(app.data_root, "demo", "train").images.shape[1:] == (48, 48)

    # --- start a run
    open_page(page, app, "train")
    page.get_by_text("Quick test", exact=True).click()
    settle(page)
    choose_setting(page, "Epochs", "2")
    choose_setting(page, "Images per epoch", "32")
    choose_setting(page, "Batch size", "16")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/run\?.*run="))
    [run] = list_runs(app.runs_root)
    assert run.id in page.url

    # --- the curve comes by itself, and is whole at the end; how it grows is in test_live.py
    page.locator("fer-charts canvas").first.wait_for(timeout=TRAINING_MS)
    page.get_by_text("Finished").first.wait_for(timeout=TRAINING_MS)
    wait_for(lambda: drawn_until(page) == 2, 60, "both epochs in the curve")
    [run] = list_runs(app.runs_root)
    assert run.state == "finished"
    assert [row["epoch"] for row in run_rows(run)] == [1, 2]

    # --- what it got wrong
    open_page(page, app, f"errors?run={run.id}")
    page.locator(".tile").first.wait_for()
    assert page.get_by_text("→").count() > 0

    # --- a prediction on an upload
    image = load_split(app.data_root, "demo", "test").images[0]
    upload = tmp_path / "my photo.png"
    Image.fromarray(image).save(upload)
    (tmp_path / "broken.jpg").write_text("no picture")
    open_page(page, app, "predict")
    page.set_input_files('input[type="file"]', [str(upload), str(tmp_path / "broken.jpg")])
    settle(page)
    page.get_by_text("my photo.png").first.wait_for()
    chart = page.locator(".js-plotly-plot").first
    wait_for(lambda: set(LABELS) <= set(chart.inner_text().split()), 60, "all classes in the chart")
    page.get_by_text("broken.jpg").first.wait_for()
    assert page.locator('[data-testid="stException"]').count() == 0
    assert "Traceback" not in app.log.read_text()


def run_rows(run: Any) -> list[dict[str, Any]]:
    from core.runs.history import read_rows

    return read_rows(run.paths.epochs)[0]
