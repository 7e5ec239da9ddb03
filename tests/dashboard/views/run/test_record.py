"""What a run recorded of the machine."""

from tests.dashboard.conftest import Opener, Writer, words
from tests.dashboard.views.run.conftest import titles
from tests.dashboard_fixtures import FakeRun


def test_the_machine_is_shown_as_far_as_it_was_noted(open_page: Opener, write: Writer, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="System")
    assert titles(app)[-4:] == [
        "Process CPU (cores)",
        "System CPU (%)",
        "Process memory (GB)",
        "System memory (%)",
    ]
    assert "No GPU used" in words(app)
    assert "No system metrics yet" in words(open_page("run", run=write("queued").id, tab="System"))
