"""Filters and order of the images that a gallery shows."""

from pathlib import Path
from typing import Any

import numpy as np

from core.data.audit import audit_dataset
from core.evaluation.predictions import read_predictions
from core.review.gallery import (
    DUPLICATE_FILTERS,
    ImageFilter,
    duplicate_flags,
    filter_images,
    notes_of,
    ordered,
    with_margin,
)
from core.review.images import add_label_reviews, current_label_reviews, read_label_reviews
from tests.dashboard_fixtures import write_run


def test_each_filter_leaves_what_it_says(root: Path, demo_root: Path) -> None:
    run = write_run(root, demo_root, "finished", epochs=1)
    table = with_margin(read_predictions(run.paths.predictions("validation")))
    images = table["image_id"].tolist()
    add_label_reviews(run.paths, "Mara", "validation", images[:3], "ambiguous")
    add_label_reviews(run.paths, "Ben", "validation", images[2:4], "not a face")
    reviews = current_label_reviews(read_label_reviews(run.paths), "validation")
    flags = duplicate_flags(audit_dataset(demo_root, "demo"), "validation")
    flags["flat"][5] = True

    def left(**wanted: Any) -> list[str]:
        return filter_images(table, ImageFilter(**{"shown": "all", **wanted}), reviews, flags)["image_id"].tolist()

    assert left() == images
    assert left(shown="right") == table[table["correct"]]["image_id"].tolist()
    assert (
        left(true="fear", predicted="sad")
        == table[(table["label"] == 2) & (table["predicted"] == 5)]["image_id"].tolist()
    )
    assert left(review="some") == images[:4] and left(review="none yet") == images[4:]
    assert left(review="disagreement") == images[2:3] and left(review="not a face") == images[2:4]
    assert left(by="Ben") == images[2:4] and left(review="ambiguous", by="Ben") == []
    assert left(review="none yet", by="Ben") == images[:2] + images[4:]
    assert left(copies="flat") == [images[5]]
    assert all(table[table["image_id"].isin(left(confidence=(40, 60)))]["confidence"].between(0.4, 0.6))
    assert notes_of(images[0], reviews) == ["Ambiguous"]
    assert notes_of(images[2], reviews) == ["2 reviewers disagree"]
    assert ordered(table, "Smallest margin")["margin"].is_monotonic_increasing


def test_copies_are_those_of_the_audit(demo_root: Path) -> None:
    audit = audit_dataset(demo_root, "demo")
    first = audit.sizes["train"]  # the first image of validation
    audit = audit.model_copy(
        update={
            "duplicates": [[0, first], [1, 2]],
            "leaks": [[0, first]],
            "conflicts": [],
            "near": [],
            "nearly_flat": [first + 1],
        }
    )
    found = {
        split: {kind: np.flatnonzero(flags).tolist() for kind, flags in duplicate_flags(audit, split).items()}
        for split in audit.sizes
    }
    assert set(found["train"]) == set(DUPLICATE_FILTERS)
    assert found["train"] == {"train": [0], "repeated": [0, 1, 2], "conflict": [], "near": [], "flat": []}
    assert found["validation"] == {"train": [0], "repeated": [0], "conflict": [], "near": [], "flat": [1]}
