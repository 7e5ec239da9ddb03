"""The run that ships with the project: whole, honest, and what the README says about it."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.data.dataset import load_split
from core.evaluation.inference import class_probabilities
from core.evaluation.metrics import accuracy_interval, confusion
from core.evaluation.predictions import PROBABILITY_COLUMNS, read_predictions
from core.models.state_dict import load_weights
from core.presets import get_preset
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState
from core.splits import ORIGINAL_TEST, with_current_splits
from tests.conftest import PROJECT_ROOT

PATHS = RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2")
README = (PROJECT_ROOT / "README.md").read_text()


def evaluation() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(PATHS.summary.read_text())["evaluation"]
    return with_current_splits(figures)


def results_table(figures: dict[str, Any]) -> str:
    """The table of the README, from the run's `summary.json`."""

    def cell(one: dict[str, Any]) -> str:
        low, high = one["interval"]
        return f"{100 * one['accuracy']:.2f}% ± {50 * (high - low):.1f} pp"

    def row(name: str, pick: list[dict[str, Any]]) -> str:
        return f"| {name} | " + " | ".join(cell(one) for one in pick) + " |"

    names = ("validation", "test", ORIGINAL_TEST)
    splits = [figures[name] for name in names]
    head = " | ".join(f"`{name}`, {figures[name]['images']:,}" for name in names)
    return "\n".join(
        [
            f"| accuracy | {head} |",
            "|---|---|---|---|",
            row("single view", splits),
            row("flip TTA (averaged over original and horizontal flip)", [one["tta"] for one in splits]),
            row(
                "flip TTA, excluding train duplicates",
                [one["tta"]["without_train_duplicates"] for one in splits],
            ),
        ]
    )


def test_it_is_finished_and_is_the_preset_best() -> None:
    run = read_run(PATHS.root, PATHS.run_id)
    assert (run.state, run.problem) == (RunState.FINISHED, None)
    assert run.config == get_preset("best").config
    assert run.summary.epochs_done == run.config.epochs
    assert run.summary.train_images == 28_709


def test_it_holds_what_people_need_and_nothing_of_the_machine() -> None:
    names = {path.name for path in PATHS.folder.iterdir() if not path.name.endswith(".lock")}
    assert names >= {"config.json", "environment.json", "epochs.jsonl", "steps.jsonl", "predictions-test.parquet"}
    assert not names & {"checkpoint.pt", "stop.request"}
    assert PATHS.weights.stat().st_size < 15_000_000
    top_level = re.compile(rb"(?<![\w./])/[a-z]+/")  # of an absolute path, wherever it was made
    for path in PATHS.folder.iterdir():
        if path.suffix in (".json", ".jsonl", ".log"):
            assert not top_level.search(path.read_bytes()), f"{path.name} names a place of the machine it was made on"
        assert f"{PROJECT_ROOT}/".encode() not in path.read_bytes(), path.name


def test_the_table_in_the_readme_comes_from_its_files() -> None:
    assert results_table(evaluation()) in README


@pytest.mark.parametrize("split", ["validation", "test"])
def test_its_figures_follow_from_its_predictions(split: str) -> None:
    table, figures = read_predictions(PATHS.predictions(split)), evaluation()[split]
    labels, predicted = table["label"].to_numpy(), table[PROBABILITY_COLUMNS].to_numpy().argmax(axis=1)
    correct = int((labels == predicted).sum())
    assert (figures["images"], figures["correct"]) == (3589, correct)
    assert figures["interval"] == list(accuracy_interval(correct, 3589))
    assert figures["confusion"] == confusion(labels, predicted).tolist()


def test_the_epoch_was_chosen_on_validation() -> None:
    run = read_run(PATHS.root, PATHS.run_id)
    rows = [json.loads(line) for line in PATHS.epochs.read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
    assert run.validation_accuracy == max(row["validation_accuracy"] for row in rows)
    steps = [json.loads(line)["step"] for line in PATHS.steps.read_text().splitlines()]
    assert steps == sorted(set(steps)), "resumed without a double"


@pytest.mark.real_data
def test_its_weights_still_say_what_its_predictions_say(real_root: Path) -> None:
    split, table = load_split(real_root, "fer2013", "test"), read_predictions(PATHS.predictions("test"))
    some = np.arange(0, 3589, 12)
    images = torch.tensor(split.images[some])
    model = load_weights(PATHS.weights, "cnn-model-2").to(memory_format=torch.channels_last)
    assert list(table["image_id"].iloc[some]) == [split.ids[i] for i in some]
    stored = table[PROBABILITY_COLUMNS].to_numpy()[some]
    assert np.abs(class_probabilities(model, images).numpy() - stored).max() < 1e-5


def test_the_preset_expects_what_the_reference_reached() -> None:
    reached = f"{100 * evaluation()['test']['tta']['accuracy']:.1f}%"
    assert reached in get_preset("best").expect
