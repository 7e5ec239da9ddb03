"""The Curves tab."""

from tests.dashboard.conftest import Opener, Writer, line_charts
from tests.dashboard.views.run.conftest import titles
from tests.dashboard_fixtures import FakeRun


def test_the_curves_hold_learning_rate_and_speed(open_page: Opener, run: FakeRun) -> None:
    assert titles(open_page("run", run=run.id)) == ["Loss", "Accuracy (%)", "Learning rate", "Throughput (img/s)"]


def test_a_loss_that_has_exploded_is_on_a_log_scale(open_page: Opener, write: Writer) -> None:
    run = write("failed", done=3, epochs=6)
    assert not open_page("run", run=run.id).toggle(key="log").value
    run.add_epoch(4, validation_loss=5.98e12)
    app = open_page("run", run=run.id)
    assert app.toggle(key="log").value and line_charts(app)[0]["log"]
    assert not open_page("run", run=run.id, log="false").toggle(key="log").value, "whoever chose keeps the choice"
