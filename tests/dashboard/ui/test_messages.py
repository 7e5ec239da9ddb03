"""What was done and what has ended is said, and nothing twice."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.jobs.notify.events import how_it_ended
from core.runs.reader import read_run
from dashboard.ui import messages
from tests.dashboard.conftest import Opener, Writer
from tests.dashboard_fixtures import FakeRun, end_run


def toasts(app: AppTest) -> list[str]:
    return [toast.value.replace("\\", "") for toast in app.toast]


def test_a_message_outlives_the_rerun_that_follows() -> None:
    def script() -> None:
        import streamlit as st

        from dashboard.ui.messages import say, show_said

        if st.button("Save"):
            say("Saved *it*.")
            st.rerun()
        show_said()

    app = AppTest.from_function(script).run()
    app.button[0].click().run()
    assert toasts(app) == ["Saved *it*."]
    assert toasts(app.run()) == []


@pytest.mark.parametrize("page", ["runs", "data", "run"])
def test_a_run_that_ends_is_said_on_every_page(open_page: Opener, write: Writer, page: str) -> None:
    run = write("running", name="my run", done=2)
    app = open_page(page, **({"run": run.id} if page == "run" else {}))
    assert toasts(app) == []
    end_run(run)
    [said] = toasts(app.run())
    assert said.startswith("my run: finished, 6") and said.endswith(" pp val. accuracy")
    assert toasts(app.run()) == []


def test_why_a_run_failed_is_said(write: Writer) -> None:
    run = write("failed", name="my run", done=1)
    said = how_it_ended(read_run(run.paths.root, run.id))
    assert said.startswith("my run: failed. Loss is not a number at epoch 6")


def test_runs_of_others_are_said_to_those_who_look_at_them(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {author: write("running", author=author, done=1) for author in ("", "Ada", "Ben")}
    monkeypatch.setattr(st, "session_state", {"who": "Ada", messages.LIVE: {run.id for run in runs.values()}})
    assert ended(runs, open_run="") == ["", "Ada"]
    monkeypatch.setattr(st, "session_state", {"who": "Ada", messages.LIVE: {run.id for run in runs.values()}})
    assert ended(runs, open_run=runs["Ben"].id) == ["", "Ada", "Ben"]


def ended(runs: dict[str, FakeRun], open_run: str) -> list[str]:
    """Authors of the runs that are said to have ended."""
    for run in runs.values():
        end_run(run)
    now = [read_run(run.paths.root, run.id) for run in runs.values()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "query_params", {"run": open_run})
        return [run.meta.author for run in messages.just_ended(now)]
