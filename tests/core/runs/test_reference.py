"""The runs that ship with the project: whole, honest, and what the README says about them."""

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
from core.runs.paths import RunPaths, is_shipped
from core.runs.reader import read_config, read_run
from core.runs.records import RunState
from core.runs.teachers import recorded, teaching_of
from core.splits import ORIGINAL_TEST, with_current_splits
from tests.conftest import PROJECT_ROOT

RUNS = PROJECT_ROOT / "runs"
SHIPPED = SHORT, FIRST, SECOND, THIRD, LAST = (
    "reference-short",
    "reference-cnn-model-2",
    "reference-second-stage",
    "reference-distilled",
    "reference-distilled-2",
)
of_each = pytest.mark.parametrize("paths", [RunPaths(RUNS, name) for name in SHIPPED], ids=SHIPPED)
README = (PROJECT_ROOT / "README.md").read_text()


def evaluation(paths: RunPaths) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(paths.summary.read_text())["evaluation"]
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


def test_all_that_are_shipped_are_tested() -> None:
    assert {folder.name for folder in RUNS.iterdir() if is_shipped(folder.name)} == set(SHIPPED)


@of_each
def test_it_is_finished_on_all_of_the_training_images(paths: RunPaths) -> None:
    run = read_run(paths.root, paths.run_id)
    assert (run.state, run.problem) == (RunState.FINISHED, None)
    assert run.config and run.summary.epochs_done == run.config.epochs
    assert run.summary.train_images == 28_709


@pytest.mark.parametrize(("run_id", "preset"), [(FIRST, "best"), (SHORT, "short"), (LAST, "distilled")])
def test_it_is_what_its_preset_trains_and_reached_what_that_expects(run_id: str, preset: str) -> None:
    paths = RunPaths(RUNS, run_id)
    assert read_config(paths) == get_preset(preset).config
    assert f"{100 * evaluation(paths)['test']['tta']['accuracy']:.1f}%" in get_preset(preset).expect


@pytest.mark.parametrize("run_id", [SECOND, THIRD, LAST])
def test_what_it_learned_from_is_shipped_as_it_was(run_id: str) -> None:
    paths = RunPaths(RUNS, run_id)
    teaching = teaching_of(paths, read_config(paths))
    assert teaching is not None
    assert all(is_shipped(name) for names in teaching.ids().values() for name in names)
    environment = json.loads(paths.environment.read_text())
    assert {name: environment[name] for name in recorded(teaching)} == recorded(teaching)


@of_each
def test_it_holds_what_people_need_and_nothing_of_the_machine(paths: RunPaths) -> None:
    names = {path.name for path in paths.folder.iterdir() if not path.name.endswith(".lock")}
    assert names >= {"config.json", "environment.json", "epochs.jsonl", "steps.jsonl", "predictions-test.parquet"}
    assert not names & {"checkpoint.pt", "stop.request"}
    assert paths.weights.stat().st_size < 15_000_000
    top_level = re.compile(rb"(?<![\w./])/[a-z]+/")  # of an absolute path, wherever it was made
    for path in paths.folder.iterdir():
        if path.suffix in (".json", ".jsonl", ".log"):
            assert not top_level.search(path.read_bytes()), f"{path.name} names a place of the machine it was made on"
        assert f"{PROJECT_ROOT}/".encode() not in path.read_bytes(), path.name


def test_the_table_in_the_readme_comes_from_its_files() -> None:
    assert results_table(evaluation(RunPaths(RUNS, LAST))) in README


@of_each
def test_the_readme_has_its_accuracies_among_the_stages(paths: RunPaths) -> None:
    figures = evaluation(paths)
    scored = [one for split in ("validation", "test") for one in (figures[split], figures[split]["tta"])]
    cells = " | ".join(f"{100 * one['accuracy']:.2f}%" for one in scored)
    assert re.search(rf"^\| `{paths.run_id}` \| .* \| {re.escape(cells)} \|$", README, re.MULTILINE)


@of_each
@pytest.mark.parametrize("split", ["validation", "test"])
def test_its_figures_follow_from_its_predictions(paths: RunPaths, split: str) -> None:
    table, figures = read_predictions(paths.predictions(split)), evaluation(paths)[split]
    labels, predicted = table["label"].to_numpy(), table[PROBABILITY_COLUMNS].to_numpy().argmax(axis=1)
    correct = int((labels == predicted).sum())
    assert (figures["images"], figures["correct"]) == (3589, correct)
    assert figures["interval"] == list(accuracy_interval(correct, 3589))
    assert figures["confusion"] == confusion(labels, predicted).tolist()


@of_each
def test_the_epoch_was_chosen_on_validation(paths: RunPaths) -> None:
    run = read_run(paths.root, paths.run_id)
    rows = [json.loads(line) for line in paths.epochs.read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
    assert run.validation_accuracy == max(row["validation_accuracy"] for row in rows)
    steps = [json.loads(line)["step"] for line in paths.steps.read_text().splitlines()]
    assert steps == sorted(set(steps)), "resumed without a double"


def test_the_short_one_passes_what_was_reported_for_the_model() -> None:
    assert evaluation(RunPaths(RUNS, SHORT))[ORIGINAL_TEST]["accuracy"] > 0.6595


@pytest.mark.real_data
@of_each
def test_its_weights_still_say_what_its_predictions_say(paths: RunPaths, real_root: Path) -> None:
    split, table = load_split(real_root, "fer2013", "test"), read_predictions(paths.predictions("test"))
    some = np.arange(0, 3589, 12)
    images = torch.tensor(split.images[some])
    model = load_weights(paths.weights, "cnn-model-2").to(memory_format=torch.channels_last)
    assert list(table["image_id"].iloc[some]) == [split.ids[i] for i in some]
    stored = table[PROBABILITY_COLUMNS].to_numpy()[some]
    assert np.abs(class_probabilities(model, images).numpy() - stored).max() < 1e-5
