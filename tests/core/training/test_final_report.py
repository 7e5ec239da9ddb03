"""The figures at the end of a run: repeatable, consistent with each other, and honest about leaked images."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.__main__ import app
from core.config import TrainConfig
from core.data.dataset import load_split, write_dataset
from core.data.folds import shares_pixels
from core.errors import RunError
from core.evaluation.metrics import accuracy_interval
from core.evaluation.predictions import probabilities_of, read_predictions
from core.labels import LABELS
from core.review.corrections import save_corrections
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from core.training.compute import Compute, choose_compute
from core.training.final_report import report
from core.training.train_data import load_data
from core.worker import StopFlag, _train, work
from dashboard.state.background import Scoring, Scorings
from tests.conftest import wait_for
from tests.core.terminal import SETTINGS, Terminal
from tests.core.training.conftest import corrections_for
from tests.core.training.test_loop import TINY, run_training


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, demo_root: Path) -> RunPaths:
    return run_training(tmp_path_factory.mktemp("runs"), demo_root, {**TINY, "epochs": 1})


@pytest.fixture(scope="module")
def leaky_root(tmp_path_factory: pytest.TempPathFactory, demo_root: Path) -> Path:
    """The demo set, with five validation and three test images copied from train."""
    root = tmp_path_factory.mktemp("leaky")
    splits = {}
    for name in ("train", "validation", "test"):
        split = load_split(demo_root, "demo", name)
        splits[name] = (np.array(split.images), np.array(split.labels), np.array(split.ids))
    splits["validation"][0][:5] = splits["train"][0][:5]
    splits["test"][0][:3] = splits["train"][0][10:13]
    write_dataset(root, "demo", title="Demo", kind="drawn", source="test", splits=splits, differences=[])
    return root


def test_evaluating_again_gives_the_summarys_figures_to_the_last_digit(finished: RunPaths, demo_root: Path) -> None:
    config = TrainConfig(**TINY)
    again = report(finished, config, None, demo_root, choose_compute(config), keep_predictions=False)
    stored = json.loads(finished.summary.read_text())["evaluation"]
    assert {name: json.loads(json.dumps(metrics.as_json())) for name, metrics in again.items()} == stored


def test_original_test_is_validation_and_test_together(finished: RunPaths) -> None:
    evaluation = json.loads(finished.summary.read_text())["evaluation"]
    parts = [evaluation["validation"], evaluation["test"]]
    assert evaluation["original-test"]["correct"] == sum(part["correct"] for part in parts)
    summed = np.sum([part["confusion"] for part in parts], axis=0)
    assert np.array_equal(evaluation["original-test"]["confusion"], summed)
    for figures in evaluation.values():
        assert figures["interval"] == list(accuracy_interval(figures["correct"], figures["images"]))
        assert figures["temperature"] == evaluation["validation"]["temperature"]  # fitted on validation alone


def test_predictions_are_those_the_figures_are_made_from(finished: RunPaths, demo_root: Path) -> None:
    evaluation = json.loads(finished.summary.read_text())["evaluation"]
    for name in ("validation", "test"):
        frame = read_predictions(finished.predictions(name))
        split = load_split(demo_root, "demo", name)
        assert list(frame["image_id"]) == list(split.ids)
        assert np.array_equal(frame["label"], split.labels)
        assert int(frame["correct"].sum()) == evaluation[name]["correct"]
        of_label = probabilities_of(frame)[np.arange(len(frame)), frame["label"]]
        assert np.allclose(frame["loss"], -np.log(of_label), atol=1e-5)


def test_images_that_stand_in_train_are_counted_out(tmp_path: Path, leaky_root: Path) -> None:
    paths = run_training(tmp_path, leaky_root, {**TINY, "epochs": 1})
    evaluation = json.loads(paths.summary.read_text())["evaluation"]
    assert evaluation["validation"]["without_train_duplicates"]["images"] == 42 - 5
    assert evaluation["test"]["without_train_duplicates"]["images"] == 42 - 3
    assert evaluation["original-test"]["tta"]["without_train_duplicates"]["images"] == 84 - 8


def test_they_can_be_left_out_of_train(leaky_root: Path) -> None:
    compute = choose_compute(TrainConfig(**TINY))
    everything = load_data(TrainConfig(**TINY), leaky_root, compute)
    cleaned = load_data(TrainConfig(**TINY, drop_train_duplicates=True), leaky_root, compute)
    assert len(everything.labels) - len(cleaned.labels) == 8
    test = load_split(leaky_root, "demo", "test")
    assert not shares_pixels(cleaned.images.numpy(), test.images).any()


def test_a_run_without_weights_says_so(tmp_path: Path, demo_root: Path) -> None:
    config = TrainConfig(**TINY)
    paths = create_run(tmp_path, config, run_id="run")
    with pytest.raises(RunError, match=r"No fer2013_model_2\.pth in run\. It is written after the first epoch"):
        report(paths, config, None, demo_root, choose_compute(config))


def test_train_is_scored_on_request_in_a_process_of_its_own(finished: RunPaths, demo_root: Path) -> None:
    scorings, train = Scorings(), load_split(demo_root, "demo", "train")
    assert not finished.predictions("train").exists() and scorings.look(finished, "train") == Scoring()
    scorings.start(finished, "train", demo_root)
    assert scorings.look(finished, "train").is_live
    wait_for(lambda: not scorings.look(finished, "train").is_live, 120, "the end of the scoring")
    assert scorings.look(finished, "train") == Scoring()
    table = read_predictions(finished.predictions("train"))
    assert table["image_id"].tolist() == train.ids.tolist()
    assert table["label"].tolist() == train.labels.tolist()


def test_scorings_go_one_at_a_time_on_few_cores(finished: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[tuple[str, ...], subprocess.Popen[bytes]]] = []

    def hold(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """A process that ends when its input does."""
        waits = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        process = subprocess.Popen(waits, **(options | {"stdin": subprocess.PIPE}))
        started.append((arguments, process))
        return process

    monkeypatch.setattr("dashboard.state.background.start_module", hold)
    monkeypatch.setattr("core.machine.available_cores", lambda: 8)
    monkeypatch.setenv("FER_CPU_SLOTS", "3")
    scorings, splits = Scorings(), ("train", "validation", "test")
    for split in (*splits, "train"):  # the last one is a second click
        scorings.start(finished, split, finished.root)
    for number, split in enumerate(splits):
        wait_for(lambda number=number: len(started) == number + 1, 20, "the start of the next")
        assert [scorings.look(finished, each).ahead for each in splits[number + 1 :]] == [*range(1, 3 - number)]
        assert scorings.look(finished, split).running
        command, process = started[-1]
        text = " ".join(command)
        assert f"--split {split}" in text and "--device cpu --threads 2" in text  # 8 cores: 3 slots and this
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        process.communicate()
    wait_for(lambda: not any(scorings.look(finished, split).is_live for split in splits), 20, "the end of all")
    assert len(started) == 3


def test_evaluate_computes_where_it_is_told_to(
    finished: RunPaths, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a run that was trained on a GPU, on a machine without one."""
    config = json.loads(finished.config.read_text())
    asked: list[TrainConfig] = []

    def choose(config: TrainConfig) -> Compute:
        asked.append(config)
        return choose_compute(config)

    monkeypatch.setattr("core.training.compute.choose_compute", choose)
    roots = ["--runs-root", str(finished.root), "--data-root", str(demo_root)]
    finished.config.write_text(json.dumps(config | {"device": "cuda"}))
    try:
        done = CliRunner().invoke(app, ["evaluate", finished.run_id, "--device", "cpu", "--threads", "2", *roots])
    finally:
        finished.config.write_text(json.dumps(config))
        torch.set_num_threads(1)
    assert done.exception is None, done.output
    assert [(each.device, each.threads) for each in asked] == [("cpu", 2)]


def test_a_scoring_that_fails_says_why_in_one_sentence(finished: RunPaths, tmp_path: Path) -> None:
    scorings = Scorings()
    scorings.start(finished, "train", tmp_path)
    wait_for(lambda: not scorings.look(finished, "train").is_live, 120, "the end of the scoring")
    assert (
        "demo" in scorings.look(finished, "train").error and "Traceback" not in scorings.look(finished, "train").error
    )


def test_validation_stands_twice_and_epochs_are_chosen_by_the_corrected_one(fer: Terminal) -> None:
    validation = load_split(fer.data_root, "demo", "validation")
    entries = [{"split": "validation", "image": str(image), "action": "exclude"} for image in validation.ids[:10]]
    entries += [
        {"split": "validation", "image": str(image), "action": "relabel", "label": "sad"}
        for image in validation.ids[10:20]
    ]
    found = corrections_for(fer.data_root, *entries)
    save_corrections(fer.runs_root, found)
    paths = fer.train(fer("train", *SETTINGS, "--set", "corrections=list", data=True))
    epochs, summary = read_rows(paths.epochs)[0], json.loads(paths.summary.read_text())
    assert summary["best"] == max(epochs, key=lambda row: row["corrected_validation_accuracy"])
    figures, table = summary["evaluation"]["validation"], read_predictions(paths.predictions("validation"))
    assert table["label"].tolist() == validation.labels.tolist(), "labels as imported"
    assert figures["images"] == len(validation) and figures["correct"] == int(table["correct"].sum())
    labels = np.array(validation.labels)
    labels[10:20] = LABELS.index("sad")
    right = int((table["predicted"].to_numpy() == labels)[10:].sum())
    assert (figures["corrected"]["images"], figures["corrected"]["correct"]) == (len(validation) - 10, right)
    assert figures["tta"]["corrected"]["images"] == len(validation) - 10
    assert "corrected" not in summary["evaluation"]["test"]

    paths.corrections.unlink()
    again = json.loads(paths.status.read_text())
    paths.status.write_text(json.dumps({**again, "state": "queued"}))
    assert work(paths, fer.data_root, "cpu", StopFlag(paths), _train) == 1
    assert "lacks its correction set 'list'" in str(read_run(fer.runs_root, paths.run_id).problem)
