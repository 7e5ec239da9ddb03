"""Folds of the training images."""

from pathlib import Path

import numpy as np

from core.data.dataset import Split, load_split
from core.data.folds import held_out


def test_folds_divide_every_class_and_keep_copies_together(demo_root: Path) -> None:
    train = load_split(demo_root, "demo", "train")
    images = np.concatenate([train.images, train.images[:30]])
    doubled = Split(
        "train", images, np.concatenate([train.labels, 6 - train.labels[:30]]), np.arange(len(images)).astype(str)
    )
    masks = np.array([held_out(doubled, f"{number}/5") for number in range(1, 6)])
    assert (masks.sum(axis=0) == 1).all(), "every image is in one fold"
    assert np.array_equal(masks[:, :30], masks[:, len(train) :]), "copies are in one fold, whatever their labels"
    per_class = np.array(
        [[(mask & (train.labels == label)).sum() for label in range(7)] for mask in masks[:, : len(train)]]
    )
    assert (per_class.max(axis=0) - per_class.min(axis=0) <= 1).all(), "24 per class: 4 or 5 in each"
    assert not np.array_equal(held_out(train, "1/2"), np.arange(len(train)) < len(train) / 2), "shuffled"
