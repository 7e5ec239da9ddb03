"""Keyboard shortcuts."""

from core.labels import LABELS
from core.review.images import DECISIONS
from dashboard.views.errors import shortcuts


def test_every_decision_and_every_class_has_a_key_of_its_own() -> None:
    assert {*shortcuts.KEYS.values(), "label is wrong"} == set(DECISIONS)
    keys = [key for _, group in shortcuts.LEGEND for key, _ in group]
    assert len(set(keys)) == len(DECISIONS) - 1 + len(LABELS) + 1
