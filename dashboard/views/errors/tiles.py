"""What the wall of the error analysis shows of each image."""

import pandas as pd

from core.labels import LABELS
from core.review.gallery import notes_of
from core.review.images import CurrentReviews
from dashboard.ui.components.wall import Tile


def tiles(rows: pd.DataFrame, reviews: CurrentReviews) -> list[Tile]:
    """What the wall shows."""
    return [
        {
            "id": name,
            "true": LABELS[true],
            "predicted": LABELS[predicted],
            "right": true == predicted,
            "confidence": round(float(confidence), 4),
            "notes": suspected + notes_of(name, reviews),
        }
        for name, true, predicted, confidence, suspected in zip(
            rows["image_id"],
            rows["label"].tolist(),
            rows["predicted"].tolist(),
            rows["confidence"],
            suspected_notes(rows),
            strict=True,
        )
    ]


def suspected_notes(rows: pd.DataFrame) -> list[list[str]]:
    """How many of several models predict another class than the label, and which."""
    if "models" not in rows or rows["models"].isna().any():
        return [[] for _ in range(len(rows))]
    return [
        [f"{round(agreement * models)} of {models:.0f} runs predict {LABELS[int(suggested)]}"] if models > 1 else []
        for agreement, models, suggested in zip(rows["agreement"], rows["models"], rows["suggested"], strict=True)
    ]
