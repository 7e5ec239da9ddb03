"""What people say that names mean."""

import unicodedata

import pytest

from core.data.importers.mapping import given_meanings, parse_mapping, two_in_one
from core.errors import DataError


@pytest.mark.parametrize(
    ("texts", "mapping"),
    [
        (["a=happy, b = - ,"], {"a": "happy", "b": "-"}),
        (["a=happy", "b=sad"], {"a": "happy", "b": "sad"}),
        (["laughing, joking=happy"], {"laughing, joking": "happy"}),
        (["0=sad, laughing, joking=-, a=b=fear"], {"0": "sad", "laughing, joking": "-", "a=b": "fear"}),
        (["a=happy", "a = happy"], {"a": "happy"}),
    ],
    ids=["one text", "two texts", "comma in a name", "all together", "said twice"],
)
def test_pairs(texts: list[str], mapping: dict[str, str]) -> None:
    assert parse_mapping(texts) == mapping


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("joking", "Invalid mapping 'joking'. Use folder=class"),
        ("a=happy, joking", "Invalid mapping 'joking'"),
        ("a=happy, a=sad", "'a' is mapped to 'happy' and to 'sad'. Choose one."),
    ],
    ids=["no sign", "none at the end", "two meanings"],
)
def test_what_is_no_mapping_is_refused(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        parse_mapping([text])


@pytest.mark.parametrize("written", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_names_are_met_in_any_case_and_form_of_unicode(written: str, typed: str) -> None:
    given = given_meanings({unicodedata.normalize(typed, "Fröhlich"): "happy", "other": "-"})  # type: ignore[arg-type]
    meaning = given.get(unicodedata.normalize(written, " fröhlich "))  # type: ignore[arg-type]
    assert meaning and meaning.value == "happy" and meaning.is_given
    assert given.get("nobody") is None
    assert {name: meaning.kind for name, meaning in given.unmet.items()} == {"other": "skip"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("train_happy", [("train", "train"), ("happy", "happy")]),
        ("HappyTest", [("Test", "test"), ("Happy", "happy")]),
        ("val_0_angry_faces", [("val", "validation"), ("0_angry_faces", "angry")]),
        ("test-contempt", [("test", "test"), ("contempt", "contempt")]),
        ("train_grin", [("train", "train"), ("grin", "happy")]),
        ("train_test_happy", []),
        ("happy_people_test_shoot", []),
        ("train_happy_sad", []),
        ("trial_happy", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_split_and_a_class_in_one_name(name: str, said: list[tuple[str, str]]) -> None:
    found = two_in_one(name, given_meanings({"grin": "happy"}))
    assert [(part, meaning and meaning.value) for part, meaning in found] == said
