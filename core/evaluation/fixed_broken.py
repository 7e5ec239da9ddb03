"""What one model gets right that another got wrong, and the other way round, image by image."""

from typing import Final

import pandas as pd

from core.errors import RunError
from core.labels import LABELS

OUTCOMES: Final = ("fixed", "broken", "both wrong", "both right")


def fixed_and_broken(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The images that both tables are about, and what became of each.

    Args:
        before: as `core.evaluation.predictions.read_predictions` gives it.
        after: the same of another model.

    Returns:
        In the order of `before`: `image`, `label`, `before` and `after` (class indices: true, predicted, predicted),
        `confidence_before` and `confidence_after` (of the predicted class, 0..1), and `outcome`, one of `OUTCOMES`.

    Raises:
        RunError: they have no image in common, or disagree about the true class of one.
    """
    columns = ["image_id", "label", "predicted", "confidence", "correct"]
    joined = before[columns].merge(after[columns], on="image_id", suffixes=("_before", "_after"), validate="1:1")
    if joined.empty:
        raise RunError("Not comparable: the two runs were evaluated on different images.")
    disagreed = int((joined["label_before"] != joined["label_after"]).sum())
    if disagreed:
        raise RunError(
            f"Not comparable: {disagreed:,} images have different labels in the two runs. "
            "Evaluate both on the same data."
        )
    right = joined["correct_before"].astype(int) + 2 * joined["correct_after"].astype(int)
    outcome = right.map({0: "both wrong", 1: "broken", 2: "fixed", 3: "both right"})
    return pd.DataFrame(
        {
            "image": joined["image_id"],
            "label": joined["label_before"],
            "before": joined["predicted_before"],
            "after": joined["predicted_after"],
            "confidence_before": joined["confidence_before"],
            "confidence_after": joined["confidence_after"],
            "outcome": pd.Categorical(outcome, categories=OUTCOMES),
        }
    )


def changes_per_class(changes: pd.DataFrame) -> pd.DataFrame:
    """How many images of each true class were fixed, broken, and so on: one row per class in the order of `LABELS`, one
    column per outcome, and `net`, fixed minus broken."""
    counts = pd.crosstab(changes["label"], changes["outcome"])
    counts = counts.reindex(index=range(len(LABELS)), columns=list(OUTCOMES), fill_value=0)
    counts.index = pd.Index(LABELS, name="label")
    counts.columns.name = None
    return counts.assign(net=counts["fixed"] - counts["broken"])
