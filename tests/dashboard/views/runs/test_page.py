"""The Runs page: what it finds, what a link restores, what can be done with the ticked runs. Without a browser."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.bench.synthetic_runs import make_runs
from core.review.runs import annotate
from core.runs.reader import list_runs, read_run
from dashboard.state import cache
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import Writer, words
from tests.dashboard_fixtures import FakeRun, write_run

Opener = Callable[..., AppTest]


@pytest.fixture
def open_runs(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Open the Runs page as a link would."""
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)

    def opener(**query: str | list[str]) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=120).run()
        app.session_state["who"] = ""  # nobody has said who they are
        app.switch_page("views/runs/page.py")
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception and not app.error, (app.exception, app.error)
        return app

    return opener


@pytest.fixture
def four(runs_root: Path, demo_root: Path) -> Iterator[dict[str, FakeRun]]:
    """Runs of several people in several states; the first is the oldest."""
    made = {
        "alpha": write_run(runs_root, demo_root, "finished", name="alpha", author="Ana", epochs=2),
        "beta": write_run(runs_root, demo_root, "failed", name="beta", author="Bo", done=1),
        "gamma": write_run(runs_root, demo_root, "running", name="gamma", author="Ana", done=1),
        "broken": write_run(runs_root, demo_root, "damaged", name="broken"),
    }
    annotate(made["alpha"].paths, "Ana", {"review": "approved"}, tag=["paper", "long"])
    annotate(made["beta"].paths, "Bo", tag=["long"])
    yield made
    for run in made.values():
        run.close()


def names(app: AppTest) -> list[str]:
    return list(app.dataframe[0].value["name"]) if app.dataframe else []


def tick(app: AppTest, *rows: int) -> AppTest:
    """Select rows by position, as a click on their boxes does."""
    app.session_state[app.dataframe[0].key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return app.run()


def test_a_damaged_folder_is_one_explained_row(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    app = open_runs()
    assert set(names(app)) == set(four)
    row = app.dataframe[0].value.set_index("name").loc["broken"]
    assert row["state"] == ["✗ Unreadable"] and "Can't read status.json" in row["error"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "ALPH"}, "alpha"),
        ({"q": "not a number"}, "beta"),
        ({"state": ["finished", "failed"]}, "alpha beta"),
        ({"tag": "long"}, "alpha beta"),
        ({"author": "Ana"}, "alpha gamma"),
        ({"review": "approved"}, "alpha"),
        ({"author": "Ana", "state": "running"}, "gamma"),
        ({"q": "nothing like it"}, ""),
    ],
)
def test_a_link_restores_the_filters(
    open_runs: Opener, four: dict[str, FakeRun], query: dict[str, str], expected: str
) -> None:
    app = open_runs(**query)
    assert sorted(names(app)) == expected.split()
    if not expected:
        assert "No matching runs" in app.info[0].value


def test_a_link_restores_order_and_columns(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    app = open_runs(q="a", author="Ana", sort="Name", columns=["Name", "Created"])
    assert names(app) == ["alpha", "gamma"]
    assert app.text_input(key="q").value == "a" and app.selectbox(key="sort").value == "name"
    assert list(app.dataframe[0].proto.column_order) == ["open", "name", "created"]


def test_archived_runs_are_shown_on_request(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    annotate(four["beta"].paths, "Bo", {"archived": True})
    assert "beta" not in names(open_runs())
    app = open_runs(archived="true")
    assert "beta" in names(app)


def test_many_runs_come_in_pages_and_read_only_the_curves_shown(open_runs: Opener, runs_root: Path) -> None:
    make_runs(runs_root, runs=120, epochs=3, detailed=2)
    looked: list[str] = []
    original = cache.accuracy_curve
    cache.accuracy_curve = lambda run: looked.append(run.id) or original(run)  # type: ignore[assignment,func-returns-value]
    try:
        app = open_runs(page="2", archived="true")
    finally:
        cache.accuracy_curve = original
    everything = [run.name for run in list_runs(runs_root)]
    assert names(app) == everything[50:100] and len(looked) == 50
    assert any("51–100 of 120 runs" in caption.value for caption in app.caption)
    app = open_runs(page="3", archived="true")
    assert len(names(app)) == 20
    app.multiselect(key="state").set_value(["damaged"]).run()
    assert 0 < len(names(app)) < 20  # one page: the third one is not asked for any more


def test_marks_of_several_runs_at_once(open_runs: Opener, four: dict[str, FakeRun], runs_root: Path) -> None:
    app = open_runs(sort="Name")
    tick(app, 0, 1)
    assert app.button(key="star").disabled
    app.text_input(key="who").set_value("Cleo").run()
    tick(app, 0, 1)
    app.button(key="star").click().run()
    assert [run.name for run in list_runs(runs_root) if run.meta.starred] == ["beta", "alpha"]
    assert list(app.dataframe[0].value["star"]) == ["★", "★", "", ""]
    tick(app, 0, 1)
    app.multiselect(key="tags-add").set_value(["slow"]).run()
    app.multiselect(key="tags-remove").set_value(["long"]).run()
    app.button(key="tags-change").click().run()
    assert read_run(runs_root, four["alpha"].id).meta.tags == ["paper", "slow"]
    assert read_run(runs_root, four["beta"].id).meta.tags == ["slow"]
    tick(app, 0, 1)
    app.button(key="archive").click().run()
    assert names(app) == ["broken", "gamma"]


def test_one_run_can_be_renamed(open_runs: Opener, four: dict[str, FakeRun], runs_root: Path) -> None:
    app = open_runs(sort="Name")
    app = tick(app, 0)
    app.text_input(key="who").set_value("Cleo").run()
    tick(app, 0)
    run_id = four["alpha"].id
    app.text_input(key=f"name-{run_id}").set_value("first").run()
    app.button(key="save-name").click().run()
    assert read_run(runs_root, run_id).name == "first"


def test_deleting_names_what_is_lost_and_spares_what_trains(
    open_runs: Opener, four: dict[str, FakeRun], runs_root: Path
) -> None:
    app = tick(open_runs(sort="Name"), 0, 1)
    said = "\n".join(text.value for text in app.text)
    assert "alpha: " in said and "the curves of 2 epochs" in said and "the trained weights" in said
    app.button(key="delete").click().run()
    assert {run.id for run in list_runs(runs_root)} == {four["broken"].id, four["gamma"].id}
    tick(app, names(app).index("gamma"))
    assert any("Stop running or queued runs before deleting" in text.value for text in app.markdown)
    assert not [button for button in app.button if button.key == "delete"]


def test_deleting_the_shipped_run_asks_twice(open_runs: Opener, four: dict[str, FakeRun], runs_root: Path) -> None:
    shipped = four["alpha"].paths.folder.rename(runs_root / "reference-of-a-test")
    app = tick(open_runs(sort="Name"), 0, 1)
    assert any("is shipped with the project" in warning.value.replace("\\", "") for warning in app.warning)
    assert app.button(key="delete").disabled
    app.checkbox(key="delete-shipped").check()
    tick(app, 0, 1).button(key="delete").click().run()
    assert not shipped.exists() and not four["beta"].paths.folder.exists()


def test_the_csv_holds_all_that_fit(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    from dashboard.views.runs.actions import runs_as_csv

    runs = [run for run in list_runs(four["alpha"].paths.root) if run.config]
    rows = list(csv.DictReader(io.StringIO(runs_as_csv(runs))))
    assert {row["name"] for row in rows} >= {"alpha", "beta", "gamma"}


def test_runs_can_be_searched(open_page: Opener, write: Writer) -> None:
    write("finished", name="alpha", epochs=1)
    write("failed", name="beta", done=0)
    assert "alpha" not in words(open_page("runs", q="beta"))
    app = open_page("runs", state="finished")
    assert "alpha" in words(app) and "beta" not in words(app)
    assert "No matching runs" in words(open_page("runs", q="gamma"))
