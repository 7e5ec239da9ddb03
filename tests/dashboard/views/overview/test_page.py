"""The Overview page: what is next, and what a restart interrupted."""

from pathlib import Path

import pytest

from core.jobs import control
from core.jobs.queue import move_queued, queued_runs
from tests.dashboard.conftest import Opener, Writer, words


def test_the_next_run_is_the_first_in_the_queue(open_page: Opener, write: Writer) -> None:
    write("queued", name="began to wait first")
    write("queued", name="second")
    third = write("queued", name="third")
    assert "Next: began to wait first" in words(open_page("overview"))
    move_queued(third.paths, "first")
    assert "Next: third" in words(open_page("overview"))


def test_interrupted_runs_are_put_back_in_line(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Path] = []
    monkeypatch.setattr(control, "ensure_runner", lambda root, _: wanted.append(root))
    assert "interrupted" not in words(open_page("overview"))
    runs = [write("crashed", done=1, epochs=2) for _ in range(2)]
    app = open_page("overview")
    assert "2 interrupted runs" in words(app)
    app.button(key="recover").click().run()
    assert {run.id for run in queued_runs(runs_root)} == {run.id for run in runs}
    assert wanted == [runs_root]
    assert "interrupted" not in words(app)
