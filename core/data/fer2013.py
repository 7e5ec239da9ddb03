"""FER2013: where it comes from, its terms, and its published image counts per split and class."""

from collections.abc import Mapping
from typing import Final

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from core.labels import LABELS
from core.splits import TEST, TRAIN, VALIDATION

KAGGLE_NAME: Final = "msambare/fer2013"
KAGGLE_URL: Final = f"https://www.kaggle.com/datasets/{KAGGLE_NAME}"
TERMS: Final = (
    "FER2013 was collected from the web for an ICML 2013 challenge (Goodfellow et al. 2013). Kaggle lists the licence "
    f"as DbCL/ODbL. By downloading it you accept the terms on {KAGGLE_URL}."
)

ACCEPTED: Final = (
    "Supported: Kaggle zip or folder, fer2013.csv, icml_face_data.csv, fer2013.tar.gz, Parquet, or a folder, zip or "
    "tar of class folders."
)
"""The forms that are imported, as a sentence of its own."""

PUBLISHED_COUNTS: Final[dict[str, tuple[int, ...]]] = {
    "train": (3995, 436, 4097, 7215, 4965, 4830, 3171),
    "validation": (467, 56, 496, 895, 607, 653, 415),
    "test": (491, 55, 528, 879, 626, 594, 416),
}
"""Images per class, in the order of `LABELS`."""

FER2013_PREFIXES: Final = {"Training_": TRAIN, "PublicTest_": VALIDATION, "PrivateTest_": TEST}
"""How the file names of its images begin, and the split of these."""


class CountDifference(TypedDict):
    """One class of one split whose image count differs from the published one."""

    split: str
    label: str
    found: int
    published: int


def named_split(file: str) -> str:
    """The split that the name of a file (path with /) says; empty for any other name."""
    name = file.rsplit("/", 1)[-1]
    return next((split for prefix, split in FER2013_PREFIXES.items() if name.startswith(prefix)), "")


def count_differences(counts: Mapping[str, Mapping[str, int]]) -> list[CountDifference]:
    """Counts per split and class name that differ from the published ones of FER2013; empty when all match."""
    return [
        CountDifference(split=split, label=label, found=found, published=published)
        for split, per_class in PUBLISHED_COUNTS.items()
        for label, published in zip(LABELS, per_class, strict=True)
        if (found := counts.get(split, {}).get(label, 0)) != published
    ]
