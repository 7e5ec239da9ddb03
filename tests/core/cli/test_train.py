"""`train` and `evaluate`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from core.__main__ import app
from core.config import TrainConfig
from core.data.dataset import load_split
from core.evaluation.inference import class_probabilities
from core.evaluation.predictions import read_predictions
from core.models.state_dict import load_weights
from core.prediction.proxy import photo_proxy
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_status
from tests.core.cli.conftest import SETTINGS, TINY, error_of, fer
from tests.fake_slurm import use_fake_slurm


def test_train_and_wait_prints_the_finished_run(trained: dict[str, Any]) -> None:
    assert trained["state"] == "finished"
    assert trained["problem"] is None
    assert trained["config"] == TrainConfig(**dict(text.split("=") for text in TINY)).model_dump(mode="json")
    assert trained["meta"]["name"] == trained["name"] == "First"
    assert trained["meta"]["author"] == "Ada"
    assert trained["summary"]["epochs_done"] == 1


def test_evaluate_repeats_the_metrics_of_the_run(trained: dict[str, Any], roots: list[str | Path]) -> None:
    metrics = json.loads(fer("evaluate", trained["id"], *roots, "--split", "original-test", "--tta", "--json").stdout)
    assert (metrics["run"], metrics["split"], metrics["tta"]) == (trained["id"], "original-test", True)
    expected = trained["summary"]["evaluation"]["original-test"]["tta"]
    assert {key: metrics[key] for key in ("images", "correct", "accuracy", "interval")} == {
        key: expected[key] for key in ("images", "correct", "accuracy", "interval")
    }
    shifted = fer("evaluate", trained["id"], *roots, "--tta", "--shifts").stdout
    assert "test with flip and shift TTA: " in shifted
    refused = fer("evaluate", trained["id"], *roots, "--shifts", code=2)
    assert refused.stderr == "--shifts requires --tta.\n"


def test_evaluate_scores_the_proxy_beside_validation(
    trained: dict[str, Any], roots: list[str | Path], demo_root: Path
) -> None:
    run = ["evaluate", trained["id"], *roots, "--split", "validation", "--proxy"]
    metrics = json.loads(CliRunner().invoke(app, [*map(str, run), "--json"], catch_exceptions=False).stdout)
    assert metrics["accuracy"] == trained["summary"]["evaluation"]["validation"]["accuracy"]
    paths = RunPaths(Path(roots[1]), trained["id"])
    split = load_split(demo_root, "demo", "validation")
    model = load_weights(paths.weights, "cnn-model-1")
    predicted = class_probabilities(model, torch.from_numpy(photo_proxy(split.images))).argmax(1).numpy()
    assert metrics["proxy"]["correct"] == int((predicted == split.labels).sum())
    assert metrics["proxy"]["images"] == len(split)
    refused = CliRunner().invoke(app, list(map(str, ["evaluate", trained["id"], *roots, "--proxy"])))
    assert str(refused.exception) == "--proxy requires --split validation."


def test_train_prints_the_id_at_once(roots: list[str | Path], runs_root: Path, demo_root: Path) -> None:
    result = fer("train", "--runs-root", runs_root, "--data-root", demo_root, *SETTINGS)
    [run] = list_runs(runs_root)
    assert result.stdout == f"{run.id}\n"
    assert run.config is not None
    assert run.config.epochs == 1


def test_a_run_that_fails_ends_the_waiting_command_with_code_1(runs_root: Path, demo_root: Path) -> None:
    """The device is wrong: the worker says so, and `train --wait` passes it on."""
    command = ["train", "--runs-root", runs_root, "--data-root", demo_root, *SETTINGS, "--set", "device=cuda", "--wait"]
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    result = fer(*command, code=1)
    assert result.stderr.splitlines()[-1] == "No CUDA device found. Set device to 'auto' or 'cpu'."


def test_bad_input_is_refused_in_one_line_and_leaves_nothing_behind(runs_root: Path, demo_root: Path) -> None:
    train = ["train", "--runs-root", runs_root, "--data-root", demo_root]
    assert error_of(*train, "--preset", "sed").startswith("Unknown preset 'sed'. Use one of original, ")
    assert error_of(*train, "--set", "learning_rate=-1") == "Learning rate must be greater than 0 (got -1)."
    assert error_of(*train, "--set", "epochs") == (
        "--set 'epochs' has no value. Use --set FIELD=VALUE, e.g. --set epochs=5."
    )
    assert error_of(*train, "--set", "color=red").startswith("Unknown setting 'color'. Use one of model, ")
    assert "is not imported" in error_of(*train, "--set", "dataset=nothing-here")
    assert list(runs_root.iterdir()) == []


def test_predictions_of_the_run_are_readable(trained: dict[str, Any], roots: list[str | Path]) -> None:
    table = read_predictions(RunPaths(Path(roots[1]), trained["id"]).predictions("test"))
    assert len(table) == trained["summary"]["evaluation"]["test"]["images"]
    assert table["correct"].sum() == trained["summary"]["evaluation"]["test"]["correct"]


def test_a_run_is_handed_over_to_slurm(
    roots: list[str | Path], runs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = use_fake_slurm(tmp_path, monkeypatch)
    slurm.says("sbatch", "12\n")
    shown = fer("train", *roots_of(roots, runs_root), *SETTINGS, "--launcher", "slurm", "--preview").stdout
    assert shown.startswith("#!/bin/bash\n#SBATCH --job-name=fer-new-run\n") and list_runs(runs_root) == []
    run_id = fer("train", *roots_of(roots, runs_root), *SETTINGS, "--launcher", "slurm").stdout.strip()
    assert slurm.submitted == shown.replace("new-run", run_id)
    status = read_status(RunPaths(runs_root, run_id))
    assert (status.state, status.launcher, status.job) == ("queued", "slurm", "12")


def test_what_slurm_refuses_is_one_sentence_and_no_run(
    roots: list[str | Path], runs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = use_fake_slurm(tmp_path, monkeypatch)
    slurm.says("sinfo", stderr="slurm_load_partitions: Unable to contact slurm controller (connect failure)\n", code=1)
    refused = fer("train", *roots_of(roots, runs_root), *SETTINGS, "--launcher", "slurm", code=2)
    assert refused.stderr == (
        "Slurm's controller doesn't answer (Unable to contact slurm controller (connect failure)). Try again later.\n"
    )
    assert list_runs(runs_root) == []


def roots_of(roots: list[str | Path], runs_root: Path) -> list[str | Path]:
    """The data of the shared roots, with a runs root of one's own."""
    return ["--runs-root", runs_root, *roots[2:]]
