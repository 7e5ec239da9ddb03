"""Which labels are probably wrong, from out-of-sample predictions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.errors import RunError
from core.evaluation.predictions import PROBABILITY_COLUMNS, probabilities_of


def suspicion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """How likely each label is an error: float (N,), 0..1, higher is more likely.

    One minus the self-confidence (Northcutt et al. 2021, Confident Learning): how little probability models assign to
    the given label. Of the usual scores it found most of the labels flipped on purpose; see core/README.md. A
    ranking, not a probability.

    Args:
        labels: (N,) given class indices.
        probabilities: (N, 7), best from models that were not trained on these images; in-sample ones have partly
            memorized the wrong labels.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    of_label: np.ndarray = rows[np.arange(len(labels)), labels]
    return 1 - of_label / rows.sum(axis=1)


def suspects(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The images of one or more tables of predictions, the most likely label error first.

    Where several models have scored an image, their mean probabilities count; tables of different folds complete
    each other.

    Args:
        tables: at least one, as `core.evaluation.predictions.read_predictions` returns them.

    Returns:
        `image_id`, `label` (class index), `suspicion` (0..1), `suggested` (index of the most probable other class),
        `p_label` and `p_suggested` (mean probabilities), `models` (how many have scored it) and `agreement`
        (fraction of them that predict another class than the label, 0..1).

    Raises:
        RunError: there is no table, or two of them disagree about the label of an image.
    """
    if not tables:
        raise RunError("No run has predictions on these images yet.")
    stacked = pd.concat([table[["image_id", "label", *PROBABILITY_COLUMNS]] for table in tables], ignore_index=True)
    stacked["against"] = probabilities_of(stacked).argmax(axis=1) != stacked["label"]
    groups = stacked.groupby("image_id", sort=False)
    if (differing := int((groups["label"].nunique() > 1).sum())) > 0:
        raise RunError(
            f"The runs were evaluated with different labels for {differing:,} images. Select runs of the same data."
        )
    labels = groups["label"].first().to_numpy()
    probabilities = groups[PROBABILITY_COLUMNS].mean().to_numpy()
    every = np.arange(len(labels))
    others = probabilities.copy()
    others[every, labels] = -1.0
    suggested = others.argmax(axis=1)
    found = pd.DataFrame(
        {
            "image_id": list(groups.groups),
            "label": labels,
            "suspicion": suspicion(labels, probabilities),
            "suggested": suggested,
            "p_label": probabilities[every, labels],
            "p_suggested": probabilities[every, suggested],
            "models": groups.size().to_numpy(),
            "agreement": groups["against"].mean().to_numpy(),
        }
    )
    return found.sort_values("suspicion", ascending=False, kind="stable", ignore_index=True)
