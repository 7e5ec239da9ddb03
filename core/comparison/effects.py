"""What each field of a sweep does: the validation accuracy of its runs by the value they have."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.runs.groups import Group
from core.runs.records import Run, RunState


@dataclass(frozen=True)
class ValueEffect:
    """The finished runs with one value of a field, whatever their other values."""

    value: Any
    accuracies: tuple[float, ...]
    """Their validation accuracies, 0..1, in the order of the group; empty where none has finished."""
    run_ids: tuple[str, ...] = ()
    """Whose these are."""

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.accuracies) if self.accuracies else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation; None of a single run."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None


@dataclass(frozen=True)
class FieldEffect:
    """A field of a sweep, with each of its values in the order given."""

    field: str
    values: tuple[ValueEffect, ...]

    @property
    def best(self) -> ValueEffect | None:
        """The value with the highest mean, the first of equals; None where no run has finished."""
        known = [each for each in self.values if each.mean is not None]
        return max(known, key=lambda each: each.mean or 0.0, default=None)

    @property
    def spread(self) -> float | None:
        """The highest mean minus the lowest, 0..1: how much the field matters; None of fewer than two values."""
        means = [each.mean for each in self.values if each.mean is not None]
        return max(means) - min(means) if len(means) > 1 else None


def effects_of(group: Group, runs: Sequence[Run]) -> list[FieldEffect]:
    """The effect of each field that a group sweeps, the one that matters most first.

    Only finished runs count: one that is still training would pull the mean of its values down. Validation accuracy is
    that of each run's best epoch, as evaluated.

    Args:
        group: as read.
        runs: its members.
    """
    scored = [
        (run.id, group.values_of(run.id), run.validation_accuracy)
        for run in runs
        if run.state is RunState.FINISHED and run.validation_accuracy is not None
    ]
    effects = [
        FieldEffect(field, tuple(_effect(field, value, scored) for value in values))
        for field, values in group.record.fields.items()
    ]
    return sorted(effects, key=lambda effect: -(effect.spread or 0.0))


def _effect(field: str, value: Any, scored: Sequence[tuple[str, Mapping[str, Any], float]]) -> ValueEffect:
    found = [(run_id, accuracy) for run_id, values, accuracy in scored if values.get(field) == value]
    return ValueEffect(value, tuple(accuracy for _, accuracy in found), tuple(run_id for run_id, _ in found))
