"""A team's own pictures: a folder, or a zip file, of class folders with pictures of any size.

    faces/happy/*.jpg, faces/sad/*.png, ...                       divided 80 / 10 / 10 per class, by a seed
    faces/train/happy/*.jpg, faces/test/happy/*.jpg, ...          divided as the folders say

Class folders have the seven names, in small or capital letters, or are mapped to them. A picture is decoded like an
upload and brought to 48x48 as a whole: it should show one face and little else.
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
"""What a folder is mapped to that is to be left out."""

_SHARE: Final = 0.1
"""Of the pictures of a class, for validation and test each, where the folders do not say."""

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
class _Picture:
    split: str
    """Empty where the folders do not say."""
    label: int
    where: str
    """Path inside the folder or zip file."""
    id: str
    """The same without the folders that all pictures are in, in characters that can be written anywhere."""


def is_own(path: Path) -> bool:
    """Whether a path is a folder or zip file without a single file named as those of FER2013, or its tables, are.

    Raises:
        DataError: it is a zip file that is damaged or refused.
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
            raise DataError(f"{quote(pair)} maps nothing: write folder=class, for instance happiness=happy.")
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
    """Read class folders of pictures and keep them as a data set of kind "own"; all or nothing.

    Args:
        path: folder or zip file.
        data_root: where data sets are kept.
        name: what the data set will be called.
        mapping: folder name to class name, or to `LEAVE_OUT`.
        seed: decides which pictures go to validation and test where the folders do not say. Equal pictures stay
            together, whatever their names.
        skip_unreadable: leave out what cannot be decoded, and count it.
        progress: called now and then with pictures done and pictures in all.

    Raises:
        DataError: the path, a folder's name or a mapping is wrong, a class is missing or too small, or pictures cannot
            be read.
    """
    check_dataset_name(name)
    if name == "fer2013":
        raise DataError("'fer2013' is the name of FER2013 itself: give your own set another name, such as mine.")
    try:
        with open_files(path, MAX_IMAGE_BYTES) as files:
            pictures = _pictures(quote(path.name), files.names, _checked(mapping or {}))
            _check_classes(quote(path.name), pictures)
            images, unreadable = _decode(files, pictures, progress)
    except OSError as error:
        raise DataError(f"Cannot read {quote(path.name)}: {system_reason(error)}.") from error
    if unreadable and not skip_unreadable:
        raise DataError(
            f"{len(unreadable):,} of {len(pictures):,} pictures in {quote(path.name)} cannot be read, the first being "
            f"{next(iter(unreadable.values()))}: remove them, or have them left out with `--skip-unreadable` or the "
            "tick box on the Data page."
        )
    kept = [picture for index, picture in enumerate(pictures) if index not in unreadable]
    _check_classes(quote(path.name), kept)
    splits = _divide(quote(path.name), kept, images, seed)
    return write_dataset(
        data_root, name, title=name, kind="own", source=path.name, splits=splits, skipped=len(unreadable)
    )


def _checked(mapping: Mapping[str, str]) -> dict[str, str]:
    """Every folder name that is known, in small letters, to its class name or `LEAVE_OUT`."""
    known = {label: label for label in LABELS}
    for folder, label in mapping.items():
        if label.lower() not in (*LABELS, LEAVE_OUT):
            raise DataError(
                f"{quote(folder)} is mapped to {quote(label)}, which is no class: choose one of {', '.join(LABELS)}, "
                f"or {LEAVE_OUT} to leave it out."
            )
        known[folder.lower()] = label.lower()
    return known


def _pictures(name: str, files: Sequence[str], known: Mapping[str, str]) -> list[_Picture]:
    files = sorted(file for file in files if not is_clutter(file))
    top = common_top(files, lambda folder: folder.lower() in (*known, *_SPLIT_FOLDERS))
    pictures, unknown, loose = [], Counter[str](), 0
    for file in files:
        parts = file.removeprefix(top).split("/")
        split = _SPLIT_FOLDERS.get(parts[0].lower(), "") if len(parts) > 2 and parts[0].lower() not in known else ""
        parts = parts[1:] if split else parts
        if len(parts) < 2:
            loose += 1  # a README beside the class folders is no reason to refuse them
        elif parts[0].lower() not in known:
            unknown[parts[0]] += 1
        elif known[parts[0].lower()] != LEAVE_OUT:
            id = file.removeprefix(top).encode("utf-8", "backslashreplace").decode()
            pictures.append(_Picture(split, LABELS.index(known[parts[0].lower()]), file, id))
    if unknown:
        shown = ", ".join(f"{quote(folder)} ({count:,})" for folder, count in sorted(unknown.items())[:5])
        first = min(unknown)
        plural = "1 folder that is no class" if len(unknown) == 1 else f"{len(unknown):,} folders that are no class"
        raise DataError(
            f"{name} has {plural}, {shown}: map each to one of {', '.join(LABELS)}, "
            f"as in {quote(f'{first}=happy')}, or leave it out with {quote(f'{first}={LEAVE_OUT}')}."
        )
    if not pictures:
        raise DataError(
            f"{name} has no class folders with pictures ({loose:,} other files): make one folder for each of "
            f"{', '.join(LABELS)}."
        )
    if (with_split := sum(bool(picture.split) for picture in pictures)) not in (0, len(pictures)):
        raise DataError(
            f"{name} has {with_split:,} pictures below train, validation or test and {len(pictures) - with_split:,} "
            "beside these folders: move all of them below, or none."
        )
    return pictures


def _check_classes(name: str, pictures: Sequence[_Picture]) -> None:
    """Refuse a set in which a class cannot be learned.

    Raises:
        DataError: training pictures of a class are missing.
    """
    counts = Counter(LABELS[picture.label] for picture in pictures if picture.split in ("", "train"))
    missing = [label for label in LABELS if not counts[label]]
    if missing:
        found = ", ".join(f"{label} {counts[label]:,}" for label in LABELS if counts[label]) or "none"
        raise DataError(
            f"{name} has no readable training pictures of {len(missing)} of the seven classes, {', '.join(missing)} "
            f"(found: {found}): add some, or map a folder to the class."
        )


def _decode(
    files: Files, pictures: Sequence[_Picture], progress: ImportProgress | None
) -> tuple[np.ndarray, dict[int, str]]:
    """uint8 (readable, 48, 48), and why the others cannot be read, by their index."""
    images, unreadable = [], {}
    for done, picture in enumerate(pictures):
        if progress and done % 20 == 0:
            progress(done, len(pictures))
        try:
            images.append(to_face(decode_image(files.read(picture.where), picture.id)))
        except UnusableImageError as error:
            unreadable[done] = f"{quote(picture.id)} ({error})"
        except ImageError as error:
            reason = str(error).rstrip(".").split(": ")[0].partition("' ")[2]
            unreadable[done] = f"{quote(picture.id)} ({reason or 'damaged'})"
    if progress:
        progress(len(pictures), len(pictures))
    return np.array(images, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE), unreadable


def _divide(name: str, pictures: Sequence[_Picture], images: np.ndarray, seed: int) -> dict[str, SplitArrays]:
    """The splits. Those that no folder names are taken from train, a tenth of each class for each."""
    labels = np.array([picture.label for picture in pictures], np.uint8)
    ids = np.array([picture.id for picture in pictures])
    splits = np.array([picture.split or "train" for picture in pictures], dtype="U10")
    wanted = [split for split in ("validation", "test") if not (splits == split).any()]
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    place: dict[bytes, str] = {}  # equal pictures never stand on both sides, not even under two labels
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
                if taken >= max(1, round(_SHARE * len(members))):
                    break
                if digest not in place:
                    place[digest] = split
                    taken += copies[digest]
        for digest in order:
            place.setdefault(digest, "train")
    if small:
        raise DataError(
            f"{name} has too few different pictures in {len(small)} classes ({', '.join(small)}) to divide them into "
            f"train, {' and '.join(wanted)}: add some, at least {len(wanted) + 1} in each class."
        )
    if wanted:
        for index in np.flatnonzero(splits == "train"):
            splits[index] = place[digests[index]]
    return {split: (images[splits == split], labels[splits == split], ids[splits == split]) for split in SPLITS}
