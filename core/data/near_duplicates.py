"""Images that are nearly the same: perceptual hashes, then correlation."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from core.models import IMAGE_SIZE

_HASH_DISTANCE: Final = 2
"""Bits of 64 in which the hashes of near-duplicates may differ."""
_BANDS: Final = ((0, 22), (22, 43), (43, 64))
"""Bit ranges, one more than `_HASH_DISTANCE`: two hashes that differ in two bits agree in at least one of them."""
_ALIKE: Final = 0.8
"""Correlation of the pixels that near-duplicates have at least. On FER2013 every pair of near hashes passes; in
datasets of drawings or of one scene, different images can share a hash."""

_NEIGHBOURS: Final = 64
"""An image is compared with at most so many others that agree with it in a band, unless those are already in its group;
in FER2013 that leaves nothing out."""

_CHUNK: Final = 1024


# --- parts


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """uint8 (up to 1024, 2304) at a time, so that a dataset larger than memory passes through."""
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        yield np.asarray(chunk).reshape(len(chunk), -1)


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
    look-alikes take one comparison each, and as many different images of one hash no more than `_NEIGHBOURS` each.

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
