"""The Run page: its tabs show the record, its actions say what they take away, a reproduction shows its verdict."""

import json
import os
import zipfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from streamlit.testing.v1 import AppTest

from core.comparison.origins import Check
from core.comparison.reproduction import Reproduction, ReproductionOutcome
from core.files import write_json
from core.jobs import control, machine_slots
from core.jobs.machine_slots import hold_slot
from core.jobs.slots import list_slots
from core.review.runs import annotate
from core.runs.create import write_meta
from core.runs.reader import list_runs, read_run
from core.runs.records import RunMeta
from dashboard.ui.page import UNEXPECTED
from dashboard.views.run import record
from tests.dashboard.conftest import Opener, Writer, words
from tests.dashboard_fixtures import FakeRun, end_run


@pytest.fixture
def run(write: Writer) -> FakeRun:
    return write("finished", name="my run", epochs=2)


def titles(app: AppTest) -> list[str]:
    return [json.loads(chart.proto.spec)["title"]["text"] for chart in app.get("echarts_chart")]


def press(app: AppTest, *keys: str) -> None:
    """Click buttons at once: AppTest forgets a dialog whose opening button is not pressed again."""
    for key in keys:
        app.button(key=key).click()
    app.run()
    assert not app.exception


def test_the_curves_hold_learning_rate_and_speed(open_page: Opener, run: FakeRun) -> None:
    assert titles(open_page("run", run=run.id)) == ["Loss", "Accuracy", "Learning rate", "Throughput (img/s)"]


def test_the_machine_is_shown_as_far_as_it_was_noted(open_page: Opener, write: Writer, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="System")
    assert titles(app)[-3:] == ["CPU", "Process memory", "System memory"]
    assert "No GPU used" in words(app)
    assert "No system metrics yet" in words(open_page("run", run=write("queued").id, tab="System"))


def test_a_queued_run_says_that_another_runs_root_uses_the_machine(open_page: Opener, write: Writer) -> None:
    run = write("queued")
    with ExitStack() as locks:
        for slot in list_slots(run.paths.root):
            locks.enter_context(hold_slot(slot.name, 0))
        assert machine_slots.WAITS in words(open_page("run", run=run.id))
    assert machine_slots.WAITS not in words(open_page("run", run=run.id))


def test_the_environment_names_machine_code_data_and_packages(open_page: Opener, run: FakeRun) -> None:
    write_json(
        run.paths.environment,
        {
            "python": "3.11.2",
            "packages": {"torch": "2.14.1", "Pillow": "13"},
            "git": {"commit": "a" * 40, "dirty": True},
            "dataset": {"name": "demo", "fingerprint": "f" * 64},
            "resumes": [{"time": "now", "host": "other"}],
        },
    )
    run.paths.uncommitted().write_text("+![x](http://evil.test)")
    app = open_page("run", run=run.id, tab="Environment")
    facts = next(frame.value for frame in app.dataframe if "property" in frame.value)
    assert dict(zip(facts["property"], facts["value"], strict=True)) | {"Python": "3.11.2"} == {
        "Commit": "aaaaaaaaaaaa (dirty)",
        "Dataset": "demo",
        "Data fingerprint": "f" * 64,
        "Python": "3.11.2",
    }
    assert "Resume 1, changes: host" in words(app) and "2 packages" in words(app)
    assert app.code[0].value == "+![x](http://evil.test)"
    for damaged in ("{", "[1]", '{"git": 1}'):
        run.paths.environment.write_text(damaged)
        assert not open_page("run", run=run.id, tab="Environment").error


def test_the_errors_of_each_class_are_at_hand(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="Error analysis")
    assert "Per-class metrics (test, 42 images)" in words(app)
    assert app.dataframe[0].value["class"].tolist()[0] == "angry"


def test_everything_can_be_taken_away(open_page: Opener, run: FakeRun) -> None:
    run.paths.meta_lock.touch()
    app = open_page("run", run=run.id, tab="Files")
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels[0].startswith("Download weights") and labels[1:] == [
        "Epoch metrics (CSV)",
        "Step metrics (CSV)",
        "System metrics (CSV)",
        "Run archive, without checkpoint (zip)",
    ]
    assert not any(name.endswith(".lock") for name in app.dataframe[0].value["file"])
    assert record.curves_as_csv(run.paths.steps).count("\n") == 161
    with zipfile.ZipFile(BytesIO(record.run_as_zip(read_run(run.paths.root, run.id)))) as archive:
        assert f"{run.id}/steps.jsonl" in archive.namelist()


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


def test_a_reproduction_names_what_differed(open_page: Opener, run: FakeRun) -> None:
    checks = [
        Check(what="packages", same=False, words="torch 2.14.1 → 9.9"),
        Check(what="code", same=None, words="not recorded"),
        Check(what="data", same=True, words="abc"),
    ]
    found = Reproduction(
        time=datetime.now(UTC),
        reproduces="first",
        outcome=ReproductionOutcome.WITHIN_SEEDS,
        words="Near [enough](x).",
        checks=checks,
    )
    write_json(run.paths.reproduction, found.model_dump(mode="json"))
    write_meta(run.paths, lambda meta: RunMeta(**{**meta.model_dump(), "reproduces": "first", "parent": "first"}))
    app = open_page("run", run=run.id)
    text = words(app)
    assert "Within seed variance" in text and "Near [enough](x)." in text
    assert "packages: torch 2.14.1 → 9.9" in text and "Missing in one of the runs: code." in text
    assert "Reproduction of first (deleted)." in text
    run.paths.reproduction.write_text("{")
    assert "The comparison failed. See the log." in words(open_page("run", run=run.id))


def test_pages_say_which_run_predictions_use_and_why(open_page: Opener, write: Writer) -> None:
    runs = [write("finished", name=f"run-{seed}", epochs=1, seed=seed) for seed in range(2)]
    worse = min(runs, key=lambda run: read_run(run.paths.root, run.id).validation_accuracy or 0)
    assert "no approved run yet" in words(open_page("predict"))
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
    if state == "finished":
        expected = {
            "Predictions": "32 validation images",
            "Log": "epoch 2/2",
            "Config": "learning_rate",
            "Files": "train.log",
        }
        assert expected.get(tab, "") in words(app)


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
