"""Which training images a run leaves out: a fold, so that it is scored by a model that was not trained on it, and
copies of what it is scored on."""

import numpy as np

from core.config import TrainConfig
from core.data.dataset import Split

_FOLD_SEED = 2013
"""Deals the training images into folds."""


def held_out(train: Split, fold: str) -> np.ndarray:
    """bool (N,): the images of one fold. The folds divide every class evenly and are the same for every run, whatever
    its seed; copies of one image are always in one fold, since a model trained on one of them knows the others.

    Args:
        train: the training split, as imported.
        fold: such as `2/5`.
    """
    number, folds = (int(part) for part in fold.split("/"))
    groups: dict[bytes, int] = {}
    group = np.array([groups.setdefault(image.tobytes(), len(groups)) for image in train.images])
    _, first = np.unique(group, return_index=True)  # of each group
    shuffled = np.random.default_rng(_FOLD_SEED).permutation(len(first))
    dealt = shuffled[np.argsort(train.labels[first][shuffled], kind="stable")]
    fold_of_group = np.empty(len(first), dtype=int)
    fold_of_group[dealt] = np.arange(len(first)) % folds
    mask: np.ndarray = fold_of_group[group] == number - 1
    return mask


def trained_on(config: TrainConfig, train: Split, validation: Split, test: Split) -> np.ndarray:
    """bool (N,): the training images that a run of these settings is trained on, before its correction set."""
    kept = np.ones(len(train), dtype=bool)
    if config.drop_train_duplicates:
        kept &= ~shares_pixels(train.images, np.concatenate([validation.images, test.images]))
    if config.hold_out:
        kept &= ~held_out(train, config.hold_out)
    return kept


def shares_pixels(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) bool: which of the images have a pixel-identical copy among the others.

    Args:
        images: uint8 (N, 48, 48).
        others: uint8 (M, 48, 48).
    """
    known = {image.tobytes() for image in others}
    return np.fromiter((image.tobytes() in known for image in images), dtype=bool, count=len(images))
