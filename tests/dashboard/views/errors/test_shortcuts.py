"""Keyboard shortcuts."""

from core.labels import LABELS
from core.review.images import DECISIONS, add_label_reviews, read_label_reviews
from dashboard.views.errors import shortcuts
from tests.dashboard.conftest import Opener
from tests.dashboard.views.errors.conftest import table_of
from tests.dashboard_fixtures import FakeRun


def test_every_decision_and_every_class_has_a_key_of_its_own() -> None:
    assert {*shortcuts.KEYS.values(), "label is wrong"} == set(DECISIONS)
    keys = [key for _, group in shortcuts.LEGEND for key, _ in group]
    assert len(set(keys)) == len(DECISIONS) - 1 + len(LABELS) + 1


def test_a_review_is_taken_back_by_mouse_however_it_was_saved(open_page: Opener, run: FakeRun) -> None:
    images = table_of(run)["image_id"].tolist()[:3]
    add_label_reviews(run.paths, "Ada", "validation", images[:1], "ambiguous")  # before this session
    app = open_page("errors", run=run.id)
    app.session_state["who"] = "Ada"
    app.run()
    assert app.button(key="undo-review").disabled, "what was reviewed earlier is not undone by one click too many"
    add_label_reviews(run.paths, "Ada", "validation", images[1:], "not a face")
    app.run()
    app.button(key="undo-review").click().run()
    undone = read_label_reviews(run.paths)[3:]
    assert [(each.image, each.in_words()) for each in undone] == [(image, "Review removed") for image in images[1:]]
    assert app.button(key="undo-review").disabled
