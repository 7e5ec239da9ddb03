"""Is one model significantly better than another on the same images? McNemar's exact test and a paired bootstrap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from core.errors import RunError
from core.numbers import signed

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES: Final = 10_000
LEVEL: Final = 0.05
"""A difference with a p-value below this is significant."""


@dataclass(frozen=True)
class Comparison:
    """A model compared with a baseline on the same images."""

    images: int
    only_baseline: int
    """Images that the baseline alone gets right."""
    only_run: int
    """Images that the other model alone gets right."""
    interval: tuple[float, float]
    """95% CI of the difference of the accuracies, -1..1, by a paired bootstrap."""
    p_value: float
    """Two-sided, by McNemar's exact test, 0..1."""

    @property
    def difference(self) -> float:
        """Accuracy minus the baseline's, -1..1."""
        return (self.only_run - self.only_baseline) / self.images

    def is_significant(self, p_value: float | None = None) -> bool:
        """Whether both the test and the interval exclude equal accuracies.

        Args:
            p_value: used instead of the own one: the one adjusted for the number of comparisons made.
        """
        low, high = self.interval
        return (self.p_value if p_value is None else p_value) < LEVEL and not low <= 0 <= high

    def in_words(self, *, p_value: float | None = None, reseeded: bool = False) -> str:
        """The difference, such as `+43.1 pp (95% CI 41.2–45.0), p < 0.001`, or that it is not significant.

        Args:
            p_value: as for `is_significant`.
            reseeded: the two differ only in the seed. Such a difference is chance, even where the two models do differ,
                and says nothing about their settings.
        """
        p = self.p_value if p_value is None else p_value
        if not self.is_significant(p):
            return f"not significant ({p_in_words(p)})"
        between = "–" if self.interval[0] >= 0 else " to "  # a dash between two negative numbers reads badly
        ends = between.join(signed(100 * end, 1).removeprefix("+") for end in self.interval)
        size = f"{signed(100 * self.difference, 1)} pp (95% CI {ends})"
        return f"{size}, {'seed effect only' if reseeded else p_in_words(p)}"


def p_in_words(p: float) -> str:
    """`p = 0.41`, with more digits where p is small."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def compare_correct(baseline: np.ndarray, run: np.ndarray, *, seed: int = 0) -> Comparison:
    """Compare two models by which images each gets right.

    Args:
        baseline: (N,) booleans, whether the baseline is right about each image; N at least 1.
        run: (N,) the same for the other model, in the same order.
        seed: of the bootstrap; the same seed gives the same interval.

    Raises:
        RunError: there are no images, or not as many of one as of the other.
    """
    baseline, run = np.asarray(baseline, bool), np.asarray(run, bool)
    if len(baseline) != len(run) or not len(run):
        raise RunError(f"Not comparable: {len(baseline):,} vs {len(run):,} images.")
    only_baseline, only_run = int((baseline & ~run).sum()), int((run & ~baseline).sum())
    return Comparison(
        images=len(run),
        only_baseline=only_baseline,
        only_run=only_run,
        interval=difference_interval(only_baseline, only_run, len(run), seed=seed),
        p_value=mcnemar(only_baseline, only_run),
    )


def compare_predictions(baseline: "pd.DataFrame", run: "pd.DataFrame") -> Comparison:
    """Compare two tables of `core.evaluation.predictions.read_predictions`, joined on `image_id`.

    Raises:
        RunError: they are about different images, or disagree about the true class of one.
    """
    if not np.array_equal(
        baseline["image_id"].to_numpy(), run["image_id"].to_numpy()
    ):  # another order, or other images
        baseline, run = (frame.sort_values("image_id", kind="stable") for frame in (baseline, run))
        own, other = baseline["image_id"].to_numpy(), run["image_id"].to_numpy()
        if not np.array_equal(own, other):
            shared = len(np.intersect1d(own, other))
            raise RunError(
                f"Not comparable: different datasets ({len(own):,} vs {len(other):,} images, {shared:,} shared)."
            )
    disagreed = int((baseline["label"].to_numpy() != run["label"].to_numpy()).sum())
    if disagreed:
        raise RunError(f"Not comparable: the labels of {disagreed:,} images differ. Evaluate both on the same data.")
    return compare_correct(baseline["correct"].to_numpy(), run["correct"].to_numpy())


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's exact test (McNemar 1947): how often a fair coin, thrown once per image that just
    one of the two gets right, falls at least as unevenly.

    Args:
        only_first: images only the first gets right, at least 0.
        only_second: images only the second gets right, at least 0.

    Returns:
        0..1; 1 where there is no such image.
    """
    thrown, fewer = only_first + only_second, min(only_first, only_second)
    # In whole numbers, so exact however many images; SciPy's binomial test agrees but takes a second to import.
    ways = term = 1
    for k in range(fewer):
        term = term * (thrown - k) // (k + 1)
        ways += term
    return min(1.0, 2 * ways / 2**thrown)


def difference_interval(only_first: int, only_second: int, images: int, *, seed: int = 0) -> tuple[float, float]:
    """95% percentile interval of accuracy(second) - accuracy(first), by a paired bootstrap over images (Efron 1979).

    Resampling images with replacement makes the counts of the three kinds of image (only the first right, only the
    second, both or none) multinomial, so that three numbers are drawn per resample instead of one per image.

    Args:
        only_first: images only the first gets right.
        only_second: images only the second gets right.
        images: all of them, at least 1.
        seed: of the draws.
    """
    fractions = np.array([only_first, only_second, images - only_first - only_second]) / images
    drawn = np.random.default_rng(seed).multinomial(images, fractions, size=RESAMPLES)
    low, high = np.percentile((drawn[:, 1] - drawn[:, 0]) / images, [2.5, 97.5])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being several (Holm 1979), in the order given: with them, the chance of calling even one
    difference real where there is none stays below the level."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def mean_and_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation; no spread for a single value.

    Args:
        values: at least one.
    """
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
