"""The Overview page: the first steps, what is next, and what a restart interrupted."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import control
from core.jobs.queue import move_queued, queued_runs
from dashboard.state import visitor
from tests.dashboard.conftest import Opener, Writer, words


def test_the_first_visit_shows_three_steps(open_page: Opener, write: Writer, demo_root: Path, tmp_path: Path) -> None:
    def buttons(app: AppTest) -> list[str]:
        return [app.button(key=f"step-{number}").label for number in (1, 2, 3)]

    nothing = tmp_path / "no-data"
    assert buttons(open_page("overview", data_root=nothing)) == ["Add data", "Open Train", "Open Predict"]
    shipped = write("finished", epochs=1)
    shipped.paths.folder.rename(shipped.paths.root / "reference-of-a-test")
    app = open_page("overview", data_root=nothing)
    assert buttons(app) == ["Open Predict", "Add data", "Open Train"]
    assert "Step 1" in words(app) and "Done" not in words(app)
    app.session_state[visitor.HAS_PREDICTED] = True
    assert "Step 1" not in words(app.run()) and "Step 2" in words(app) and "Done" in words(app)
    assert "Step 2" not in words(open_page("overview", data_root=demo_root)), "there are data"
    write("queued")
    assert "Get started" not in words(open_page("overview", data_root=nothing))


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
