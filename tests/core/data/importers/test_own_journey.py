"""A team's own photos, from the folder to the review of what a network gets wrong on them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import read_info
from core.evaluation.predictions import read_predictions
from core.labels import LABELS
from core.runs.paths import RunPaths
from core.splits import SPLITS
from dashboard.state import cache
from tests.conftest import PROJECT_ROOT
from tests.core.data.importers.test_own import folder, photos

TINY = "dataset=team epochs=1 batch_size=16 images_per_epoch=48 model=cnn-model-1 threads=1 device=cpu".split()


def fer(*arguments: object) -> str:
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_three_hundred_photos_are_trained_on_and_reviewed(
    tmp_path: Path, runs_root: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = photos(43) | {f"happy/Photo {number}.JPG": data for number, data in enumerate(photos(1).values())}
    assert len(files) > 300
    files["Sadness/1.img"] = files.pop("sad/1.img")
    files["angry/readme.txt"] = b"not a picture"
    path = folder(tmp_path / "faces", files)
    options = ("--name", "team", "--mapping", "sadness=sad", "--skip-unreadable", "--seed", 3)
    info = json.loads(fer("data", "import", path, "--data-root", data_root, *options, "--json"))
    assert (info["kind"], info["skipped"]) == ("own", 1)
    assert sum(sum(counts.values()) for counts in info["counts"].values()) == len(files) - 1
    audit = json.loads(fer("data", "audit", "team", "--data-root", data_root, "--json"))
    assert sum(audit["sizes"].values()) == len(files) - 1

    roots = ("--runs-root", runs_root, "--data-root", data_root)
    settings = [part for text in TINY for part in ("--set", text)]
    run = json.loads(fer("train", *roots, *settings, "--wait", "--json"))
    assert run["state"] == "finished"
    paths = RunPaths(runs_root, run["id"])
    team = read_info(data_root, "team")
    for split in SPLITS[1:]:
        predictions = read_predictions(paths.predictions(split))
        assert len(predictions) == team.images(split)
        assert sorted({LABELS[label] for label in predictions["label"]}) == sorted(LABELS)
        assert predictions["image_id"].str.contains("/").all()

    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(data_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=120).run()
    app.switch_page("views/errors/page.py")
    app.query_params["run"] = run["id"]
    app.run()
    assert not app.exception and not app.error
    texts = " ".join(str(part.value) for part in [*app.markdown, *app.caption, *app.info, *app.warning])
    assert "not shown" not in texts, "its images are at hand"
    assert re.search(r"\d+ images", texts), "the gallery of mistakes"
