"""One image, and what other runs predict for it."""

from datetime import timedelta
from pathlib import Path

import pytest

from core.files import read_json, write_json
from dashboard.state import cache
from dashboard.views.errors import image
from tests.dashboard.conftest import Writer
from tests.dashboard.views.errors.conftest import shown, table_of


def test_few_of_many_runs_are_asked_about_an_image(
    write: Writer, monkeypatch: pytest.MonkeyPatch, runs_root: Path
) -> None:
    runs = [write("finished", name=f"run {number}", epochs=1, seed=number) for number in range(image.OTHER_RUNS)]
    elsewhere, own, unscored = (write("finished", epochs=1, seed=20 + number) for number in range(3))
    summary = read_json(elsewhere.paths.summary)
    write_json(elsewhere.paths.summary, summary | {"dataset_fingerprint": "0", "dataset_ordered_fingerprint": "0"})
    unscored.paths.predictions("validation").unlink()
    expected = {run.id for run in runs}
    for number in range(3):
        write("finished", name="older", epochs=1, seed=number, age=timedelta(days=3))
    asked: list[Path] = []
    predictions = cache.predictions
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setattr(cache, "predictions", lambda path: asked.append(path) or predictions(path))
    assert {each.id for each in image.comparable_runs(shown(own))} == expected
    image.other_runs(shown(own), table_of(own)["image_id"].iloc[0])
    assert {path.parent.name for path in asked} == expected and len(asked) == image.OTHER_RUNS
