"""The published numbers of FER2013."""

from core.data.fer2013 import PUBLISHED_COUNTS, count_differences
from core.labels import LABELS
from core.splits import SPLITS


def test_published_counts_are_those_of_the_challenge() -> None:
    assert [sum(PUBLISHED_COUNTS[split]) for split in SPLITS] == [28_709, 3_589, 3_589]
    original_test = [sum(pair) for pair in zip(PUBLISHED_COUNTS["validation"], PUBLISHED_COUNTS["test"], strict=True)]
    assert original_test == [958, 111, 1024, 1774, 1233, 1247, 831]


def test_differences_name_split_class_and_both_numbers() -> None:
    counts = {split: dict(zip(LABELS, numbers, strict=True)) for split, numbers in PUBLISHED_COUNTS.items()}
    assert count_differences(counts) == []
    counts["validation"]["fear"] = 495
    assert count_differences(counts) == [{"split": "validation", "label": "fear", "found": 495, "published": 496}]
    assert len(count_differences({})) == 21
