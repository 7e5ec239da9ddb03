"""The confusion matrix that all pages share."""

from typing import Any, get_args

import numpy as np
import pytest

from core.labels import LABELS
from dashboard.ui import confusion
from dashboard.ui.page import ERRORS_PAGE

MATRIX = np.random.default_rng(0).integers(0, 2000, (7, 7))


@pytest.mark.parametrize("normalize", get_args(confusion.Normalization))
def test_the_name_of_a_cell_contains_what_stands_in_it(normalize: confusion.Normalization) -> None:
    for i, row in enumerate(confusion.cells(MATRIX, normalize)):
        for j, cell in enumerate(row):
            assert cell["text"] in cell["title"], "what is said aloud finds the cell"
            assert f"True {LABELS[i]}, predicted {LABELS[j]}: {MATRIX[i, j]:,} images" in cell["title"]
            assert 0 <= cell["shade"] <= 1


def test_an_empty_class_has_no_share_of_anything() -> None:
    nothing = np.zeros((7, 7), int)
    assert {cell["shade"] for row in confusion.cells(nothing, "Rows (recall)") for cell in row} == {0.0}


@pytest.mark.parametrize(
    ("clicked", "expected"),
    [
        ({"row": 5, "column": 4}, {"true": "sad", "predicted": "neutral", "show": "All"}),
        ({"row": 5, "column": None}, {"true": "sad"}),
        ({"row": None, "column": 0}, {"predicted": "angry"}),
    ],
)
def test_a_cell_leads_to_its_images(
    monkeypatch: pytest.MonkeyPatch, clicked: dict[str, int | None], expected: dict[str, str]
) -> None:
    went: list[Any] = []
    monkeypatch.setattr(confusion, "clickable_matrix", lambda *_, **__: clicked)
    monkeypatch.setattr(confusion, "go_to", lambda page, **query: went.append((page, query)))
    confusion.linked_matrix(MATRIX, "a-run", "test", "key")
    assert went == [(ERRORS_PAGE, {"run": "a-run", "split": "test", **expected})]
