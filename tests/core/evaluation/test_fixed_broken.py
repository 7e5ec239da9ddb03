"""Fixed and broken images of two runs, checked against a plain loop."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import RunError
from core.evaluation.fixed_broken import OUTCOMES, changes_per_class, fixed_and_broken
from core.evaluation.predictions import read_predictions, write_predictions
from core.labels import LABELS


def table(path: Path, seed: int, labels: np.ndarray, ids: np.ndarray) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(7), len(labels)) + 0.2 * np.eye(7)[labels]
    write_predictions(path, ids, labels, probabilities / 1.2)
    return read_predictions(path)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    labels = np.random.default_rng(0).integers(0, 6, 300)  # the last class has no image
    ids = np.array([f"{LABELS[label]}/{number}" for number, label in enumerate(labels)])
    order = np.random.default_rng(1).permutation(300)[:280]  # the second one has fewer images, in another order
    return (
        table(tmp_path / "before.parquet", 2, labels, ids),
        table(tmp_path / "after.parquet", 3, labels[order], ids[order]),
    )


def test_every_image_gets_its_outcome(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    before, after = tables
    changes = fixed_and_broken(before, after)
    assert changes["image"].tolist() == [image for image in before["image_id"] if image in set(after["image_id"])]
    old, new = (frame.set_index("image_id").loc[changes["image"]] for frame in tables)
    names = {(0, 1): "fixed", (1, 0): "broken", (0, 0): "both wrong", (1, 1): "both right"}
    was_right, is_right = ((frame["predicted"] == frame["label"]).tolist() for frame in (old, new))
    expected = [names[int(first), int(second)] for first, second in zip(was_right, is_right, strict=True)]
    assert changes["outcome"].tolist() == expected
    assert set(expected) == set(OUTCOMES), "the tables have all of them"
    for column, frame, source in (
        ("label", old, "label"),
        ("before", old, "predicted"),
        ("after", new, "predicted"),
        ("confidence_before", old, "confidence"),
        ("confidence_after", new, "confidence"),
    ):
        assert changes[column].tolist() == frame[source].tolist(), column


def test_the_counts_per_class_add_up(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    changes = fixed_and_broken(*tables)
    counts = changes_per_class(changes)
    of_outcome = changes["outcome"].tolist()
    assert list(counts.index) == list(LABELS)
    assert counts.to_numpy()[-1].tolist() == [0, 0, 0, 0, 0]
    assert [int(counts[name].sum()) for name in OUTCOMES] == [of_outcome.count(name) for name in OUTCOMES]
    was_right = of_outcome.count("broken") + of_outcome.count("both right")
    assert counts["net"].sum() == tables[1]["correct"].sum() - was_right


def test_tables_that_do_not_belong_together_are_refused(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    before, after = tables
    with pytest.raises(RunError, match="different images"):
        fixed_and_broken(before, after.assign(image_id="other/" + after["image_id"]))
    with pytest.raises(RunError, match="280 images have different labels"):
        fixed_and_broken(before, after.assign(label=(after["label"] + 1) % 7))
