"""The synthetic demo dataset: cartoon faces generated from a seed, to try every feature without FER2013.

A face is drawn in its own coordinates (x to the right, y down, the head 2 wide, its centre at 0,0), which are rotated,
scaled and translated onto a canvas four times the final size. Expressions follow the usual facial actions (Ekman and
Friesen): what brows, lids and mouth do. Their strength varies, so weak ones resemble each other, as with real faces.
"""

from pathlib import Path

import numpy as np

from core.data.dataset import DatasetInfo, ImportProgress, SplitArrays, write_dataset
from core.data.importers.drawing import draw_face
from core.data.storage import check_dataset_name, check_writable
from core.labels import LABELS
from core.models import IMAGE_SIZE


def import_demo(
    data_root: Path,
    *,
    name: str = "demo",
    seed: int = 0,
    train_per_class: int = 300,
    validation_per_class: int = 60,
    test_per_class: int = 60,
    progress: ImportProgress | None = None,
) -> DatasetInfo:
    """Generate the dataset and write it under `data_root`, in seconds; the same seed gives the same pixels.

    Raises:
        DataError: the name is not allowed, or the folder cannot be written.
    """
    check_dataset_name(name)
    check_writable(data_root)
    sizes = {"train": train_per_class, "validation": validation_per_class, "test": test_per_class}
    total = sum(sizes.values()) * len(LABELS)
    splits: dict[str, SplitArrays] = {}
    done = 0
    for number, (split, per_class) in enumerate(sizes.items()):
        images = np.empty((per_class * len(LABELS), IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
        labels = np.repeat(np.arange(len(LABELS), dtype=np.uint8), per_class)
        rng = np.random.default_rng([seed, number])
        for index, label in enumerate(labels.tolist()):
            images[index] = draw_face(label, rng)
            done += 1
            if progress and (done % 100 == 0 or done == total):
                progress(done, total)
        ids = np.array([f"{LABELS[label]}/{split}-{index:05d}" for index, label in enumerate(labels.tolist())])
        splits[split] = (images, labels, ids)
    return write_dataset(
        data_root, name, title="Synthetic demo faces", kind="drawn", source=f"generated with seed {seed}", splits=splits
    )
