"""Made-up runs are like real ones: the same fields in the same files. The comparison with a run that was trained just
now is in `tests/core/jobs/test_control.py`, which trains one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.bench import synthetic_records
from core.bench.synthetic_runs import make_runs
from core.runs.best import describe_mismatch, weights_origin
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from tests.conftest import PROJECT_ROOT
from tests.dashboard_fixtures import write_run
from tests.run_fields import fields_of

SHIPPED = RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2")
Make = Callable[[Path, Path], RunPaths]
OLD_NAMES = "seed-test."
"""Of a split, in the shipped run."""
ONLY_SHIPPED = {"status.json": set(), "environment.json": {"resumes", "git.diff"}, "config.json": set()}
"""It was resumed, and an older version kept the patch in `git`."""


def made_for_tests(folder: Path, demo_root: Path) -> RunPaths:
    return write_run(folder, demo_root, "finished", name="one", author="Ana", epochs=3).paths


def made_for_benchmarks(folder: Path, demo_root: Path) -> RunPaths:
    [run_id] = make_runs(folder, runs=1, epochs=3, detailed=1)
    return RunPaths(folder, run_id)


@pytest.mark.parametrize("make", [made_for_tests, made_for_benchmarks])
def test_a_made_up_run_has_every_field_of_the_shipped_one(make: Make, tmp_path: Path, demo_root: Path) -> None:
    made = fields_of(make(tmp_path, demo_root))
    for name, fields in fields_of(SHIPPED).items():
        shipped = {field.replace(OLD_NAMES, "original-test.") for field in fields} - ONLY_SHIPPED.get(name, set())
        assert shipped <= made[name], name


@pytest.mark.parametrize("make", [made_for_tests, made_for_benchmarks])
def test_a_made_up_run_agrees_with_itself(make: Make, tmp_path: Path, demo_root: Path) -> None:
    paths = make(tmp_path, demo_root)
    run, rows = read_run(paths.root, paths.run_id), read_rows(paths.epochs)[0]
    best = max(rows, key=lambda row: row["validation_accuracy"])
    assert run.problem is None
    assert run.best and run.best.as_json() == best
    assert run.summary.last and run.summary.last.as_json() == rows[-1]
    assert run.status.epochs == len(rows) == run.config.epochs
    assert describe_mismatch(paths) is None
    if paths.weights.exists():
        assert weights_origin(paths) == {"epoch": best["epoch"], "weights_sha256": best["weights_sha256"]}


def test_a_field_that_is_not_there_is_refused() -> None:
    for make in (synthetic_records.epoch_row, synthetic_records.summary):
        with pytest.raises(TypeError, match="no such field: acuracy"):
            make(acuracy=0.5)
