"""What can be done with a run from its page: stop, resume, kill, try again, reproduce, archive, delete."""

import os
import time
from pathlib import Path

import pytest

from core.errors import RunError
from core.jobs import control
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from tests.dashboard.conftest import Opener, Writer, press, words
from tests.dashboard_fixtures import FakeRun


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


def test_deleting_names_what_is_lost_and_asks(open_page: Opener, run: FakeRun, write: Writer) -> None:
    assert "delete" not in [button.key for button in open_page("run", run=write("running").id).button]
    app = open_page("run", run=run.id)
    app.button(key="delete").click().run()
    assert "the curves of 2 epochs, the trained weights" in words(app)
    assert run.paths.folder.exists()
    press(app, "delete", "delete-really")
    assert not run.paths.folder.exists()


def test_deleting_the_shipped_run_asks_twice(open_page: Opener, run: FakeRun) -> None:
    shipped = run.paths.folder.rename(run.paths.root / "reference-of-a-test")
    app = open_page("run", run=shipped.name)
    app.button(key="delete").click().run()
    assert "is shipped with the project" in words(app)
    assert app.button(key="delete-really").disabled
    app.checkbox(key="delete-shipped").check()
    press(app, "delete")
    assert not app.button(key="delete-really").disabled
    app.checkbox(key="delete-shipped").check()
    press(app, "delete", "delete-really")
    assert not shipped.exists()


def test_archiving_keeps_everything_and_asks_who(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id)
    app.button(key="archive").click().run()
    app.text_input(key="who-archive").set_value("Ada")
    press(app, "archive")
    assert read_run(run.paths.root, run.id).meta.archived and run.paths.weights.exists()
    app = open_page("run", run=run.id)
    assert "Archived" in words(app) and "Unarchive" in words(app)


def test_reproduce_starts_a_run_that_remembers(
    open_page: Opener, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    app = open_page("run", run=run.id)
    app.button(key="reproduce").click().run()
    assert "Retrains with the recorded settings" in words(app)
    press(app, "reproduce", "reproduce-start")
    [again] = [each for each in list_runs(run.paths.root) if each.id != run.id]
    assert again.meta.reproduces == run.id
    app = open_page("run", run=again.id)
    assert "The comparison with the original run will appear here" in words(app)
    assert app.get("page_link")[0].proto.label == "Reproduction of my run"


def test_without_its_data_a_run_is_not_reproduced(open_page: Opener, write: Writer) -> None:
    app = open_page("run", run=write("finished", epochs=1).id)
    app.button(key="reproduce").click()

    os.environ["FER_DATA_ROOT"] = os.environ["FER_DATA_ROOT"] + "-gone"  # put back by the fixture's monkeypatch
    app.run()
    assert "without its dataset" in words(app)
    assert "reproduce-start" not in [button.key for button in app.button]
