"""Custom datasets: a folder, or a zip file, with one subfolder of images per class, of any size.

    faces/happy/*.jpg, faces/sad/*.png, ...                       split 80/10/10 per class, by a seed
    faces/train/happy/*.jpg, faces/test/happy/*.jpg, ...          split as the folders say

Class folders have the seven names, in lower or upper case, or are mapped to them. An image is decoded like an upload
and resized to 48x48 as a whole: it should be one tightly cropped face.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.data.archives import begins_as_zip, common_top, is_clutter
from core.data.dataset import DatasetInfo, ImportProgress, SplitArrays, write_dataset
from core.data.decode import MAX_IMAGE_BYTES, decode_image, to_face
from core.data.importers.fer2013 import table_inside
from core.data.importers.sources import Files, UnusableImageError, open_files
from core.data.storage import check_dataset_name
from core.errors import DataError, ImageError, quote, system_reason
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.splits import SPLITS

LEAVE_OUT: Final = "-"
"""What a folder is mapped to that is to be skipped."""

_HELD_BACK: Final = 0.1
"""Fraction of the images of a class for validation and test each, where the folders do not say."""

_SPLIT_FOLDERS: Final = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
_FER2013_PREFIXES: Final = ("Training_", "PublicTest_", "PrivateTest_")


@dataclass(frozen=True)
class _Image:
    split: str
    """Empty where the folders do not say."""
    label: int
    where: str
    """Path inside the folder or zip file."""
    id: str
    """The same without the folders that all images are in, in characters that can be written anywhere."""


def is_own(path: Path) -> bool:
    """Whether a path is a folder or zip file without a single file named as those of FER2013, or its tables, are.

    Raises:
        DataError: it is a zip file that is corrupt or rejected.
        OSError: it cannot be read.
    """
    if not path.is_dir() and not (path.is_file() and begins_as_zip(path)):
        return False
    with open_files(path, MAX_IMAGE_BYTES) as files:
        named = any(name.rsplit("/", 1)[-1].startswith(_FER2013_PREFIXES) for name in files.names)
        return not named and table_inside(files.names) is None


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Folder name to class name, from texts such as `happiness=happy`.

    Raises:
        DataError: one has no `=`.
    """
    for pair in pairs:
        if "=" not in pair:
            raise DataError(f"Invalid mapping {quote(pair)}. Use folder=class, e.g. happiness=happy.")
    return {pair.rpartition("=")[0].strip(): pair.rpartition("=")[2].strip() for pair in pairs}


def import_own(
    path: Path,
    data_root: Path,
    *,
    name: str,
    mapping: Mapping[str, str] | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    progress: ImportProgress | None = None,
) -> DatasetInfo:
    """Read class folders of images and write them as a dataset of kind "own"; all or nothing.

    Args:
        path: folder or zip file.
        data_root: the folder of the datasets.
        name: of the dataset.
        mapping: folder name to class name, or to `LEAVE_OUT`.
        seed: of the split, where the folders do not say. Exact duplicates stay together, whatever their names.
        skip_unreadable: skip what cannot be decoded, and count it.
        progress: called now and then with images done and images in all.

    Raises:
        DataError: the path, a folder's name or a mapping is wrong, a class is missing or too small, or images are
            unreadable.
    """
    check_dataset_name(name)
    if name == "fer2013":
        raise DataError("'fer2013' is reserved. Choose another name.")
    try:
        with open_files(path, MAX_IMAGE_BYTES) as files:
            entries = _images_of(quote(path.name), files.names, _checked(mapping or {}))
            _check_classes(quote(path.name), entries)
            images, unreadable = _decode(files, entries, progress)
    except OSError as error:
        raise DataError(f"Cannot read {quote(path.name)}: {system_reason(error)}.") from error
    if unreadable and not skip_unreadable:
        raise DataError(
            f"{len(unreadable):,} of {len(entries):,} images in {quote(path.name)} are unreadable (first: "
            f"{next(iter(unreadable.values()))}). Remove them, or skip them with `--skip-unreadable` or the check box "
            "on the Data page."
        )
    kept = [entry for index, entry in enumerate(entries) if index not in unreadable]
    _check_classes(quote(path.name), kept)
    splits = _divide(quote(path.name), kept, images, seed)
    return write_dataset(
        data_root, name, title=name, kind="own", source=path.name, splits=splits, skipped=len(unreadable)
    )


def _checked(mapping: Mapping[str, str]) -> dict[str, str]:
    """Every known folder name, in lower case, to its class name or `LEAVE_OUT`."""
    known = {label: label for label in LABELS}
    for folder, label in mapping.items():
        if label.lower() not in (*LABELS, LEAVE_OUT):
            raise DataError(
                f"{quote(folder)} is mapped to {quote(label)}, which is not a class. Use one of {', '.join(LABELS)}, "
                f"or {LEAVE_OUT} to skip it."
            )
        known[folder.lower()] = label.lower()
    return known


def _images_of(name: str, files: Sequence[str], known: Mapping[str, str]) -> list[_Image]:
    files = sorted(file for file in files if not is_clutter(file))
    top = common_top(files, lambda folder: folder.lower() in (*known, *_SPLIT_FOLDERS))
    entries, unknown, loose = [], Counter[str](), 0
    for file in files:
        parts = file.removeprefix(top).split("/")
        split = _SPLIT_FOLDERS.get(parts[0].lower(), "") if len(parts) > 2 and parts[0].lower() not in known else ""
        parts = parts[1:] if split else parts
        if len(parts) < 2:
            loose += 1  # a README next to the class folders is no reason to reject them
        elif parts[0].lower() not in known:
            unknown[parts[0]] += 1
        elif known[parts[0].lower()] != LEAVE_OUT:
            id = file.removeprefix(top).encode("utf-8", "backslashreplace").decode()
            entries.append(_Image(split, LABELS.index(known[parts[0].lower()]), file, id))
    if unknown:
        shown = ", ".join(f"{quote(folder)} ({count:,})" for folder, count in sorted(unknown.items())[:5])
        first = min(unknown)
        plural = (
            "1 folder that is not a class" if len(unknown) == 1 else f"{len(unknown):,} folders that are not classes"
        )
        raise DataError(
            f"{name} has {plural}: {shown}. Map each to one of {', '.join(LABELS)}, "
            f"e.g. {quote(f'{first}=happy')}, or skip it with {quote(f'{first}={LEAVE_OUT}')}."
        )
    if not entries:
        raise DataError(
            f"{name} has no class folders with images ({loose:,} other files). Create one folder for each of "
            f"{', '.join(LABELS)}."
        )
    if (with_split := sum(bool(entry.split) for entry in entries)) not in (0, len(entries)):
        raise DataError(
            f"{name} has {with_split:,} images in train, validation or test and {len(entries) - with_split:,} "
            "outside these folders. Move all of them inside, or none."
        )
    return entries


def _check_classes(name: str, entries: Sequence[_Image]) -> None:
    """Reject a dataset in which a class cannot be learned.

    Raises:
        DataError: training images of a class are missing.
    """
    counts = Counter(LABELS[entry.label] for entry in entries if entry.split in ("", "train"))
    missing = [label for label in LABELS if not counts[label]]
    if missing:
        found = ", ".join(f"{label} {counts[label]:,}" for label in LABELS if counts[label]) or "none"
        raise DataError(
            f"{name} has no readable training images for {len(missing)} of the seven classes, {', '.join(missing)} "
            f"(found: {found}). Add some, or map a folder to the class."
        )


def _decode(
    files: Files, entries: Sequence[_Image], progress: ImportProgress | None
) -> tuple[np.ndarray, dict[int, str]]:
    """uint8 (readable, 48, 48), and what is wrong with each of the others, by index."""
    images, unreadable = [], {}
    for done, entry in enumerate(entries):
        if progress and done % 20 == 0:
            progress(done, len(entries))
        try:
            images.append(to_face(decode_image(files.read(entry.where), entry.id)))
        except UnusableImageError as error:
            unreadable[done] = f"{quote(entry.id)} ({error})"
        except ImageError as error:
            unreadable[done] = f"{quote(entry.id)} {error.reason}"
    if progress:
        progress(len(entries), len(entries))
    return np.array(images, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE), unreadable


def _divide(name: str, entries: Sequence[_Image], images: np.ndarray, seed: int) -> dict[str, SplitArrays]:
    """The splits. Those that no folder names are taken from train, a tenth of each class for each."""
    labels = np.array([entry.label for entry in entries], np.uint8)
    ids = np.array([entry.id for entry in entries])
    splits = np.array([entry.split or "train" for entry in entries], dtype="U10")
    wanted = [split for split in ("validation", "test") if not (splits == split).any()]
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    place: dict[bytes, str] = {}  # exact duplicates share a split, even under two labels
    small = []
    for label in range(len(LABELS) if wanted else 0):
        members = np.flatnonzero((labels == label) & (splits == "train"))
        copies = Counter(digests[index] for index in members)
        order = [sorted(copies)[index] for index in np.random.default_rng([seed, label]).permutation(len(copies))]
        if len(copies) < len(wanted) + 1:
            small.append(f"{LABELS[label]} {len(copies):,}")
            continue
        for split in wanted:
            taken = sum(copies[digest] for digest in order if place.get(digest) == split)
            for digest in order:
                if taken >= max(1, round(_HELD_BACK * len(members))):
                    break
                if digest not in place:
                    place[digest] = split
                    taken += copies[digest]
        for digest in order:
            place.setdefault(digest, "train")
    if small:
        raise DataError(
            f"{name} has too few unique images in {len(small)} classes ({', '.join(small)}) to split into "
            f"train, {' and '.join(wanted)}. Each class needs at least {len(wanted) + 1}."
        )
    if wanted:
        for index in np.flatnonzero(splits == "train"):
            splits[index] = place[digests[index]]
    return {split: (images[splits == split], labels[splits == split], ids[splits == split]) for split in SPLITS}
