"""Which labels are probably wrong, by runs that were not trained on the images."""

import json
from pathlib import Path

import pytest

from core.bench import synthetic_records
from core.config import TrainConfig
from core.data.dataset import load_split
from core.data.folds import held_out
from core.errors import RunError
from core.evaluation.predictions import read_predictions
from core.runs.create import create_run
from core.runs.reader import list_runs, read_run
from tests.core.terminal import SETTINGS, Terminal


def test_fold_runs_judge_every_training_image_unseen(fer: Terminal) -> None:
    queued = json.loads(
        fer("suspects", "queue", *SETTINGS, "--set", "epochs=1", "--folds", "2", "--by", "Ada", "--json", data=True)
    )
    assert {tuple(run.meta.tags) for run in list_runs(fer.runs_root)} == {(queued["tag"],)}
    error = fer("suspects", "show", "--tag", queued["tag"], code=2)
    assert error.startswith("None of the runs has predictions for train. Run")
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
    assert "Use 2 to 5" in fer("suspects", "queue", "--set", "dataset=demo", "--folds", "6", data=True, code=2)


def test_in_sample_predictions_are_called_weaker(fer: Terminal) -> None:
    from core.review.suspects import find_suspects

    run_id = fer("train", *SETTINGS, "--set", "epochs=1", data=True)
    fer.train(run_id)
    fer("evaluate", run_id, "--split", "train", data=True)
    found = find_suspects([read_run(fer.runs_root, run_id)], "train")
    assert found.in_sample and "trained on these images; memorized" in found.note
    assert len(found.table) == len(load_split(fer.data_root, "demo", "train"))
    with pytest.raises(RunError, match="Unknown split"):
        find_suspects([], "seed-test")


def test_runs_of_different_data_are_not_judged_together(fer: Terminal, tmp_path: Path) -> None:
    from core.files import write_json
    from core.review.suspects import find_suspects

    runs = []
    for name in ("one", "two"):
        paths = create_run(fer.runs_root, TrainConfig(dataset="demo"), run_id=name)
        write_json(paths.summary, synthetic_records.summary(fingerprint=name))
        runs.append(read_run(fer.runs_root, name))
    with pytest.raises(RunError, match="different data"):
        find_suspects(runs, "validation")
