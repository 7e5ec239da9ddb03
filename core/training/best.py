"""Keeping the weights of the best epoch so far and their predictions, so that both always tell which epoch they are of.

On a GPU an epoch that is done again does not come out the same. So the weights of an epoch replace others only when its
row and its checkpoint are on disk: from then on the epoch counts, and until the next checkpoint this one holds the very
weights that a resume has to write if a crash came first.
"""

import hashlib
import logging
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
from core.runs.paths import RunPaths
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
        RunError: the best weights are neither in their file nor in the checkpoint: somebody removed or replaced them.
        OSError: a file cannot be written.
    """
    best = progress.best
    if not best:
        return
    found = hash_of(paths.weights)
    if found is None or found != best.get(HASH):
        if (progress.epoch, progress.batch) == (best["epoch"], 0):  # the checkpoint is of the end of this very epoch
            weights = BestWeights(model)
            best[HASH] = weights.hash
            weights.write(paths)
            log.info("the weights of epoch %d are written from the checkpoint", best["epoch"])
        elif found is None or HASH in best:
            raise RunError(
                f"{paths.weights.name} is missing or is not the file that epoch {best['epoch']} wrote. "
                "Restore it from a backup, or clone the run."
            )
        else:
            return  # an older version recorded no hash: nothing says that they are others
    if read_origin(paths.predictions("validation")).get(HASH) != best[HASH]:
        kept = to_device(load_weights(paths.weights, config.model), compute)
        probabilities = class_probabilities(kept, data.validation_images, keep_going=keep_going)
        write_validation(paths, data, probabilities.cpu().numpy(), best)
