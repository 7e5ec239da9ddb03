"""What can be done with a run from its page: stop, resume, kill, try again, reproduce, archive, delete."""

import os
import time
from pathlib import Path

import pytest

from core.errors import RunError
from core.jobs import control
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from tests.dashboard.conftest import Opener, Writer, choose, press, words
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
    app.button(key="kill").click().run()
    assert "Progress since the last checkpoint will be lost." in words(app) and killed == []
    press(app, "kill", "kill-really-cancel")
    assert killed == []
    press(app, "kill")
    press(app, "kill", "kill-really")
    assert killed == [run.id]


@pytest.mark.parametrize("state", ["finished", "failed", "crashed"])
def test_retry_opens_a_new_run_with_the_same_settings(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write(state, name="First *try*", done=1, epochs=2)
    app = open_page("run", run=run.id)
    choose(app, "Run again").run()
    [again] = [each for each in list_runs(runs_root) if each.id != run.id]
    assert (again.meta.parent, again.config) == (run.id, read_run(runs_root, run.id).config)
    assert again.name == "First *try* (2)", "told apart from its parent in lists"
    app = open_page("run", run=again.id)
    assert app.get("page_link")[0].proto.label.replace("\\", "") == "Cloned from First *try*"


def test_deleting_names_what_is_lost_and_asks(open_page: Opener, run: FakeRun, write: Writer) -> None:
    assert not any("Delete" in entry for entry in open_page("run", run=write("running").id).menu_button[0].options)
    app = open_page("run", run=run.id)
    choose(app, "Delete").run()
    assert "the curves of 2 epochs, the trained weights" in words(app)
    assert app.button(key="delete-really").disabled and "Enter your name at the top right" in words(app)
    app.text_input(key="who").set_value("Ada")
    choose(app, "Delete").run()
    press(choose(app, "Delete"), "delete-really-cancel")
    assert run.paths.folder.exists()
    choose(app, "Delete").run()
    press(choose(app, "Delete"), "delete-really")
    assert not run.paths.folder.exists()
    assert app.title[0].value == "Runs" and [toast.value for toast in app.toast] == ["Deleted my run\\."]


def test_deleting_the_shipped_run_asks_twice(open_page: Opener, run: FakeRun) -> None:
    shipped = run.paths.folder.rename(run.paths.root / "reference-of-a-test")
    app = open_page("run", run=shipped.name)
    app.text_input(key="who").set_value("Ada")
    choose(app, "Delete").run()
    assert "is shipped with the project" in words(app)
    assert app.button(key="delete-really").disabled
    app.checkbox(key="delete-shipped").check()
    choose(app, "Delete").run()
    assert not app.button(key="delete-really").disabled
    app.checkbox(key="delete-shipped").check()
    press(choose(app, "Delete"), "delete-really")
    assert not shipped.exists()


def test_archiving_keeps_everything_and_needs_a_name(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id)
    choose(app, "Archive").run()
    assert [toast.value for toast in app.toast] == ["Enter your name at the top right to archive this run."]
    assert not read_run(run.paths.root, run.id).meta.archived
    app.text_input(key="who").set_value("Ada")
    choose(app, "Archive").run()
    assert read_run(run.paths.root, run.id).meta.archived and run.paths.weights.exists()
    assert "is archived" in app.toast[0].value, "said after the page was drawn again"
    app = open_page("run", run=run.id)
    assert "Archived" in words(app) and any("Unarchive" in entry for entry in app.menu_button[0].options)


def test_what_failed_is_rather_changed_than_resumed(open_page: Opener, write: Writer) -> None:
    app = open_page("run", run=write("failed", done=1).id)
    assert [app.button(key=key).proto.type for key in ("clone-failed", "resume")] == ["primary", "secondary"]
    assert open_page("run", run=write("stopped", done=1).id).button(key="resume").proto.type == "primary"


def test_reproduce_starts_a_run_that_remembers(
    open_page: Opener, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    app = open_page("run", run=run.id)
    choose(app, "Reproduce").run()
    assert "Retrains with the recorded settings" in words(app)
    press(choose(app, "Reproduce"), "reproduce-start")
    [again] = [each for each in list_runs(run.paths.root) if each.id != run.id]
    assert again.meta.reproduces == run.id
    app = open_page("run", run=again.id)
    assert "The comparison with the original run will appear here" in words(app)
    assert app.get("page_link")[0].proto.label == "Reproduction of my run"


def test_without_its_data_a_run_is_not_reproduced(open_page: Opener, write: Writer) -> None:
    app = open_page("run", run=write("finished", epochs=1).id)
    choose(app, "Reproduce")

    os.environ["FER_DATA_ROOT"] = os.environ["FER_DATA_ROOT"] + "-gone"  # put back by the fixture's monkeypatch
    app.run()
    assert "without its dataset" in words(app)
    assert "reproduce-start" not in [button.key for button in app.button]
