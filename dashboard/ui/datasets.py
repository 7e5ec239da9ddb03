"""Datasets as several pages name them."""

from collections import Counter
from collections.abc import Sequence

from core.data.dataset import DatasetInfo


def dataset_titles(datasets: Sequence[DatasetInfo]) -> dict[str, str]:
    """Name of each dataset to the title that people read; with the name where two have the same."""
    often = Counter(info.title for info in datasets)
    return {info.name: info.title if often[info.title] == 1 else f"{info.title} ({info.name})" for info in datasets}
