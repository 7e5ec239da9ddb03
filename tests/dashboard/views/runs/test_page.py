"""The Runs page: what it finds, what a link restores, what can be done with the ticked runs. Without a browser."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.bench.synthetic_runs import make_runs
from core.config import TrainConfig, field_label
from core.review.runs import annotate
from core.runs.reader import list_runs, read_run
from core.runs.selection import sort_runs
from dashboard.state import cache, roots
from dashboard.ui.run_table import curve_scale
from dashboard.views.runs import groups, ticks
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import Writer, press, words
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
    """Tick rows by position, and no others: what a click on their boxes writes into the address."""
    ids = [run_id_of(app, name) for name in (names(app)[row] for row in rows)]
    app.query_params[ticks.TICKED] = ",".join(ids)
    return app.run()


def run_id_of(app: AppTest, name: str) -> str:
    """The id of the run of that name."""
    return next(run.id for run in list_runs(roots.runs_root()) if run.name == name)


def ticked(app: AppTest) -> list[str]:
    """Names of the ticked rows, as the table shows them."""
    [table] = [table for table in app.dataframe if "name" in table.value]
    return [names(app)[row] for row in app.session_state[str(table.key)]["selection"]["rows"]]


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
    app = open_runs(q="a", author="Ana", sort="name", columns=["Name", "Created"])
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
    cache.accuracy_curve = lambda run: looked.append(run.id) or original(run)  # type: ignore[func-returns-value]
    try:
        app = open_runs(page="2", archived="true")
    finally:
        cache.accuracy_curve = original
    everything = [run.name for run in list_runs(runs_root)]
    assert names(app) == everything[25:50] and len(looked) == 25
    assert any("26–50 of 120 runs" in caption.value for caption in app.caption)
    app = open_runs(page="5", archived="true")
    assert len(names(app)) == 20
    app.multiselect(key="state").set_value(["damaged"]).run()
    assert 0 < len(names(app)) < 20  # one page: the fifth one is not asked for any more


def test_marks_of_several_runs_at_once(open_runs: Opener, four: dict[str, FakeRun], runs_root: Path) -> None:
    app = tick(open_runs(sort="name"), 0, 1)
    assert app.button(key="star").disabled, "nobody has said who they are"
    app.text_input(key="who").set_value("Cleo").run()
    press(app, "star")
    assert [toast.value for toast in app.toast] == ["Starred 2 runs\\."]
    assert [run.name for run in list_runs(runs_root) if run.meta.starred] == ["beta", "alpha"]
    assert list(app.dataframe[0].value["star"]) == ["★", "★", "", ""]
    app.multiselect(key="tags-add").set_value(["slow"]).run()
    app.multiselect(key="tags-remove").set_value(["long"]).run()
    app.button(key="tags-change").click().run()
    assert read_run(runs_root, four["alpha"].id).meta.tags == ["paper", "slow"]
    assert read_run(runs_root, four["beta"].id).meta.tags == ["slow"]
    app.button(key="archive").click().run()
    assert names(app) == ["broken", "gamma"]
    assert ticks.TICKED not in app.query_params, "what is hidden is not ticked"


def test_one_run_can_be_renamed(open_runs: Opener, four: dict[str, FakeRun], runs_root: Path) -> None:
    app = tick(open_runs(sort="name"), 0)
    app.text_input(key="who").set_value("Cleo").run()
    run_id = four["alpha"].id
    app.text_input(key=f"name-{run_id}").set_value("first").run()
    app.button(key="save-name").click().run()
    assert read_run(runs_root, run_id).name == "first"


def test_deleting_names_what_is_lost_and_spares_what_trains(
    open_runs: Opener, four: dict[str, FakeRun], runs_root: Path
) -> None:
    app = tick(open_runs(sort="name"), 0, 1)
    app.text_input(key="who").set_value("Cleo").run()
    app.button(key="delete").click().run()
    said = "\n".join(text.value for text in app.text)
    assert "alpha: " in said and "the curves of 2 epochs" in said and "the trained weights" in said
    press(app, "delete", "delete-really-cancel")
    assert len(list_runs(runs_root)) == 4
    app.button(key="delete").click().run()
    press(app, "delete", "delete-really")
    assert {run.id for run in list_runs(runs_root)} == {four["broken"].id, four["gamma"].id}
    assert "Deleted 2 runs" in app.toast[0].value and ticks.TICKED not in app.query_params
    tick(app, names(app).index("gamma"))
    app.button(key="delete").click().run()
    assert any("Stop running or queued runs before deleting" in text.value for text in app.markdown)
    assert not [button for button in app.button if button.key == "delete-really"]


def test_deleting_the_shipped_run_asks_twice(open_runs: Opener, four: dict[str, FakeRun], runs_root: Path) -> None:
    shipped = four["alpha"].paths.folder.rename(runs_root / "reference-of-a-test")
    app = tick(open_runs(sort="name"), 0, 1)
    app.text_input(key="who").set_value("Cleo").run()
    app.button(key="delete").click().run()
    assert any("is shipped with the project" in warning.value.replace("\\", "") for warning in app.warning)
    assert app.button(key="delete-really").disabled
    app.checkbox(key="delete-shipped").check()
    press(app, "delete")
    app.checkbox(key="delete-shipped").check()
    press(app, "delete", "delete-really")
    assert not shipped.exists() and not four["beta"].paths.folder.exists()


# --- ticks


def test_ticks_are_of_runs_not_of_rows(open_runs: Opener, four: dict[str, FakeRun], write: Writer) -> None:
    app = tick(open_runs(sort="name"), 0, 1)
    assert ticked(app) == ["alpha", "beta"]
    write("finished", name="aaa", epochs=1)
    assert ticked(app.run()) == ["alpha", "beta"], "a new run is in the first row now"
    app.selectbox(key="sort").set_value("created").run()
    assert sorted(ticked(app)) == ["alpha", "beta"]
    app.multiselect(key="author").set_value(["Ana"]).run()
    assert ticked(app) == ["alpha"]
    assert app.button(key="compare").label == "Compare 2", "the other one is hidden, and still meant"
    app.multiselect(key="author").set_value([]).run()
    assert sorted(ticked(app)) == ["alpha", "beta"]


def test_a_link_restores_the_ticks(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    app = open_runs(selected=f"{four['alpha'].id},{four['gamma'].id},gone")
    assert sorted(ticked(app)) == ["alpha", "gamma"] and app.button(key="compare").label == "Compare 2"


def test_one_ticked_run_can_be_opened(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    app = open_runs(sort="name")
    assert app.button(key="open-ticked").disabled
    assert tick(app, 0, 1).button(key="open-ticked").disabled
    tick(app, 1).button(key="open-ticked").click().run()
    assert app.query_params["run"] == four["beta"].id and "beta" in [title.value for title in app.title]


@pytest.mark.parametrize(
    ("ticked", "before", "now", "after"),
    [("", [], [0], "ab"), ("ab", [0], [0, 1], "abcd"), ("abcd", [0, 1], [1], "cd"), ("ax", [], [0], "axb")],
)
def test_a_group_is_ticked_with_its_runs(ticked: str, before: list[int], now: list[int], after: str) -> None:
    assert "".join(groups.after_group_click(list(ticked), [list("ab"), list("cd")], before, now)) == after


# --- order


def test_all_pages_are_sorted(open_runs: Opener, runs_root: Path) -> None:
    make_runs(runs_root, runs=60, epochs=3, detailed=2)
    everything = sort_runs(list_runs(runs_root), "validation", descending=True)
    app = open_runs(sort="-validation", archived="true", page="2")
    assert names(app) == [run.name for run in everything[25:50]]
    labels = {config.get("label") for config in json.loads(app.dataframe[0].proto.columns).values()}
    assert "Val. accuracy ↓" in labels
    app.button(key="sort-direction").click().run()
    assert app.query_params["sort"] == "validation"
    app.selectbox(key="sort").set_value("config.seed").run()
    assert app.query_params["sort"] == "config.seed" and app.selectbox(key="sort").value == "config.seed"


# --- settings


@pytest.fixture
def seeds(write: Writer) -> dict[str, FakeRun]:
    """Two configurations with two seeds each; the first is the oldest."""
    plan = {"long 0": (3, 0), "long 1": (3, 1), "short 0": (2, 0), "short 1": (2, 1)}
    return {name: write("finished", name=name, epochs=epochs, seed=seed) for name, (epochs, seed) in plan.items()}


def test_every_setting_can_be_a_column(open_runs: Opener, seeds: dict[str, FakeRun]) -> None:
    app = open_runs()
    labels = {field_label(name) for name in TrainConfig.model_fields}
    assert set(app.multiselect(key="config-columns").options) == labels
    app.button(key="add-settings").click().run()
    table = app.dataframe[0]
    added = [column for column in table.proto.column_order if column.startswith("config.")]
    assert added == ["config.epochs", "config.seed"], "the two that differ"
    assert table.value["config.epochs"].tolist() == ["2", "2", "3", "3"]
    app = open_runs(**{"config-columns": ["Optimizer"]})
    assert "config.optimizer" in app.dataframe[0].proto.column_order


def test_settings_filter_and_are_searched(open_runs: Opener, seeds: dict[str, FakeRun]) -> None:
    app = open_runs(config=["Epochs: 3", "Seed: 0", "Seed: 1"])
    assert sorted(names(app)) == ["long 0", "long 1"]
    app.text_input(key="q").set_value("seed=1").run()
    assert names(app) == ["long 1"]
    assert any("3 hidden by filters" in caption.value for caption in app.caption)


def test_seeds_of_one_configuration_are_grouped(open_runs: Opener, seeds: dict[str, FakeRun], runs_root: Path) -> None:
    app = open_runs(group="Seed groups")
    grouped, runs = app.dataframe
    assert grouped.value["config.epochs"].tolist() == ["2", "3"] and grouped.value["runs"].tolist() == [2, 2]
    accuracies = [100 * (read_run(runs_root, seeds[f"long {seed}"].id).validation_accuracy or 0) for seed in (0, 1)]
    assert grouped.value["validation-mean"][1] == pytest.approx(sum(accuracies) / 2)
    assert len(runs.value) == 4
    app.multiselect(key="group").set_value(["config.seed"]).run()
    assert app.dataframe[0].value["config.seed"].tolist() == ["1", "0"]


# --- columns


def test_progress_and_date_are_shown_and_the_name_stays_in_sight(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    table = open_runs().dataframe[0]
    assert {"epochs", "created"} <= set(table.proto.column_order)
    assert table.value.set_index("name").loc["gamma", "epochs"] == "1/12"
    pinned = {name for name, config in json.loads(table.proto.columns).items() if config.get("pinned")}
    assert pinned == {"open", "name"}


@pytest.mark.parametrize(
    ("curves", "scale"),
    [([[61.0, 68.2], [57.5]], (55, 70)), ([[], None], (0, 100)), ([[50.0]], (50, 55)), ([[0.0, 100.0]], (0, 100))],
)
def test_curves_have_one_scale_that_shows_them(curves: list[list[float] | None], scale: tuple[float, float]) -> None:
    assert curve_scale(curves) == scale


def test_archived_runs_are_said_to_be_hidden(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    annotate(four["beta"].paths, "Bo", {"archived": True})
    assert any("3 runs · 1 archived hidden" in caption.value for caption in open_runs().caption)


def test_the_csv_holds_all_that_fit(open_runs: Opener, four: dict[str, FakeRun]) -> None:
    from dashboard.views.runs.actions import runs_as_csv

    runs = [run for run in list_runs(four["alpha"].paths.root) if run.config]
    rows = list(csv.DictReader(io.StringIO(runs_as_csv(runs).decode("utf-8-sig"))))
    assert {row["name"] for row in rows} >= {"alpha", "beta", "gamma"}


def test_runs_can_be_searched(open_page: Opener, write: Writer) -> None:
    write("finished", name="alpha", epochs=1)
    write("failed", name="beta", done=0)
    assert "alpha" not in words(open_page("runs", q="beta"))
    app = open_page("runs", state="finished")
    assert "alpha" in words(app) and "beta" not in words(app)
    assert "No matching runs" in words(open_page("runs", q="gamma"))
