"""Trained again, a run says whether the same came out, and if not, what was not the same."""

import json
import re
import shutil
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import norm
from typer.testing import CliRunner

from core import worker
from core.__main__ import app
from core.comparison import reproduction
from core.comparison.baseline import seed_groups
from core.comparison.reproduction import (
    ReproductionOutcome,
    assess_reproduction,
    check_reproducible,
    read_reproduction,
    seed_bound,
)
from core.config import TrainConfig
from core.data.importers.demo import import_demo
from core.errors import DataError, RunError
from core.jobs import control
from core.jobs.queue import queued_runs
from core.runs.best import hash_of
from core.runs.create import write_meta
from core.runs.reader import list_runs, read_run
from core.runs.records import Run, RunMeta
from tests.core.comparison.test_baseline import scored
from tests.core.comparison.test_origins import check_of
from tests.core.training.test_loop import TINY
from tests.dashboard_fixtures import write_run

ONE_EPOCH: dict[str, Any] = {**TINY, "epochs": 1, "images_per_epoch": 64}


@pytest.fixture
def data_root(tmp_path: Path, demo_root: Path) -> Path:
    """The demo set, to be changed."""
    shutil.copytree(demo_root, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def trained(runs_root: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that was really trained; whatever is put in line from now on is trained at once, in this process."""

    def work_off(root: Path, data: Path) -> None:
        for run in queued_runs(root):
            assert worker.work(run.paths, data, "cpu", worker.StopFlag(run.paths), worker._train) == 0

    monkeypatch.setattr(control, "ensure_runner", work_off)
    return read_run(runs_root, control.start(runs_root, data_root, TrainConfig(**ONE_EPOCH), name="first"))


def again(run: Run, data_root: Path) -> Run:
    return read_run(run.paths.root, control.reproduce(run.paths.root, data_root, run.id))


def test_a_run_trained_again_is_bit_equal_and_nothing_differs(trained: Run, data_root: Path) -> None:
    assert check_reproducible(trained, data_root) is None
    second = again(trained, data_root)
    assert second.meta.reproduces == second.meta.parent == trained.id and second.config == trained.config
    verdict = read_reproduction(second)
    assert verdict is not None
    assert (verdict.outcome, verdict.reproduces) == (ReproductionOutcome.BIT_EQUAL, trained.id)
    assert {check.what: check.same for check in verdict.checks} == dict.fromkeys(
        ["settings", "data", "code", "packages", "Python", "system", "machine", "device", "threads", "precision"], True
    )
    assert read_reproduction(trained) is None

    state = torch.load(second.paths.weights, weights_only=True)
    torch.save(OrderedDict(state), second.paths.weights)  # the same tensors in another file
    assert assess_reproduction(trained, second, []).outcome is ReproductionOutcome.BIT_EQUAL
    state["classifier.6.bias"][-1] = torch.nextafter(state["classifier.6.bias"][-1], torch.tensor(1.0))
    torch.save(state, second.paths.weights)
    one_bit = assess_reproduction(trained, second, [])
    assert one_bit.outcome is ReproductionOutcome.NO_EVIDENCE
    assert one_bit.words.startswith("Not bit-identical (but the predictions are).")


def test_another_package_version_is_named(trained: Run, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = worker.describe_environment

    def faked(**more: Any) -> dict[str, Any]:
        found = real(**more)
        return {**found, "packages": {**found["packages"], "torch": "9.9.9", "extra": "1.0"}}

    monkeypatch.setattr(worker, "describe_environment", faked)
    verdict = read_reproduction(again(trained, data_root))
    assert verdict is not None and verdict.outcome is ReproductionOutcome.BIT_EQUAL
    [packages] = verdict.differences
    assert packages.what == "packages" and packages.words.startswith("extra missing → 1.0, torch 2.")
    assert packages.words.endswith(" → 9.9.9")


def test_changed_data_are_named_before_and_after(trained: Run, data_root: Path) -> None:
    import_demo(data_root, seed=5, train_per_class=24, validation_per_class=6, test_per_class=6)
    warning = check_reproducible(trained, data_root)
    assert warning is not None and "has changed" in warning
    verdict = read_reproduction(again(trained, data_root))
    assert verdict is not None and verdict.outcome is ReproductionOutcome.NOT_COMPARABLE
    assert [check.what for check in verdict.differences] == ["data"]
    assert verdict.differences[0].words[:12] in warning and verdict.differences[0].words[-12:] in warning
    assert "the dataset has changed" in verdict.words


def test_a_student_is_reproduced_with_the_same_teacher_only(trained: Run, data_root: Path) -> None:
    root = trained.paths.root
    config = TrainConfig(**ONE_EPOCH, teachers=(trained.id,))
    student = read_run(root, control.start(root, data_root, config))
    recorded = json.loads(student.paths.environment.read_text())["teachers"]
    assert recorded == [{"run": trained.id, "sha256": hash_of(trained.paths.weights)}]
    assert check_reproducible(student, data_root) is None
    verdict = read_reproduction(again(student, data_root))
    assert verdict is not None and verdict.outcome is ReproductionOutcome.BIT_EQUAL and not verdict.differences
    assert "teachers" in [check.what for check in verdict.checks]

    state = torch.load(trained.paths.weights, weights_only=True)
    state["classifier.6.bias"] += torch.arange(7)
    torch.save(state, trained.paths.weights)
    warning = check_reproducible(student, data_root)
    assert warning == (
        f"Teacher {trained.id} has other weights now than when the run was started. The results will differ."
    )
    verdict = read_reproduction(again(student, data_root))
    assert verdict is not None and verdict.outcome is not ReproductionOutcome.BIT_EQUAL
    assert [check.what for check in verdict.differences] == ["teachers"]

    trained.paths.weights.unlink()
    with pytest.raises(
        RunError, match=rf"^Can't reproduce .*\. Teacher {trained.id} was deleted, or its weights were\."
    ):
        again(student, data_root)


def test_the_command_waits_and_prints_the_verdict(trained: Run, data_root: Path) -> None:
    arguments = ["--runs-root", str(trained.paths.root), "--data-root", str(data_root)]
    result = CliRunner().invoke(app, ["runs", "reproduce", trained.id, *arguments, "--wait", "--json"])
    assert result.exception is None, result.exception
    said = json.loads(result.stdout)
    assert said["reproduction"]["outcome"] == "bit-equal" and said["reproduces"] == trained.id
    shown = CliRunner().invoke(app, ["runs", "show", said["run"], *arguments[:2]]).stdout
    assert "Bit-identical" in shown and re.search(r"\npackages +same +all", shown)


def test_what_cannot_be_reproduced_is_refused_before_the_start(
    runs_root: Path, demo_root: Path, tmp_path: Path
) -> None:
    finished = read_run(runs_root, write_run(runs_root, demo_root, "finished", epochs=1).id)
    stopped = read_run(runs_root, write_run(runs_root, demo_root, "stopped").id)
    with pytest.raises(DataError, match="without its dataset"):
        control.reproduce(runs_root, tmp_path / "empty", finished.id)
    with pytest.raises(RunError, match=r"is stopped\. Only finished runs"):
        control.reproduce(runs_root, demo_root, stopped.id)
    finished.paths.config.write_text("{")
    with pytest.raises(RunError, match=r"Can't use config\.json"):
        control.reproduce(runs_root, demo_root, finished.id)
    assert len(list_runs(runs_root)) == 2


def test_a_run_whose_original_is_gone_is_still_finished(
    trained: Run, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_meta(trained.paths, lambda meta: RunMeta(**{**meta.model_dump(), "reproduces": "gone"}))
    worker.compare_with_original(trained.paths)
    assert read_reproduction(read_run(trained.paths.root, trained.id)) is None


# --- results that are near, on made-up predictions


Near = Callable[..., tuple[Run, Run, list[Run]]]


@pytest.fixture
def near(tmp_path: Path) -> Near:
    """Original and repetition that are wrong about so many of 600 images, and other seeds."""

    def make(first: range, second: range, *seeds: int) -> tuple[Run, Run, list[Run]]:
        root = tmp_path / "runs"
        made = [scored(root, "first", first, seed=0), scored(root, "second", second, seed=0)]
        made += [scored(root, f"seed-{i}", range(wrong), seed=i) for i, wrong in enumerate(seeds, start=1)]
        for run in made:
            status = json.loads(run.paths.status.read_text())
            run.paths.status.write_text(json.dumps({**status, "state": "finished"}))
        original, repeated, *others = [read_run(root, run.id) for run in made]
        return original, repeated, [original, repeated, *others]

    return make


def test_within_the_spread_of_seeds(near: Near) -> None:
    original, repeated, runs = near(range(200), range(203), 190, 212)
    verdict = assess_reproduction(original, repeated, runs)
    assert verdict.outcome is ReproductionOutcome.WITHIN_SEEDS
    assert "differs by -0.50 pp; over 3 seeds (std 1.84 pp)" in verdict.words


def test_outside_the_spread_of_seeds(near: Near) -> None:
    original, repeated, runs = near(range(200), range(260), 199, 201, 200, 202)
    verdict = assess_reproduction(original, repeated, runs)
    assert verdict.outcome is ReproductionOutcome.OUTSIDE_SEEDS and "Not bit-identical, and outside" in verdict.words


def test_without_other_seeds_the_same_images_decide(near: Near) -> None:
    original, repeated, runs = near(range(200), range(3, 204))
    verdict = assess_reproduction(original, repeated, runs)
    assert (
        verdict.outcome is ReproductionOutcome.NO_EVIDENCE
        and "no other seed" in verdict.words
        and "p = " in verdict.words
    )
    shutil.rmtree(original.paths.root)
    original, repeated, runs = near(range(200), range(260))
    verdict = assess_reproduction(original, repeated, runs)
    assert verdict.outcome is ReproductionOutcome.DIFFERENT and "\u221210.0 pp" in verdict.words


def test_equal_predictions_without_weights_say_so(near: Near) -> None:
    original, repeated, runs = near(range(200), range(200))
    verdict = assess_reproduction(original, repeated, runs)
    assert verdict.outcome is ReproductionOutcome.BIT_EQUAL and "The weights can't be compared" in verdict.words
    repeated.paths.predictions("validation").unlink()
    with pytest.raises(RunError):
        reproduction._same_predictions(original, repeated)
    assert check_of(original, repeated, "packages") is None  # nothing was recorded: no claim is made


def test_a_repetition_is_not_a_seed(near: Near) -> None:
    _, _, runs = near(range(200), range(203), 212)
    [group] = seed_groups(runs, "validation")
    assert len(group.runs) == 3 and len(group.accuracies) == 2


def test_many_seeds_come_to_the_normal_distribution() -> None:
    values = {i: float(norm.ppf((i + 0.5) / 400)) for i in range(400)}
    bound, spread = seed_bound(values)
    assert spread == pytest.approx(1, abs=0.02) and bound == pytest.approx(1.96 * 2**0.5, abs=0.06)
