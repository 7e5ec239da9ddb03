"""Out-of-fold predictions: what cross-validated runs say of images that they were not trained on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.evaluation.predictions import probabilities_of
from core.labels import NUM_CLASSES


def out_of_fold(tables: Sequence[pd.DataFrame], image_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of each image, the mean over the runs that held it out.

    Args:
        tables: of each run, its held-out predictions, as `read_predictions` gives them.
        image_ids: (N,) str.

    Returns:
        Probabilities, float32 (N, 7), rows summing to 1 (to 0 where no run held the image out), and bool (N,): which
        images a run held out.
    """
    place = {image: index for index, image in enumerate(image_ids.tolist())}
    total, count = np.zeros((len(image_ids), NUM_CLASSES)), np.zeros(len(image_ids), dtype=int)
    for table in tables:
        rows = np.array([place.get(image, -1) for image in table["image_id"]], dtype=int)
        there = rows >= 0
        np.add.at(total, rows[there], probabilities_of(table)[there])
        np.add.at(count, rows[there], 1)
    known = count > 0
    rows_sum = np.where(known, total.sum(axis=1), 1.0)
    return (total / rows_sum[:, None]).astype(np.float32), known
