"""The splits of a dataset, once."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    pass
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

COMPARED_SPLITS: Final = ("validation", "test")
"""Those whose predictions a run keeps."""
CORRECTED_SPLITS: Final = ("train", "validation")
"""Test is never touched: a figure on it must mean the same for every run."""

SPLITS: Final = ("train", "validation", "test")
HELD_OUT: Final = "held-out"
"""Under this name a run keeps its predictions for the training images that it was not trained on."""
SPLITS: Final = ("train", "validation", "test")
"""Verdicts may be given on any image; lists of corrections leave those on test out."""

SPLITS: Final = ("train", "validation", "test")
"""The splits of the 2013 challenge: Training, PublicTest, PrivateTest."""

_T = TypeVar("_T")

ORIGINAL_TEST: Final = "original-test"
"""The original test set: validation and test together, which is all of `test/` in Kaggle's FER2013."""

OLD_SPLITS: Final = {"seed-test": ORIGINAL_TEST}
"""Splits by the names that older `summary.json` files, links and command lines have for them."""


def current_split(name: str) -> str:
    """The present name of a split; a name that was never replaced is returned as it is."""
    return OLD_SPLITS.get(name, name)


def with_current_splits(evaluation: Mapping[str, _T]) -> dict[str, _T]:
    """`evaluation` of a `summary.json`, old or new, by the present names of its splits."""
    return {current_split(name): metrics for name, metrics in evaluation.items()}


HELD_OUT: Final = "held-out"
"""Training images that the run was not trained on."""


def dataset_split(split: str) -> str:
    """The split of the data set in which the images of these predictions are."""
    return "train" if split == HELD_OUT else split
