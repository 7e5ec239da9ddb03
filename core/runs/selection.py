"""Filters, orders and groups of runs, and which run predictions use."""

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.runs.fields import RUN_FIELDS, SETTING
from core.runs.query import parse_query
from core.runs.records import Run, RunState


@dataclass(frozen=True)
class RunFilter:
    """What is searched for. An empty collection matches all runs; else one of its values must match."""

    text: str = ""
    """Parts of the name, id, author, notes or error, in any order, and conditions: see `core.runs.query`."""
    states: Collection[str] = ()
    tags: Collection[str] = ()
    authors: Collection[str] = ()
    reviews: Collection[str] = ()
    groups: Collection[str] = ()
    """Names of groups that runs were started with."""
    archived: bool = False
    """Archived ones, too."""
    settings: Mapping[str, Collection[Any]] = field(default_factory=dict)
    """Key of a setting in `RUN_FIELDS` to the values of which one must match."""

    def fitting(self, runs: Iterable[Run]) -> list[Run]:
        """Those of the runs that fit, in their order."""
        words, conditions = parse_query(self.text)
        return [
            run
            for run in runs
            if self._fits(run) and _says(run, words) and all(condition.fits(run) for condition in conditions)
        ]

    def _fits(self, run: Run) -> bool:
        meta = run.meta
        if (meta.archived and not self.archived) or (self.states and run.state.value not in self.states):
            return False
        if self.tags and not any(tag in self.tags for tag in meta.tags):
            return False
        if (self.authors and meta.author not in self.authors) or (self.reviews and meta.review not in self.reviews):
            return False
        if self.groups and meta.group not in self.groups:
            return False
        return all(RUN_FIELDS[key].value(run) in values for key, values in self.settings.items())


def _says(run: Run, words: Sequence[str]) -> bool:
    if not words:
        return True
    about = " ".join((run.meta.name, run.id, run.meta.author, run.meta.notes, run.problem or "")).lower()
    return all(word in about for word in words)


def sort_runs(runs: Sequence[Run], by: str = "created", *, descending: bool = True) -> list[Run]:
    """Sorted by one of `RUN_FIELDS`; those that have no value come last, equal ones stay in the order given."""
    value_of = RUN_FIELDS[by].value
    valued = [(value_of(run), run) for run in runs]
    known = sorted((each for each in valued if each[0] is not None), key=lambda each: each[0], reverse=descending)
    return [run for _, run in known] + [run for value, run in valued if value is None]


# --- groups

SEED_REPLICATES: Final = "replicates"
"""What to group by for runs that differ in nothing but the seed."""


@dataclass(frozen=True)
class RunGroup:
    """Runs that have the same values of some fields."""

    values: Mapping[str, Any]
    """Key in `RUN_FIELDS` to value."""
    runs: Sequence[Run]

    def spread(self, field_key: str) -> tuple[float, float | None] | None:
        """Mean and sample standard deviation of a field over the runs that have one; None where none has, and no
        deviation of a single one."""
        values = [value for run in self.runs if (value := RUN_FIELDS[field_key].value(run)) is not None]
        if not values:
            return None
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def group_runs(runs: Sequence[Run], by: Sequence[str]) -> list[RunGroup]:
    """Runs by their values of some fields, in the order of the first run of each group.

    Args:
        runs: those without readable settings are left out when a setting is grouped by.
        by: keys in `RUN_FIELDS`.
    """
    members: dict[tuple[Any, ...], list[Run]] = {}
    of_settings = any(key.startswith(SETTING) for key in by)
    for run in runs:
        if run.config or not of_settings:
            members.setdefault(tuple(RUN_FIELDS[key].value(run) for key in by), []).append(run)
    return [RunGroup(dict(zip(by, values, strict=True)), group) for values, group in members.items()]


def is_in_use(run: Run) -> bool:
    """Whether nobody has put it aside: it is neither archived nor rejected."""
    return not run.meta.archived and run.meta.review != "rejected"


def best_run(runs: list[Run]) -> Run | None:
    """The run that predictions use by default: approved before others, then runs of this folder before imported ones,
    whose metrics nobody here has measured, then by best validation accuracy, with flip TTA once that is known, as
    predictions have it by default.

    Runs that are archived, rejected, unreadable or without weights are left out.
    """
    sound = [run for run in runs if run.config and run.state is not RunState.DAMAGED and run.has_weights]
    return max(
        filter(is_in_use, sound),
        key=lambda run: (run.meta.review == "approved", not run.is_imported, _accuracy_of_predictions(run)),
        default=None,
    )


def _accuracy_of_predictions(run: Run) -> float:
    return run.accuracy_with_flip("validation") or run.validation_accuracy or 0.0
