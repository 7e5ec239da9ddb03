"""The Curves tab."""

from tests.dashboard.conftest import Opener
from tests.dashboard.views.run.conftest import titles
from tests.dashboard_fixtures import FakeRun


def test_the_curves_hold_learning_rate_and_speed(open_page: Opener, run: FakeRun) -> None:
    assert titles(open_page("run", run=run.id)) == ["Loss", "Accuracy (%)", "Learning rate", "Throughput (img/s)"]
