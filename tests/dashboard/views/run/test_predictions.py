"""The metrics of each class, one tab away."""

from tests.dashboard.conftest import Opener, words
from tests.dashboard_fixtures import FakeRun


def test_the_errors_of_each_class_are_at_hand(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="Error analysis")
    assert "Per-class metrics (test, 42 images)" in words(app)
    assert app.dataframe[0].value["class"].tolist()[0] == "angry"
