"""The layout of Kaggle's FER2013: train/<class>/*.jpg and test/<class>/*.jpg, the split told by the file name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.data.archives import common_top, is_clutter
from core.data.fer2013 import ACCEPTED
from core.errors import DataError, quote
from core.labels import LABELS
from core.splits import SPLITS

_PREFIXES: Final = {"Training_": "train", "PublicTest_": "validation", "PrivateTest_": "test"}
_FOLDER_SPLITS: Final = {"train": ("train",), "test": ("validation", "test")}


@dataclass(frozen=True)
class LayoutImage:
    """One image of a folder or zip file."""

    split: str
    label: int
    """Class index, 0..6."""
    id: str
    """Class folder and file name: some file names are in two classes."""
    where: str
    """Path inside the source."""


def layout_images(source_name: str, files: Sequence[str]) -> list[LayoutImage]:
    """The images among the files (paths with /) of a zip or folder; files outside train/ and test/ are ignored.

    Raises:
        DataError: the layout is another.
    """
    source_name = quote(source_name)
    files = sorted(file for file in files if not is_clutter(file))
    top = common_top(files, _FOLDER_SPLITS.__contains__)
    entries, foreign = [], []
    for file in files:
        parts = file.removeprefix(top).split("/")
        if parts[0] not in _FOLDER_SPLITS:
            continue
        if len(parts) != 3 or parts[1].lower() not in LABELS:
            foreign.append(file)
            continue
        label = LABELS.index(parts[1].lower())
        entries.append(LayoutImage(_split_of(source_name, file, parts[0]), label, f"{LABELS[label]}/{parts[2]}", file))
    if foreign:
        raise DataError(
            f"{source_name} has {len(foreign):,} files outside the known class folders (first: {quote(foreign[0])}). "
            f"The classes are {', '.join(LABELS)}."
        )
    missing = [split for split in SPLITS if not any(entry.split == split for entry in entries)]
    if not entries:
        raise DataError(
            f"{source_name} has no folders train/<class> and test/<class> with images. {ACCEPTED} "
            "For a custom dataset, choose a name other than fer2013."
        )
    if missing:
        prefix = next(prefix for prefix, split in _PREFIXES.items() if split == missing[0])
        raise DataError(f"{source_name} has no {missing[0]} images (file names beginning with {prefix}). {ACCEPTED}")
    return entries


def _split_of(source_name: str, file: str, folder: str) -> str:
    """The split that a file name implies; the folder must agree."""
    for prefix, split in _PREFIXES.items():
        if file.rsplit("/", 1)[-1].startswith(prefix) and split in _FOLDER_SPLITS[folder]:
            return split
    prefixes = [prefix for prefix, split in _PREFIXES.items() if split in _FOLDER_SPLITS[folder]]
    raise DataError(
        f"{source_name} has a file {quote(file)}, but in FER2013 names under {folder}/ begin with "
        f"{' or '.join(prefixes)}. Use the dataset with its original file names."
    )


def is_image_path(file: str) -> bool:
    """Whether a path is below a folder train/ or test/."""
    return not _FOLDER_SPLITS.keys().isdisjoint(file.split("/")[:-1])
