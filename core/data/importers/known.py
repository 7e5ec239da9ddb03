"""FER2013 under other names: recognised by its labels and pixels, and given the splits it was published with.

Many copies of it have other file names and folders, and some no longer tell `PublicTest` from `PrivateTest`. Where all
35,887 images are those of Kaggle's `msambare/fer2013`, bit by bit, their splits are known. `fer2013_splits.bin` holds
them for the images in the order of (label, SHA-256 of the pixels): a bit each for whether it is held out, then a bit
for each of these that are for whether it is of the test split. Exact duplicates have a place each, so which of two
equal images gets which does not matter.
"""

import hashlib
from pathlib import Path
from typing import Final

import numpy as np

from core.data.dataset import SplitArrays
from core.data.fer2013 import PUBLISHED_COUNTS
from core.splits import SPLITS

_IMAGES: Final = sum(map(sum, PUBLISHED_COUNTS.values()))
_FINGERPRINT: Final = "a072845c4e6f47d0eda7e0149a4569ee233f271565e0b4d1096d691519dd71c0"
"""SHA-256 over label and SHA-256 of the pixels of every image, in the order of these."""
_SPLITS_FILE: Final = Path(__file__).with_name("fer2013_splits.bin")


def as_fer2013(images: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> dict[str, SplitArrays] | None:
    """The published splits of FER2013, where these are exactly its images; else None.

    Args:
        images: uint8 (N, 48, 48).
        labels: (N,), 0..6.
        ids: (N,) str.
    """
    if len(labels) != _IMAGES:
        return None
    rows = [
        bytes([label]) + hashlib.sha256(image.tobytes()).digest()
        for label, image in zip(labels.tolist(), images, strict=True)
    ]
    order = np.array(sorted(range(_IMAGES), key=rows.__getitem__))
    if hashlib.sha256(b"".join(rows[index] for index in order.tolist())).hexdigest() != _FINGERPRINT:
        return None
    numbers = _published_splits()
    return {
        split: (images[chosen], labels[chosen], ids[chosen])
        for number, split in enumerate(SPLITS)
        for chosen in [order[numbers == number]]
    }


def _published_splits() -> np.ndarray:
    """Index in `SPLITS` of each image, (35887,), in the order of (label, SHA-256 of the pixels)."""
    packed = np.frombuffer(_SPLITS_FILE.read_bytes(), np.uint8)
    bytes_held_out = -(-_IMAGES // 8)
    held_out = np.unpackbits(packed[:bytes_held_out], count=_IMAGES)
    tests = np.unpackbits(packed[bytes_held_out:], count=int(held_out.sum()))
    numbers = held_out.copy()
    numbers[held_out == 1] += tests
    return numbers
