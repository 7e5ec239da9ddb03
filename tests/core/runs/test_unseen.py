"""A run that has seen what a student is scored on must not teach it."""

from pathlib import Path

import numpy as np
import pytest

from core.config import TrainConfig
from core.data.dataset import SplitArrays, load_split, write_dataset
from core.data.identity import DataIdentity
from core.errors import RunError
from core.runs.reader import read_run
from core.runs.unseen import check_unseen
from tests.core.training.test_loop import TINY
from tests.core.training.test_teachers import teach

COPIES = 5
"""Test images of the dataset `leaky` that are also in its train split."""


def split_of(demo_root: Path, name: str) -> SplitArrays:
    split = load_split(demo_root, "demo", name)
    return np.array(split.images), np.array(split.labels), np.array(split.ids)


def joined(*parts: SplitArrays) -> SplitArrays:
    images, labels, ids = (np.concatenate([part[at] for part in parts]) for at in range(3))
    return images, labels, np.char.add(ids, [f"-{number}" for number in range(len(ids))])


def write(data_root: Path, name: str, **splits: SplitArrays) -> DataIdentity:
    return write_dataset(data_root, name, title=name, kind="own", source="test", splits=splits).identity


@pytest.fixture
def data_root(tmp_path: Path, demo_root: Path) -> Path:
    """`leaky` has copies of test images in train; `swapped` trains on what others validate on; `other` on half of the
    same train split."""
    root = tmp_path / "data"
    train, validation, test = (split_of(demo_root, name) for name in ("train", "validation", "test"))
    copies = (test[0][:COPIES], test[1][:COPIES], test[2][:COPIES])
    write(root, "demo", train=train, validation=validation, test=test)
    write(root, "leaky", train=joined(train, copies), validation=validation, test=test)
    write(root, "swapped", train=joined(train, validation), validation=test, test=test)
    half = (train[0][::2], train[1][::2], train[2][::2])
    write(root, "other", train=half, validation=validation, test=test)
    return root


def refusal(tmp_path: Path, data_root: Path, teacher: dict[str, object], student: dict[str, object]) -> str:
    """Why a finished run of these settings may not teach; empty if it may."""
    settings = {"dataset": "demo", **teacher}
    paths = teach(tmp_path / "runs", data_root, "teacher", **settings)
    try:
        config = TrainConfig(**TINY | {"dataset": "demo", **student})
        check_unseen(read_run(paths.root, "teacher"), config, data_root, "Teacher")
    except RunError as error:
        return str(error)
    return ""


LEAKY = {"dataset": "leaky"}
CLEANED = {"dataset": "leaky", "drop_train_duplicates": True}


@pytest.mark.parametrize(
    ("teacher", "student", "why"),
    [
        ({}, {}, ""),
        ({"dataset": "swapped"}, {}, "was trained on 42 validation images of 'demo'. Select another run."),
        ({"dataset": "other"}, {}, ""),
        # copies that the student is trained on itself are nothing new to it; those that it excludes are
        (LEAKY, LEAKY, ""),
        (LEAKY, CLEANED, f"was trained on {COPIES} test images of 'leaky'. Select another run."),
        (CLEANED, CLEANED, ""),
        (LEAKY, {}, f"was trained on {COPIES} test images of 'demo'. Select another run."),
        # the fold that a student holds out is scored, too
        ({"hold_out": "1/2"}, {"hold_out": "1/2"}, ""),
        ({"hold_out": "1/2"}, {"hold_out": "2/2"}, "was trained on 84 images of the held-out fold 2/2 of 'demo'."),
        ({}, {"hold_out": "1/2"}, "was trained on 84 images of the held-out fold 1/2 of 'demo'. Select another run."),
        ({"hold_out": "1/2"}, {}, ""),
        ({"dataset": "swapped", "teachers": ["deeper"]}, {}, "learned on 'swapped' from runs that may have seen"),
        (
            {"dataset": "swapped", "initial_weights": ["deeper"]},
            {},
            "learned on 'swapped' from runs that may have seen",
        ),
    ],
)
def test_a_run_is_refused_by_the_images_it_was_trained_on(
    tmp_path: Path, data_root: Path, teacher: dict[str, object], student: dict[str, object], why: str
) -> None:
    said = refusal(tmp_path, data_root, teacher, student)
    assert said.startswith(f"Teacher teacher {why}") if why else said == ""
    assert said.count(". ") <= 1


def test_other_data_that_are_not_here_any_more_are_not_trusted(tmp_path: Path, data_root: Path) -> None:
    teach(tmp_path / "runs", data_root, "teacher", dataset="other")
    run = read_run(tmp_path / "runs", "teacher")
    validation = split_of(data_root, "validation")
    write(data_root, "other", train=validation, validation=validation, test=validation)
    with pytest.raises(RunError, match=r"trained on other data \('other'\) that is not on this server"):
        check_unseen(run, TrainConfig(**TINY), data_root, "Teacher")
