"""An ensemble among runs: its figures and its test of significance, recomputed by hand from the members' files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss

from core.comparison.baseline import against_baseline, compared_rows
from core.comparison.candidates import has_predictions, metrics_on, predictions_on
from core.errors import RunError
from core.files import read_json, write_json
from core.labels import LABELS
from core.runs.ensembles import Ensemble, create_ensemble, read_ensemble
from core.runs.records import Run
from tests.members import write_members


@pytest.fixture
def two(runs_root: Path, demo_root: Path) -> list[Run]:
    return write_members(runs_root, demo_root)


@pytest.fixture
def both(runs_root: Path, two: list[Run]) -> Ensemble:
    return create_ensemble(runs_root, "both", [run.id for run in two])


def by_hand(runs: list[Run], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and mean calibrated probabilities, from parquet and JSON."""
    columns = [f"p_{label}" for label in LABELS]
    tables = [pd.read_parquet(run.paths.predictions(split)) for run in runs]
    temperatures = [read_json(run.paths.summary)["evaluation"]["validation"]["temperature"] for run in runs]
    logits = [np.log(table[columns].to_numpy(float)) for table in tables]
    mean = np.mean([softmax(each / t, axis=1) for each, t in zip(logits, temperatures, strict=True)], axis=0)
    return tables[0]["label"].to_numpy(), mean


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_figures_of_an_ensemble_are_those_by_hand(both: Ensemble, two: list[Run], split: str) -> None:
    labels, mean = by_hand(two, split)
    right = mean.argmax(axis=1) == labels
    metrics = metrics_on(both, split)
    assert metrics is not None and has_predictions(both, split)
    assert (metrics.images, metrics.correct) == (len(labels), int(right.sum()))
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    assert metrics.interval == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert metrics.log_loss == pytest.approx(log_loss(labels, mean), abs=1e-5)
    assert metrics.macro_f1 == pytest.approx(f1_score(labels, mean.argmax(axis=1), average="macro"))
    assert metrics.temperature is None and metrics.without_train_duplicates is None


def test_it_is_compared_as_runs_are_with_mcnemars_test(both: Ensemble, two: list[Run]) -> None:
    rows = against_baseline([*two, both], two[0], "validation")
    labels, mean = by_hand(two, "validation")
    ensemble_right = mean.argmax(axis=1) == labels
    base_right = predictions_on(two[0], "validation")["correct"].to_numpy()
    gained, lost = int((ensemble_right & ~base_right).sum()), int((base_right & ~ensemble_right).sum())
    found = rows[2].comparison
    assert found is not None and gained + lost > 0
    assert (found.only_run, found.only_baseline) == (gained, lost)
    assert found.p_value == pytest.approx(binomtest(gained, gained + lost).pvalue)
    assert rows[2].accuracy == pytest.approx(ensemble_right.mean()) and not rows[2].reseeded
    assert rows[1].reseeded, "the members are seeds of one config; their ensemble is none"
    flat = compared_rows(rows, "validation")[2]
    assert (flat["run"], flat["name"], flat["only_run_right"]) == ("both", "both", gained)
    assert against_baseline([two[0]], both, "validation")[0].comparison is not None, "it can be the baseline"


def test_test_is_shown_only_where_every_member_has_reported_it(runs_root: Path, both: Ensemble, two: list[Run]) -> None:
    summary = read_json(two[1].paths.summary)
    summary["evaluation"] = {"validation": summary["evaluation"]["validation"]}
    write_json(two[1].paths.summary, summary)
    both = read_ensemble(runs_root, "both")
    assert metrics_on(both, "validation") is not None and metrics_on(both, "test") is None
    with pytest.raises(RunError, match=f"no test metrics: run '{two[1].id}' has not reported any"):
        predictions_on(both, "test")
    [row] = against_baseline([both], two[0], "test")
    assert row.comparison is None and "has not reported any" in row.words
