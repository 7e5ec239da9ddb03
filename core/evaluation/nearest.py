"""The misclassified images nearest to an image in a model's feature space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from core.evaluation.inference import BATCH, exact_float32
from core.models.cnn import CnnModel1, CnnModel2
from core.models.preprocess import to_input

WIDTH: Final = 128
"""Units of the last hidden layer, in both models."""

MOST: Final = 10_000
"""Misclassified images kept at most; at `WIDTH` float32 each that is 5 MB. FER2013's validation gives about 1,200."""


@torch.no_grad()
def features(model: CnnModel1 | CnnModel2, images: np.ndarray) -> np.ndarray:
    """The activations of the last hidden layer: the seven logits are linear in them.

    Args:
        model: on any device, in evaluation mode.
        images: uint8 (N, 48, 48).

    Returns:
        float32 (N, 128), not negative.
    """
    assert not model.training
    device = next(model.parameters()).device
    result = np.empty((len(images), WIDTH), np.float32)
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        x = to_input(torch.tensor(images[part], device=device)).contiguous(memory_format=torch.channels_last)
        with exact_float32():
            result[part] = model.classifier[:-1](model.features(x)).cpu().numpy()
    return result


def joint_features(models: Sequence[CnnModel1 | CnnModel2], images: np.ndarray) -> np.ndarray:
    """The features of several models that answer together, those of each scaled to length 1 and put behind one another:
    the cosine between two images is then the mean of the cosines in the models.

    Args:
        models: at least one, as for `features`.
        images: uint8 (N, 48, 48).

    Returns:
        float32 (N, 128 x models).
    """
    return np.concatenate([_directions(features(model, images)) for model in models], axis=1)


@dataclass(frozen=True)
class Misclassified:
    """The images of a split that a model misclassifies, ready to be searched."""

    rows: np.ndarray
    """(M,) their rows in the split."""
    directions: np.ndarray
    """float32 (M, features), their `joint_features` scaled to length 1."""

    @classmethod
    def find(cls, models: Sequence[CnnModel1 | CnnModel2], images: np.ndarray, wrong: np.ndarray) -> "Misclassified":
        """Compute the features of the misclassified images: about a second per model for FER2013's validation on two
        cores.

        Args:
            models: in evaluation mode; several that answer together, or a single one.
            images: uint8 (N, 48, 48), the split.
            wrong: rows of the misclassified images; beyond `MOST` the rest is left out.
        """
        rows = np.asarray(wrong)[:MOST]
        return cls(rows, _directions(joint_features(models, images[rows])))

    def nearest(self, query: np.ndarray, count: int, without: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The misclassified images nearest to an image, the most similar first.

        By the cosine between features: their length mostly reflects confidence. Of the 1,259 images that a reference
        model misclassifies, 35% of the six nearest were the same confusion of the same two classes; by Euclidean
        distance, 32%.

        Args:
            query: float32 (features,), the image's `joint_features`, or with a single model its `features`.
            count: the maximum number.
            without: a row to leave out, where the image is one of them itself.

        Returns:
            (K,) rows in the split and (K,) cosines, 0..1.
        """
        cosines = self.directions @ _directions(query[None])[0]
        order = np.argsort(-cosines, kind="stable")
        order = order[self.rows[order] != without][:count] if without is not None else order[:count]
        return self.rows[order], cosines[order]


def _directions(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)
