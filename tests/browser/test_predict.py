"""The Predict page in real Chromium: the faces of a photo."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.dataset import load_split
from core.labels import LABELS
from core.models.cnn import build_model
from tests.browser.conftest import App
from tests.browser.test_errors import demo_run
from tests.browser.traffic import settle


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
    page.set_input_files('input[type="file"]', str(tmp_path / "two.png"))
    page.get_by_role("img", name="Uploaded photo with 2 detected faces").wait_for()
    settle(page)
    faces = page.get_by_role("radio")
    assert [faces.nth(n).is_checked() for n in range(2)] == [True, False]
    picture = page.locator(".photo").bounding_box()
    for name, x, y in (("2", 240 / 1200, 290 / 600), ("1", 900 / 1200, 300 / 600)):  # the large one is the first
        page.mouse.click(picture["x"] + x * picture["width"], picture["y"] + y * picture["height"])
        page.locator(f'[role="radio"][aria-checked="true"] >> text=/^{name} /').wait_for()
