"""What can be done with a run from its page: stop, resume, kill, try again."""

import os
import time
from pathlib import Path

import pytest

from core.errors import RunError
from core.jobs import control
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from tests.dashboard.conftest import Opener, Writer, words


def test_stop_and_resume_speak_through_the_job_module(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write("running", done=1)
    app = open_page("run", run=run.id)
    app.button(key="stop").click().run()
    assert run.paths.stop_request.exists()
    waiting = write("queued")
    app = open_page("run", run=waiting.id)
    app.button(key="stop").click().run()
    assert read_run(runs_root, waiting.id).state is RunState.STOPPED
    app.button(key="resume").click().run()
    assert read_run(runs_root, waiting.id).state is RunState.QUEUED

    def refuse(*_: object) -> None:
        raise RunError("It cannot be stopped today.")

    monkeypatch.setattr(control, "stop", refuse)
    app.button(key="stop").click().run()
    assert "It cannot be stopped today." in words(app)


def test_a_run_that_does_not_stop_can_be_killed(
    open_page: Opener, write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[str] = []
    monkeypatch.setattr(control, "stop_now", lambda _, run_id: killed.append(run_id))
    run = write("stalled", done=1)
    run.paths.stop_request.touch()
    app = open_page("run", run=run.id)
    assert "Stopping…" in words(app) and "Force stop" not in words(app)
    long_ago = time.time() - 40
    os.utime(run.paths.stop_request, (long_ago, long_ago))
    app = open_page("run", run=run.id)
    assert "Progress since the last checkpoint will be lost." in words(app)
    app.button(key="kill").click().run()
    assert killed == [run.id]


@pytest.mark.parametrize("state", ["finished", "failed", "crashed"])
def test_retry_opens_a_new_run_with_the_same_settings(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write(state, name="First *try*", done=1, epochs=2)
    app = open_page("run", run=run.id)
    app.button(key="retry").click().run()
    [again] = [each for each in list_runs(runs_root) if each.id != run.id]
    assert (again.meta.parent, again.config) == (run.id, read_run(runs_root, run.id).config)
    app = open_page("run", run=again.id)
    assert app.get("page_link")[0].proto.label.replace("\\", "") == "Cloned from First *try*"
