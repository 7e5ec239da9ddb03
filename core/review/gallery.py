"""Choosing among the images of a split: tables in, tables out. No Streamlit, no files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from core.data.audit import Audit
from core.evaluation.predictions import probabilities_of
from core.labels import LABELS
from core.review.images import DECISION_LABELS, DECISIONS, CurrentReviews, disagreements

ANY: Final = "any"
SHOWN: Final = {"wrong": "Incorrect", "right": "Correct", "all": "All"}
REVIEW_FILTERS: Final[dict[str, str]] = {
    ANY: "Any",
    "none yet": "Not reviewed",
    "some": "Reviewed",
    "disagreement": "Conflicting",
    **DECISION_LABELS,
}

DUPLICATE_FILTERS: Final = {
    "train": "Outside train",
    "repeated": "Exact duplicate",
    "conflict": "Conflicting labels",
    "near": "Near-duplicate",
    "flat": "Blank",
}
"""Kinds of duplicates, as the audit found them; for validation and test, `train` means a copy in train."""

LIKELY_LABEL_ERROR: Final = "Likely label error"
IMAGE_ORDERS: Final = {
    "Highest loss": ("loss", False),
    "Most confident": ("confidence", False),
    "Least confident": ("confidence", True),
    "Smallest margin": ("margin", True),
    LIKELY_LABEL_ERROR: ("suspicion", False),
}
"""Column and whether it ascends."""


@dataclass(frozen=True)
class ImageFilter:
    """The filters of the gallery; the keys of `SHOWN`, `REVIEW_FILTERS` and `DUPLICATE_FILTERS`."""

    shown: str = "wrong"
    true: str = ANY
    predicted: str = ANY
    confidence: tuple[int, int] = (0, 100)
    """Percent, both ends included."""
    review: str = ANY
    by: str = ANY
    copies: str = ANY


def with_margin(table: pd.DataFrame) -> pd.DataFrame:
    """A table of predictions with `margin`: difference of the two highest probabilities, 0..1."""
    two = np.partition(probabilities_of(table), -2, axis=1)[:, -2:]
    return table.assign(margin=two[:, 1] - two[:, 0])


def filter_images(
    table: pd.DataFrame, wanted: ImageFilter, reviews: CurrentReviews, copies: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """The rows that pass all filters.

    Args:
        table: of predictions.
        wanted: the filters.
        reviews: the current reviews of the split.
        copies: for each of `DUPLICATE_FILTERS` a flag per image of the split; without it nothing is a copy.
    """
    low, high = wanted.confidence
    keep = np.ones(len(table), bool)
    if wanted.shown != "all":
        keep &= table["correct"].to_numpy() == (wanted.shown == "right")
    for column, label in (("label", wanted.true), ("predicted", wanted.predicted)):
        if label != ANY:
            keep &= table[column].to_numpy() == LABELS.index(label)
    if (low, high) != (0, 100):
        confidence = 100 * table["confidence"].to_numpy()
        keep &= (confidence >= low) & (confidence <= high)
    if wanted.copies != ANY:
        flags = (copies or {}).get(wanted.copies)
        keep &= flags[table["index"].to_numpy()] if flags is not None else False
    if (wanted.review, wanted.by) != (ANY, ANY):
        reviewed = table["image_id"].isin(_reviewed(reviews, wanted)).to_numpy()
        keep &= ~reviewed if wanted.review == "none yet" else reviewed
    return table[keep]


def _reviewed(reviews: CurrentReviews, wanted: ImageFilter) -> list[str]:
    """The images with such a review; with `none yet`, those that have one."""
    images: Iterable[str] = disagreements(reviews) if wanted.review == "disagreement" else reviews
    decisions = (wanted.review,) if wanted.review in DECISIONS else DECISIONS
    return [
        image
        for image in images
        if any(review.decision in decisions and wanted.by in (ANY, review.by) for review in reviews[image].values())
    ]


def ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    """The rows in one of `IMAGE_ORDERS`; equals stay in the order of the split."""
    column, ascending = IMAGE_ORDERS[order]
    return table.sort_values(column, ascending=ascending, kind="stable")


def duplicate_flags(audit: Audit, split: str) -> dict[str, np.ndarray]:
    """For each of `DUPLICATE_FILTERS` a flag per image of the split, bool (N,)."""
    start = 0
    for name, size in audit.sizes.items():
        if name == split:
            break
        start += size
    groups = {
        "train": audit.leaks,
        "repeated": audit.duplicates,
        "conflict": audit.conflicts,
        "near": audit.near,
        "flat": [audit.nearly_flat],
    }
    flags = {}
    for kind, found in groups.items():
        positions = np.fromiter((position - start for group in found for position in group), int)
        flags[kind] = np.zeros(audit.sizes[split], bool)
        flags[kind][positions[(positions >= 0) & (positions < audit.sizes[split])]] = True
    return flags


def notes_of(image: str, reviews: CurrentReviews) -> list[str]:
    """The note beneath a face: its review, how many reviewers agree, or that they disagree."""
    by_reviewer = reviews.get(image, {})
    words = {review.in_words() for review in by_reviewer.values()}
    if not words:
        return []
    if len(words) > 1:
        return [f"{len(by_reviewer)} reviewers disagree"]
    return [words.pop() + (f" ({len(by_reviewer)} agree)" if len(by_reviewer) > 1 else "")]
