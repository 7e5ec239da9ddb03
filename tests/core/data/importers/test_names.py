"""Words for classes and splits: what is read alone, what only with a question, and what never."""

import pytest

from core.data.importers.names import meaning_of, number_of, suggest_class, suggest_split


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("anger", "angry"), ("Happiness", "happy"), ("SADNESS", "sad"), ("Happy ", "happy"), ("0 angry", "angry")),
        *(("6_neutral", "neutral"), ("fearful", "fear"), ("Surprised", "surprise"), ("happy_faces", "happy")),
        *(("Train", "train"), ("training_set", "train"), ("PublicTest", "validation"), ("private_test", "test")),
        *(("FER2013Train", "train"), ("Val", "validation"), ("dev", "validation"), ("DATA_TEST", "test")),
        *(("contempt", "contempt"), ("7_contempt", "contempt"), ("NF", "not a face")),
    ],
)
def test_names_that_say_one_thing(name: str, value: str) -> None:
    meaning = meaning_of(name)
    assert meaning and meaning.value == value and not meaning.is_near


@pytest.mark.parametrize(
    ("name", "value"),
    [("vaild", "validation"), ("trian", "train"), ("hapy", "happy"), ("netural", "neutral"), ("discust", "disgust")],
)
def test_a_slip_is_read_as_what_it_is_near(name: str, value: str) -> None:
    meaning = meaning_of(name)
    assert meaning and meaning.value == value and meaning.is_near


@pytest.mark.parametrize(
    "name",
    [
        *("madness", "danger", "tearful", "dear", "bad", "mad", "unhappy", "not_happy", "happy_sad", "sad or angry"),
        *(
            "text",
            "best",
            "tent",
            "rain",
            "brain",
            "3",
            "",
            "__",
            "faces",
            "holdout",
            "eval",
            "train_aug",
            "subject_12",
        ),
    ],
)
def test_what_is_only_similar_says_nothing(name: str) -> None:
    assert meaning_of(name) is None


def test_suggestions_and_numbers() -> None:
    assert [suggest_class(name) for name in ("AN", "aia_anger", "not_happy", "happy_sad", "x")] == [
        *("angry", "angry", "happy", None, None)
    ]
    assert [suggest_split(name) for name in ("train_aug", "holdout")] == ["train", None]
    assert [number_of(name) for name in ("3", " 07", "class_2", "3a", "happy")] == [3, 7, 2, None, None]
