"""What is wrong with a data set: images that stand in it more than once, under different labels, on both sides of the
line between training and test, or that show nothing. Found once per import, and kept beside its arrays.

    data_root/<name>/audit.json

Images are named by their position: an index into the train, validation and test images, one after the other.
"""

import hashlib
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.data.fer2013 import IMAGE_SIZE, Split, load_split, read_info
from core.errors import DataError, system_reason
from core.files import read_json, write_json

AUDIT_FILE: Final = "audit.json"

_VERSION: Final = 1
"""Of what is looked for: raising it makes every data set be looked at again."""

_LOW_STD: Final = 5.0
"""Gray levels; below it nothing can be recognised."""

_HASH_DISTANCE: Final = 2
"""Bits of 64 in which the hashes of near-duplicates may differ."""
_BANDS: Final = ((0, 22), (22, 43), (43, 64))
"""Bit ranges, one more than `_HASH_DISTANCE`: two hashes that differ in two bits agree in at least one of them."""
_ALIKE: Final = 0.8
"""Correlation of the pixels that near-duplicates have at least. On FER2013 every pair of near hashes passes; in sets of
drawings or of one scene different pictures can share a hash."""

_NEIGHBOURS: Final = 64
"""An image is compared with at most so many others that agree with it in a band, unless those are already in its group;
in FER2013 that leaves nothing out."""

_CHUNK: Final = 1024
_LOCK: Final = threading.Lock()

log = logging.getLogger(__name__)


class Audit(BaseModel):
    """What was found. A group is a list of positions, in ascending order; groups are ordered by their first."""

    model_config = ConfigDict(extra="ignore")

    version: int = _VERSION
    name: str
    fingerprint: str
    """Of the data set, as in its `DatasetInfo`."""
    created_at: datetime
    """When the data set, not this audit, was made: the same pixels may be imported again in another order."""
    seconds: float
    """What it took."""
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
    """Images of one single gray."""
    nearly_flat: list[int]
    """Images whose pixels deviate by less than 5 gray levels; those of `flat` included."""
    near: list[list[int]]
    """Groups of images that are the same picture at a glance: cropped, compressed or brightened a little differently.
    Exact copies are in them only beside an image that is not one; nearly flat images are in none."""
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
        """Images beyond the first of each group of equal ones."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def unique(self) -> int:
        """Different images."""
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

    def figures(self) -> dict[str, int]:
        """Every count, by a name of its own."""
        figures = {
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
                figures[f"{split}_images_shared"] = len(self.shared_with_train(split))
                figures[f"{split}_images_shared_or_near"] = len(self.shared_with_train(split, near=True))
        return figures


def audit_dataset(data_root: Path, name: str) -> Audit:
    """The audit of a data set: read from its folder, or made (FER2013: about a second) and kept there.

    Where the folder cannot be written, it is kept for as long as the process lives.

    Raises:
        DataError: the data set is not there, or its files are damaged.
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
    except (OSError, ValueError):  # missing, or damaged: it is only a copy of what can be found again
        pass
    start = time.perf_counter()
    info = read_info(data_root, name)
    splits = [load_split(data_root, name, split) for split in info.counts]
    found = find(splits)
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
        log.warning("The audit of %s cannot be kept: %s", name, system_reason(error))
    return audit


def find(splits: Sequence[Split]) -> dict[str, list]:
    """What `Audit` lists, for splits of which the first is train.

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
        near = _near_duplicates(_take(splits, chosen))
    except OSError as error:
        raise DataError(f"The images cannot be read: {system_reason(error)}.") from error
    duplicates = [group for group in copies if len(group) > 1]
    near = sorted(sorted(p for member in group for p in by_digest[digests[chosen[member]]]) for group in near)

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
        "near": near,
        "near_conflicts": [group for group in near if conflict(group)],
        "near_leaks": [group for group in near if leak(group)],
    }


def label_counts(group: Sequence[int], labels: np.ndarray) -> list[tuple[int, int]]:
    """Class index and number of images of each label in a group, most frequent first."""
    return sorted(Counter(labels[list(group)].tolist()).items(), key=lambda item: (-item[1], item[0]))


# --- parts


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """uint8 (up to 1024, 2304) at a time, so that a set larger than memory passes through."""
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        yield np.asarray(chunk).reshape(len(chunk), -1)


def _digests(images: np.ndarray) -> Iterator[bytes]:
    """128 bits per image: equal digests are equal pixels."""
    return (hashlib.blake2b(row, digest_size=16).digest() for chunk in _chunks(images) for row in chunk)


def _flatness(splits: Sequence[Split]) -> tuple[np.ndarray, np.ndarray]:
    """Per image whether it is one single gray, bool (N,), and the deviation of its pixels, float (N,), gray levels."""
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
    """Groups of indices into images, uint8 (N, 48, 48), that show the same picture at a glance."""
    return near_groups(perceptual_hashes(images), lambda pairs: _correlations(images, pairs) >= _ALIKE)


def perceptual_hashes(images: np.ndarray) -> np.ndarray:
    """uint64 (N,): a bit for each of the 8 x 8 lowest frequencies (cosine transform) of an image (48, 48), set where it
    is above their median. Small changes of size, contrast or compression change few bits."""
    pixel = np.arange(IMAGE_SIZE)
    transform = np.cos(np.pi * (pixel + 0.5) * np.arange(8)[:, None] / IMAGE_SIZE).astype(np.float32)
    hashes = [np.zeros(0, np.uint64)]
    for chunk in _chunks(images):
        squares = chunk.astype(np.float32).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
        frequencies = (transform @ squares @ transform.T).reshape(len(squares), 64)
        median = np.median(frequencies[:, 1:], axis=1, keepdims=True)  # without the mean brightness
        hashes.append(np.packbits(frequencies > median, axis=1).view(">u8")[:, 0].astype(np.uint64))
    return np.concatenate(hashes)


def near_groups(hashes: np.ndarray, alike: Callable[[np.ndarray], np.ndarray]) -> list[list[int]]:
    """Groups of indices that are connected by pairs of near-duplicates.

    For each band of bits, hashes are sorted by it, and those that agree in it are compared with their first, second,
    ... neighbour, until all that agree are in one group, or `_NEIGHBOURS` have been looked at. So thousands of
    look-alikes take one comparison each, and as many different pictures of one hash no more than `_NEIGHBOURS` each.

    Args:
        hashes: uint64 (N,); those of near-duplicates differ in at most 2 bits.
        alike: given pairs of indices, int64 (P, 2), with such hashes, bool (P,): which of them are near-duplicates.
    """
    group = np.arange(len(hashes))  # of each image: an index in its group, the same for all members
    bands = [(hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1) for low, high in _BANDS]
    for number, band in enumerate(bands):
        order = np.lexsort((hashes, band))  # by the whole hash within a band, so that equal hashes are neighbours
        begins = np.ones(len(order), bool)
        begins[1:] = band[order][1:] != band[order][:-1]
        agreeing = np.cumsum(begins) - 1  # those of one number agree in the band
        left = np.arange(len(order))
        for step in range(1, _NEIGHBOURS + 1):
            left = left[left + step < len(order)]
            left = left[agreeing[left] == agreeing[left + step]]
            if not len(left):
                break
            left = left[_divided(group[order], np.flatnonzero(begins))[agreeing[left]]]
            first, second = order[left], order[left + step]
            asked = (group[first] != group[second]) & (_distance(hashes[first], hashes[second]) <= _HASH_DISTANCE)
            for earlier in bands[:number]:  # in which they have been compared already
                asked &= earlier[first] != earlier[second]
            pairs = np.stack([first[asked], second[asked]], axis=1)
            if len(pairs):
                group = _joined(group, pairs[alike(pairs)])
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index, found in enumerate(group.tolist()):
        members[found].append(index)
    return [each for each in members.values() if len(each) > 1]


def _distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """In how many bits hashes, uint64 (N,), differ."""
    differing: np.ndarray = np.bitwise_count(first ^ second)
    return differing


def _divided(group: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """bool (S,): which of the stretches of `group`, int (N,), that begin at `starts`, (S,), hold different values."""
    divided: np.ndarray = np.minimum.reduceat(group, starts) != np.maximum.reduceat(group, starts)
    return divided


def _joined(group: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The groups, int (N,), after those of each pair, int (P, 2), have become one."""
    parent = group.tolist()

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for a, b in pairs.tolist():
        parent[root(a)] = root(b)
    return np.array([root(index) for index in parent], dtype=group.dtype)


def _correlations(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """float (P,): correlation of the pixels of each pair of images that are not flat."""
    results = [np.zeros(0, np.float32)]
    for start in range(0, len(pairs), _CHUNK):
        part = pairs[start : start + _CHUNK]
        a, b = (images[part[:, side]].reshape(len(part), -1).astype(np.float32) for side in (0, 1))
        a -= a.mean(axis=1, keepdims=True)
        b -= b.mean(axis=1, keepdims=True)
        results.append((a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)))
    return np.concatenate(results)
