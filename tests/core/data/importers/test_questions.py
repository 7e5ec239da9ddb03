"""What is asked has all that is needed for an answer, and an answer that can be copied is one."""

import re
from collections import Counter

import pytest

from core.data.importers.mapping import given_meanings, parse_mapping
from core.data.importers.questions import check_met, many_beside, unknown_folders, unknown_splits
from core.errors import DataError


def examples(question: str) -> list[dict[str, str]]:
    """The mappings in quotes, as they are read when they are copied."""
    return [parse_mapping([text]) for text in re.findall(r"'([^']*=[^']*)'", question)]


@pytest.mark.parametrize(
    ("numbers", "orders"),
    [
        (range(7), ["FER2013", "AffectNet", "FER+"]),
        (range(1, 8), ["RAF-DB"]),
        (range(8), ["AffectNet", "FER+"]),
        (range(10), ["FER+"]),
        ([1, 3, 6], ["FER2013", "RAF-DB", "AffectNet", "FER+"]),
        ([3, 12], []),
    ],
    ids=["0 to 6", "1 to 7", "0 to 7", "0 to 9", "some", "others"],
)
def test_numbers_are_offered_in_every_published_order_they_fit(numbers: list[int], orders: list[str]) -> None:
    question = unknown_folders(Counter({f"{number:02d}": 5 for number in numbers}))
    assert re.findall(r"as in (\S+),", question) == orders
    found = examples(question)
    assert all(mapping.keys() == {f"{number:02d}" for number in numbers} for mapping in found if orders)
    for mapping in found:
        given_meanings(mapping)
    assert len(question) < 500


def test_affectnet_and_ferplus_are_numbered_as_published() -> None:
    affectnet, ferplus = examples(unknown_folders(Counter({str(number): 5 for number in range(8)})))
    assert tuple(affectnet.values()) == ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "-")
    assert tuple(ferplus.values()) == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "-")


@pytest.mark.parametrize("name", ["laughing, joking", "x" * 120], ids=["comma", "long"])
def test_an_example_can_be_copied_whatever_the_name(name: str) -> None:
    assert examples(unknown_folders(Counter({name: 4}))) == [{name: "-"}]
    assert examples(many_beside(Counter({name: 4}), "")) == [{name: "-"}]
    assert examples(unknown_splits("split", Counter({name: 4}))) == [{name: "train"}, {name: "-"}]


def test_many_folders_are_not_shortened_in_an_example() -> None:
    names = [f"people who look happy {number:02d}" for number in range(14)]
    [pairs, skipped] = examples(unknown_folders(Counter(dict.fromkeys(names, 4))))
    assert len(pairs) > 3 and pairs.keys() <= set(names) and skipped == {names[0]: "-"}


def test_images_beside_the_classes_in_no_folder() -> None:
    assert many_beside(Counter({"": 9}), "").endswith("Move them elsewhere.")


def test_names_that_nothing_has_are_refused() -> None:
    given = given_meanings({"Anger": "disgust", "hapy": "happy"})
    assert given.get("anger")
    with pytest.raises(DataError) as caught:
        check_met(given, ["anger", "joy", "anger"])
    assert str(caught.value) == (
        "No folder or label is called 'hapy', which is mapped to 'happy'; there are 'anger', 'joy'. Correct that name, "
        "or leave it out."
    )
    given.get("HAPY")
    check_met(given, [])
