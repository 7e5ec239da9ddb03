"""The shown images as files."""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from core.data.dataset import load_split
from core.labels import LABELS
from core.review.images import add_label_reviews
from core.runs.reader import read_run
from dashboard.views.errors import export
from dashboard.views.errors.shown import Shown
from tests.dashboard.views.errors.conftest import table_of
from tests.dashboard_fixtures import FakeRun


def test_the_shown_selection_can_be_taken_away(run: FakeRun, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    from core.data.dataset import read_info

    table = table_of(run)
    chosen = table[~table["correct"]].iloc[:5]
    add_label_reviews(run.paths, "=Mara()", "validation", [chosen["image_id"].iloc[0]], "ambiguous")
    shown = Shown(read_run(run.paths.root, run.id), "validation", table, read_info(demo_root, "demo"))
    csv = pd.read_csv(BytesIO(export.selection_as_csv(shown, chosen)))
    parquet = pd.read_parquet(BytesIO(export.as_parquet(shown, chosen)))
    assert csv["image_id"].tolist() == parquet["image_id"].tolist() == chosen["image_id"].tolist()
    assert csv["predicted"].tolist() == [LABELS[index] for index in chosen["predicted"]]
    assert parquet["reviews"].tolist() == ["=Mara(): Ambiguous", "", "", "", ""]
    assert csv["reviews"][0] == "'=Mara(): Ambiguous", "a spreadsheet would run what begins with ="
    from PIL import Image

    images = load_split(demo_root, "demo", "validation").images
    with ZipFile(BytesIO(export.selection_as_zip(shown, chosen))) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        assert len(names) == 5 and "images.csv" in archive.namelist()
        for name, index in zip(names, chosen["index"], strict=True):
            assert (np.array(Image.open(BytesIO(archive.read(name)))) == images[index]).all()
