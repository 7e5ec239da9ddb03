"""What the loop eats: the splits on the device, and for each epoch and step an order and a seed of its own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.fer2013 import SPLITS, Split, load_split, read_info
from core.errors import DataError
from core.training.device import Compute, tensor_on


@dataclass(frozen=True)
class TrainData:
    """Training and validation images on the device."""

    images: Tensor
    """uint8 (N, 48, 48), training."""
    labels: Tensor
    """int64 (N,), training."""
    validation: Split
    validation_images: Tensor
    """uint8 (M, 48, 48)."""
    fingerprint: str
    per_epoch: int
    """Training images drawn in an epoch."""
    batch_size: int
    batches: int
    """Batches per epoch. A last, smaller batch is left out: its images come up in the next epochs."""


def load_data(config: TrainConfig, data_root: Path, compute: Compute) -> TrainData:
    """Put training and validation images on the device; 74 MB for all of FER2013.

    Raises:
        DataError: the set is not imported, is damaged, or a split is empty.
    """
    info = read_info(data_root, config.dataset)
    train, validation, test = (load_split(data_root, config.dataset, split) for split in SPLITS)
    for split in (train, validation, test):
        if len(split) == 0:
            raise DataError(f"Data set {config.dataset!r} has no {split.name} images: import it again.")
    keep = np.arange(len(train))
    if config.drop_train_duplicates:
        keep = keep[~shares_pixels(train.images, np.concatenate([validation.images, test.images]))]
        if len(keep) == 0:
            raise DataError(f"Every training image of {config.dataset!r} also stands in validation or test.")
    per_epoch = min(config.images_per_epoch or len(keep), len(keep))
    batch_size = min(config.batch_size, per_epoch)
    return TrainData(
        images=tensor_on(train.images[keep], compute),
        labels=tensor_on(train.labels[keep].astype(np.int64), compute),
        validation=validation,
        validation_images=tensor_on(validation.images, compute),
        fingerprint=info.fingerprint,
        per_epoch=per_epoch,
        batch_size=batch_size,
        batches=per_epoch // batch_size,
    )


def shares_pixels(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) bool: which of the images also stand among the others, pixel for pixel.

    Args:
        images: uint8 (N, 48, 48).
        others: uint8 (M, 48, 48).
    """
    known = {image.tobytes() for image in others}
    return np.fromiter((image.tobytes() in known for image in images), dtype=bool, count=len(images))


def epoch_order(seed: int, epoch: int, data: TrainData) -> Tensor:
    """(per_epoch,) indices of the training images of an epoch, on the device: a fresh shuffle, cut to length."""
    generator = torch.Generator().manual_seed(_mix(seed, 0, epoch))
    return torch.randperm(len(data.labels), generator=generator)[: data.per_epoch].to(data.images.device)


def seed_step(seed: int, step: int) -> None:
    """Seed augmentation, mixup and dropout of one step, on all devices."""
    torch.manual_seed(_mix(seed, 1, step))


def _mix(seed: int, stream: int, position: int) -> int:
    """One well-spread 64-bit seed out of three numbers."""
    return int(np.random.SeedSequence((seed, stream, position)).generate_state(1, np.uint64)[0] >> 1)
