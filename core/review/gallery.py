"""Choosing among the images of a split: tables in, tables out. No Streamlit, no files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from core.data.audit import Audit
from core.evaluation.predictions import probabilities_of
from core.labels import LABELS
from core.review.images import DECISIONS, CurrentReviews, disagreements

ANY: Final = "any"
SHOWN: Final = ("wrong", "right", "all")
REVIEW_FILTERS: Final = (ANY, "none yet", "some", "disagreement", *DECISIONS)
"""What may be asked about verdicts."""

DUPLICATE_FILTERS: Final = {
    "train": "also outside train",
    "repeated": "repeated in this set",
    "conflict": "copies under different labels",
    "near": "near-duplicate",
    "flat": "flat",
}
"""What may be asked about copies, as the audit found them; of the other splits `train` means: also in train."""

IMAGE_ORDERS: Final = {
    "highest loss": ("loss", False),
    "most confident": ("confidence", False),
    "least confident": ("confidence", True),
    "narrowest margin": ("margin", True),
    "most suspicious label": ("suspicion", False),
}
"""Column and whether it ascends."""


@dataclass(frozen=True)
class ImageFilter:
    """What the filters of the gallery ask for."""

    shown: str = "wrong"
    true: str = ANY
    predicted: str = ANY
    confidence: tuple[int, int] = (0, 100)
    """In per cent, both ends included."""
    judged: str = ANY
    by: str = ANY
    copies: str = ANY


def with_margin(table: pd.DataFrame) -> pd.DataFrame:
    """A table of predictions with `margin`: how far the first choice is ahead of the second, 0..1."""
    two = np.partition(probabilities_of(table), -2, axis=1)[:, -2:]
    return table.assign(margin=two[:, 1] - two[:, 0])


def filter_images(
    table: pd.DataFrame, wanted: ImageFilter, standing: CurrentReviews, copies: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """The rows that pass all filters.

    Args:
        table: of predictions.
        wanted: the filters.
        standing: what stands about which image.
        copies: for each of `COPIES` a flag per image of the split; without it nothing is a copy.
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
    if (wanted.judged, wanted.by) != (ANY, ANY):
        judged = table["image_id"].isin(_judged(standing, wanted)).to_numpy()
        keep &= ~judged if wanted.judged == "none yet" else judged
    return table[keep]


def _judged(standing: CurrentReviews, wanted: ImageFilter) -> list[str]:
    """The images about which such a verdict stands; with `none yet`, those that have one."""
    images: Iterable[str] = disagreements(standing) if wanted.judged == "disagreement" else standing
    names = (wanted.judged,) if wanted.judged in DECISIONS else DECISIONS
    return [
        image
        for image in images
        if any(verdict.verdict in names and wanted.by in (ANY, author) for author, verdict in standing[image].items())
    ]


def ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    """The rows in one of `ORDERS`; equals stay in the order of the split."""
    column, ascending = IMAGE_ORDERS[order]
    return table.sort_values(column, ascending=ascending, kind="stable")


def duplicate_flags(audit: Audit, split: str) -> dict[str, np.ndarray]:
    """For each of `COPIES` a flag per image of the split, bool (N,)."""
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


def notes_of(image: str, standing: CurrentReviews) -> list[str]:
    """What stands beneath a face: one verdict, how many reviewers share it, or that they disagree."""
    authors = standing.get(image, {})
    said = {verdict.in_words() for verdict in authors.values()}
    if not said:
        return []
    if len(said) > 1:
        return [f"{len(authors)} reviewers disagree"]
    return [said.pop() + (f" ({len(authors)} agree)" if len(authors) > 1 else "")]
