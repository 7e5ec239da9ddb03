"""Drawn faces as large as photos; `test_demo.py` has those of the dataset."""

import numpy as np
import pytest

from core.data.importers.drawing import draw_portrait


@pytest.mark.parametrize("label", range(7))
def test_a_portrait_is_decided_by_its_seed_and_fills_its_size(label: int) -> None:
    first, again, other = (np.asarray(draw_portrait(label, np.random.default_rng(seed), 200)) for seed in (1, 1, 2))
    assert first.shape == (200, 200, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.std(axis=(0, 1)).min() > 5


def test_a_portrait_shows_the_same_face_at_any_size() -> None:
    large, small = (draw_portrait(3, np.random.default_rng(5), side).convert("L") for side in (400, 100))
    difference = np.abs(np.asarray(large.resize((100, 100)), float) - np.asarray(small, float))
    assert difference.mean() < 6
