"""A run as it is after a start, and one that has finished."""

from pathlib import Path
from typing import Any

import pytest

from core.bench import synthetic_records
from core.config import TrainConfig
from core.files import write_json
from core.runs.create import create_run, write_meta, write_status
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import Run, RunMeta

CONFIG = TrainConfig(dataset="demo", epochs=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def paths(root: Path) -> RunPaths:
    """One run, as it is after a start."""
    return create_run(root, CONFIG, run_id="a-run")


def set_status(paths: RunPaths, **fields: Any) -> None:
    write_status(paths, read_status(paths).model_copy(update=fields))


def make_finished(
    root: Path, run_id: str, accuracy: float, meta: RunMeta | None = None, *, evaluated: bool = True
) -> Run:
    """A run with a summary of two epochs; `evaluated=False` leaves out the metrics at its end, which take a while."""
    paths = create_run(root, CONFIG, run_id=run_id)
    set_status(paths, state="finished")
    rows = [synthetic_records.epoch_row(1, accuracy), synthetic_records.epoch_row(2, accuracy / 2)]
    evaluation = {}
    if evaluated:
        predictions = synthetic_records.fake_predictions(accuracy)
        evaluation = synthetic_records.evaluation({"validation": predictions, "test": predictions})
    write_json(paths.summary, synthetic_records.summary(rows, evaluation))
    paths.weights.touch()
    if meta:
        write_meta(paths, lambda _: meta)
    return read_run(root, run_id)
