"""A small dataset of noise, and disks that need no waiting for."""

import os
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import (
    DatasetInfo,
    SplitArrays,
    write_dataset,
)
from core.labels import LABELS
from core.splits import SPLITS


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that kill processes, not machines, do not wait for the disk: that would take most of their time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def some_splits(seed: int = 0, per_class: int = 2) -> dict[str, SplitArrays]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7, dtype=np.uint8), per_class)
    shape = (len(labels), 48, 48)
    ids = np.array([f"{LABELS[label]}/{i:03d}" for i, label in enumerate(labels)])
    return {split: (rng.integers(0, 256, shape, dtype=np.uint8), labels, ids) for split in SPLITS}


def write(root: Path, name: str = "small", seed: int = 0, **changes: object) -> DatasetInfo:
    splits = changes.pop("splits", None) or some_splits(seed)
    return write_dataset(root, name, title="Small", kind="own", source="x.zip", splits=splits, **changes)  # type: ignore
