"""The whole loop on the demo set, by the command line: train, judge images, make a list, train with it, see what it
fixed and broke. And what a list or a held-out fold does to training."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.bench import fake_summary
from core.config import TrainConfig
from core.data.dataset import Split, load_split
from core.errors import DataError, RunError
from core.evaluation.predictions import read_predictions
from core.jobs import control
from core.labels import LABELS
from core.review.corrections import Correction, Corrections, run_corrections, save_corrections
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run
from core.training.compute import choose_compute
from core.training.folds import held_out
from core.training.train_data import load_data
from core.worker import StopFlag, _train, work
from tests.core.training.test_loop import TINY

SETTINGS = [part for field, value in TINY.items() for part in ("--set", f"{field}={value}")]


@pytest.fixture(autouse=True)
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs wait until the test itself works on them."""
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the test's process stays as it is


class Terminal:
    """`python -m core` with its folders."""

    def __init__(self, runs_root: Path, data_root: Path) -> None:
        self.runs_root, self.data_root = runs_root, data_root

    def __call__(self, *words: str, data: bool = False, code: int = 0) -> str:
        roots = ["--runs-root", str(self.runs_root), *(["--data-root", str(self.data_root)] if data else [])]
        result = CliRunner().invoke(app, [*words, *roots])
        if code:
            assert getattr(result.exception, "exit_code", None) == code, (result.output, result.exception)
            return str(result.exception)
        assert result.exception is None, (result.exception, result.output)
        return result.stdout.strip()

    def train(self, run_id: str) -> RunPaths:
        """Be the worker of a run that waits."""
        paths = RunPaths(self.runs_root, run_id)
        assert work(paths, self.data_root, "cpu", StopFlag(paths), _train) == 0, paths.status.read_text()
        return paths


@pytest.fixture
def fer(runs_root: Path, demo_root: Path) -> Terminal:
    return Terminal(runs_root, demo_root)


def test_from_error_analysis_to_a_better_run(fer: Terminal) -> None:
    parent = fer("train", *SETTINGS, data=True)
    paths = fer.train(parent)
    train_ids = load_split(fer.data_root, "demo", "train").ids.tolist()
    misclassified = read_predictions(paths.predictions("validation")).query("not correct")["image_id"].tolist()

    def review(by: str, split: str, image: str, *words: str, code: int = 0) -> str:
        return fer(
            "labels", "review", parent, "--split", split, "--image", image, "--by", by, *words, data=True, code=code
        )

    wrong, right = train_ids[0], next(label for label in LABELS[::-1] if not train_ids[0].startswith(label))
    assert review("Ada", "train", wrong, "--decision", "label is wrong", "--label", right).endswith(
        f"{right}, 1 image."
    )
    review("Ada", "train", train_ids[1], "--decision", "not a face")
    review("Ada", "train", train_ids[2], "--decision", "ambiguous")
    review("Ben", "train", train_ids[2], "--decision", "hard but right")
    review("Ada", "train", train_ids[3], "--decision", "ambiguous")
    review("Ada", "train", train_ids[3], "--withdraw")
    review("Ben", "validation", misclassified[0], "--decision", "ambiguous")
    assert "not found in train of" in review("Ben", "train", "happy/gone", "--decision", "ambiguous", code=2)
    assert "Use either --decision, or --withdraw" in review("Ben", "train", wrong, code=2)

    rows = json.loads(fer("labels", "reviews", parent, "--json"))
    assert [(row["image"], row["disagreed"]) for row in rows] == [
        (wrong, False),
        (train_ids[1], False),
        (train_ids[2], True),
        (train_ids[2], True),
        (misclassified[0], False),
    ]
    assert len(json.loads(fer("labels", "reviews", parent, "--all", "--json"))) == 7
    assert [row["by"] for row in csv.DictReader(io.StringIO(fer("labels", "reviews", parent, "--csv")))][2:4] == [
        "Ada",
        "Ben",
    ]
    assert "(conflict)" in fer("labels", "reviews", parent)

    says = fer("corrections", "make", "look-1", parent)
    assert says == "look-1: 1 excluded and 1 relabelled in train, 1 excluded in validation."
    assert "look-1" in fer("corrections", "list")
    assert json.loads(fer("corrections", "list", "--json"))[0]["says"] in says
    assert f"{wrong:36} {right}" in fer("corrections", "show", "look-1")
    assert "choose another" in fer("corrections", "make", "look-1", parent, code=2)

    child = fer("runs", "clone", parent, "--set", "corrections=look-1", "--set", "seed=8", data=True)
    trained = fer.train(child)
    listed = run_corrections(trained)
    assert listed is not None
    environment = json.loads(trained.environment.read_text())
    assert environment["corrections"] == {"name": "look-1", "fingerprint": listed.fingerprint}
    assert json.loads(trained.summary.read_text())["train_images"] == len(train_ids) - 1

    found = json.loads(fer("runs", "changes", child, "--json"))
    assert found["against"] == parent
    before, after = (read_predictions(each.predictions("validation")) for each in (paths, trained))
    assert found["counts"]["fixed"] == int((~before["correct"] & after["correct"]).sum())
    assert found["counts"]["broken"] == int((before["correct"] & ~after["correct"]).sum())
    assert len(found["images"]) == len(before) and found["images"][0]["label"] in LABELS
    corrected = json.loads(fer("runs", "changes", child, "--corrected", "--json"))
    assert {row["image"] for row in found["images"]} - {row["image"] for row in corrected["images"]} == {
        misclassified[0]
    }
    assert len(fer("runs", "changes", child, "--split", "test").splitlines()) == 9
    assert len(fer("runs", "changes", child, "--csv").splitlines()) == len(before) + 1
    assert "--against" in fer("runs", "changes", parent, code=2)


def corrections_for(data_root: Path, *entries: dict[str, Any]) -> Corrections:
    from core.data.dataset import read_info

    return Corrections.model_validate(
        {
            "name": "list",
            "dataset": "demo",
            "data_fingerprint": read_info(data_root, "demo").fingerprint,
            "created_at": "2026-11-22T12:00:00Z",
            "entries": [Correction.model_validate(entry) for entry in entries],
        }
    )


def test_a_list_changes_the_training_images_it_names(demo_root: Path) -> None:
    config, train = TrainConfig(**TINY), load_split(demo_root, "demo", "train")
    found = corrections_for(
        demo_root,
        {"split": "train", "image": str(train.ids[5]), "action": "exclude"},
        {"split": "train", "image": str(train.ids[9]), "action": "relabel", "label": "surprise"},
    )
    data = load_data(config, demo_root, choose_compute(config), found)
    assert np.array_equal(data.images.numpy(), np.delete(train.images, 5, axis=0))
    expected = np.array(train.labels)
    expected[9] = LABELS.index("surprise")
    assert np.array_equal(data.labels.numpy(), np.delete(expected, 5))
    assert data.corrected is None, "it leaves validation alone"
    with pytest.raises(RunError, match="made on other data"):
        load_data(config, demo_root, choose_compute(config), found.model_copy(update={"data_fingerprint": "0"}))


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
    assert "corrections.json with the list 'list' is missing" in str(read_run(fer.runs_root, paths.run_id).problem)


def test_a_list_that_leaves_nothing_is_refused(demo_root: Path) -> None:
    config = TrainConfig(**TINY)
    for split in ("train", "validation"):
        ids = load_split(demo_root, "demo", split).ids
        found = corrections_for(
            demo_root, *({"split": split, "image": str(image), "action": "exclude"} for image in ids)
        )
        with pytest.raises(DataError, match=f"leaves? out every {'training' if split == 'train' else split} image"):
            load_data(config, demo_root, choose_compute(config), found)


def test_folds_divide_every_class_and_keep_copies_together(demo_root: Path) -> None:
    train = load_split(demo_root, "demo", "train")
    images = np.concatenate([train.images, train.images[:30]])
    doubled = Split(
        "train", images, np.concatenate([train.labels, 6 - train.labels[:30]]), np.arange(len(images)).astype(str)
    )
    masks = np.array([held_out(doubled, f"{number}/5") for number in range(1, 6)])
    assert (masks.sum(axis=0) == 1).all(), "every image is in one fold"
    assert np.array_equal(masks[:, :30], masks[:, len(train) :]), "copies are in one fold, whatever their labels"
    per_class = np.array(
        [[(mask & (train.labels == label)).sum() for label in range(7)] for mask in masks[:, : len(train)]]
    )
    assert (per_class.max(axis=0) - per_class.min(axis=0) <= 1).all(), "24 per class: 4 or 5 in each"
    assert not np.array_equal(held_out(train, "1/2"), np.arange(len(train)) < len(train) / 2), "shuffled"


def test_fold_runs_judge_every_training_image_unseen(fer: Terminal) -> None:
    queued = json.loads(
        fer("suspects", "queue", *SETTINGS, "--set", "epochs=1", "--folds", "2", "--by", "Ada", "--json", data=True)
    )
    assert {tuple(run.meta.tags) for run in list_runs(fer.runs_root)} == {(queued["tag"],)}
    error = fer("suspects", "show", "--tag", queued["tag"], code=2)
    assert error.startswith("None of the runs has predictions for train: queue")
    train = load_split(fer.data_root, "demo", "train")
    first = fer.train(queued["runs"][0])
    half = read_predictions(first.predictions("held-out"))
    assert half["image_id"].tolist() == train.ids[held_out(train, "1/2")].tolist()
    assert json.loads(first.summary.read_text())["train_images"] == len(train) - len(half)
    found = json.loads(fer("suspects", "show", "--tag", queued["tag"], "--top", "0", "--json"))
    assert found["missing_folds"] == ["2/2"] and len(found["images"]) == len(half)
    fer.train(queued["runs"][1])
    found = json.loads(fer("suspects", "show", *queued["runs"], "--top", "0", "--json"))
    assert (found["missing_folds"], found["in_sample"]) == ([], False)
    assert {row["image_id"] for row in found["images"]} == set(train.ids.tolist())
    assert len(fer("suspects", "show", *queued["runs"], "--csv", "--top", "5").splitlines()) == 6
    assert len(fer("suspects", "show", *queued["runs"], "--split", "validation").splitlines()) == 43
    assert "choose 2 to 5" in fer("suspects", "queue", "--set", "dataset=demo", "--folds", "6", data=True, code=2)


def test_in_sample_predictions_are_called_weaker(fer: Terminal) -> None:
    from core.review.suspects import find_suspects

    run_id = fer("train", *SETTINGS, "--set", "epochs=1", data=True)
    fer.train(run_id)
    fer("evaluate", run_id, "--split", "train", data=True)
    found = find_suspects([read_run(fer.runs_root, run_id)], "train")
    assert found.in_sample and "trained on these very images" in found.note
    assert len(found.table) == len(load_split(fer.data_root, "demo", "train"))
    with pytest.raises(RunError, match="is no split"):
        find_suspects([], "seed-test")


def test_runs_of_different_data_are_not_judged_together(fer: Terminal, tmp_path: Path) -> None:
    from core.files import write_json
    from core.review.suspects import find_suspects

    runs = []
    for name in ("one", "two"):
        paths = create_run(fer.runs_root, TrainConfig(dataset="demo"), run_id=name)
        write_json(paths.summary, fake_summary.summary(fingerprint=name))
        runs.append(read_run(fer.runs_root, name))
    with pytest.raises(RunError, match="different data"):
        find_suspects(runs, "validation")


def test_folders_from_before_there_were_lists_are_readable(runs_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig(), run_id="old")
    config = json.loads(paths.config.read_text())
    del config["corrections"], config["hold_out"]
    paths.config.write_text(json.dumps(config))
    run = read_run(runs_root, "old")
    assert run.config is not None and (run.config.corrections, run.config.hold_out) == ("", "")
    assert run_corrections(paths) is None
