"""Datasets on disk: one folder per dataset, arrays that open in milliseconds, and what was checked.

    data_root/<name>/dataset.json          DatasetInfo
    data_root/<name>/<split>.npy           uint8 (N, 48, 48), 0..255
    data_root/<name>/<split>.index.npy     (N,) of (id: str, label: uint8)

Images of a split are ordered by label, then id, which is the order of `torchvision.datasets.ImageFolder`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict

from core.data.fer2013 import CountDifference
from core.data.identity import DataIdentity, DatasetRef
from core.data.storage import check_dataset_name, dataset_names, read_whole, replacing
from core.errors import DataError
from core.files import read_json, write_json, write_whole
from core.labels import LABELS, NUM_CLASSES
from core.models import IMAGE_SIZE
from core.splits import SPLITS
from core.text import one_line

Kind = Literal["fer2013", "fer2013-plus", "drawn", "own"]

ImportProgress = Callable[[int, int], None]
"""Called with images done and images in all."""

SplitArrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Images uint8 (N, 48, 48), labels (N,) in 0..6, ids (N,) str."""


_Shown = Annotated[str, AfterValidator(lambda text: one_line(text[:2000])[:200])]
"""Sets may come from anywhere: no line breaks, nothing that controls a terminal, and not more than fits a page."""


_Counts = Annotated[dict[str, int], AfterValidator(lambda counts: dict.fromkeys(LABELS, 0) | counts)]
"""Class name to number of images, of all classes."""


class DatasetInfo(BaseModel):
    """`dataset.json`: what a dataset is and what was found when it was imported."""

    model_config = ConfigDict(extra="ignore")

    name: str
    """Name of its folder, 1 to 64 of a-z, 0-9 and -."""
    title: _Shown
    kind: Kind
    source: _Shown
    """What it was made from: a file name without its folder."""
    fingerprint: str
    """SHA-256 (hex) over the labels and pixels of all splits. The images of a split enter in the order of (label,
    SHA-256 of the pixels), so it depends neither on file names nor on the form the data came in."""
    ordered_fingerprint: str = ""
    """SHA-256 (hex) over id, label and pixels of every image of all splits, in the order in which they are kept. Empty
    in sets that an older version imported: `read_identity` finds it out."""
    counts: dict[str, _Counts]
    """Split to class name to number of images."""
    mean: float
    """Of all training pixels, scaled to 0..1."""
    std: float
    created_at: datetime
    differences: list[CountDifference] = []
    """Class counts that differ from the published ones; always empty for kinds without published counts."""
    skipped: int = 0
    """Unreadable images that were skipped, as was asked for."""
    left_out: dict[str, int] = {}
    """Reason to number of images that are no part of the set: another labelling has no class for them, their class is
    none of the seven, or they lie outside the class folders."""

    @property
    def total(self) -> int:
        """Images in all splits."""
        return sum(self.images(split) for split in self.counts)

    @property
    def missing_classes(self) -> list[str]:
        """Classes without an image in any split."""
        return [label for label in LABELS if not any(counts.get(label) for counts in self.counts.values())]

    @property
    def identity(self) -> DataIdentity:
        """Which data it holds, as recorded when it was imported."""
        return DataIdentity(self.fingerprint, self.ordered_fingerprint)

    @property
    def edition(self) -> str:
        """Tells this import from every other, also of the same content: for caches of what a dataset holds."""
        return f"{self.fingerprint} {self.created_at.isoformat()}"

    def ref(self, data_root: Path) -> DatasetRef:
        """This import, as a key for caches of what it holds."""
        return DatasetRef(data_root, self.name, self.edition)

    @property
    def matches_published(self) -> bool:
        """Whether this is FER2013 with exactly the published number of images in every class."""
        return self.kind == "fer2013" and not self.differences

    def images(self, split: str) -> int:
        """Images in one split; 0 where the set does not have it."""
        return sum(self.counts.get(split, {}).values())


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a dataset, opened for reading."""

    name: str
    images: np.ndarray
    """uint8 (N, 48, 48), 0..255, memory-mapped and read-only."""
    labels: np.ndarray
    """uint8 (N,), 0..6."""
    ids: np.ndarray
    """str (N,), unique within the split, such as `happy/Training_1206.jpg`."""

    def __len__(self) -> int:
        return len(self.labels)


def list_datasets(data_root: Path) -> list[DatasetInfo]:
    """All imported datasets, by name; corrupt ones are skipped, and what killed imports left is cleaned up."""
    found = []
    for name in dataset_names(data_root):
        try:
            found.append(read_info(data_root, name))
        except DataError:
            continue
    return sorted(found, key=lambda info: info.name)


def read_info(data_root: Path, name: str) -> DatasetInfo:
    """What is known about a dataset, without opening its images.

    Raises:
        DataError: it is not there, or its files are corrupt.
    """
    return read_whole(data_root, name, _read_info)


def load_split(data_root: Path, name: str, split: str) -> Split:
    """Open one split: takes milliseconds, since the images stay on disk until they are used.

    Raises:
        DataError: the dataset or the split is not there, or its files are corrupt.
    """
    return read_whole(data_root, name, lambda folder: _read_split(folder, split))


def read_identity(data_root: Path, name: str) -> DataIdentity:
    """Both fingerprints of a dataset: for one that an older version imported, the images are read, once per process.

    Raises:
        DataError: it is not there, or its files are corrupt.
    """
    info = read_info(data_root, name)
    if info.ordered_fingerprint:
        return info.identity
    return DataIdentity(info.fingerprint, _ordered_fingerprint(data_root, name, info.edition))


@lru_cache(maxsize=8)
def _ordered_fingerprint(data_root: Path, name: str, edition: str) -> str:
    return read_whole(data_root, name, lambda folder: _fingerprints(_read_arrays(folder))[1])


def write_dataset(
    data_root: Path,
    name: str,
    *,
    title: str,
    kind: Kind,
    source: str,
    splits: Mapping[str, SplitArrays],
    differences: Sequence[CountDifference] = (),
    skipped: int = 0,
    left_out: Mapping[str, int] | None = None,
) -> DatasetInfo:
    """Write a dataset as a whole, in place of one of that name.

    Args:
        data_root: the folder that holds all datasets; created where missing.
        name: 1 to 64 of a-z, 0-9 and -.
        title: display name.
        kind: where it comes from.
        source: a file name; folders in front of it are dropped.
        splits: images uint8 (N, 48, 48), labels (N,) and ids (N,), in any order.
        differences: what `count_differences` found.
        skipped: how many unreadable images were skipped.
        left_out: how many were excluded for which other reason.

    Raises:
        DataError: the name is not allowed, or the folder cannot be written (then the old set is still there).
    """
    check_dataset_name(name)
    contents = {split: _ordered(*splits[split]) for split in SPLITS if split in splits}
    fingerprint, ordered_fingerprint = _fingerprints(contents)
    mean, std = _mean_and_std(contents["train"][0]) if "train" in contents else (0.0, 0.0)
    info = DatasetInfo(
        name=name,
        title=title,
        kind=kind,
        source=Path(source).name,
        fingerprint=fingerprint,
        ordered_fingerprint=ordered_fingerprint,
        counts={split: _count(labels) for split, (_, labels, _) in contents.items()},
        mean=mean,
        std=std,
        created_at=datetime.now(UTC),
        differences=list(differences),
        skipped=skipped,
        left_out=dict(left_out or {}),
    )
    with replacing(data_root, name) as incoming:
        for split, arrays in contents.items():
            _write_split(incoming, split, *arrays)
        write_json(incoming / "dataset.json", info.model_dump(mode="json"))
    return info


def _read_info(folder: Path) -> DatasetInfo:
    info = DatasetInfo.model_validate(read_json(folder / "dataset.json"))
    for split in info.counts:
        if (folder / f"{split}.npy").stat().st_size < info.images(split) * IMAGE_SIZE**2:
            raise ValueError(f"{split}.npy is too short")
    return info


def _read_split(folder: Path, split: str) -> Split:
    info = _read_info(folder)
    if split not in info.counts:
        raise DataError(f"Dataset {info.name!r} has no split {split!r}. Choose one of {', '.join(info.counts)}.")
    images = np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False)
    index = np.load(folder / f"{split}.index.npy", allow_pickle=False)
    ids, labels = np.ascontiguousarray(index["id"]), np.ascontiguousarray(index["label"])
    if images.dtype != np.uint8 or images.shape != (len(index), IMAGE_SIZE, IMAGE_SIZE):
        raise ValueError(f"{split}.npy contains {images.dtype} {images.shape}")
    if labels.dtype != np.uint8 or ids.dtype.kind != "U" or _count(labels) != info.counts[split]:
        raise ValueError(f"{split}.index.npy does not match the counts")
    return Split(split, images, labels, ids)


def _read_arrays(folder: Path) -> dict[str, SplitArrays]:
    splits = [_read_split(folder, split) for split in _read_info(folder).counts]
    return {split.name: (split.images, split.labels, split.ids) for split in splits}


def _ordered(images: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> SplitArrays:
    """Images, labels and ids by label, then id."""
    assert images.dtype == np.uint8, images.dtype
    assert images.shape == (len(labels), IMAGE_SIZE, IMAGE_SIZE), images.shape
    assert len(ids) == len(labels) == len(set(ids.tolist())), "ids are unique within a split"
    assert len(labels) == 0 or 0 <= labels.min() <= labels.max() < NUM_CLASSES, "labels are class indices"
    order = np.lexsort((ids, labels))
    return images[order], labels[order].astype(np.uint8), ids[order].astype(np.str_)


def _count(labels: np.ndarray) -> dict[str, int]:
    return dict(zip(LABELS, np.bincount(labels, minlength=NUM_CLASSES).tolist(), strict=False))


def _mean_and_std(images: np.ndarray) -> tuple[float, float]:
    """Of all pixels in 0..1, from a histogram: exact, and without a copy eight times the size."""
    histogram = np.zeros(256, dtype=np.int64)
    for start in range(0, len(images), 1024):
        histogram += np.bincount(images[start : start + 1024].ravel(), minlength=256)
    values = np.arange(256) / 255
    weights = histogram / max(histogram.sum(), 1)
    mean = float(values @ weights)
    return mean, float(np.sqrt((values - mean) ** 2 @ weights))


def _fingerprints(contents: Mapping[str, SplitArrays]) -> tuple[str, str]:
    """`fingerprint` and `ordered_fingerprint` of a `DatasetInfo`."""
    content, ordered = hashlib.sha256(), hashlib.sha256()
    for split, (images, labels, ids) in contents.items():
        rows = [
            bytes([label]) + hashlib.sha256(image.tobytes()).digest()
            for image, label in zip(images, labels.tolist(), strict=True)
        ]
        head = f"{split} {len(rows)}\n".encode()
        content.update(head + b"".join(sorted(rows)))
        named = (
            each.encode(errors="surrogatepass") + b"\0" + row for each, row in zip(ids.tolist(), rows, strict=True)
        )
        ordered.update(head + b"".join(named))
    return content.hexdigest(), ordered.hexdigest()


def _write_split(folder: Path, split: str, images: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> None:
    index: np.ndarray[Any, Any] = np.empty(len(labels), dtype=[("id", ids.dtype), ("label", np.uint8)])
    index["id"], index["label"] = ids, labels
    write_whole(folder / f"{split}.npy", lambda file: np.save(file, images, allow_pickle=False))
    write_whole(folder / f"{split}.index.npy", lambda file: np.save(file, index, allow_pickle=False))
