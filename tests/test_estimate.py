"""How long a run will take."""

from pathlib import Path

import pytest

from core.config import TrainConfig
from core.runs.estimate import EVALUATION_SHARE, ROUGH_IMAGES_PER_SECOND, estimate_duration
from core.runs.reader import read_run, read_status
from core.runs.store import Run, create_run, write_status

CONFIG = TrainConfig(epochs=10)


def finished(root: Path, speed: float | None, config: TrainConfig = CONFIG, **fields: object) -> Run:
    paths = create_run(root, config)
    status = {"state": "finished", "images_per_second": speed, **fields}
    write_status(paths, read_status(paths).model_copy(update=status))
    return read_run(root, paths.run_id)


def test_without_runs_the_estimate_is_rough_and_says_so() -> None:
    estimate = estimate_duration(CONFIG, 1000, [])
    assert estimate.seconds == pytest.approx(10 * 1000 / ROUGH_IMAGES_PER_SECOND * (1 + EVALUATION_SHARE))
    assert "rough" in estimate.basis


def test_the_median_of_finished_runs_counts(tmp_path: Path) -> None:
    runs = [finished(tmp_path, speed) for speed in (100.0, 900.0, 200.0)]
    estimate = estimate_duration(CONFIG, 1000, runs)
    assert estimate.images_per_second == 200.0
    assert "3 finished runs" in estimate.basis


def test_runs_that_are_not_alike_do_not_count(tmp_path: Path) -> None:
    runs = [
        finished(tmp_path, 1.0, TrainConfig(model="cnn-model-1")),
        finished(tmp_path, 1.0, TrainConfig(precision="float32")),
        finished(tmp_path, 1.0, host="another-machine"),
        finished(tmp_path, 1.0, state="failed"),
        finished(tmp_path, None),
    ]
    assert estimate_duration(CONFIG, 1000, runs).images_per_second == ROUGH_IMAGES_PER_SECOND
    assert "1 finished run " in estimate_duration(CONFIG, 1000, [*runs, finished(tmp_path, 300.0)]).basis


def test_fewer_images_per_epoch_take_less_time() -> None:
    short = CONFIG.model_copy(update={"images_per_epoch": 100})
    assert estimate_duration(short, 1000, []).seconds == pytest.approx(estimate_duration(CONFIG, 100, []).seconds)
