"""Custom datasets: images of any size in class folders, in a folder or an archive.

    faces/happy/*.jpg, faces/sad/*.png, ...                       split 80/10/10 per class, by a seed
    faces/train/happy/*.jpg, faces/test/happy/*.jpg, ...          split as the folders say

What the folders mean is found out by `recognise.py`. An image is decoded like an upload and resized to 48x48 as a
whole: it should be one tightly cropped face.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from core.data.dataset import DatasetInfo, ImportProgress, SplitArrays, write_dataset
from core.data.decode import MAX_IMAGE_BYTES, decode_image, to_face
from core.data.importers.known import as_fer2013
from core.data.importers.recognise import FoundImage, understand
from core.data.importers.sources import Files, UnusableImageError, open_files
from core.data.storage import check_dataset_name, dataset_names
from core.errors import DataError, ImageError, quote, system_reason
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.splits import SPLITS, TRAIN

_HELD_BACK: Final = 0.1
"""Fraction of the images of a class for validation and test each, where the folders do not say."""


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
        mapping: folder name to class name, split, or `LEAVE_OUT`.
        seed: of the split, where the folders do not say. Exact duplicates stay together, whatever their names.
        skip_unreadable: skip what cannot be decoded, and count it.
        progress: called now and then with images done and images in all.

    Classes may be missing: they have no images then, and metrics leave them out.

    Raises:
        DataError: the path, a folder's name or a mapping is wrong, a class is too small, or images are unreadable.
    """
    check_dataset_name(name)
    if name == "fer2013":
        raise DataError("'fer2013' is reserved. Choose another name.")
    try:
        with open_files(path, MAX_IMAGE_BYTES) as files:
            layout = understand(files.names, mapping)
            if layout.question:
                raise DataError(f"{quote(path.name)} {layout.question}")
            return import_images(
                path.name,
                data_root,
                files,
                layout.images,
                name=name,
                left_out=layout.left_out,
                seed=seed,
                skip_unreadable=skip_unreadable,
                progress=progress,
            )
    except OSError as error:
        raise DataError(f"Cannot read {quote(path.name)}: {system_reason(error)}.") from error


def import_images(
    source: str,
    data_root: Path,
    files: Files,
    found: Sequence[FoundImage],
    *,
    name: str | None,
    left_out: Mapping[str, int],
    seed: int = 0,
    skip_unreadable: bool = False,
    progress: ImportProgress | None = None,
) -> DatasetInfo:
    """Decode images whose labels are known and write them as a dataset; as `import_own` does it.

    Args:
        source: name of the file or folder, for messages and to be kept.
        found: what the images are.
        name: of the dataset; None for `fer2013` where it is that, else one made from `source`.
        left_out: why others are no part of the set, to their number.

    Raises:
        DataError: a class is too small, or images are unreadable.
        OSError: they cannot be read.
    """
    images, unreadable = _decode(files, found, progress)
    if unreadable and not skip_unreadable:
        raise DataError(
            f"{len(unreadable):,} of {len(found):,} images in {quote(source)} are unreadable (first: "
            f"{next(iter(unreadable.values()))}). Remove them, or skip them with `--skip-unreadable` or the check box "
            "on the Data page."
        )
    kept = [entry for index, entry in enumerate(found) if index not in unreadable]
    labels = np.array([entry.label for entry in kept], np.uint8)
    ids = np.array([entry.id for entry in kept])
    return write_own(
        source,
        data_root,
        (images, labels, ids),
        [entry.split for entry in kept],
        name=name,
        left_out=left_out,
        skipped=len(unreadable),
        seed=seed,
    )


def write_own(
    source: str,
    data_root: Path,
    arrays: SplitArrays,
    splits: Sequence[str],
    *,
    name: str | None,
    left_out: Mapping[str, int],
    skipped: int = 0,
    seed: int = 0,
) -> DatasetInfo:
    """Write images as a dataset of kind "own", or of kind "fer2013" where its pixels and labels are those of FER2013,
    which then has the published splits.

    Args:
        source: name of the file or folder.
        arrays: all images uint8 (N, 48, 48), labels (N,) and ids (N,).
        splits: of each image; empty where nothing says it.
        name: as for `import_images`.

    Raises:
        DataError: a class is too small, or the folder cannot be written.
    """
    if published := as_fer2013(*arrays):
        return write_dataset(
            data_root,
            name or "fer2013",
            title="FER2013",
            kind="fer2013",
            source=source,
            splits=published,
            skipped=skipped,
        )
    _check_training(quote(source), arrays[1], splits)
    name = name or _name_for(data_root, source)
    divided = _divide(quote(source), arrays, splits, seed)
    return write_dataset(
        data_root, name, title=name, kind="own", source=source, splits=divided, skipped=skipped, left_out=left_out
    )


def _name_for(data_root: Path, source: str) -> str:
    """A name for a dataset, from that of its file or folder.

    Raises:
        DataError: there is one of that name, which nobody asked to replace.
    """
    stem = re.sub(r"(\.(zip|tar|tgz|gz|bz2|xz|parquet))+$", "", source.lower())
    name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:64].strip("-")
    name = "custom" if name in ("", "fer2013", "fer2013-plus", "upload") else name
    if name in dataset_names(data_root):
        raise DataError(f"There is a dataset {name!r} already. Choose a name, e.g. `--name {name[:60]}-2`.")
    return name


def _check_training(name: str, labels: np.ndarray, splits: Sequence[str]) -> None:
    """
    Raises:
        DataError: there are no readable training images of two classes.
    """
    pairs = zip(labels.tolist(), splits, strict=True)
    counts = Counter(LABELS[label] for label, split in pairs if split in ("", TRAIN))
    if len(counts) < 2:
        found = ", ".join(f"{label} {count:,}" for label, count in counts.items()) or "none"
        raise DataError(
            f"{name} has readable training images of fewer than two classes (found: {found}). Add some, or map folders "
            f"to {', '.join(LABELS)}."
        )


def _decode(
    files: Files, entries: Sequence[FoundImage], progress: ImportProgress | None
) -> tuple[np.ndarray, dict[int, str]]:
    """uint8 (readable, 48, 48), and what is wrong with each of the others, by index."""
    images, unreadable = np.empty((len(entries), IMAGE_SIZE, IMAGE_SIZE), np.uint8), {}
    places = {entry.where: index for index, entry in enumerate(entries)}
    for done, (where, read) in enumerate(files.each(list(places))):
        if progress and done % 20 == 0:
            progress(done, len(entries))
        index = places[where]
        try:
            images[index] = to_face(decode_image(read(), entries[index].id))
        except UnusableImageError as error:
            unreadable[index] = f"{quote(entries[index].id)} ({error})"
        except ImageError as error:
            unreadable[index] = f"{quote(entries[index].id)} {error.reason}"
    if progress:
        progress(len(entries), len(entries))
    readable = [index for index in range(len(entries)) if index not in unreadable]
    return images[readable], dict(sorted(unreadable.items()))


def _divide(name: str, arrays: SplitArrays, said: Sequence[str], seed: int) -> dict[str, SplitArrays]:
    """The splits. Those that nothing names are taken from train, a tenth of each class for each."""
    images, labels, ids = arrays
    splits = np.array([split or TRAIN for split in said], dtype="U10")
    wanted = [split for split in ("validation", "test") if not (splits == split).any()]
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    place: dict[bytes, str] = {}  # exact duplicates share a split, even under two labels
    small = []
    for label in range(len(LABELS) if wanted else 0):
        members = np.flatnonzero((labels == label) & (splits == TRAIN))
        if not len(members):
            continue
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
