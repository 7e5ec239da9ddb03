"""Every format that `export` offers, read by what would read it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import RunError
from core.evaluation.predictions import read_predictions
from core.exchange.formats import EXPORTERS, Format, export_run
from core.files import write_json
from core.models.cnn import build_model
from core.models.state_dict import load_tensors, read_weights
from core.runs.history import HistoryWriter, read_rows
from core.runs.reader import read_config, read_run
from core.runs.records import Run
from tests.dashboard_fixtures import write_run
from tests.events import expected, scalars_in


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, demo_root: Path) -> Run:
    root = tmp_path_factory.mktemp("runs")
    made = write_run(root, demo_root, "finished", epochs=2)
    config = read_config(made.paths).model_copy(update={"model": "cnn-model-1"})
    write_json(made.paths.config, config.model_dump(mode="json"))
    torch.save(build_model(config.model).state_dict(), made.paths.weights)
    return read_run(root, made.id)


def test_every_format_has_an_exporter_and_the_old_name_means_the_same() -> None:
    assert EXPORTERS.keys() == set(Format)
    assert EXPORTERS[Format.ZIP] is EXPORTERS[Format.BUNDLE]


def test_the_old_name_still_works_on_the_command_line(run: Run, tmp_path: Path) -> None:
    for name in ("bundle", "zip"):
        arguments = ["export", str(run.paths.folder), "--format", name, "--output", str(tmp_path)]
        assert CliRunner().invoke(app, arguments).stdout.strip() == str(tmp_path / f"{run.id}.zip")


def test_parquet_has_every_point_and_the_predictions(run: Run, tmp_path: Path) -> None:
    written = {path.name.removeprefix(f"{run.id}-"): path for path in export_run(run, Format.PARQUET, tmp_path)}
    assert list(written) == [
        *("epochs.parquet", "steps.parquet", "system.parquet"),
        *("predictions-validation.parquet", "predictions-test.parquet"),
    ]
    rows, table = read_rows(run.paths.steps)[0], pd.read_parquet(written["steps.parquet"])
    assert table["loss"].tolist() == [row["loss"] for row in rows]
    assert table["step"].dtype == np.int64 and len(table) == len(rows) == 160
    epochs = pd.read_parquet(written["epochs.parquet"])
    assert pd.isna(epochs["weights_sha256"][0]) and len(epochs["weights_sha256"][1]) == 64
    copied = read_predictions(written["predictions-test.parquet"])
    pd.testing.assert_frame_equal(copied, read_predictions(run.paths.predictions("test")))


def test_parquet_bears_what_does_not_belong_into_a_history(runs_root: Path, tmp_path: Path) -> None:
    made = write_run(runs_root, Path(), "queued")
    with HistoryWriter(made.paths.epochs) as history:
        history.append([{"epoch": 1, "loss": None, "x": 1}, {"epoch": 2.5, "loss": "low", "x": 10**400, "y": [1]}])
        history.append([{"epoch": 3, "loss": 0.5, "x": "text", "hash": "ab", "diverged": 1e300}])
    [path] = export_run(read_run(runs_root, made.id), Format.PARQUET, tmp_path)
    table = pq.read_table(path).to_pydict()
    assert table["epoch"] == [1.0, 2.5, 3.0]
    assert table["loss"] == [None, None, 0.5]
    assert table["x"] == [1, None, None]
    assert table["y"] == [None, None, None]
    assert table["hash"] == [None, None, "ab"]
    assert table["diverged"] == [None, None, 1e300]


def test_a_name_that_no_event_file_can_hold_is_one_sentence(runs_root: Path, tmp_path: Path) -> None:
    made = write_run(runs_root, Path(), "queued")
    made.paths.epochs.write_text('{"epoch": 1, "elapsed_s": 1, "\\ud800": 0.5}\n')
    with pytest.raises(RunError, match="one of its files is corrupt"):
        export_run(read_run(runs_root, made.id), Format.TENSORBOARD, tmp_path)


def test_tensorboard_has_a_folder_named_like_the_run(run: Run, tmp_path: Path) -> None:
    [path] = export_run(run, Format.TENSORBOARD, tmp_path)
    assert path.parent == tmp_path / run.id and "tfevents" in path.name
    rows = read_rows(run.paths.epochs)[0]
    assert scalars_in(path)["epochs/validation_accuracy"] == expected(rows, "validation_accuracy")


def test_safetensors_are_the_best_weights(run: Run, tmp_path: Path) -> None:
    from safetensors import safe_open

    [path] = export_run(run, Format.SAFETENSORS, tmp_path)
    state = load_tensors(run.paths.weights)
    read = read_weights(path.read_bytes(), path.name)
    assert read.name == "cnn-model-1"
    assert all(torch.equal(value, state[name]) for name, value in read.model.state_dict().items())
    with safe_open(str(path), "pt") as file:
        facts = file.metadata()
    assert (facts["source"], float(facts["temperature"])) == (run.id, run.temperature)


@pytest.mark.parametrize("form", [Format.CSV, Format.PARQUET])
def test_a_run_without_metrics_says_so(form: Format, runs_root: Path, tmp_path: Path) -> None:
    waiting = read_run(runs_root, write_run(runs_root, Path(), "queued").id)
    with pytest.raises(RunError, match="has no metrics yet"):
        export_run(waiting, form, tmp_path)
    with pytest.raises(RunError, match="Folder not found"):
        export_run(waiting, form, tmp_path / "no")
    with pytest.raises(RunError, match="Only a bundle"):
        export_run(waiting, form, tmp_path, checkpoint=True)
    assert list(tmp_path.glob("*.*")) == []
