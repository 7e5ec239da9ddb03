"""The effect of each field of a sweep, recomputed by hand."""

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.comparison.effects import effects_of
from core.files import write_json
from core.runs.create import write_status
from core.runs.groups import Group, GroupMember, GroupRecord
from core.runs.reader import read_run, read_status
from core.runs.records import Run
from tests.core.runs.conftest import make_finished

RATES = [0.1, 0.2]
OPTIMIZERS = ["adam", "sgd", "muon"]
ACCURACIES = {  # (rate, optimizer) to validation accuracy
    (0.1, "adam"): 0.60,
    (0.1, "sgd"): 0.50,
    (0.1, "muon"): 0.40,
    (0.2, "adam"): 0.66,
    (0.2, "sgd"): 0.58,
    (0.2, "muon"): 0.35,
}


@pytest.fixture
def swept(tmp_path: Path) -> tuple[Group, list[Run]]:
    members, runs = [], []
    for number, ((rate, optimizer), accuracy) in enumerate(ACCURACIES.items()):
        run = make_finished(tmp_path, f"run-{number}", accuracy, evaluated=False)
        runs.append(run)
        members.append(GroupMember.of(run.id, {"learning_rate": rate, "optimizer": optimizer}))
    fields = {"learning_rate": RATES, "optimizer": OPTIMIZERS}
    record = GroupRecord(created_at=datetime.now(UTC), fields=fields, members=tuple(members))
    return Group("a-sweep", record), runs


def accuracy_of(run: Run) -> float:
    assert run.validation_accuracy is not None
    return run.validation_accuracy


def test_mean_and_deviation_are_over_all_runs_with_a_value(swept: tuple[Group, list[Run]]) -> None:
    group, runs = swept
    measured = [accuracy_of(run) for run in runs]  # in the order of ACCURACIES
    optimizer, rate = effects_of(group, runs)
    assert (optimizer.field, rate.field) == ("optimizer", "learning_rate"), "what matters most comes first"

    low, high = measured[:3], measured[3:]
    assert [each.value for each in rate.values] == RATES
    assert [each.accuracies for each in rate.values] == [tuple(low), tuple(high)]
    means = [sum(each) / 3 for each in (low, high)]
    assert [each.mean for each in rate.values] == pytest.approx(means)
    deviation = math.sqrt(sum((each - means[0]) ** 2 for each in low) / 2)
    assert rate.values[0].deviation == pytest.approx(deviation)
    assert rate.spread == pytest.approx(abs(means[1] - means[0]))

    means = [(measured[i] + measured[i + 3]) / 2 for i in range(3)]
    assert [each.mean for each in optimizer.values] == pytest.approx(means)
    assert optimizer.best and optimizer.best.value == "adam"
    assert optimizer.spread == pytest.approx(means[0] - means[2])


def test_only_finished_runs_count(swept: tuple[Group, list[Run]]) -> None:
    group, runs = swept
    for run, state in zip(runs[:3], ("failed", "stopped", "queued"), strict=True):
        write_status(run.paths, read_status(run.paths).model_copy(update={"state": state}))
    write_json(runs[3].paths.summary, {})
    now = [read_run(run.paths.root, run.id) for run in runs]
    rate = next(each for each in effects_of(group, now) if each.field == "learning_rate")
    assert [len(each.accuracies) for each in rate.values] == [0, 2]
    assert rate.values[0].mean is None and rate.values[0].deviation is None
    assert rate.spread is None and rate.best is rate.values[1]


def test_a_single_run_has_no_deviation_and_none_no_effect(swept: tuple[Group, list[Run]]) -> None:
    group, runs = swept
    rate, optimizer = sorted(effects_of(group, runs[:1]), key=lambda effect: effect.field)
    assert rate.values[0].mean == accuracy_of(runs[0]) and rate.values[0].deviation is None
    assert rate.spread is None and optimizer.best and optimizer.best.value == "adam"
    assert all(effect.best is None and effect.spread is None for effect in effects_of(group, []))
