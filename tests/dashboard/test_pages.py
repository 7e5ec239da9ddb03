"""Every page in every state, run by Streamlit itself but without a browser."""

import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.errors import RunError
from core.evaluation.predictions import read_predictions
from core.jobs import control
from core.jobs.queue import move_queued, queued_runs
from core.labels import LABELS
from core.presets import get_preset, make_config
from core.review.corrections import run_corrections, save_corrections
from core.review.draft import make_corrections
from core.review.images import add_label_reviews
from core.review.runs import annotate
from core.runs.estimate import ROUGH_IMAGES_PER_SECOND, estimate_duration
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from dashboard.state import cache, visitor
from dashboard.state.background import Importer
from dashboard.ui.charts.curves import MAX_POINTS, training_curves
from dashboard.ui.format import _JOINER, accuracy_in, ago, duration, escape, percent, with_interval
from dashboard.ui.page import UNEXPECTED
from dashboard.ui.runs import LOOKS
from tests.conftest import PROJECT_ROOT, wait_for
from tests.dashboard_fixtures import FakeRun, end_run, write_run

HOME = PROJECT_ROOT / "dashboard" / "Home.py"
PAGES = ["overview", "data", "train", "runs", "run", "errors", "predict"]
STATES = ["queued", "running", "finished", "failed", "stopped", "crashed", "stalled", "damaged"]
HOSTILE = "![x](http://evil.test/x.png) [l](http://evil.test) :red[r] $a^2$ <b>b</b> **s** `c` :smile: www.evil.test"

Opener = Callable[..., AppTest]
Writer = Callable[..., FakeRun]


@pytest.fixture
def open_page(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Open a page as a new visitor would."""
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)  # fake runs that wait need no runner
    cache.importer.clear()

    def opener(page: str, /, data_root: Path | None = None, **query: str) -> AppTest:
        if data_root:
            monkeypatch.setenv("FER_DATA_ROOT", str(data_root))
        app = AppTest.from_file(str(HOME), default_timeout=30).run()
        if page != "overview":
            app.switch_page(f"views/{page}/page.py")
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return opener


@pytest.fixture
def write(runs_root: Path, demo_root: Path) -> Iterator[Writer]:
    """Write fake runs; those alive let go of their lock at the end."""
    written: list[FakeRun] = []

    def writer(state: str, **options: object) -> FakeRun:
        written.append(write_run(runs_root, demo_root, state, **options))  # type: ignore[arg-type]
        return written[-1]

    yield writer
    for run in written:
        run.close()


def words(app: AppTest) -> str:
    """Everything that stands on a page, with the invisible characters of escaped text left out."""
    kinds = (
        "title header subheader markdown caption text metric error warning info success button code progress".split()
    )
    parts = [str(getattr(element, "label", "")) for kind in kinds for element in app.get(kind)]
    parts += [str(getattr(element, "value", "")) for kind in kinds for element in app.get(kind)]
    parts += [element.proto.delta for element in app.get("metric")]
    parts += [element.proto.text for element in app.get("progress") if hasattr(element.proto, "text")]
    parts += [element.value.to_string() for element in app.dataframe]
    return "\n".join(parts).replace(_JOINER, "").replace("\\", "").replace("\u00a0", " ")


# --- every page, every state


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("overview", "Get started"),
        ("data", "Make the drawn demo set"),
        ("train", "No dataset yet"),
        ("runs", "No runs yet"),
        ("run", "No runs yet"),
        ("errors", "No predictions yet"),
        ("predict", "No trained network yet"),
    ],
)
def test_an_empty_page_says_what_will_be_there(open_page: Opener, tmp_path: Path, page: str, says: str) -> None:
    app = open_page(page, data_root=tmp_path / "no-data")
    assert says in words(app)
    assert not app.error


def test_a_folder_of_runs_that_is_gone_is_said(open_page: Opener, write: Writer, runs_root: Path) -> None:
    run = write("finished", name="my run")
    assert "my run" in words(open_page("runs"))
    run.close()
    runs_root.rename(runs_root.with_name("elsewhere"))
    for page in ("overview", "runs"):
        app = open_page(page)
        assert f"Runs folder not found: {runs_root}. Remount or restore it" in words(app)
        assert "No runs yet" not in words(app) and "Get started" not in words(app)


@pytest.mark.parametrize("state", STATES)
def test_pages_show_a_run_in_every_state(open_page: Opener, write: Writer, state: str) -> None:
    run = write(state, name="my run", author="Mara", done=2, epochs=3)
    assert read_run(run.paths.root, run.id).state == state
    for page in ("overview", "runs"):
        text = words(open_page(page))
        assert "my run" in text and LOOKS[RunState(state)].label in text
    app = open_page("run", run=run.id)
    assert app.title[0].value == "my run"
    text = words(app)
    assert LOOKS[RunState(state)].label in text
    if state == "failed":
        assert "Loss is not a number at epoch 6" in text
    if state in ("failed", "stopped", "crashed"):
        assert "Resume" in text
    if state in ("running", "queued", "stalled"):
        assert "Stop" in text
    if state == "finished":
        assert "±" in text and "epoch 3" in text
    if state not in ("queued", "damaged"):
        assert len(app.get("echarts_chart")) == 4, "loss, accuracy, learning rate, speed"


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


def test_predict_works_on_a_finished_run(open_page: Opener, write: Writer) -> None:
    run = write("finished", name="my run", epochs=2)
    app = open_page("predict")
    assert "Each face on a photo is found" in words(app)
    assert app.selectbox[0].value == run.id


def test_an_unknown_run_is_said_so(open_page: Opener, write: Writer) -> None:
    write("finished", epochs=1)
    assert "Run “nope” not found." in words(open_page("run", run="nope"))
    assert "Invalid run ID" in words(open_page("run", run="../x"))
    assert "There is no run nope" in words(open_page("errors", run="nope"))


def test_a_run_that_ends_is_drawn_once_more_without_polling(open_page: Opener, write: Writer) -> None:
    run = write("running", done=1)
    app = open_page("run", run=run.id)
    assert "running" in words(app)
    end_run(run)
    app.run()
    assert "Finished" in words(app) and "Stop" not in words(app)


def test_the_first_visit_shows_three_steps(open_page: Opener, write: Writer, demo_root: Path, tmp_path: Path) -> None:
    def buttons(app: AppTest) -> list[str]:
        return [app.button(key=f"step-{number}").label for number in (1, 2, 3)]

    nothing = tmp_path / "no-data"
    assert buttons(open_page("overview", data_root=nothing)) == ["Add data", "Open Train", "Open Predict"]
    shipped = write("finished", epochs=1)
    shipped.paths.folder.rename(shipped.paths.root / "reference-of-a-test")
    app = open_page("overview", data_root=nothing)
    assert buttons(app) == ["Open Predict", "Add data", "Open Train"]
    assert "step 1" in words(app) and "done" not in words(app)
    app.session_state[visitor.HAS_PREDICTED] = True
    assert "step 1" not in words(app.run()) and "step 2" in words(app) and "done" in words(app)
    assert "step 2" not in words(open_page("overview", data_root=demo_root)), "there are data"
    write("queued")
    assert "Get started" not in words(open_page("overview", data_root=nothing))


def test_the_next_run_is_the_first_in_the_queue(open_page: Opener, write: Writer) -> None:
    write("queued", name="began to wait first")
    write("queued", name="second")
    third = write("queued", name="third")
    assert "Next: began to wait first" in words(open_page("overview"))
    move_queued(third.paths, "first")
    assert "Next: third" in words(open_page("overview"))


def test_archived_runs_are_in_no_list_of_the_latest(open_page: Opener, write: Writer) -> None:
    run = write("finished", name="put away", epochs=1)
    annotate(run.paths, "Mara", {"archived": True})
    write("finished", name="in sight", epochs=1)
    for page in ("overview", "run"):
        assert [row["name"] for _, row in open_page(page).dataframe[-1].value.iterrows()] == ["in sight"]
    assert open_page("errors", run=run.id).selectbox[0].value == run.id, "a link to it still opens it"


def test_the_run_page_without_a_run_offers_the_latest(open_page: Opener, write: Writer) -> None:
    for number in range(15):
        write("queued", name=f"number {number}", age=timedelta(0))
    app = open_page("run")
    assert len(app.dataframe[0].value) == 15 and "The latest" not in words(app)
    write("queued", name="one more")
    app = open_page("run")
    assert len(app.dataframe[0].value) == 15 and "The latest 15 of 16 runs" in words(app)


def test_runs_can_be_searched(open_page: Opener, write: Writer) -> None:
    write("finished", name="alpha", epochs=1)
    write("failed", name="beta", done=0)
    assert "alpha" not in words(open_page("runs", q="beta"))
    app = open_page("runs", state="finished")
    assert "alpha" in words(app) and "beta" not in words(app)
    assert "No matching runs" in words(open_page("runs", q="gamma"))


# --- training


def test_train_starts_one_run_for_a_double_click(
    open_page: Opener, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    app = open_page("train")
    assert "About" in words(app) and "python -m core train --preset original --set dataset=demo" in words(app)
    app.number_input(key="field-epochs").set_value(2).run()
    app.text_input(key="run-name").set_value("a 'quoted' name").run()
    assert "--set epochs=2" in words(app)
    app.button(key="start").click().run()
    (run,) = list_runs(runs_root)
    assert run.config is not None and run.config.epochs == 2 and run.name == "a 'quoted' name"
    assert app.query_params["run"] == run.id

    app.switch_page("views/train/page.py").run()
    app.button(key="start").click().run()
    assert len(list_runs(runs_root)) == 1


def test_the_author_is_who_started_runs_here(open_page: Opener, write: Writer) -> None:
    shipped = write("finished", author="Somebody Else", epochs=1)
    shipped.paths.folder.rename(shipped.paths.root / "reference-of-a-test")
    assert author_on(open_page("train")) == ""
    write("queued", author="Ada")
    assert author_on(open_page("train")) == "Ada"
    write("queued", author="Ben")
    assert author_on(open_page("train")) == ""


def author_on(app: AppTest) -> str | None:
    return next(box.value for box in app.text_input if box.label == "Author")


def test_what_the_address_holds_is_in_no_clicks_way(open_page: Opener, write: Writer) -> None:
    """Streamlit raises where a page is left whose address belongs to a widget; `widgets.go_to` knows the way round."""
    run = write("finished", name="my run", author="Ada", epochs=1)
    for query in ({"q": "my"}, {"state": "finished"}, {"author": "Ada"}, {"archived": "true"}):
        app = open_page("runs", **query)
        next(button for button in app.button if button.label == "Start training").click().run()
        assert app.title[0].value == "Train" and not app.error, query
    app = open_page("run", run=run.id, tab="Review")
    app.button(key="clone").click().run()
    assert app.query_params["clone"] == run.id and "New run based on" in words(app)
    app = open_page("run", run=run.id, tab="Review")
    app.button(key="delete").click()
    app.run()
    app.button(key="delete").click()
    app.button(key="delete-really").click().run()
    assert app.title[0].value == "Runs" and not app.error


def test_pages_are_left_in_one_way() -> None:
    files = sorted((PROJECT_ROOT / "dashboard").rglob("*.py"))
    leaving = {str(file.relative_to(PROJECT_ROOT)): file.read_text().count("switch_page(") for file in files}
    assert {name: count for name, count in leaving.items() if count} == {"dashboard/ui/page.py": 1}


def test_a_preset_fills_the_form(open_page: Opener) -> None:
    app = open_page("train")
    assert app.number_input(key="field-epochs").value == 50
    app.radio(key="preset").set_value("quick").run()
    assert app.number_input(key="field-epochs").value == 4
    assert app.selectbox(key="field-schedule").value == "linear"


@pytest.mark.parametrize(("linked", "chosen"), [("quick", "quick"), ("seed", "original")])
def test_a_link_chooses_the_preset_once_also_by_its_old_name(open_page: Opener, linked: str, chosen: str) -> None:
    app = open_page("train", preset=linked)
    assert app.radio(key="preset").value == chosen
    assert app.number_input(key="field-epochs").value == get_preset(chosen).config.epochs
    app.radio(key="preset").set_value("best").run()
    assert app.radio(key="preset").value == "best"
    assert "preset" not in app.query_params


def test_a_link_to_a_preset_that_does_not_exist_says_so(open_page: Opener) -> None:
    app = open_page("train", preset="nope")
    assert "Unknown preset 'nope'. Use one of original, best, quick." in words(app)
    assert app.radio(key="preset").value == "original"


@pytest.mark.parametrize("page", ["errors", "compare"])
def test_a_link_with_the_old_name_of_a_split_opens(open_page: Opener, write: Writer, page: str) -> None:
    first, second = write("finished", epochs=1), write("finished", epochs=1, seed=1)
    app = open_page(page, run=first.id, runs=f"{first.id},{second.id}", split="seed-test")
    assert not app.error
    assert app.get("button_group")[0].value


def test_a_wrong_setting_is_explained_and_cannot_be_started(open_page: Opener) -> None:
    app = open_page("train")
    app.number_input(key="field-learning_rate").set_value(0.0).run()
    assert "Learning rate must be greater than 0 (got 0)." in words(app)
    assert all(button.disabled for button in app.button if button.label == "Start training")


def test_estimates_say_what_they_are_based_on(write: Writer, runs_root: Path) -> None:
    config = make_config("quick", {"epochs": 2, "images_per_epoch": 0})
    images = {"train": 1400, "validation": 40, "test": 40}
    rough = estimate_duration(config, images, [])
    assert rough.seconds == pytest.approx(2 * 1400 / ROUGH_IMAGES_PER_SECOND, rel=0.1)
    assert "rough" in rough.basis
    write("finished", epochs=1)
    write("failed", done=0)
    measured = estimate_duration(config, images, list_runs(runs_root))
    assert measured.images_per_second == 142 and "1 finished run" in measured.basis
    other = estimate_duration(make_config("quick", {"model": "cnn-model-1"}), images, list_runs(runs_root))
    assert "rough" in other.basis


# --- data


def test_the_demo_set_is_made_and_shown(open_page: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.data.importers import demo

    small = demo.import_demo
    monkeypatch.setattr(demo, "import_demo", lambda root, **kw: small(root, train_per_class=4, **kw))
    app = open_page("data", data_root=tmp_path / "data")
    app.button(key="import-demo").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "is ready" in words(app) and "drawn by a program" in words(app)
    assert len(app.image) == 7


def test_a_path_that_is_no_data_set_is_refused(open_page: Opener, tmp_path: Path) -> None:
    app = open_page("data", data_root=tmp_path / "data")
    app.text_input(key="path").set_value(str(tmp_path / "none.zip")).run()
    app.button(key="import-path").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "There is no file or folder" in words(app)
    assert not list(tmp_path.glob("data/*"))


def test_other_numbers_of_images_are_shown_and_may_be_accepted(open_page: Opener, tmp_path: Path) -> None:
    for folder, prefix in (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest")):
        for label in LABELS:
            file = tmp_path / "few" / folder / label / f"{prefix}_1.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (48, 48), 90).save(file)
    app = open_page("data", data_root=tmp_path / "data")
    app.text_input(key="path").set_value(str(tmp_path / "few")).run()
    app.button(key="import-path").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "their numbers are not the published ones" in words(app)
    assert len(app.dataframe[0].value) == 21
    app.checkbox(key="accept").check().run()
    app.button(key="import-path").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "FER2013 is ready: 21 images" in words(app) and "21 counts differ" in words(app)
    app.button(key="delete-fer2013").click().run()
    assert "counts differ" not in words(app)


def test_one_import_at_a_time() -> None:
    importer = Importer()

    def fail(progress: Callable[[int, int], None]) -> None:
        progress(1, 4)
        wait_for(lambda: False, seconds=0.3)

    importer.start(fail)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="Another import is in progress"):
        importer.start(fail)  # type: ignore[arg-type]
    wait_for(lambda: not importer.look().running, what="the import")
    assert "See the server log" in importer.look().error


# --- what people type is never rendered


@pytest.mark.parametrize("page", ["overview", "run", "errors", "predict", "train"])
def test_user_text_is_inert(open_page: Opener, write: Writer, page: str) -> None:
    run = write("running", name=HOSTILE, author=HOSTILE, done=1)
    app = open_page(page, **({"run": run.id} if page == "run" else {}))
    rendered = [element.value for kind in ("title", "markdown", "caption", "subheader") for element in app.get(kind)]
    rendered += [element.proto.body for element in app.get("metric")] + [e.proto.delta for e in app.get("metric")]
    for text in rendered:
        for active in ("![x]", "[l](", ":red[", "<b>", "**s", " `c`", " $a", ":smile:", "http://evil", "www.evil"):
            assert active not in text, text


def test_escape_shows_the_same_characters() -> None:
    shown = escape(HOSTILE + "\nsecond line")
    assert shown.replace("\\", "").replace(_JOINER, "") == HOSTILE + " second line"


# --- figures and words


def test_durations_and_times_are_short() -> None:
    given = [0, 59, 60, 184, 640, 3600, 5400, 90_000, None]
    assert [duration(s) for s in given] == [
        "0 s", "59 s", "1 min", "3 min 4 s", "10 min", "1 h", "1 h 30 min", "1 d 1 h", "–"
    ]  # fmt: skip
    assert with_interval(0.7041, (0.689, 0.719)) == "70.4% ± 1.5 pp"
    assert with_interval(None, (0.0, 1.0)) == accuracy_in(None) == percent(None) == "–"
    passed = {30: "just now", 37 * 60: "37 min ago", 3600: "1 hour ago", 3 * 86_400: "3 days ago", 307 * 86_400: ""}
    said = [ago(datetime.now(UTC) - timedelta(seconds=seconds + 1)) for seconds in passed]
    assert said == [*list(passed.values())[:-1], "10 months ago"]


def test_curves_stay_small_and_end_at_the_last_point(write: Writer) -> None:
    run = write("running", done=40, epochs=50, age=timedelta(hours=1))
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    train, validation = (part["source"] for part in training_curves(epochs, steps, "loss", "step", 0.9, 80)["dataset"])
    assert len(train) <= MAX_POINTS and train["step"].iloc[-1] == validation["step"].iloc[-1] == 3200
    assert train["train"].std() < train["train (raw)"].std()
    train, _ = (part["source"] for part in training_curves(epochs, steps, "accuracy", "epoch", 0.0, 80)["dataset"])
    assert train["epoch"].iloc[-1] == 40 and train["train"].equals(train["train (raw)"])


def test_a_history_is_read_on_from_where_it_was(write: Writer) -> None:
    run = write("running", done=1)
    assert len(cache.history(run.paths.steps)) == 80
    run.add_epoch(2)
    assert cache.history(run.paths.steps)["step"].tolist() == list(range(1, 161))
    kept = run.paths.steps.read_bytes().splitlines(keepends=True)[:100]
    replacement = run.paths.folder / "new"
    replacement.write_bytes(b"".join(kept))
    replacement.replace(run.paths.steps)  # what a resume does
    assert len(cache.history(run.paths.steps)) == 100


def test_a_log_is_shown_without_terminal_codes(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    assert cache.log_tail(log) == ""
    log.write_bytes(b"x" * 100_000 + b"\nstart\n 10 %\r 50 %\r100 %\r\n\x1b[31mred\x1b[0m\n")
    assert cache.log_tail(log) == "start\n100 %\nred"


# --- what must not creep in


def test_no_folder_named_pages() -> None:
    """Streamlit takes such a folder for its own: the first link to a page of a fresh server would bypass Home.py."""
    assert not (HOME.parent / "pages").exists()


def test_drawing_curves_imports_nothing_heavy() -> None:
    imports = (
        "core.jobs.control, core.runs.estimate, core.data.importers.fer2013, core.data.importers.demo, core.data.decode"
    )
    views = ", ".join(
        f"dashboard.views.{part}" for part in ("overview.cards", "run.tabs", "data.dataset", "train.form")
    )
    code = f"import {views}, {imports}, sys; print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("file", sorted((HOME.parent / "views").glob("*.py")), ids=lambda file: file.stem)
def test_page_scripts_never_import_torch_or_write_html(file: Path) -> None:
    source = file.read_text()
    names = [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("torch" in name or "predictor" in name for name in names)
    assert "unsafe_allow_html" not in source and "st.html" not in source


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
    assert "Progress since the last checkpoint will be lost." in words(app)
    app.button(key="kill").click().run()
    assert killed == [run.id]


@pytest.mark.parametrize("state", ["finished", "failed", "crashed"])
def test_retry_opens_a_new_run_with_the_same_settings(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write(state, name="First *try*", done=1, epochs=2)
    app = open_page("run", run=run.id)
    app.button(key="retry").click().run()
    [again] = [each for each in list_runs(runs_root) if each.id != run.id]
    assert (again.meta.parent, again.config) == (run.id, read_run(runs_root, run.id).config)
    app = open_page("run", run=again.id)
    assert app.get("page_link")[0].proto.label.replace("\\", "") == "Cloned from First *try*"


def test_a_clone_fills_the_form_and_remembers_its_parent(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write("finished", name="The [parent]", epochs=3, seed=77)
    app = open_page("train", clone=run.id)
    assert "New run based on **The [parent]**" in words(app)
    assert app.number_input(key="field-seed").value == 77
    assert f"python -m core runs clone {run.id}" in words(app)
    app.number_input(key="field-epochs").set_value(5).run()
    app.button(key="start").click().run()
    [child] = [each for each in list_runs(runs_root) if each.id != run.id]
    assert child.config is not None
    assert (child.meta.parent, child.config.seed, child.config.epochs) == (run.id, 77, 5)
    app = open_page("train", clone=run.id)
    app.button(key="no-clone").click().run()
    assert "Cloned from" not in words(app)
    assert app.number_input(key="field-seed").value == 0


def test_a_clone_of_what_is_gone_or_damaged_says_so(open_page: Opener, write: Writer) -> None:
    assert "Run “gone” not found." in words(open_page("train", clone="gone"))
    run = write("finished", epochs=2)
    run.paths.config.write_text("{")
    app = open_page("train", clone=run.id)
    assert "is unreadable" in words(app)
    assert app.radio(key="preset")


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


@pytest.mark.parametrize(("setting", "expected"), [("", ["waiting"]), ("1", ["waiting", "crashed"])])
def test_a_server_takes_over_what_waits_and_if_told_so_what_was_interrupted(
    write: Writer,
    runs_root: Path,
    demo_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    expected: list[str],
) -> None:
    wanted: list[Path] = []
    monkeypatch.setattr(control, "ensure_runner", lambda root, _: wanted.append(root))
    monkeypatch.setenv("FER_AUTO_RECOVER", setting)
    write("queued", name="waiting")
    write("crashed", name="crashed", done=1, epochs=2)
    for _ in range(2):  # every page load
        cache.take_over(runs_root, demo_root)
    wait_for(lambda: len(wanted) > 0, 20, "a runner being asked for")
    assert [read_run(runs_root, run.id).name for run in queued_runs(runs_root)] == expected
    assert wanted == [runs_root]


def test_a_clone_with_a_list_of_corrections_starts_with_that_list(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write("finished", epochs=2)
    assert not [each for each in open_page("train", clone=run.id).selectbox if each.key == "field-corrections"]
    image = str(read_predictions(run.paths.predictions("validation"))["image_id"][0])
    add_label_reviews(run.paths, "Ada", "validation", [image], "ambiguous")
    draft = make_corrections("first-look", [read_run(runs_root, run.id)])
    save_corrections(runs_root, draft.corrections)
    elsewhere = draft.corrections.model_copy(update={"name": "elsewhere", "data_fingerprint": "0" * 64})
    save_corrections(runs_root, elsewhere)

    app = open_page("train", clone=run.id, corrections="first-look")
    assert app.selectbox(key="field-corrections").options == ["None", "first-look"]
    assert app.selectbox(key="field-corrections").value == "first-look"
    assert "--set corrections=first-look" in words(app)
    app.button(key="start").click().run()
    [child] = [each for each in list_runs(runs_root) if each.id != run.id]
    assert (child.meta.parent, run_corrections(child.paths)) == (run.id, draft.corrections)
    assert open_page("train", clone=run.id).selectbox(key="field-corrections").value == ""


def start_is_open(app: AppTest) -> bool:
    return not next(button for button in app.button if button.label == "Start training").disabled


def test_a_clone_whose_dataset_is_not_here_asks_for_another_before_it_can_start(
    open_page: Opener, write: Writer
) -> None:
    run = write("finished", epochs=2)
    config = json.loads(run.paths.config.read_text())
    run.paths.config.write_text(json.dumps(config | {"dataset": "team"}))
    app = open_page("train", clone=run.id)
    for _ in range(2):  # also after something else was changed
        assert app.selectbox(key="field-dataset").value is None
        assert "The dataset 'team' is not on this server: select another." in words(app)
        assert not start_is_open(app)
        app.number_input(key="field-epochs").set_value(5).run()
    app.selectbox(key="field-dataset").set_value("demo").run()
    assert start_is_open(app) and "--set dataset=demo" in words(app)


def test_a_clone_whose_correction_list_is_not_here_or_does_not_fit_asks_for_another(
    open_page: Opener, write: Writer, runs_root: Path
) -> None:
    run = write("finished", epochs=2)
    config = json.loads(run.paths.config.read_text())
    run.paths.config.write_text(json.dumps(config | {"corrections": "look-1"}))
    app = open_page("train", clone=run.id)
    assert app.selectbox(key="field-corrections").value is None and not start_is_open(app)
    assert "The correction set 'look-1' is not on this server: select another or none." in words(app)
    app.selectbox(key="field-corrections").set_value("").run()
    assert start_is_open(app) and "is not on this server" not in words(app)

    image = str(read_predictions(run.paths.predictions("validation"))["image_id"][0])
    add_label_reviews(run.paths, "Ada", "validation", [image], "ambiguous")
    draft = make_corrections("look-1", [read_run(runs_root, run.id)]).corrections
    save_corrections(runs_root, draft.model_copy(update={"data_fingerprint": "0" * 64}))
    app = open_page("train", clone=run.id)
    assert app.selectbox(key="field-corrections").value is None and not start_is_open(app)
    assert "The correction set 'look-1' was made for other data than 'demo'" in words(app)
