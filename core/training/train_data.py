"""What the loop eats: the splits on the device, and for each epoch and step an order and a seed of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.dataset import Split, load_split, read_identity
from core.data.folds import trained_on
from core.data.identity import DataIdentity, same_images
from core.errors import DataError, RunError
from core.evaluation.out_of_fold import out_of_fold
from core.review.corrections import Corrections, apply_corrections
from core.splits import SPLITS
from core.training.compute import Compute, tensor_on


@dataclass(frozen=True)
class TrainData:
    """Training and validation images on the device."""

    images: Tensor
    """uint8 (N, 48, 48), training."""
    labels: Tensor
    """int64 (N,), training."""
    validation: Split
    """As imported."""
    validation_images: Tensor
    """uint8 (M, 48, 48)."""
    corrected: "Corrected | None"
    """Validation with label corrections, if there are any."""
    identity: DataIdentity
    per_epoch: int
    """Training images drawn in an epoch."""
    batch_size: int
    batches: int
    """Batches per epoch. A last, smaller batch is left out: its images come up in the next epochs."""
    soft_labels: Tensor | None = None
    """float32 (N, 7), rows summing to 1: what runs that were not trained on a training image say of it."""


@dataclass(frozen=True)
class Corrected:
    """A split with a correction set applied."""

    labels: np.ndarray
    """uint8 (N,)."""
    kept: np.ndarray
    """bool (N,), false for excluded images."""


def load_data(
    config: TrainConfig,
    data_root: Path,
    compute: Compute,
    corrections: Corrections | None = None,
    held_out_predictions: Sequence[pd.DataFrame] = (),
) -> TrainData:
    """Put training and validation images on the device; 74 MB for all of FER2013.

    Args:
        config: settings of the run.
        data_root: where its dataset is.
        compute: where to put the images.
        corrections: the set the run is trained with: on train it excludes images and replaces labels; validation is
            kept as imported and as corrected.
        held_out_predictions: of the runs that the settings name for soft labels, as `read_predictions` gives them.

    Raises:
        DataError: the dataset is not imported or is corrupt, or a split is empty or excluded as a whole.
        RunError: the correction set was made for other data, or a training image has no soft label.
    """
    identity = read_identity(data_root, config.dataset)
    train, validation, test = (load_split(data_root, config.dataset, split) for split in SPLITS)
    for split in (train, validation, test):
        if len(split) == 0:
            raise DataError(f"Dataset {config.dataset!r} has no {split.name} images. Import it again.")
    labels, kept = train.labels, np.ones(len(train), dtype=bool)
    if corrections:
        if not same_images([corrections.data, identity]):
            raise RunError(
                f"Correction set {corrections.name!r} was made for other data than {config.dataset!r} contains now."
            )
        labels, kept = apply_corrections(corrections, train)
    kept = kept & trained_on(config, train, validation, test)
    keep = np.flatnonzero(kept)
    if len(keep) == 0:
        raise DataError(f"These settings exclude all training images of {config.dataset!r}.")
    per_epoch = min(config.images_per_epoch or len(keep), len(keep))
    batch_size = min(config.batch_size, per_epoch)
    return TrainData(
        images=tensor_on(train.images[keep], compute),
        labels=tensor_on(labels[keep].astype(np.int64), compute),
        validation=validation,
        validation_images=tensor_on(validation.images, compute),
        corrected=correct_validation(corrections, validation),
        identity=identity,
        per_epoch=per_epoch,
        batch_size=batch_size,
        batches=per_epoch // batch_size,
        soft_labels=_soft_labels(held_out_predictions, train.ids[keep], compute) if config.soft_labels else None,
    )


def _soft_labels(predictions: Sequence[pd.DataFrame], image_ids: np.ndarray, compute: Compute) -> Tensor:
    """float32 (N, 7), on the device.

    Raises:
        RunError: an image has none.
    """
    probabilities, known = out_of_fold(predictions, image_ids)
    if not known.all():
        raise RunError(f"{int((~known).sum()):,} training images have no soft label. Select one run for every fold.")
    return tensor_on(probabilities, compute)


def correct_validation(corrections: Corrections | None, validation: Split) -> Corrected | None:
    """Validation with a correction set applied; None if the set does not change it.

    Raises:
        RunError: it names an image that is not there.
        DataError: it excludes all images.
    """
    if corrections is None or not corrections.of("validation"):
        return None
    corrected = Corrected(*apply_corrections(corrections, validation))
    if not corrected.kept.any():
        raise DataError(f"Correction set {corrections.name!r} excludes all validation images.")
    return corrected


def epoch_order(seed: int, epoch: int, data: TrainData) -> Tensor:
    """(per_epoch,) indices of the training images of an epoch, on the device: a fresh shuffle, cut to length."""
    generator = torch.Generator().manual_seed(_mix(seed, 0, epoch))
    return torch.randperm(len(data.labels), generator=generator)[: data.per_epoch].to(data.images.device)


def alternating_flips(seed: int, epoch: int, data: TrainData) -> Tensor:
    """bool (N,), on the device: which training images an epoch flips; drawn once for each image and flipped over after
    every epoch, so that two epochs in a row show both sides of it (Jordan 2024, airbench)."""
    generator = torch.Generator().manual_seed(_mix(seed, 2, 0))
    first = torch.randint(0, 2, (len(data.labels),), generator=generator, dtype=torch.bool)
    return (first ^ bool(epoch % 2)).to(data.images.device)


def fixed_sample(seed: int, count: int, data: TrainData) -> Tensor:
    """(count,) indices of training images, on the device: the same in every epoch; all, if there are fewer."""
    generator = torch.Generator().manual_seed(_mix(seed, 3, 0))
    return torch.randperm(len(data.labels), generator=generator)[:count].to(data.images.device)


def step_seed(seed: int, step: int) -> int:
    """The seed of augmentation, mixup and dropout of one step."""
    return _mix(seed, 1, step)


def _mix(seed: int, stream: int, position: int) -> int:
    """One well-spread 64-bit seed out of three numbers."""
    return int(np.random.SeedSequence((seed, stream, position)).generate_state(1, np.uint64)[0] >> 1)
