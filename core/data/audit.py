"""What is wrong with a dataset: duplicates, conflicting labels, train-test leakage and blank images. Found once per
import, and cached beside its arrays.

    data_root/<name>/audit.json

Images are named by their position: an index into the train, validation and test images, one after the other.
"""

import hashlib
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.data.dataset import Split, load_split, read_info
from core.data.near_duplicates import _ALIKE, _chunks, _correlations, near_groups, perceptual_hashes
from core.errors import DataError, system_reason
from core.files import read_json, write_json
from core.models import IMAGE_SIZE

AUDIT_FILE: Final = "audit.json"

_VERSION: Final = 2
"""Of what is looked for: raising it makes every dataset be audited again."""

_LOW_STD: Final = 5.0
"""Standard deviation in gray levels; below it nothing can be recognised."""
_LOCK: Final = threading.Lock()

log = logging.getLogger(__name__)


class Audit(BaseModel):
    """What was found. A group is a list of positions, in ascending order; groups are ordered by their first."""

    model_config = ConfigDict(extra="ignore")

    version: int = _VERSION
    name: str
    fingerprint: str
    """Of the dataset, as in its `DatasetInfo`."""
    created_at: datetime
    """When the dataset, not this audit, was made: the same pixels may be imported again in another order."""
    seconds: float
    """How long it took."""
    sizes: dict[str, int]
    """Split to number of images, in the order in which positions count."""
    duplicates: list[list[int]]
    """Groups of images with exactly the same pixels."""
    conflicts: list[list[int]]
    """Those of `duplicates` whose images have different labels."""
    leaks: list[list[int]]
    """Those of `duplicates` that have images in train and outside it."""
    leak_conflicts: list[list[int]]
    """Those of `leaks` whose images have different labels."""
    flat: list[int]
    """Images of a single uniform gray value."""
    nearly_flat: list[int]
    """Images whose pixels have a standard deviation of less than 5 gray levels; those of `flat` included."""
    near: list[list[int]]
    """Groups of images that look the same at a glance: cropped, compressed or brightened a little differently.
    Exact duplicates are in them only together with an image that is not one; near-blank images are in none."""
    near_conflicts: list[list[int]]
    """Those of `near` whose images have different labels."""
    near_leaks: list[list[int]]
    """Those of `near` that have images in train and outside it."""

    @property
    def images(self) -> int:
        """Images in all splits."""
        return sum(self.sizes.values())

    @property
    def repeats(self) -> int:
        """Images beyond the first of each group of exact duplicates."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def unique(self) -> int:
        """Unique images."""
        return self.images - self.repeats

    def locate(self, position: int) -> tuple[str, int]:
        """The split of an image and its index there."""
        for split, size in self.sizes.items():
            if position < size:
                return split, position
            position -= size
        raise IndexError(position)

    def shared_with_train(self, split: str, *, near: bool = False) -> list[int]:
        """Indices of the images of a split whose equal, or with `near` also whose near-duplicate, is in train."""
        groups = [*self.leaks, *(self.near_leaks if near else [])]
        places = {self.locate(position) for group in groups for position in group}
        return sorted(index for name, index in places if name == split)

    def counts(self) -> dict[str, int]:
        """Every count, by a name of its own."""
        counts = {
            "images": self.images,
            "unique": self.unique,
            "repeats": self.repeats,
            "duplicate_groups": len(self.duplicates),
            "conflicting_groups": len(self.conflicts),
            "shared_with_train": len(self.leaks),
            "shared_with_train_conflicting": len(self.leak_conflicts),
            "flat": len(self.flat),
            "nearly_flat": len(self.nearly_flat),
            "near_groups": len(self.near),
            "near_images": sum(len(group) for group in self.near),
            "near_conflicting_groups": len(self.near_conflicts),
            "near_shared_with_train": len(self.near_leaks),
        }
        for split in self.sizes:
            if split != "train":
                counts[f"{split}_images_shared"] = len(self.shared_with_train(split))
                counts[f"{split}_images_shared_or_near"] = len(self.shared_with_train(split, near=True))
        return counts


def audit_dataset(data_root: Path, name: str) -> Audit:
    """The audit of a dataset: read from its folder, or made (FER2013: about a second) and cached there.

    Where the folder cannot be written, it is kept for as long as the process lives.

    Raises:
        DataError: the dataset is not there, or its files are corrupt.
    """
    info = read_info(data_root, name)
    with _LOCK:  # several viewers who open the page at once wait for one audit
        return _audit(data_root, name, info.fingerprint, info.created_at)


@lru_cache(maxsize=8)
def _audit(data_root: Path, name: str, fingerprint: str, created_at: datetime) -> Audit:
    path = data_root / name / AUDIT_FILE
    try:
        kept = Audit.model_validate(read_json(path))
        if (kept.version, kept.fingerprint, kept.created_at) == (_VERSION, fingerprint, created_at):
            return kept
    except (OSError, ValueError):  # missing or corrupt: it is only a cache
        pass
    start = time.perf_counter()
    info = read_info(data_root, name)
    splits = [load_split(data_root, name, split) for split in info.counts]
    found = find_issues(splits, near=info.kind != "drawn")
    audit = Audit(
        name=name,
        fingerprint=info.fingerprint,
        created_at=info.created_at,
        seconds=time.perf_counter() - start,
        sizes={split.name: len(split) for split in splits},
        **found,
    )
    try:
        write_json(path, audit.model_dump(mode="json"), indent=None)
    except OSError as error:
        log.warning("The audit of %s cannot be cached: %s", name, system_reason(error))
    return audit


def find_issues(splits: Sequence[Split], *, near: bool = True) -> dict[str, list]:
    """What `Audit` lists, for splits of which the first is train.

    Args:
        splits: train and the others.
        near: whether to look for near-duplicates. Not among drawn faces: the hash tells photos apart by what these have
            in common, so it would find plainly different faces.

    Raises:
        DataError: a file cannot be read to its end.
    """
    try:
        digests = [digest for split in splits for digest in _digests(split.images)]
        flat, deviations = _flatness(splits)
        labels = np.concatenate([split.labels for split in splits])
        train = len(splits[0])
        by_digest: defaultdict[bytes, list[int]] = defaultdict(list)
        for position, digest in enumerate(digests):
            by_digest[digest].append(position)
        copies = list(by_digest.values())
        # One of each image; of flat ones a hash would tell only the noise.
        chosen = np.array([group[0] for group in copies if deviations[group[0]] >= _LOW_STD], dtype=np.int64)
        members = _near_duplicates(_take(splits, chosen)) if near else []
    except OSError as error:
        raise DataError(f"The images cannot be read: {system_reason(error)}.") from error
    duplicates = [group for group in copies if len(group) > 1]
    alike = sorted(sorted(p for member in group for p in by_digest[digests[chosen[member]]]) for group in members)

    def conflict(group: list[int]) -> bool:
        return len(set(labels[group].tolist())) > 1

    def leak(group: list[int]) -> bool:
        return group[0] < train <= group[-1]

    return {
        "duplicates": duplicates,
        "conflicts": [group for group in duplicates if conflict(group)],
        "leaks": [group for group in duplicates if leak(group)],
        "leak_conflicts": [group for group in duplicates if leak(group) and conflict(group)],
        "flat": np.flatnonzero(flat).tolist(),
        "nearly_flat": np.flatnonzero(deviations < _LOW_STD).tolist(),
        "near": alike,
        "near_conflicts": [group for group in alike if conflict(group)],
        "near_leaks": [group for group in alike if leak(group)],
    }


def label_counts(group: Sequence[int], labels: np.ndarray) -> list[tuple[int, int]]:
    """Class index and number of images of each label in a group, most frequent first."""
    return sorted(Counter(labels[list(group)].tolist()).items(), key=lambda item: (-item[1], item[0]))


def _digests(images: np.ndarray) -> Iterator[bytes]:
    """128 bits per image: equal digests are equal pixels."""
    return (hashlib.blake2b(row, digest_size=16).digest() for chunk in _chunks(images) for row in chunk)


def _flatness(splits: Sequence[Split]) -> tuple[np.ndarray, np.ndarray]:
    """Per image whether it is one single gray, bool (N,), and the std of its pixels, float (N,), in gray levels."""
    flat, deviations = [np.zeros(0, bool)], [np.zeros(0, np.float32)]
    for split in splits:
        for chunk in _chunks(split.images):
            flat.append((chunk == chunk[:, :1]).all(axis=1))
            deviations.append(chunk.astype(np.float32).std(axis=1))
    return np.concatenate(flat), np.concatenate(deviations)


def _take(splits: Sequence[Split], positions: np.ndarray) -> np.ndarray:
    """uint8 (N, 48, 48): the images at ascending positions."""
    taken, start = [np.zeros((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8)], 0
    for split in splits:
        inside = positions[(positions >= start) & (positions < start + len(split))]
        taken.append(split.images[inside - start])
        start += len(split)
    return np.concatenate(taken)


def _near_duplicates(images: np.ndarray) -> list[list[int]]:
    """Groups of indices into images, uint8 (N, 48, 48), that look the same at a glance."""
    return near_groups(perceptual_hashes(images), lambda pairs: _correlations(images, pairs) >= _ALIKE)
