"""Reproducing a run from its recorded settings: what matches, and how close the result is.

The new run is an ordinary one that remembers in `meta.json` what it reproduces. When it has finished, its worker writes
`reproduction.json`, so that the comparison is kept when the original is deleted.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from core.comparison.baseline import reseed_key
from core.comparison.origins import Check, compare_origins, recorded_data, recorded_environment
from core.data.identity import REARRANGED, DataIdentity, same_images
from core.errors import DataError, RunError
from core.evaluation.significance import compare_predictions, mean_and_std
from core.files import read_regular, write_json
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, predictions_table, read_meta, read_run
from core.runs.records import Run, RunState
from core.runs.teachers import changed_sources, read_teaching
from core.runs.values import Moment, OneLine
from core.splits import COMPARED_SPLITS

SPLIT: Final = "validation"
"""Accuracies are compared on it: test is never used to decide anything."""


class ReproductionOutcome(StrEnum):
    """How close the result is to the original's, by the words of `reproduction.json`; people read `label`."""

    BIT_EQUAL = "bit-equal"
    WITHIN_SEEDS = "within the spread of seeds"
    OUTSIDE_SEEDS = "outside the spread of seeds"
    NO_EVIDENCE = "no evidence of a difference"
    DIFFERENT = "different"
    NOT_COMPARABLE = "not comparable"

    @property
    def label(self) -> str:
        """What people read."""
        return _OUTCOME_LABELS[self]


_OUTCOME_LABELS: Final = {
    ReproductionOutcome.BIT_EQUAL: "Bit-identical",
    ReproductionOutcome.WITHIN_SEEDS: "Within seed variance",
    ReproductionOutcome.OUTSIDE_SEEDS: "Outside seed variance",
    ReproductionOutcome.NO_EVIDENCE: "No significant difference",
    ReproductionOutcome.DIFFERENT: "Different",
    ReproductionOutcome.NOT_COMPARABLE: "Not comparable",
}


class Reproduction(BaseModel):
    """`reproduction.json`: the result of the comparison."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    time: Moment
    reproduces: OneLine
    """Id of the original."""
    outcome: ReproductionOutcome
    words: OneLine
    """The outcome in one or two sentences."""
    checks: list[Check]

    @property
    def differences(self) -> list[Check]:
        """What differs."""
        return [check for check in self.checks if check.same is False]


def check_reproducible(run: Run, data_root: Path) -> str | None:
    """Check before a run is reproduced. None if its data and teachers are here; else a sentence on how each differs,
    which does not prevent the reproduction.

    Raises:
        RunError: it has not finished, its settings cannot be read, or a run that it learned from was deleted.
        DataError: its dataset is not on this machine.
    """
    from core.data.dataset import read_identity

    if run.config is None:
        raise RunError(f"Can't reproduce run {run.id}: {run.problem}")
    if run.state is not RunState.FINISHED:
        raise RunError(f"Run {run.id} is {run.state.in_words()}. Only finished runs can be reproduced.")
    try:
        now = read_identity(data_root, run.config.dataset)
    except DataError as error:
        raise DataError(f"Can't reproduce run {run.id} without its dataset. {error}") from error
    return " ".join(filter(None, [_data_warning(run, run.config.dataset, now), _teacher_warning(run)])) or None


def _teacher_warning(run: Run) -> str | None:
    """A sentence for each run that it learned from and that has changed.

    Raises:
        RunError: one of them was deleted.
    """
    assert run.config
    teaching = read_teaching(run.paths, run.config)
    if teaching is None:
        return None
    changed = changed_sources(run.paths.root, teaching)
    if gone := [source.words for source in changed if source.gone]:
        raise RunError(f"Can't reproduce run {run.id}. {' '.join(gone)} Restore it from a backup.")
    return " ".join([*(source.words for source in changed), "The results will differ."]) if changed else None


def _data_warning(run: Run, dataset: str, now: DataIdentity) -> str | None:
    recorded = recorded_data(run, recorded_environment(run))
    if not recorded.content:
        return f"Run {run.id} did not record which data it was trained on, so the data may differ."
    if recorded.content != now.content:
        return (
            f"Dataset {dataset!r} has changed: its fingerprint is {now.content[:12]}, the run was "
            f"trained on {recorded.content[:12]}. The results will differ."
        )
    if not same_images([recorded, now]):
        return (
            f"Dataset {dataset!r} contains the images the run was trained on {REARRANGED}. The same seed "
            "draws them in another order, so the results will differ."
        )
    return None


def read_reproduction(run: Run) -> Reproduction | None:
    """The result of a reproduction; None while there is none."""
    try:
        return Reproduction.model_validate_json(read_regular(run.paths.reproduction))
    except (OSError, ValidationError):
        return None


def write_reproduction(runs_root: Path, run_id: str) -> Reproduction | None:
    """Compare a finished run with the one it reproduces and write the result; None if it reproduces nothing.

    Raises:
        RunError: the original is gone, or one of the two cannot be read.
        OSError: the result cannot be written.
    """
    original = read_meta(RunPaths(runs_root, run_id)).reproduces
    if not original:
        return None
    run = read_run(runs_root, run_id)
    result = assess_reproduction(read_run(runs_root, original), run, list_runs(runs_root))
    write_json(run.paths.reproduction, result.model_dump(mode="json"))
    return result


def assess_reproduction(original: Run, again: Run, runs: Iterable[Run]) -> Reproduction:
    """Compare a run with the one it reproduces.

    Args:
        original: a finished run.
        again: trained to its end with the same settings.
        runs: all there are; those that differ from the original only in the seed give the seed variance.

    Raises:
        RunError: one of the two lacks its predictions.
    """
    outcome, words = _result(original, again, runs)
    return Reproduction(
        time=datetime.now(UTC),
        reproduces=original.id,
        outcome=outcome,
        words=words,
        checks=compare_origins(original, again),
    )


def _result(original: Run, again: Run, runs: Iterable[Run]) -> tuple[ReproductionOutcome, str]:
    weights = _same_weights(original, again)
    predictions = _same_predictions(original, again)
    if weights is True and predictions:
        return (
            ReproductionOutcome.BIT_EQUAL,
            "Bit-identical weights and predictions.",
        )
    if weights is None and predictions:
        return (
            ReproductionOutcome.BIT_EQUAL,
            "Bit-identical predictions. The weights can't be compared: a weights file is missing.",
        )
    though = "the weights" if weights else "the predictions" if predictions else ""
    begin = f"Not bit-identical (but {though} are)" if though else "Not bit-identical"
    data = [found for run in (original, again) if (found := recorded_data(run, recorded_environment(run))).content]
    if len({each.content for each in data}) > 1:
        return ReproductionOutcome.NOT_COMPARABLE, f"{begin}, and not comparable: the dataset has changed."
    if not same_images(data):
        return (
            ReproductionOutcome.NOT_COMPARABLE,
            f"{begin}, and not comparable: the dataset now has its images {REARRANGED}.",
        )
    try:
        comparison = compare_predictions(_predictions(original), _predictions(again))
    except RunError as error:
        return ReproductionOutcome.NOT_COMPARABLE, f"{begin}, and not comparable: {error}"
    seeds = seed_accuracies(original, [run for run in runs if run.id != again.id])
    if len(seeds) < 2:
        outcome = ReproductionOutcome.DIFFERENT if comparison.is_significant() else ReproductionOutcome.NO_EVIDENCE
        return outcome, (
            f"{begin}. On the same {comparison.images:,} {SPLIT} images: {comparison.in_words()}. Seed variance "
            "unknown: no other seed of this configuration has finished."
        )
    bound, spread = seed_bound(seeds)
    points, apart, deviation = (f"{100 * value:.2f} pp" for value in (comparison.difference, bound, spread))
    outcome = (
        ReproductionOutcome.WITHIN_SEEDS if abs(comparison.difference) <= bound else ReproductionOutcome.OUTSIDE_SEEDS
    )
    joint = "but" if outcome is ReproductionOutcome.WITHIN_SEEDS else "and"
    return outcome, (
        f"{begin}, {joint} {outcome.label.lower()}: {SPLIT} accuracy differs by {points}; over {len(seeds)} seeds "
        f"(std {deviation}), two seeds differ by up to {apart} (95%)."
    )


def _same_weights(original: Run, again: Run) -> bool | None:
    """Whether all tensors are equal to the bit; None if a file is missing."""
    from core.models.state_dict import same_tensors  # brings torch: only the worker, which has it, comes here

    if not (original.has_weights and again.has_weights):
        return None
    return same_tensors(original.paths.weights, again.paths.weights)


def _same_predictions(original: Run, again: Run) -> bool:
    """Whether every table that the original has is there again, equal to the bit, and there is one."""
    paths = [(original.paths.predictions(split), again.paths.predictions(split)) for split in COMPARED_SPLITS]
    pairs = [(predictions_table(old), predictions_table(new)) for old, new in paths if old.exists()]
    return bool(pairs) and all(
        list(old) == list(new) and all(old[name].to_numpy().tolist() == new[name].to_numpy().tolist() for name in old)
        for old, new in pairs
    )


def _predictions(run: Run) -> Any:
    return predictions_table(run.paths.predictions(SPLIT))


def seed_accuracies(original: Run, runs: Iterable[Run]) -> dict[int, float]:
    """Seed to validation accuracy, of finished runs that differ from the original only in it; the original's own
    among them. Of several runs with one seed the oldest counts: a repetition adds nothing about seed variance."""
    own = reseed_key(original)
    found: dict[int, float] = {}
    for run in sorted([original, *runs], key=lambda run: (run.id != original.id, run.status.created_at)):
        accuracy = run.accuracy(SPLIT)
        if run.state is RunState.FINISHED and run.config and reseed_key(run) == own and accuracy is not None:
            found.setdefault(run.config.seed, accuracy)
    return found


def seed_bound(seeds: Mapping[int, float]) -> tuple[float, float]:
    """The difference that 95% of pairs of runs with different seeds stay below, and the standard deviation over seeds.

    The difference of two independent draws has the variance of one, twice; with the standard deviation taken from n
    values it follows Student's t distribution with n - 1 degrees of freedom.

    Args:
        seeds: at least two.
    """
    from scipy.stats import t

    _, spread = mean_and_std(list(seeds.values()))
    assert spread is not None
    return float(t.ppf(0.975, len(seeds) - 1)) * math.sqrt(2) * spread, spread
