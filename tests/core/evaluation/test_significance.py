"""Comparisons are those of the textbook, and chance is not called progress."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap, chi2

from core.errors import RunError
from core.evaluation.significance import (
    Comparison,
    compare_correct,
    compare_predictions,
    difference_interval,
    holm,
    mcnemar,
    mean_and_std,
    p_in_words,
)

counts = st.integers(0, 1200)


def table(correct: list[bool], ids: list[str] | None = None, labels: list[int] | None = None) -> pd.DataFrame:
    ids = ids or [f"image-{i}" for i in range(len(correct))]
    return pd.DataFrame({"image_id": ids, "label": labels or [0] * len(correct), "correct": correct})


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (5, 5), (10, 2), (121, 59), (300, 341), (1700, 1889)])
def test_mcnemar_is_the_binomial_test_of_scipy(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_is_near_its_chi_square_form() -> None:
    """(b - c)^2 / (b + c) with one degree of freedom, which is what McNemar's paper gives for many images."""
    assert mcnemar(86, 150) == pytest.approx(chi2.sf((86 - 150) ** 2 / (86 + 150), 1), rel=0.25)


@given(counts, counts)
def test_mcnemar_is_symmetric_and_a_probability(first: int, second: int) -> None:
    assert 0 <= mcnemar(first, second) == mcnemar(second, first) <= 1


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 3000))
def test_the_interval_holds_the_difference_and_mirrors(first: int, second: int, rest: int) -> None:
    images = max(1, first + second + rest)
    low, high = difference_interval(first, second, images)
    assert -1 <= low <= (second - first) / images + 1e-12 and (second - first) / images <= high + 1e-12 <= 1 + 1e-9
    mirrored = difference_interval(second, first, images)
    assert mirrored == pytest.approx((-high, -low), abs=4 / np.sqrt(images) / 10 + 2 / images)


def test_the_interval_is_the_one_of_resampling_image_by_image() -> None:
    chance = np.random.default_rng(1)
    baseline, run = chance.random(800) < 0.6, chance.random(800) < 0.66
    picks = np.random.default_rng(2).integers(0, 800, (4000, 800))
    slowly = np.percentile(run[picks].mean(axis=1) - baseline[picks].mean(axis=1), [2.5, 97.5])
    assert compare_correct(baseline, run).interval == pytest.approx(tuple(slowly), abs=0.004)


@pytest.mark.parametrize(("first", "second", "images"), [(86, 150, 3589), (40, 52, 420), (3, 0, 42)])
def test_the_interval_is_the_percentile_bootstrap_of_scipy(first: int, second: int, images: int) -> None:
    differences = np.repeat([-1.0, 1.0, 0.0], [first, second, images - first - second])
    found = bootstrap(
        (differences,), np.mean, n_resamples=4000, batch=200, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    expected = (found.low, found.high)
    assert difference_interval(first, second, images) == pytest.approx(expected, abs=1.5 / images + 0.0015)


def test_the_interval_covers_the_truth_nineteen_times_of_twenty() -> None:
    chance = np.random.default_rng(0)
    drawn = chance.multinomial(3589, [0.08, 0.10, 0.82], size=400)
    intervals = [difference_interval(int(a), int(b), 3589, seed=i) for i, (a, b, _) in enumerate(drawn)]
    assert 0.92 <= np.mean([low <= 0.02 <= high for low, high in intervals]) <= 0.98


def test_the_same_seed_gives_the_same_interval() -> None:
    assert difference_interval(100, 130, 3589) == difference_interval(100, 130, 3589)
    assert difference_interval(100, 130, 3589) != difference_interval(100, 130, 3589, seed=1)


def test_a_comparison_of_all_test_images_takes_milliseconds() -> None:
    chance = np.random.default_rng(0)
    baseline, run = chance.random((2, 3589)) < 0.65
    start = time.process_time()
    for seed in range(5):
        compare_correct(baseline, run, seed=seed)
    assert (time.process_time() - start) / 5 < 0.1


def test_two_throws_of_one_coin_are_not_called_better() -> None:
    chance = np.random.default_rng(7)
    called = 0
    for _ in range(200):
        hard = chance.random(1000) * 0.9  # some images are hard for everybody
        pair = [chance.random(1000) > hard for _ in range(2)]
        called += compare_correct(*pair).is_significant()
    assert called <= 16  # one in twenty by the meaning of the level, which the exact test stays under


def test_a_reseeding_is_never_called_better() -> None:
    sure = Comparison(3589, 100, 300, (0.045, 0.066), 1e-9)
    assert sure.in_words() == "+5.6 pp (95% CI 4.5–6.6), p < 0.001"
    assert sure.in_words(reseeded=True) == "+5.6 pp (95% CI 4.5–6.6), seed effect only"


def test_the_words() -> None:
    assert Comparison(1000, 40, 52, (0.003, 0.021), 0.009).in_words() == ("+1.2 pp (95% CI 0.3–2.1), p = 0.009")
    assert Comparison(1000, 52, 40, (-0.021, -0.003), 0.009).in_words() == (
        "\u22121.2 pp (95% CI \u22122.1 to \u22120.3), p = 0.009"
    )
    assert Comparison(1000, 50, 55, (-0.01, 0.02), 0.41).in_words() == "not significant (p = 0.41)"
    assert Comparison(1000, 40, 52, (0.003, 0.021), 0.03).in_words(p_value=0.06).startswith("not significant")
    assert [p_in_words(p) for p in (1.0, 0.05, 0.0004)] == ["p = 1.00", "p = 0.050", "p < 0.001"]


def test_tables_are_joined_on_the_image() -> None:
    baseline = table([True, False, True, True])
    run = table([True, True, False, True]).iloc[::-1]
    found = compare_predictions(baseline, run)
    assert (found.images, found.only_baseline, found.only_run, found.difference) == (4, 1, 1, 0.0)


def test_other_images_or_labels_are_refused() -> None:
    with pytest.raises(RunError, match=r"different datasets \(2 vs 2 images, 1 shared\)"):
        compare_predictions(table([True, True], ["a", "b"]), table([True, True], ["b", "c"]))
    with pytest.raises(RunError, match="the labels of 1 images differ"):
        compare_predictions(table([True, True], labels=[0, 1]), table([True, True], labels=[0, 2]))
    with pytest.raises(RunError, match="0 vs 0 images"):
        compare_correct(np.array([]), np.array([]))


@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_p_values_are_larger_in_the_same_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(p <= q <= 1 for p, q in zip(values, adjusted, strict=True))
    assert [q for _, q in sorted(zip(values, adjusted, strict=True))] == sorted(adjusted)


def test_holm_on_a_known_case() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_mean_and_std() -> None:
    assert mean_and_std([0.6, 0.7]) == (pytest.approx(0.65), pytest.approx(0.0707107, rel=1e-5))
    assert mean_and_std([0.6]) == (0.6, None)
