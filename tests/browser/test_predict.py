"""The Predict page in real Chromium: the faces of a photo, samples and thumbnails to click."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.dataset import load_split
from core.labels import LABELS
from core.models.cnn import build_model
from dashboard.ui.samples import sample_image
from tests.browser.conftest import App
from tests.browser.test_errors import demo_run
from tests.browser.traffic import resting_place, settle
from tests.conftest import PROJECT_ROOT


@pytest.mark.real_data
def test_a_click_on_a_face_of_the_photo_chooses_it(
    app: App, page: Any, demo_root: Path, real_root: Path, tmp_path: Path
) -> None:
    torch.save(build_model("cnn-model-2").state_dict(), demo_run(app, demo_root).paths.weights)
    train = load_split(real_root, "fer2013", "train")
    large, small = (np.array(train.images[n]) for n in np.flatnonzero(train.labels == LABELS.index("happy"))[:2])
    photo = Image.new("RGB", (1200, 600), "white")
    photo.paste(Image.fromarray(small).resize((180, 180)), (150, 200))
    photo.paste(Image.fromarray(large).resize((300, 300)), (750, 150))
    photo.save(tmp_path / "two.png")

    page.goto(f"{app.url}/predict")
    settle(page)
    page.set_input_files('input[type="file"] >> nth=0', str(tmp_path / "two.png"))
    page.get_by_role("img", name="2 detected faces").wait_for()
    settle(page)
    faces = page.get_by_role("radio")
    assert [faces.nth(n).is_checked() for n in range(2)] == [True, False]
    picture = resting_place(page.locator(".photo"))
    for name, x, y in (("2", 240 / 1200, 290 / 600), ("1", 900 / 1200, 300 / 600)):  # the large one is the first
        page.mouse.click(picture["x"] + x * picture["width"], picture["y"] + y * picture["height"])
        page.locator(f'[role="radio"][aria-checked="true"] >> text=/^{name} /').wait_for()


def with_the_reference_run(app: App) -> None:
    """As in a fresh clone."""
    shutil.copytree(PROJECT_ROOT / "runs" / "reference-cnn-model-2", app.runs_root / "reference-cnn-model-2")


def test_a_newcomer_sees_a_prediction_with_one_click(app: App, page: Any) -> None:
    with_the_reference_run(app)
    page.goto(app.url)
    settle(page)
    page.get_by_role("button", name="Six faces").click()
    page.get_by_role("figure", name="Class probabilities").wait_for()
    settle(page)
    assert "/predict?sample=group" in page.url
    page.get_by_role("img", name="6 detected faces").wait_for()

    # --- another one, with the keyboard
    sample = page.get_by_role("button", name="Anger")
    sample.focus()
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_role("figure", name="Class probabilities: angry").wait_for()
    assert sample.get_attribute("aria-pressed") == "true"
    assert sample.evaluate("button => button.getRootNode().activeElement === button")  # the keyboard stays there


def test_a_click_on_a_thumbnail_shows_its_photo_and_its_face_is_marked(app: App, page: Any, tmp_path: Path) -> None:
    with_the_reference_run(app)
    for name in ("anger", "surprise"):
        (tmp_path / f"{name}.jpg").write_bytes(sample_image(name).read())
    Image.linear_gradient("L").resize((300, 200)).save(tmp_path / "wall.png")
    page.goto(f"{app.url}/predict")
    settle(page)
    names = ("anger.jpg", "surprise.jpg", "wall.png")
    page.set_input_files('input[type="file"] >> nth=0', [str(tmp_path / name) for name in names])
    page.get_by_role("button", name="wall.png No face detected").wait_for()
    settle(page)
    photo = page.get_by_role("button", name="surprise.jpg surprise")
    picture, box = (photo.locator(part).bounding_box() for part in (".inside", ".box"))
    assert picture["x"] < box["x"] < box["x"] + box["width"] < picture["x"] + picture["width"]
    photo.click()
    settle(page)
    page.get_by_role("figure", name="Class probabilities: surprise").wait_for()
    page.get_by_role("button", name="wall.png No face detected").click()
    settle(page)
    page.get_by_role("heading", name="No face detected").wait_for()

    # --- a look at another page: the photos are still here
    for name in ("Runs", "Predict"):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_url(f"**/{name.lower()}*")
        settle(page)
    page.get_by_text("Still here from before: anger.jpg, surprise.jpg, wall.png").wait_for()
    page.get_by_role("button", name="wall.png No face detected").wait_for()
