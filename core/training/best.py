"""Keeping the weights of the best epoch so far and their predictions, so that both always tell which epoch they are of.

On a GPU an epoch that is done again does not come out the same. So the weights of an epoch replace others only when its
row and its checkpoint are on disk: from then on the epoch counts, and until the next checkpoint this one holds the very
weights that a resume has to write if a crash came first.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
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
from core.training.checkpoint import TrainingProgress, plain_weights, serialise
from core.training.compute import Compute, to_device
from core.training.train_data import TrainData

log = logging.getLogger("train")


class BestWeights:
    """The weights of one epoch, as the bytes of their file.

    Args:
        model: the model to keep.
    """

    def __init__(self, model: nn.Module) -> None:
        self._content = serialise(plain_weights(model))
        self.hash = hashlib.sha256(self._content).hexdigest()

    def write(self, paths: RunPaths) -> None:
        """Replace the run's weights file.

        Raises:
            OSError: it cannot be written; the old one stays, and a resume writes this one from the checkpoint.
        """
        write_whole(paths.weights, lambda file: file.write(self._content))


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
    keep_going: Callable[[], bool],
) -> None:
    """At a resume: have weights and validation predictions be those of the best epoch by the checkpoint.

    Args:
        progress: from the checkpoint.
        model: the model to keep, with the weights of the checkpoint.
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
    if found is not None and HASH not in best:
        return  # an older version recorded no hash: nothing says that they are others
    if found is None or found != best[HASH]:
        of_this_epoch = (progress.epoch, progress.batch) == (best["epoch"], 0)  # the checkpoint is of its very end
        if not of_this_epoch or not (found is None or _was_best(paths, found)):
            raise RunError(
                f"{paths.weights.name} is missing or is not the file that epoch {best['epoch']} wrote. {WAYS_ON}"
            )
        weights = BestWeights(model)
        best[HASH] = weights.hash
        weights.write(paths)
        log.info("the weights of epoch %d are written from the checkpoint", best["epoch"])
    if read_origin(paths.predictions("validation")).get(HASH) != best[HASH]:
        kept = to_device(load_weights(paths.weights, config.model), compute)
        probabilities = class_probabilities(kept, data.validation_images, keep_going=keep_going)
        write_validation(paths, data, probabilities.cpu().numpy(), best)


def _was_best(paths: RunPaths, found: str) -> bool:
    """Whether the weights of this hash are of an earlier epoch of the run, which those of a better one may replace. The
    first epoch is always the best so far: where its row has no hash, an older version recorded none."""
    rows = read_all(paths.epochs)
    return any(row.get(HASH) == found for row in rows) or (bool(rows) and HASH not in rows[0])
