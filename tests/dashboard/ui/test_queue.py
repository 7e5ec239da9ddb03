"""The waiting line on the Overview page."""

from pathlib import Path

import pytest

from core.jobs import control
from core.jobs.queue import queued_runs
from core.runs.reader import read_run
from core.runs.records import RunState
from tests.dashboard.conftest import Opener, Writer


def test_the_line_can_be_changed(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    first, second, third = (write("queued", name=name) for name in ("one", "two", "three"))
    app = open_page("overview")
    assert app.button(key=f"earlier-{first.id}").disabled and app.button(key=f"later-{third.id}").disabled
    app.button(key=f"earlier-{third.id}").click().run()
    app.button(key=f"later-{first.id}").click().run()
    assert [run.id for run in queued_runs(runs_root)] == [third.id, first.id, second.id]
    app.button(key=f"remove-{third.id}").click().run()
    assert [run.id for run in queued_runs(runs_root)] == [first.id, second.id]
    assert read_run(runs_root, third.id).state is RunState.STOPPED
