"""Comparing runs: settings that differ, seeds of one configuration, metrics against a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.comparison.candidates import Reader, metrics_on, predictions_on
from core.config import TrainConfig, as_typed
from core.data.identity import REARRANGED, different_data, rearranged
from core.errors import RunError
from core.evaluation.significance import Comparison, compare_predictions, holm, mean_and_std
from core.runs.ensembles import Candidate
from core.runs.reader import predictions_table
from core.runs.records import Run
from core.runs.summary import SplitMetrics
from core.runs.table import spreadsheet_safe
from core.splits import COMPARED_SPLITS


@dataclass(frozen=True)
class ComparisonRow:
    """One run, or ensemble, of a comparison on one split."""

    run: Candidate
    metrics: SplitMetrics | None
    """On the split; None before it was evaluated."""
    is_baseline: bool
    reseeded: bool
    """Differs from the baseline in nothing but the seed."""
    comparison: Comparison | None = None
    adjusted_p: float | None = None
    """The p-value, adjusted for how many runs are compared (Holm)."""
    problem: str = ""
    """Why there is no comparison, in one sentence."""

    @property
    def accuracy(self) -> float | None:
        return self.metrics.accuracy if self.metrics else None

    @property
    def words(self) -> str:
        """How this run compares with the baseline, in one sentence."""
        if self.is_baseline:
            return "baseline"
        if self.comparison is None:
            return self.problem
        return self.comparison.in_words(p_value=self.adjusted_p, reseeded=self.reseeded)


@dataclass(frozen=True)
class SeedGroup:
    """Runs of one configuration on the same data, with different seeds."""

    runs: tuple[Run, ...]
    accuracies: tuple[float, ...]
    """Of those that have been evaluated, one per seed, the oldest run first."""

    @property
    def mean_and_std(self) -> tuple[float, float | None] | None:
        """Mean accuracy and its sample standard deviation over seeds; None while none has been evaluated."""
        return mean_and_std(self.accuracies) if self.accuracies else None


def against_baseline(
    runs: Sequence[Candidate],
    baseline: Candidate,
    split: str,
    read: Reader = predictions_table,
) -> list[ComparisonRow]:
    """Each run compared with the baseline on the images of a split, in the order given.

    Args:
        runs: runs and ensembles, with or without the baseline.
        baseline: what the others are compared to.
        split: one of `SPLITS`.
        read: gives the table of a predictions file; pages pass one that remembers.

    Raises:
        RunError: there is no such split.
    """
    if split not in COMPARED_SPLITS:
        raise RunError(f"Runs can't be compared on {split!r}. Use one of {', '.join(COMPARED_SPLITS)}.")
    results: dict[str, Comparison | str] = {}
    for run in runs:
        if run.id != baseline.id:
            try:
                check_matchable(baseline, run)
                tables = [predictions_on(each, split, read) for each in (baseline, run)]
                results[run.id] = compare_predictions(*tables)
            except RunError as error:
                results[run.id] = str(error)
    found = {run_id: result for run_id, result in results.items() if isinstance(result, Comparison)}
    adjusted = dict(zip(found, holm([each.p_value for each in found.values()]), strict=True))
    own = reseed_key(baseline)
    return [
        ComparisonRow(
            run,
            metrics_on(run, split, read),
            is_baseline=run.id == baseline.id,
            reseeded=run.id != baseline.id and own is not None and reseed_key(run) == own,
            comparison=found.get(run.id),
            adjusted_p=adjusted.get(run.id),
            problem=text if isinstance(text := results.get(run.id, ""), str) else "",
        )
        for run in runs
    ]


def check_matchable(one: Candidate, other: Candidate) -> None:
    """Refuse to match the predictions of two runs by image id where an id may name another image in each.

    Raises:
        RunError: they were trained on different datasets, or on the same images under other names or in another order.
    """
    if different_data(one.data, other.data):
        raise RunError("Not comparable: trained on different datasets.")
    if rearranged(one.data, other.data):
        raise RunError(
            f"Not comparable image by image: the two runs were trained on the same images {REARRANGED}. Compare their "
            "accuracies."
        )


def setting_differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Settings in which the runs differ: field to one value per run, None where the settings cannot be read."""
    configs = [run.config.model_dump(mode="json") if run.config else None for run in runs]
    different = {}
    for field in TrainConfig.model_fields:
        values = [as_typed(config[field]) if config else None for config in configs]
        if len({repr(value) for value, config in zip(values, configs, strict=True) if config}) > 1:
            different[field] = values
    return different


def reseed_key(run: Candidate) -> str | None:
    """What makes two runs reseedings of each other when it is equal: all settings but the seed, and the data. None of
    an ensemble, which has no settings of its own."""
    if not isinstance(run, Run) or run.config is None:
        return None
    return f"{run.summary.dataset_fingerprint} {run.config.model_dump_json(exclude={'seed'})}"


def seed_groups(runs: Sequence[Run], split: str) -> list[SeedGroup]:
    """Configurations that were trained with two or more seeds, in the order of their first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = reseed_key(run)
        if key is not None:
            groups.setdefault(key, []).append(run)
    found = []
    for members in groups.values():
        if len({run.config.seed for run in members if run.config}) > 1:
            accuracies: dict[int, float] = {}
            for run in sorted(members, key=lambda run: run.status.created_at):
                accuracy = run.accuracy(split)
                if run.config and accuracy is not None:
                    # One per seed: the same seed again adds nothing about seed variance.
                    accuracies.setdefault(run.config.seed, accuracy)
            found.append(SeedGroup(tuple(members), tuple(accuracies.values())))
    return found


def compared_rows(rows: Sequence[ComparisonRow], split: str) -> list[dict[str, Any]]:
    """One flat row per compared run; differences and interval ends are fractions, -1..1, None where there are none."""
    flat = []
    for row in rows:
        found, metrics = row.comparison, row.metrics
        low, high = metrics.interval if metrics else (None, None)
        flat.append(
            {
                "run": row.run.id,
                "name": spreadsheet_safe(row.run.meta.name if isinstance(row.run, Run) else row.run.name),
                "split": split,
                "images": metrics and metrics.images,
                "accuracy": row.accuracy,
                "low": low,
                "high": high,
                "difference": found.difference if found else None,
                "difference_low": found.interval[0] if found else None,
                "difference_high": found.interval[1] if found else None,
                "only_baseline_right": found.only_baseline if found else None,
                "only_run_right": found.only_run if found else None,
                "p_value": found.p_value if found else None,
                "p_adjusted": row.adjusted_p,
                "says": row.words,
            }
        )
    return flat
