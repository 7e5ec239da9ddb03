"""Searching, filtering and sorting runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.bench import synthetic_records
from core.config import TrainConfig
from core.files import write_json
from core.runs.create import create_run, write_meta, write_status
from core.runs.fields import RUN_FIELDS, differing_settings, known_settings
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import Run, RunMeta
from core.runs.selection import RunFilter, best_run, group_runs, sort_runs
from tests.core.runs.conftest import make_finished


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Three runs, made in the order a, b, c; b has no figures."""
    meta = {
        "a": RunMeta(name="Zebra", author="Ana", tags=["x", "y"], notes="with Dropout", review="approved"),
        "b": RunMeta(name="apple", author="", tags=["y"], starred=True),
        "c": RunMeta(name="Mango", author="Bo", archived=True),
    }
    for run_id, said in meta.items():
        paths = create_run(tmp_path, TrainConfig(), run_id=run_id)
        write_meta(paths, lambda _, said=said: said)
        if run_id != "b":
            accuracy = {"a": 0.5, "c": 0.6}[run_id]
            row = synthetic_records.epoch_row(1, accuracy, validation_loss=1 - accuracy)
            test = synthetic_records.evaluation({"test": synthetic_records.fake_predictions(1 - accuracy)})
            write_json(paths.summary, synthetic_records.summary([row], test))
            ended = {"state": "failed", "error": "No space left.", "elapsed_seconds": 100 * accuracy}
            write_status(paths, read_status(paths).model_copy(update=ended))
    return list_runs(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (RunFilter(), "b a"),
        (RunFilter(archived=True), "c b a"),
        (RunFilter(text="ZEB"), "a"),
        (RunFilter(text="dropout ana"), "a"),
        (RunFilter(text="space", archived=True), "c a"),
        (RunFilter(text="nothing"), ""),
        (RunFilter(states=["queued"]), "b"),
        (RunFilter(states=["queued", "failed"]), "b a"),
        (RunFilter(tags=["x"]), "a"),
        (RunFilter(tags=["x", "y"]), "b a"),
        (RunFilter(authors=["Bo"], archived=True), "c"),
        (RunFilter(reviews=["unreviewed"]), "b"),
        (RunFilter(reviews=["approved"], tags=["y"], states=["failed"], text="zebra"), "a"),
    ],
)
def test_what_is_wanted_is_found(runs: list[Run], wanted: RunFilter, expected: str) -> None:
    assert " ".join(run.id for run in wanted.fitting(runs)) == expected


@pytest.mark.parametrize(
    ("by", "descending", "expected"),
    [
        ("created", True, "cba"),
        ("created", False, "abc"),
        ("validation", True, "cab"),
        ("validation", False, "acb"),
        ("test", True, "acb"),
        ("loss", False, "cab"),
        ("duration", True, "cab"),
        ("name", False, "bca"),
        ("author", False, "acb"),
        ("star", True, "bca"),
    ],
)
def test_runs_without_the_value_come_last(runs: list[Run], by: str, descending: bool, expected: str) -> None:
    assert "".join(run.id for run in sort_runs(runs, by, descending=descending)) == expected


def test_every_field_sorts_runs_of_every_kind(runs: list[Run]) -> None:
    without_settings = [replace(run, config=None) for run in runs[:1]]
    for by in RUN_FIELDS:
        assert len(sort_runs([*runs, *without_settings], by)) == 4


# --- settings


@pytest.fixture
def swept(tmp_path: Path) -> list[Run]:
    """Two learning rates, two seeds each, the last with another optimizer; newest first: d, c, b, a."""
    settings: dict[str, dict[str, Any]] = {
        "a": {"learning_rate": 0.01, "seed": 0},
        "b": {"learning_rate": 0.01, "seed": 1},
        "c": {"learning_rate": 1e-5, "seed": 0},
        "d": {"learning_rate": 1e-5, "seed": 1, "optimizer": "muon", "flip": False, "teachers": ("a", "b")},
    }
    for run_id, values in settings.items():
        paths = create_run(tmp_path, TrainConfig(**values), run_id=run_id, name=f"run {run_id}")
        row = synthetic_records.epoch_row(1, {"a": 0.5, "b": 0.6, "c": 0.3, "d": 0.4}[run_id])
        write_json(paths.summary, synthetic_records.summary([row]))
    return list_runs(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=0.01", "ba"),
        ("lr=1e-2", "ba"),
        ("learning_rate=0,01", "ba"),
        ("config.learning_rate=0.01", "ba"),
        ("lr!=0.01", "dc"),
        ("lr<0.001", "dc"),
        ("seed>=1", "db"),
        ("opt=muon", "d"),
        ("OPTIMIZER=Muon", "d"),
        ("flip=no", "d"),
        ("flip=false", "d"),
        ("teachers=b", "d"),
        ("teachers=a,b", "d"),
        ("teachers!=a", "cba"),
        ("validation>45", "ba"),
        ("lr=0.01 seed=1 run", "b"),
        ("lr=0.01 nothing", ""),
        ("lr=", "dcba"),
        ("lr>many", ""),
        ("nonsense=1", ""),
        ("test>0", ""),
    ],
)
def test_settings_and_metrics_are_searched_with_conditions(swept: list[Run], text: str, expected: str) -> None:
    assert "".join(run.id for run in RunFilter(text=text).fitting(swept)) == expected


def test_a_name_that_looks_like_a_condition_is_found(runs: list[Run]) -> None:
    named = replace(runs[0], meta=runs[0].meta.model_copy(update={"name": "sweep:x=3"}))
    assert RunFilter(text="x=3", archived=True).fitting([named, *runs[1:]]) == [named]


def test_settings_are_filtered_by_several_values(swept: list[Run]) -> None:
    def found(**settings: list[Any]) -> str:
        wanted = {f"config.{name}": values for name, values in settings.items()}
        return "".join(run.id for run in RunFilter(settings=wanted).fitting(swept))

    assert found(learning_rate=[0.01]) == "ba"
    assert found(learning_rate=[0.01, 1e-5], seed=[1]) == "db"


def test_settings_sort_runs(swept: list[Run]) -> None:
    assert "".join(run.id for run in sort_runs(swept, "config.learning_rate", descending=False)) == "dcba"
    assert "".join(run.id for run in sort_runs(swept, "config.optimizer", descending=True)) == "dcba"


def test_the_settings_that_differ_are_known(swept: list[Run]) -> None:
    assert differing_settings(swept) == [
        "config.seed",
        "config.optimizer",
        "config.learning_rate",
        "config.teachers",
        "config.flip",
    ]
    assert known_settings(swept)["config.learning_rate"] == [1e-5, 0.01]
    assert differing_settings([replace(run, config=None) for run in swept]) == []


def test_groups_have_mean_and_deviation(swept: list[Run]) -> None:
    groups = group_runs(swept, ["config.learning_rate"])
    assert [("".join(run.id for run in group.runs), group.values) for group in groups] == [
        ("dc", {"config.learning_rate": 1e-5}),
        ("ba", {"config.learning_rate": 0.01}),
    ]
    mean, deviation = groups[1].spread("validation") or (0, 0)
    assert mean == pytest.approx(55) and deviation == pytest.approx(50**0.5)  # of 50 and 60
    assert groups[1].spread("test") is None
    [single] = group_runs(swept[:1], ["config.learning_rate", "state"])
    assert single.spread("validation") == (pytest.approx(40), None)
    assert single.values == {"config.learning_rate": 1e-5, "state": "queued"}


# --- the run that predictions use


def test_the_best_run_is_approved_before_it_is_accurate(root: Path) -> None:
    runs = [
        make_finished(root, "good", 0.6),
        make_finished(root, "better", 0.7),
        make_finished(root, "rejected", 0.9, RunMeta(review="rejected")),
        make_finished(root, "archived", 0.9, RunMeta(archived=True)),
    ]
    best = best_run(runs)
    assert best is not None
    assert best.id == "better"
    best = best_run([*runs, make_finished(root, "approved", 0.5, RunMeta(review="approved"))])
    assert best is not None
    assert best.id == "approved"


def test_the_best_run_is_the_best_as_predictions_have_it_with_flip_tta(root: Path) -> None:
    """Until a run has been evaluated, its single view counts."""
    behind, ahead = make_finished(root, "behind", 0.71), make_finished(root, "ahead", 0.7)
    for run, accuracy in ((behind, 0.72), (ahead, 0.73)):
        written = json.loads(run.paths.summary.read_text())
        written["evaluation"]["validation"]["tta"]["accuracy"] = accuracy
        run.paths.summary.write_text(json.dumps(written))
    runs = [read_run(root, run.id) for run in (behind, ahead)]
    best = best_run([*runs, make_finished(root, "unscored", 0.725, evaluated=False)])
    assert best is not None and best.id == "ahead"
    best = best_run([*runs, make_finished(root, "other", 0.74, evaluated=False)])
    assert best is not None and best.id == "other"


def test_an_imported_run_is_the_best_only_once_it_is_approved_or_alone(root: Path) -> None:
    own, imported = make_finished(root, "own", 0.6), make_finished(root, "imported", 0.99)
    imported.paths.imports.touch()
    assert best_run([own, imported]) is own
    assert best_run([imported]) is imported
    approved = make_finished(root, "approved", 0.5, RunMeta(review="approved"))
    approved.paths.imports.touch()
    assert best_run([own, imported, approved]) is approved


def test_there_is_no_best_run_without_weights_or_settings(root: Path) -> None:
    without_weights, without_config = make_finished(root, "a", 0.6), make_finished(root, "b", 0.6)
    without_weights.paths.weights.unlink()
    without_config.paths.config.unlink()
    assert best_run(list_runs(root)) is None
    assert best_run([]) is None
