"""The page of a group of runs, in every state it can be in."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import control
from core.runs.create import write_meta
from core.runs.groups import list_groups
from core.runs.paths import GroupPaths
from core.runs.reader import read_run
from core.runs.records import RunState
from core.team.people import Role
from dashboard.ui.format import percent
from tests.dashboard.conftest import HOSTILE, Opener, Writer, line_charts, press, words
from tests.dashboard.views.group.conftest import Sweeper
from tests.dashboard_fixtures import end_run, write_group

STATES = ["queued", "running", "finished", "failed", "stopped", "crashed", "stalled", "lost", "damaged"]


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(each.proto.spec) for each in app.get("echarts_chart")]


def delete(app: AppTest) -> AppTest:
    """Choose to delete the group; to be run."""
    menu = app.menu_button(key="more-group")
    menu.click(menu.options[0])
    return app


def buttons(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button}


# --- what it shows


def test_a_sweep_is_shown_with_its_progress_its_best_run_and_the_effect_of_each_setting(
    open_page: Opener, write_sweep: Sweeper, runs_root: Path
) -> None:
    group, runs = write_sweep("finished", "finished", "finished", "running", title="rates and sizes", author="Ada")
    app = open_page("group", name=group.name)
    shown = words(app)
    assert app.title[0].value == "rates and sizes" and "by Ada" in shown
    assert "3 of 4 finished · about " in shown and ":green-badge" in shown and "1 running" in shown
    best = max((read_run(runs_root, run.id) for run in runs), key=lambda run: run.validation_accuracy or 0)
    assert f"{percent(best.validation_accuracy)} ±" in shown and f"epoch {best.best.epoch if best.best else 0}" in shown
    assert any(best.id in str(link.proto) for link in app.get("page_link")), "a link to it"
    parallel, *effects = charts(app)
    assert len(parallel["baseOption"]["series"][0]["data"]) == 4, "the running one counts at its best so far"
    axes = [axis["name"].replace("\n", " ") for axis in parallel["baseOption"]["parallelAxis"]]
    assert axes == ["Learning rate", "Batch size", "Val. accuracy (%)"]
    assert {chart["xAxis"]["name"] for chart in effects} == {"Learning rate", "Batch size"}
    for chart in effects:
        assert len(chart["series"][0]["data"]) == 3, "only finished runs count"
        assert sorted(label[-5:] for label in chart["xAxis"]["data"]) == ["n = 1", "n = 2"]
    told = [each.proto.alt for each in app.get("echarts_chart")]
    assert "The table under Runs has the same numbers." in told[0] and all("mean" in each for each in told[1:])


def test_the_tabs_have_the_runs_the_curves_and_the_settings(open_page: Opener, write_sweep: Sweeper) -> None:
    group, _ = write_sweep("finished", "failed", "queued")
    table = open_page("group", name=group.name, **{"group-tab": "Runs"}).dataframe[0]
    assert list(table.proto.column_order)[1:4] == ["config.learning_rate", "config.batch_size", "state"]
    assert len(table.value) == 3 and "Loss is not a number" in table.value.to_string()
    accuracy, loss = line_charts(open_page("group", name=group.name, **{"group-tab": "Curves"}))
    assert [line["name"] for line in accuracy["lines"]] == ["0.001 · 32", "0.001 · 64"] and "loss" in loss["title"]
    settings = open_page("group", name=group.name, **{"group-tab": "Config"}).dataframe[0].value
    assert list(settings["value"])[:2] == ["0.001, 0.01", "32, 64"] and len(settings) > 30


def test_ticked_runs_are_compared_and_without_ticks_the_best(open_page: Opener, write_sweep: Sweeper) -> None:
    group, runs = write_sweep("finished", "finished", "failed")
    app = open_page("group", name=group.name, **{"group-tab": "Runs"})
    assert app.button(key="group-compare").label == "Compare the best 3" and app.button(key="group-open").disabled
    app.session_state[f"group-ticked-{group.name}"] = [runs[2].id, runs[0].id]
    app.run()
    assert app.button(key="group-compare").label == "Compare 2"
    press(app, "group-compare")
    assert app.query_params["runs"] == f"{runs[2].id},{runs[0].id}"


@pytest.mark.slow
def test_the_table_is_sorted_as_the_address_says(open_page: Opener, write_sweep: Sweeper) -> None:
    group, _ = write_sweep("finished", "finished", "finished")
    app = open_page("group", name=group.name, **{"group-tab": "Runs", "group-sort": "-name"})
    assert list(app.dataframe[0].value["name"]) == ["run 2", "run 1", "run 0"]


def test_seeds_have_a_mean_and_a_deviation(open_page: Opener, write: Writer) -> None:
    runs = [write("finished", seed=seed, epochs=2) for seed in range(3)]
    group = write_group(runs, [{"seed": seed} for seed in range(3)], name="seeds", kind="seeds")
    shown = words(open_page("group", name=group.name))
    assert "Mean val. acc." in shown and "Std " in shown and "pp, n = 3" in shown


@pytest.mark.slow
def test_a_random_sample_and_the_kept_weights_are_said(open_page: Opener, write_sweep: Sweeper) -> None:
    group, _ = write_sweep("finished", "finished", how="random", sample=2, sample_seed=7, keep="best")
    assert "Keeps the weights of the best run only" in words(open_page("group", name=group.name))
    shown = words(open_page("group", name=group.name, **{"group-tab": "Config"}))
    assert "2 combinations, drawn at random with seed 7." in shown


# --- what is missing or wrong


def test_one_failing_member_is_named_with_its_sentence(open_page: Opener, write_sweep: Sweeper) -> None:
    group, _ = write_sweep("finished", "failed", "finished")
    app = open_page("group", name=group.name)
    shown = words(app)
    assert "1 failed" in shown and "2 of 3 finished" in shown
    assert "Loss is not a number at epoch 6, step 412: try a lower learning rate." in shown
    labels = [link.proto.label.replace("\\", "") for link in app.get("page_link")]
    assert any("Learning rate 0.001 · Batch size 64" in label.replace("\u2060", "") for label in labels)


@pytest.mark.slow
def test_of_many_failures_the_first_are_named_and_the_others_counted(open_page: Opener, write_sweep: Sweeper) -> None:
    group, _ = write_sweep("failed", "failed", "failed", "failed")
    shown = words(open_page("group", name=group.name))
    assert shown.count("Loss is not a number at epoch 6") == 3 and "and 1 more: see Runs" in shown
    assert "0 of 4 finished" in shown


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_a_group_of_one_run_in_every_state(open_page: Opener, write_sweep: Sweeper, state: str) -> None:
    group, _ = write_sweep(state)
    app = open_page("group", name=group.name)
    shown = words(app)
    assert f"{int(state == 'finished')} of 1 finished" in shown
    assert not charts(app) and "Charts " in shown


@pytest.mark.parametrize("tab", ["Results", *(pytest.param(tab, marks=pytest.mark.slow) for tab in ("Runs", "Curves"))])
def test_every_tab_shows_a_group_with_runs_in_all_states(open_page: Opener, write: Writer, tab: str) -> None:
    runs = [write(state, name=f"{state} run", epochs=3, done=2) for state in STATES]
    group = write_group(runs, [{"seed": seed} for seed in range(len(STATES))])
    app = open_page("group", name=group.name, **{"group-tab": tab})
    assert charts(app) or app.dataframe or line_charts(app)
    assert f"1 of {len(STATES)} finished" in words(app)


def test_a_deleted_member_is_said_and_the_others_are_shown(
    open_page: Opener, write_sweep: Sweeper, runs_root: Path
) -> None:
    group, runs = write_sweep("finished", "finished", "finished")
    shutil.rmtree(runs[1].paths.folder)
    shown = words(open_page("group", name=group.name))
    assert "1 run deleted: Learning rate 0.001 · Batch size 64." in shown and "2 of 3 finished" in shown
    for run in (runs[0], runs[2]):
        shutil.rmtree(run.paths.folder)
    shown = words(open_page("group", name=group.name))
    assert "All runs of this group were deleted." in shown


def test_an_interrupted_start_says_what_is_missing_and_resume_offers_it(
    open_page: Opener, write_sweep: Sweeper
) -> None:
    group, runs = write_sweep("finished", "finished", complete=False)
    shutil.rmtree(runs[1].paths.folder)
    app = open_page("group", name=group.name)
    assert "1 run not started yet, as the start was interrupted" in words(app)
    assert app.button(key="resume-group").label == "Resume 1 run"


def test_a_group_that_cannot_be_read_says_why_and_can_be_deleted(
    open_page: Opener, write_sweep: Sweeper, runs_root: Path
) -> None:
    group, _ = write_sweep("finished")
    GroupPaths(runs_root).file(group.name).write_text("{")
    app = open_page("group", name=group.name)
    assert "Can't read group “a-sweep”: file is corrupt" in words(app) and app.get("menu_button")
    assert "file is corrupt" in open_page("group").dataframe[0].value.to_string()


@pytest.mark.parametrize("name", ["nope", "../x"])
def test_an_unknown_group_is_said_so(open_page: Opener, name: str) -> None:
    app = open_page("group", name=name)
    assert "not found." in words(app) and "python -m" not in words(app)
    assert [button.label for button in app.button if button.label == "All groups"]


def test_without_a_name_all_groups_are_listed(open_page: Opener, write_sweep: Sweeper, write: Writer) -> None:
    assert "No groups yet" in words(open_page("group"))
    write_sweep("finished", "failed", title="first")
    seeds = [write("queued", seed=seed) for seed in range(2)]
    write_group(seeds, [{"seed": 0}, {"seed": 1}], name="seeds", kind="seeds", title="second")
    table = open_page("group").dataframe[0].value
    assert list(table["title"]) == ["second", "first"] and list(table["kind"]) == ["Seeds", "Sweep"]
    assert list(table["states"]) == ["2 queued", "1 finished, 1 failed"]


# --- what can be done


def test_stop_all_asks_first_and_stops_every_run(
    open_page: Opener, write_sweep: Sweeper, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, runs = write_sweep("running", "queued", "finished")
    app = open_page("group", name=group.name)
    app.button(key="stop-group").click().run()
    assert "Running ones stop at their next batch" in words(app)
    assert [read_run(runs_root, run.id).state for run in runs] == [
        RunState.RUNNING,
        RunState.QUEUED,
        RunState.FINISHED,
    ], "nothing yet"
    press(app, "stop-group", "stop-group-really")
    assert runs[0].paths.stop_request.exists() and read_run(runs_root, runs[1].id).state is RunState.STOPPED
    app = open_page("group", name=group.name)
    assert app.button(key="stop-group").disabled and app.button(key="stop-group").label == "Stopping…"
    end_run(runs[0], "stopped")
    runs[0].paths.stop_request.unlink()
    assert "stop-group" not in buttons(open_page("group", name=group.name))


def test_what_has_ended_early_is_resumed_at_once(
    open_page: Opener, write_sweep: Sweeper, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    group, runs = write_sweep("stopped", "crashed", "finished")
    app = open_page("group", name=group.name)
    assert app.button(key="resume-group").label == "Resume 2 runs"
    press(app, "resume-group")
    states = [read_run(runs_root, run.id).state for run in runs]
    assert states == [RunState.QUEUED, RunState.QUEUED, RunState.FINISHED]


@pytest.mark.slow
def test_a_group_is_deleted_after_a_question_and_its_runs_stay(
    open_page: Opener, write_sweep: Sweeper, runs_root: Path
) -> None:
    group, [run] = write_sweep("finished")
    app = open_page("group", name=group.name)
    app.text_input(key="who").set_value("Ada").run()
    delete(app).run()
    assert "Its runs are kept." in words(app)
    press(delete(app), "delete-group-really")
    assert not list_groups(runs_root) and read_run(runs_root, run.id).state is RunState.FINISHED


def test_who_may_not_is_offered_nothing(open_page: Opener, write_sweep: Sweeper, visit_as: Callable[..., None]) -> None:
    live, _ = write_sweep("running", "queued", name="live")
    ended, _ = write_sweep("stopped", "finished", name="ended")
    acting = {"stop-group", "resume-group"}
    visit_as(Role.VIEWER, name="Zoe", email="zoe@example.org")
    for group in (live, ended):
        app = open_page("group", name=group.name)
        assert not buttons(app) & acting and not app.get("menu_button")


@pytest.mark.slow
def test_a_member_stops_their_own_group_and_no_other(
    open_page: Opener, write_sweep: Sweeper, visit_as: Callable[..., None]
) -> None:
    group, runs = write_sweep("queued", "queued")
    visit_as(Role.MEMBER, name="Ada", email="ada@example.org")
    for run, owner in zip(runs, ("ada@example.org", "ben@example.org"), strict=True):
        write_meta(run.paths, lambda meta, owner=owner: meta.model_copy(update={"started_by": owner}))
    assert "stop-group" not in buttons(open_page("group", name=group.name)), "one of them is somebody else's"
    write_meta(runs[1].paths, lambda meta: meta.model_copy(update={"started_by": "ada@example.org"}))
    assert "stop-group" in buttons(open_page("group", name=group.name))


# --- ways to it, and what people type


@pytest.mark.slow
def test_runs_lead_to_their_group(open_page: Opener, write_sweep: Sweeper, write: Writer) -> None:
    group, [run] = write_sweep("finished", title="rates")
    other = write("finished", name="other", epochs=1)
    links = [link.proto.label for link in open_page("run", run=run.id).get("page_link")]
    assert "Sweep: rates" in links
    assert not any("Sweep" in link.proto.label for link in open_page("run", run=other.id).get("page_link"))
    app = open_page("runs", **{"in-group": group.name, "columns": "Group"})
    assert list(app.dataframe[0].value["group"]) == ["a-sweep"]
    assert any(link.proto.label == "Groups" for link in app.get("page_link"))


@pytest.mark.slow
def test_what_people_type_is_inert(open_page: Opener, write_sweep: Sweeper) -> None:
    group, runs = write_sweep("finished", "failed", title=HOSTILE[:110], author="**x**")
    write_meta(runs[0].paths, lambda meta: meta.model_copy(update={"name": HOSTILE[:80]}))
    app = open_page("group", name=group.name)
    rendered = [element.value for kind in ("title", "markdown", "caption", "header") for element in app.get(kind)]
    rendered += [link.proto.label for link in app.get("page_link")]
    for text in rendered:
        for active in ("![x]", "[l](", ":red[a", "<b>", "**x", " $a", "http://evil", "www.evil"):
            assert active not in text, text
