"""The splits of a dataset, once: what each is for, and which of them may be used for what."""

from collections.abc import Mapping
from typing import Final, TypeVar

_T = TypeVar("_T")

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
SPLITS: Final = (TRAIN, VALIDATION, TEST)
"""Every dataset has these. `validation` chooses epochs, presets and thresholds; `test` is scored once, at the end."""

HELD_OUT: Final = "held-out"
"""Training images of the fold that a run held out (`hold_out`): predicted by a model that was not trained on them."""
ORIGINAL_TEST: Final = "original-test"
"""`validation` and `test` together: the 7,178 images of `test/` in Kaggle's FER2013."""

COMPARED_SPLITS: Final = (VALIDATION, TEST)
"""Every finished run has predictions for these, so runs are compared on them."""
CORRECTED_SPLITS: Final = (TRAIN, VALIDATION)
"""Label corrections may touch these; `test` stays as published."""
SCORED_SPLITS: Final = (VALIDATION, TEST, HELD_OUT, TRAIN)
"""All that a run may have predictions for, in the order in which they are offered."""

OLD_SPLITS: Final = {"seed-test": ORIGINAL_TEST}
"""Splits by the names that older `summary.json` files, links and command lines have for them."""


def dataset_split(split: str) -> str:
    """The split of the dataset with the images of these predictions."""
    return TRAIN if split == HELD_OUT else split


def current_split(name: str) -> str:
    """The present name of a split; a name that was never replaced is returned as it is."""
    return OLD_SPLITS.get(name, name)


def with_current_splits(evaluation: Mapping[str, _T]) -> dict[str, _T]:
    """`evaluation` of a `summary.json`, old or new, by the present names of its splits."""
    return {current_split(name): metrics for name, metrics in evaluation.items()}
