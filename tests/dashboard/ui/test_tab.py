"""The browser tab tells the state of a run."""

import pytest

from core.runs.reader import read_run
from core.runs.records import RunState
from dashboard.ui.runs import LOOKS
from dashboard.ui.tab import run_tab_title, state_icon
from tests.dashboard.conftest import Writer


@pytest.mark.parametrize(
    ("state", "sign"),
    [("running", "● 20% · "), ("finished", "✓ "), ("failed", "✗ "), ("crashed", "✗ "), ("queued", "○ ")],
)
def test_a_browser_tab_says_how_a_run_is(write: Writer, state: str, sign: str) -> None:
    run = write(state, name="my run", done=1, epochs=5)
    found = read_run(run.paths.root, run.id)
    status = found.status.model_copy(update={"progress": 0.204})
    assert run_tab_title(type(found)(**{**vars(found), "status": status})) == f"{sign}my run"


def test_the_icon_has_the_colour_of_the_state() -> None:
    for state in RunState:
        icon = state_icon(state)
        assert icon.startswith("<svg") and icon.endswith("</svg>\n") and LOOKS[state].hex in icon
