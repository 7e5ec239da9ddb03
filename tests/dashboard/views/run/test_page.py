"""The Run page as a whole: its tabs, which run predictions use, and a run that ends while it is shown."""

from contextlib import ExitStack
from datetime import timedelta

import pytest

from core.files import read_json, write_json
from core.jobs import machine_slots
from core.jobs.machine_slots import hold_slot
from core.jobs.slots import list_slots
from core.review.runs import annotate
from core.runs.create import write_status
from core.runs.reader import read_run, read_status
from dashboard.ui.page import UNEXPECTED
from tests.dashboard.conftest import Opener, Writer, words
from tests.dashboard_fixtures import end_run


def test_a_queued_run_says_that_another_runs_root_uses_the_machine(open_page: Opener, write: Writer) -> None:
    run = write("queued")
    with ExitStack() as locks:
        for slot in list_slots(run.paths.root):
            locks.enter_context(hold_slot(slot.name, 0))
        assert machine_slots.WAITS in words(open_page("run", run=run.id))
    assert machine_slots.WAITS not in words(open_page("run", run=run.id))


def test_pages_say_which_run_predictions_use_and_why(open_page: Opener, write: Writer) -> None:
    runs = [write("finished", name=f"run-{seed}", epochs=1, seed=seed) for seed in range(2)]
    worse = min(runs, key=lambda run: read_run(run.paths.root, run.id).validation_accuracy or 0)
    assert "best validation accuracy with flip TTA, no approved run yet" in words(open_page("predict"))
    annotate(worse.paths, "Ada", {"review": "approved"})
    for page in ("overview", "predict"):
        assert "Approved by Ada. Used for predictions by default." in words(open_page(page))
    assert open_page("predict").selectbox[0].value == worse.id
    for run in runs:
        said = "Approved by Ada. Used for predictions by default." in words(open_page("run", run=run.id))
        assert said == (run is worse)


@pytest.mark.parametrize("tab", ["Curves", "Predictions", "Log", "Config", "Files"])
@pytest.mark.parametrize("state", ["queued", "finished", "damaged"])
def test_each_tab_of_a_run(open_page: Opener, write: Writer, state: str, tab: str) -> None:
    run = write(state, done=1, epochs=2)
    app = open_page("run", run=run.id, tab=tab)
    assert not any(error.value == UNEXPECTED for error in app.error)
    if state == "queued":
        assert not app.metric, "there is nothing to show yet"
    if state == "finished":
        line = [metric.proto for metric in app.metric][:5]
        labels = ["Val. acc. (95% CI)", "Test acc. (95% CI)", "Training loss", "Throughput", "Training time"]
        assert [figure.label for figure in line] == labels
        assert not any(figure.show_border or figure.chart_data for figure in line), "one line above every tab"
        expected = {
            "Predictions": "32 validation images, predicted with the weights of epoch 2: ",
            "Log": "epoch 2/2",
            "Config": "learning_rate",
            "Files": "train.log",
        }
        assert expected.get(tab, "") in words(app)


def test_the_use_of_the_device_and_its_energy_are_shown_where_they_are_known(open_page: Opener, write: Writer) -> None:
    run = write("finished", epochs=1)
    shown = {metric.label: metric.delta for metric in open_page("run", run=run.id).metric}
    assert shown["Throughput"] == "0.292 TFLOP/s, 36% of peak" and "GPU energy" not in shown
    summary = read_json(run.paths.summary)
    write_json(run.paths.summary, summary | {"energy_joules": 45_000.0})
    status = read_status(run.paths)
    write_status(run.paths, status.model_copy(update={"flop_per_image": None}))  # as older versions
    app = open_page("run", run=run.id)
    assert {metric.label: metric.delta for metric in app.metric}["Throughput"] == "training"
    assert [metric.value for metric in app.metric if metric.label == "GPU energy"] == ["12.5 Wh"]


def test_a_run_that_ends_is_drawn_once_more_without_polling(open_page: Opener, write: Writer) -> None:
    run = write("running", done=1)
    app = open_page("run", run=run.id)
    assert "running" in words(app)
    end_run(run)
    app.run()
    assert "Finished" in words(app) and "Stop" not in words(app)


def test_the_run_page_without_a_run_offers_the_latest(open_page: Opener, write: Writer) -> None:
    for number in range(15):
        write("queued", name=f"number {number}", age=timedelta(0))
    app = open_page("run")
    assert len(app.dataframe[0].value) == 15 and "The latest" not in words(app)
    write("queued", name="one more")
    app = open_page("run")
    assert len(app.dataframe[0].value) == 15 and "The latest 15 of 16 runs" in words(app)


def test_the_bar_of_a_watched_run_stays_when_it_ends(open_page: Opener, write: Writer) -> None:
    run = write("running", done=2, epochs=3)
    app = open_page("run", run=run.id)
    assert len(app.get("progress")) == 1
    write_status(run.paths, read_status(run.paths).model_copy(update={"progress": 1.0}))
    end_run(run)
    app.run()
    assert "Finished" in words(app) and len(app.get("progress")) == 1, "what is below would jump up"
    assert not open_page("run", run=run.id).get("progress"), "nobody needs it who has not seen it grow"
