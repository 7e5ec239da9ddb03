"""Searching, filtering and sorting runs."""

from pathlib import Path

import pytest

from core.bench import synthetic_records
from core.config import TrainConfig
from core.files import write_json
from core.runs.create import create_run, write_meta, write_status
from core.runs.reader import list_runs, read_status
from core.runs.records import Run, RunMeta
from core.runs.selection import RUN_ORDERS, RunFilter, best_run, select_runs
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
    assert " ".join(run.id for run in select_runs(runs, wanted)) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("newest", "cba"),
        ("oldest", "abc"),
        ("validation", "cab"),
        ("test", "acb"),
        ("loss", "cab"),
        ("longest", "cab"),
        ("name", "bca"),
        ("author", "acb"),
        ("starred", "bca"),
    ],
)
def test_runs_without_the_figure_come_last(runs: list[Run], order: str, expected: str) -> None:
    assert "".join(run.id for run in select_runs(runs, RunFilter(archived=True), order)) == expected


def test_every_order_is_tested() -> None:
    [mark] = [m for m in test_runs_without_the_figure_come_last.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(RUN_ORDERS)


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


def test_there_is_no_best_run_without_weights_or_settings(root: Path) -> None:
    without_weights, without_config = make_finished(root, "a", 0.6), make_finished(root, "b", 0.6)
    without_weights.paths.weights.unlink()
    without_config.paths.config.unlink()
    assert best_run(list_runs(root)) is None
    assert best_run([]) is None
