"""The waiting line on the Overview page."""

from pathlib import Path

import pytest

from core.jobs import control
from core.jobs.queue import queued_runs
from core.runs.create import write_status
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.dashboard.conftest import Opener, Writer, words


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


def test_queue_rows_are_read_by_name(open_page: Opener, write: Writer) -> None:
    run = write("queued", name="n" * 100, author="Ada")
    app = open_page("overview")
    labels = [app.button(key=f"{what}-{run.id}").label for what in ("earlier", "later", "remove")]
    assert labels == ["Up", "Down", "Remove"], "an icon alone is read as its name in the icon font"
    [link] = [link for link in app.get("page_link") if "n" * 50 in link.proto.label]
    assert link.proto.label.endswith("…") and len(link.proto.label) < 70 and link.proto.help == "n" * 100


def test_what_waits_in_the_queue_of_an_engine_has_no_place_in_ours(
    open_page: Opener, write: Writer, runs_root: Path
) -> None:
    here, there = write("queued", name="here"), write("queued", name="there")
    on_slurm = {"launcher": "slurm", "job": "12", "queue_position": 0.0}
    write_status(there.paths, read_status(there.paths).model_copy(update=on_slurm))
    app = open_page("overview")
    keys = {button.key for button in app.button}
    assert app.button(key=f"earlier-{here.id}").disabled and app.button(key=f"later-{here.id}").disabled, "the only one"
    assert f"remove-{there.id}" in keys and not {f"earlier-{there.id}", f"later-{there.id}"} & keys
    assert [run.id for run in queued_runs(runs_root)] == [here.id]
    assert "slurm" in words(open_page("run", run=there.id)).lower(), "which is to start it"
