"""The viewer: from image to image, and the keys of the wall."""

import pytest
import streamlit as st

from core.labels import LABELS
from core.review.images import read_label_reviews
from dashboard.views.errors import shortcuts, viewer
from tests.dashboard.views.errors.conftest import shown, table_of
from tests.dashboard_fixtures import FakeRun


@pytest.fixture(autouse=True)
def _named() -> None:
    st.session_state["who"] = "Ada"


def test_steps_end_at_the_first_and_the_last_image() -> None:
    images, places = ["a", "b", "c"], {"a": 0, "b": 1, "c": 2}
    st.session_state[viewer.VIEWED] = "b"
    seen = []
    for by in (1, 1, -1, -1, -1):
        viewer.step(images, places, by)
        seen.append(st.session_state[viewer.VIEWED])
    assert seen == ["c", "c", "b", "a", "a"]


def test_a_key_reviews_the_image_in_view_and_goes_on_and_undo_comes_back(run: FakeRun) -> None:
    found, images = shown(run), table_of(run)["image_id"].tolist()[:3]
    st.session_state[viewer.VIEWED] = images[0]
    for position, key in enumerate("ma"):
        viewer.review(found, images, position, key)
    saved = [(each.image, each.in_words(), each.by) for each in read_label_reviews(run.paths)]
    assert saved == [(images[0], "Model error", "Ada"), (images[1], "Ambiguous", "Ada")]
    assert viewer.last_viewed() == images[2]
    viewer.review(found, images, 2, shortcuts.UNDO)
    assert viewer.last_viewed() == images[1]
    assert read_label_reviews(run.paths)[-1].in_words() == "Review removed"


def test_what_is_refused_is_said_and_the_image_stays(run: FakeRun) -> None:
    table = table_of(run)
    images, label = table["image_id"].tolist()[:2], LABELS[table["label"].iloc[0]]
    st.session_state[viewer.VIEWED] = images[0]
    key = next(key for key, name in shortcuts.LABEL_KEYS.items() if name == label)
    viewer.review(shown(run), images, 0, key)
    assert viewer.last_viewed() == images[0] and read_label_reviews(run.paths) == []
    assert "is the current label" in st.session_state[viewer.LAST_ACT]
