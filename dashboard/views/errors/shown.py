"""What the error analysis is about: one run, one split, and everything known about its images."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.dataset import DatasetInfo
from core.labels import LABELS
from core.review.gallery import with_margin
from core.review.images import CurrentReviews
from core.runs.records import Run
from core.splits import dataset_split
from dashboard.state import cache
from dashboard.state.roots import data_root
from dashboard.ui.faces import unchanged_dataset_of


@dataclass(frozen=True)
class Shown:
    """One run's predictions on one split."""

    run: Run
    split: str
    """`train`, `validation`, `test` or `held-out`."""
    table: pd.DataFrame
    """Of predictions, with `margin`; `index` counts in the images of `data_split`."""
    info: DatasetInfo | None
    """The dataset, if this machine has it unchanged."""

    @property
    def data_split(self) -> str:
        """The split of the dataset that has the images."""
        return dataset_split(self.split)

    @property
    def images(self) -> np.ndarray | None:
        """uint8 (N, 48, 48) of `data_split`; None without the dataset."""
        if self.info is None:
            return None
        return cache.split(self.info.ref(data_root()), self.data_split).images

    @property
    def copies(self) -> dict[str, np.ndarray] | None:
        """Which images of `data_split` are duplicates, by kind; None without the dataset."""
        if self.info is None:
            return None
        return cache.duplicates(self.info.ref(data_root()), self.data_split)

    @property
    def current_reviews(self) -> CurrentReviews:
        """The label reviews of the images of `data_split`."""
        return cache.current_reviews(self.run.paths, self.data_split)

    def labels_of(self, images: Collection[str]) -> dict[str, str]:
        """Image to its label, as imported; without images that have no prediction."""
        rows = self.table[self.table["image_id"].isin(images)]
        return {image: LABELS[label] for image, label in zip(rows["image_id"], rows["label"], strict=True)}


def shown_of(run: Run, split: str) -> Shown | None:
    """A run's predictions on a split, or None if there are none."""
    path, info = run.paths.predictions(split), unchanged_dataset_of(run)
    if not path.exists():
        return None
    if info is not None:
        table = cache.errors_table(path, info.ref(data_root()), dataset_split(split))
        if table is not None:
            return Shown(run, split, table, info)
    table = cache.predictions(path)
    return None if table is None else Shown(run, split, with_margin(table), None)
