"""Several models that answer together: the mean of their probabilities, each calibrated with its own temperature."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import RunError
from core.evaluation.metrics import evaluate_predictions, with_temperature
from core.evaluation.predictions import predictions_frame, probabilities_of, with_outcomes

_OF_A_TEMPERATURE: Final = {"temperature", "log_loss_calibrated", "calibration_error_calibrated"}


def average_calibrated(probabilities: Sequence[np.ndarray], temperatures: Sequence[float | None]) -> np.ndarray:
    """The answer of an ensemble: softmax averaging of the members (Lakshminarayanan et al. 2017), each with its
    temperature, so that one that is too sure of itself does not speak louder than the others.

    Args:
        probabilities: (N, 7) of each member, the images in the same order.
        temperatures: of each member, fitted on validation; None leaves its probabilities as they are.

    Returns:
        float64 (N, 7), rows summing to 1.
    """
    calibrated = [
        each.astype(np.float64) if temperature is None else with_temperature(each, temperature)
        for each, temperature in zip(probabilities, temperatures, strict=True)
    ]
    return np.asarray(np.mean(calibrated, axis=0))


def average_tables(tables: Sequence[pd.DataFrame], temperatures: Sequence[float | None]) -> pd.DataFrame:
    """The predictions of an ensemble from those of its members, joined on `image_id`.

    Args:
        tables: at least one, as `core.evaluation.predictions.read_predictions` gives them.
        temperatures: as for `average_calibrated`.

    Returns:
        Such a table, in the order of the first.

    Raises:
        RunError: the members were evaluated on different images, or with different labels.
    """
    first = tables[0]
    aligned = [first, *(_in_the_order_of(first, table) for table in tables[1:])]
    averaged = average_calibrated([probabilities_of(table) for table in aligned], temperatures)
    labels = first["label"].to_numpy()
    return with_outcomes(predictions_frame(first["image_id"].to_numpy(), labels, averaged))


def _in_the_order_of(first: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    wanted, ids = first["image_id"], pd.Index(table["image_id"])
    if not np.array_equal(wanted.to_numpy(), ids.to_numpy()):
        places = ids.get_indexer(pd.Index(wanted)) if ids.is_unique else np.array([-1])
        if len(places) != len(table) or (places < 0).any():
            raise RunError("The members were evaluated on different images. Evaluate them on the same data.")
        table = table.iloc[places]
    if not np.array_equal(first["label"].to_numpy(), table["label"].to_numpy()):
        raise RunError("The members were evaluated with different labels. Evaluate them on the same data.")
    return table


def evaluate_averaged(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """As `evaluate_predictions`, without what is only known of a single model, its temperature: these probabilities are
    of calibrated members.

    Args:
        labels: (N,) true class indices.
        probabilities: (N, 7), as `average_calibrated` gives them.
    """
    figures = evaluate_predictions(labels, probabilities)
    return {name: value for name, value in figures.items() if name not in _OF_A_TEMPERATURE}
