"""Which training images a run holds out, so that they are scored by a model that was not trained on them."""

import numpy as np

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


def shares_pixels(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) bool: which of the images have a pixel-identical copy among the others.

    Args:
        images: uint8 (N, 48, 48).
        others: uint8 (M, 48, 48).
    """
    known = {image.tobytes() for image in others}
    return np.fromiter((image.tobytes() in known for image in images), dtype=bool, count=len(images))
