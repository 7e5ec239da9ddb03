"""The layout of Kaggle's FER2013: train/<class>/*.jpg and test/<class>/*.jpg, the split told by the file name.
Copies in which PublicTest_* lies in validation/ are the same to us."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from core.data.archives import is_clutter
from core.data.fer2013 import ACCEPTED, FER2013_PREFIXES
from core.data.importers.names import label_index, meaning_of
from core.errors import DataError, quote
from core.labels import LABELS
from core.splits import SPLITS

_FOLDER_SPLITS: Final = {"train": ("train",), "validation": ("validation",), "test": ("validation", "test")}
"""Split that a folder says, to those that the names of its files may say."""


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
    """The images among the files (paths with /) of a zip or folder; files outside train/, validation/ and test/ are
    ignored, and so is whatever lies beside the folder of the set.

    Raises:
        DataError: the layout is another.
    """
    source_name = quote(source_name)
    files = sorted(file for file in files if not is_clutter(file))
    top = _top(files)
    entries, foreign = [], []
    for file in files:
        parts = file.removeprefix(top).split("/")
        if not file.startswith(top) or not _folder_split(parts[0]):
            continue
        label = label_index(parts[1]) if len(parts) == 3 else None
        if label is None:
            foreign.append(file)
            continue
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
        prefix = next(prefix for prefix, split in FER2013_PREFIXES.items() if split == missing[0])
        raise DataError(f"{source_name} has no {missing[0]} images (file names beginning with {prefix}). {ACCEPTED}")
    return entries


def _split_of(source_name: str, file: str, folder: str) -> str:
    """The split that a file name implies; the folder must agree."""
    possible = _FOLDER_SPLITS[_folder_split(folder)]
    for prefix, split in FER2013_PREFIXES.items():
        if file.rsplit("/", 1)[-1].startswith(prefix) and split in possible:
            return split
    prefixes = [prefix for prefix, split in FER2013_PREFIXES.items() if split in possible]
    raise DataError(
        f"{source_name} has a file {quote(file)}, but in FER2013 names under {folder}/ begin with "
        f"{' or '.join(prefixes)}. Use the dataset with its original file names."
    )


def is_image_path(file: str) -> bool:
    """Whether a path is below a folder of a split, such as train/ or test/."""
    return any(_folder_split(folder) for folder in file.split("/")[:-1])


@lru_cache(maxsize=1000)
def _folder_split(folder: str) -> str:
    """The split that the name of a folder says; empty where it says none."""
    meaning = meaning_of(folder)
    return meaning.value if meaning and meaning.kind == "split" else ""


def _top(files: Sequence[str]) -> str:
    """The folder that holds <split>/<class>/<file>, with a slash at its end; of several the highest."""
    tops = set()
    for file in files:
        *above, split, label, _ = ["", "", *file.split("/")]
        if _folder_split(split) and label_index(label) is not None:
            tops.add("".join(f"{part}/" for part in above[2:]))
    return min(tops, key=lambda top: (top.count("/"), top), default="")
