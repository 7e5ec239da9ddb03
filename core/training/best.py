"""Keeping the weights of the best epoch so far and their predictions, so that both always tell which epoch they are of.

On a GPU an epoch that is done again does not come out the same. So the weights of an epoch replace others only when its
row and a checkpoint that counts it are on disk: from then on the epoch counts, and that checkpoint holds the very
weights that a resume has to write if a crash came first.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from core.config import TrainConfig
from core.errors import RunError
from core.evaluation.inference import class_probabilities
from core.evaluation.predictions import read_origin, write_predictions
from core.files import write_whole
from core.models.state_dict import load_weights
from core.runs.best import HASH, hash_of
from core.runs.history import read_all
from core.runs.paths import RunPaths
from core.runs.resume import WAYS_ON
from core.training.checkpoint import HostCopy, TrainingProgress, serialise
from core.training.compute import Compute, to_device
from core.training.train_data import TrainData

log = logging.getLogger("train")


class BestWeights:
    """The weights of the best epoch so far, their file, and what they predict on validation.

    Args:
        weights: the tensors of the weights, or the content of their file.
        row: of the epoch in `epochs.jsonl`.
        probabilities: (M, 7), on validation; None where they are on disk already.
    """

    def __init__(self, weights: HostCopy | bytes, row: dict[str, Any], probabilities: np.ndarray | None) -> None:
        self.row, self.probabilities = row, probabilities
        self._weights = weights

    @classmethod
    def of(cls, model: nn.Module, row: dict[str, Any], probabilities: np.ndarray | None) -> "BestWeights":
        """Those that a model has at this moment."""
        return cls(HostCopy(model.state_dict()), row, probabilities)

    @cached_property
    def content(self) -> bytes:
        """Their file, as the original project has it: a plain state dict, float32, standard memory layout."""
        if isinstance(self._weights, bytes):
            return self._weights
        return serialise({name: value.contiguous() for name, value in self._weights.get().items()})

    @cached_property
    def hash(self) -> str:
        """SHA-256 of their file."""
        return hashlib.sha256(self.content).hexdigest()

    def write(self, paths: RunPaths, data: TrainData, check: Callable[[], object] = lambda: None) -> None:
        """Replace the run's weights file, then its validation predictions; `check` as `core.files.write_whole` has it.

        Raises:
            OSError: one cannot be written; the old one stays, and a resume writes it from the checkpoint.
        """
        write_whole(paths.weights, lambda file: file.write(self.content), check=check)
        if self.probabilities is not None:
            write_validation(paths, data, self.probabilities, self.row)


def write_validation(paths: RunPaths, data: TrainData, probabilities: np.ndarray, row: Mapping[str, Any]) -> None:
    """Write the validation predictions, (M, 7) probabilities, of the weights kept of the epoch with this row."""
    origin = {"epoch": row["epoch"], HASH: row[HASH]}
    write_predictions(
        paths.predictions("validation"), data.validation.ids, data.validation.labels, probabilities, origin
    )


def restore_best(
    paths: RunPaths,
    config: TrainConfig,
    data: TrainData,
    compute: Compute,
    progress: TrainingProgress,
    model: nn.Module,
    file: bytes | None,
    keep_going: Callable[[], bool],
) -> None:
    """At a resume: have weights and validation predictions be those of the best epoch by the checkpoint.

    Args:
        progress: from the checkpoint.
        model: the model to keep, with the weights of the checkpoint.
        file: the weights file of the best epoch, if it is in the checkpoint.
        keep_going: asked before each batch, if predictions have to be made.

    Raises:
        InterruptedError: `keep_going` said no.
        RunError: the best weights are neither in their file nor in the checkpoint, or the file is none of this run's:
            somebody removed or replaced them.
        OSError: a file cannot be written.
    """
    best = progress.best
    if not best:
        if os.path.lexists(paths.weights):
            raise RunError(f"{paths.checkpoint.name} is from before {paths.weights.name}. {WAYS_ON}")
        return
    found = hash_of(paths.weights)
    if found is None or found != best.get(HASH, found):  # an older version recorded no hash: any file is taken for it
        weights = _from_checkpoint(progress, model, file)
        if weights is None or not (found is None or _was_best(paths, found)):
            raise RunError(
                f"{paths.weights.name} is missing or is not the file that epoch {best['epoch']} wrote. {WAYS_ON}"
            )
        best[HASH] = weights.hash
        weights.write(paths, data)
        log.info("the weights of epoch %d are written from the checkpoint", best["epoch"])
    if HASH in best and read_origin(paths.predictions("validation")).get(HASH) != best[HASH]:
        kept = to_device(load_weights(paths.weights, config.model), compute)
        probabilities = class_probabilities(kept, data.validation_images, keep_going=keep_going)
        write_validation(paths, data, probabilities.cpu().numpy(), best)


def _from_checkpoint(progress: TrainingProgress, model: nn.Module, file: bytes | None) -> BestWeights | None:
    """The best weights, if the checkpoint holds them: as a file, or in the model, if it is of the very end of their
    epoch."""
    if file is not None:
        return BestWeights(file, progress.best, None)
    if (progress.epoch, progress.batch) == (progress.best["epoch"], 0):
        return BestWeights.of(model, progress.best, None)
    return None


def _was_best(paths: RunPaths, found: str) -> bool:
    """Whether the weights of this hash are of an earlier epoch of the run, which those of a better one may replace. The
    first epoch is always the best so far: where its row has no hash, an older version recorded none."""
    rows = read_all(paths.epochs)
    return any(row.get(HASH) == found for row in rows) or (bool(rows) and HASH not in rows[0])
