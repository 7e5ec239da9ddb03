"""Label reviews: what is refused, and many images at once."""

from collections.abc import Callable

import pytest
import streamlit as st

from core.evaluation.predictions import PROBABILITY_COLUMNS
from core.labels import LABELS
from core.review.images import add_label_reviews, current_label_reviews, read_label_reviews
from core.team.people import Role
from dashboard.state import cache
from dashboard.views.errors import label_review
from tests.dashboard.views.errors.conftest import shown, table_of
from tests.dashboard_fixtures import FakeRun


def test_a_label_that_an_image_has_already_is_refused_whatever_its_id(
    run: FakeRun, visit_as: Callable[..., None]
) -> None:
    visit_as(Role.MEMBER, name="Ada")
    table = table_of(run)
    table["image_id"] = [f"row-{number}" for number in range(len(table))]
    label = LABELS[table["label"].iloc[0]]
    label_review.save_reviews(shown(run, table), ["row-0"], "label is wrong", label, "", "bar")
    assert f"“{label}” is the current label of row-0" in st.session_state.pop("bar-refused")
    assert read_label_reviews(run.paths) == []
    other = next(each for each in LABELS if each != label)
    label_review.save_reviews(shown(run, table), ["row-0"], "label is wrong", other, "", "bar")
    assert [each.label for each in read_label_reviews(run.paths)] == [other]


def test_the_correct_label_is_preset_to_the_prediction(run: FakeRun) -> None:
    table = table_of(run)
    found = shown(run, table)
    for correct in (False, True):  # of a correct one to the class that is second
        row = table[table["correct"] == correct].iloc[0]
        second = row[PROBABILITY_COLUMNS].to_numpy(float).argsort()[-2]
        expected = LABELS[second if correct else row["predicted"]]
        assert label_review.suggested_label(found, [row["image_id"]]) == expected != LABELS[row["label"]]
    wrong = table[~table["correct"]]
    assert wrong["predicted"].nunique() > 1
    assert label_review.suggested_label(found, wrong["image_id"].tolist()) is None, "the images differ in it"


def test_a_label_that_was_chosen_stays_until_other_images_are_reviewed(run: FakeRun) -> None:
    found, images = shown(run), table_of(run)["image_id"].tolist()
    label_review.preset_label(found, images[:1], "bar")
    st.session_state["bar-label"] = "disgust"
    label_review.preset_label(found, images[:1], "bar")
    assert st.session_state["bar-label"] == "disgust"
    label_review.preset_label(found, images[1:2], "bar")
    assert st.session_state["bar-label"] == label_review.suggested_label(found, images[1:2])


def test_current_reviews_are_computed_once_however_many_images_are_reviewed(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, found, looks = table_of(run)["image_id"].tolist(), shown(run), []
    monkeypatch.setattr(cache, "current_label_reviews", lambda *of: looks.append(1) or current_label_reviews(*of))
    for given in (1, 2):
        add_label_reviews(run.paths, "Ada", "validation", images[given : given + 5], "ambiguous")
        label_review.form(found, images, "bar")
        assert len(found.current_reviews) == given + 4, "a new review is seen at once, also by an older look at the run"
        assert len(looks) == given, "not once per image"
