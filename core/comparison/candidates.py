"""Predictions and metrics of what can be compared. A run has them in its folder; those of an ensemble are made from the
stored predictions of its members, single view."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import RunError
from core.runs.ensembles import Candidate, Ensemble, runs_of
from core.runs.reader import predictions_table
from core.runs.summary import SplitMetrics

if TYPE_CHECKING:
    import pandas as pd

Reader = Callable[[Path], "pd.DataFrame"]
"""Gives the table of a predictions file; pages pass one that remembers."""


def predictions_on(candidate: Candidate, split: str, read: Reader = predictions_table) -> "pd.DataFrame":
    """The predictions for every image of a split, as `core.evaluation.predictions.read_predictions` gives them.

    Raises:
        RunError: there are none, or those of an ensemble's members do not match.
    """
    if not isinstance(candidate, Ensemble):
        return read(candidate.paths.predictions(split))
    from core.evaluation.averaging import average_tables

    check_reported(candidate, split)
    tables = [read(run.paths.predictions(split)) for run in candidate.runs]
    return average_tables(tables, [run.temperature for run in candidate.runs])


def metrics_on(candidate: Candidate, split: str, read: Reader = predictions_table) -> SplitMetrics | None:
    """The metrics on a split; None where there are none. Those of an ensemble have no temperature, and none without
    train duplicates, which only the dataset tells: `python -m core evaluate` gives them."""
    if not isinstance(candidate, Ensemble):
        return candidate.metrics(split)
    from core.evaluation.averaging import evaluate_averaged
    from core.evaluation.predictions import probabilities_of

    try:
        table = predictions_on(candidate, split, read)
    except RunError:
        return None
    figures = evaluate_averaged(table["label"].to_numpy(), probabilities_of(table))
    return SplitMetrics.model_validate(figures, strict=False)


def has_predictions(candidate: Candidate, split: str) -> bool:
    """Whether there are predictions for a split."""
    return all(run.paths.has_predictions(split) for run in runs_of(candidate))


def check_reported(ensemble: Ensemble, split: str) -> None:
    """Refuse a split that a member has not reported: test is scored once, at the end of a run.

    Raises:
        RunError: the message names the member.
    """
    for run in ensemble.runs:
        if run.metrics(split) is None:
            raise RunError(f"Ensemble “{ensemble.name}” has no {split} metrics: run {run.id!r} has not reported any.")
