"""All pages, in every state of a run, run by Streamlit itself but without a browser."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.review.runs import annotate
from core.runs.reader import read_run
from dashboard.ui.runs import state_label
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import HOME, HOSTILE, Opener, Writer, line_charts, words
from tests.dashboard_fixtures import write_group

PAGES = ["overview", "data", "train", "runs", "run", "errors", "predict"]
STATES = ["queued", "running", "finished", "failed", "stopped", "crashed", "stalled", "lost", "damaged"]


# --- every page, every state


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("overview", "Get started"),
        ("data", "Generate demo dataset"),
        ("train", "No dataset yet"),
        ("runs", "No runs yet"),
        ("run", "No runs yet"),
        ("group", "No groups yet"),
        ("errors", "No predictions yet"),
        ("predict", "No trained model yet"),
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
        assert f"Runs folder not found: {runs_root.name}. Remount or restore it" in words(app)
        assert str(runs_root.parent) not in words(app), "where folders lie on the server is for its log"
        assert "No runs yet" not in words(app) and "Get started" not in words(app)


@pytest.mark.parametrize("state", STATES)
def test_pages_show_a_run_in_every_state(open_page: Opener, write: Writer, state: str) -> None:
    run = write(state, name="my run", author="Mara", done=2, epochs=3)
    assert read_run(run.paths.root, run.id).state == state
    for page in ("overview", "runs"):
        text = words(open_page(page))
        assert "my run" in text and state_label(state) in text
    app = open_page("run", run=run.id)
    assert app.title[0].value == "my run"
    text = words(app)
    assert state_label(state) in text
    if state == "failed":
        assert "Loss is not a number at epoch 6" in text
    if state in ("failed", "stopped", "crashed", "lost"):
        assert "Resume" in text
    if state == "lost":
        assert "may start it again, or not. If it does not train any more, resume it" in text
    if state in ("running", "queued", "stalled", "lost"):
        assert ("Remove from queue" if state == "queued" else "Stop") in text
    if state == "finished":
        assert "±" in text and "epoch 3" in text
    if state not in ("queued", "damaged"):
        assert len(line_charts(app)) == 4, "loss, accuracy, learning rate, speed"


def test_an_unknown_run_is_said_so(open_page: Opener, write: Writer) -> None:
    write("finished", epochs=1)
    assert "Run “nope” not found." in words(open_page("run", run="nope"))
    assert "Invalid run ID" in words(open_page("run", run="../x"))


@pytest.mark.parametrize("page", ["errors", "predict"])
def test_no_other_run_is_shown_under_the_address_of_an_unknown_one(open_page: Opener, write: Writer, page: str) -> None:
    run = write("finished", name="my run", epochs=1)
    app = open_page(page, run="nope")
    assert "Run “nope” not found. Select another one." in words(app)
    assert app.selectbox(key="choose-run").value is None and len(app.selectbox) == 1 and not app.metric
    assert app.query_params == {"run": "nope"}
    app.selectbox(key="choose-run").select(run.id).run()
    assert app.query_params["run"] == run.id and "not found" not in words(app)


@pytest.mark.parametrize(("page", "parameter"), [("errors", "split"), ("compare", "compare-split")])
def test_an_unknown_split_is_said_so(open_page: Opener, write: Writer, page: str, parameter: str) -> None:
    first, second = write("finished", epochs=1), write("finished", epochs=1, seed=1)
    app = open_page(page, run=first.id, runs=f"{first.id},{second.id}", **{parameter: "nope"})
    assert "Split “nope” isn't available here." in words(app) and parameter not in app.query_params
    app = open_page(page, run=first.id, runs=f"{first.id},{second.id}", **{parameter: "test"})
    assert app.query_params[parameter] == "test" and "isn't available here" not in words(app)


@pytest.mark.parametrize("value", ["", "nope\0"])
@pytest.mark.parametrize("page", ["runs", "run", "group", "compare", "errors"])
def test_an_address_that_sets_nothing_that_exists_fails_no_page(
    open_page: Opener, write: Writer, page: str, value: str
) -> None:
    """Every part of an address that a widget is bound to, empty or nonsense at once."""
    first, second = write("finished", epochs=1), write("finished", epochs=1, seed=1)
    source = "".join(path.read_text() for path in (PROJECT_ROOT / "dashboard").rglob("*.py"))
    names = set(re.findall(r'key=(?:f"{prefix}|")([a-z-]+)"', source)) - {"run", "runs"}
    bound = names | {f"{page}-{name}" for page in ("compare", "group") for name in names}
    assert {"axis", "smoothing", "split", "tab", "metric"} <= bound
    group = write_group([first, second], [{"seed": 0}, {"seed": 1}]).name
    of_page = {"name": group} if page == "group" else {}
    query = dict.fromkeys(bound, value) | {"run": first.id, "runs": f"{first.id},{second.id}"} | of_page
    app = open_page(page, **query)
    assert not app.exception and "failed unexpectedly" not in words(app)
    assert first.id in words(app) or group in words(app) or app.selectbox or app.dataframe or line_charts(app)


def test_archived_runs_are_in_no_list_of_the_latest(open_page: Opener, write: Writer) -> None:
    run = write("finished", name="put away", epochs=1)
    annotate(run.paths, "Mara", {"archived": True})
    write("finished", name="in sight", epochs=1)
    for page in ("overview", "run"):
        assert [row["name"] for _, row in open_page(page).dataframe[-1].value.iterrows()] == ["in sight"]
    assert open_page("errors", run=run.id).selectbox[0].value == run.id, "a link to it still opens it"


# --- training


@pytest.mark.parametrize("page", ["errors", "compare"])
def test_a_link_with_the_old_name_of_a_split_opens(open_page: Opener, write: Writer, page: str) -> None:
    first, second = write("finished", epochs=1), write("finished", epochs=1, seed=1)
    app = open_page(page, run=first.id, runs=f"{first.id},{second.id}", split="seed-test")
    assert not app.error
    assert app.get("button_group")[0].value


# --- what people type is never rendered


@pytest.mark.parametrize("page", ["overview", "run", "errors", "predict", "train"])
def test_user_text_is_inert(open_page: Opener, write: Writer, page: str) -> None:
    run = write("running", name=HOSTILE, author=HOSTILE, done=1)
    app = open_page(page, **({"run": run.id} if page == "run" else {}))
    rendered = [element.value for kind in ("title", "markdown", "caption", "header") for element in app.get(kind)]
    rendered += [element.proto.body for element in app.get("metric")] + [e.proto.delta for e in app.get("metric")]
    for text in rendered:
        for active in ("![x]", "[l](", ":red[", "<b>", "**s", " `c`", " $a", ":smile:", "http://evil", "www.evil"):
            assert active not in text, text


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


@pytest.mark.parametrize("file", sorted((HOME.parent / "views").glob("*/page.py")), ids=lambda file: file.parent.name)
def test_page_scripts_never_import_torch_or_write_html(file: Path) -> None:
    source = file.read_text()
    names = [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("torch" in name or "predictor" in name for name in names)
    assert "unsafe_allow_html" not in source and "st.html" not in source


def test_no_page_has_a_number_field_of_the_browser() -> None:
    """Chromium drops a decimal comma from it unless its language has one: 0,0005 is 5, and nobody is told."""
    files = (PROJECT_ROOT / "dashboard").rglob("*.py")
    assert [file.name for file in files if "number_input" in file.read_text()] == []


@pytest.mark.parametrize(("page", "parameter"), [("predict", "second"), ("errors", "beside"), ("compare", "beside")])
def test_what_is_compared_may_be_chosen_in_its_place(
    open_page: Opener, write: Writer, page: str, parameter: str
) -> None:
    """The two boxes exclude each other's choice: the page goes on, with another one in the second."""
    first, second, third = (write("finished", name=name, epochs=1, seed=n) for n, name in enumerate("abc"))
    tab = {"errors-tab": "Compare with run"} if page == "errors" else {"section": "Images"}
    together = ",".join(run.id for run in (first, second, third))
    query = {"run": second.id, "baseline": second.id, "runs": together, parameter: second.id}
    app = open_page(page, **query, **(tab if page != "predict" else {}))
    box = app.selectbox(key=f"choose-{parameter}")
    assert "not found" not in words(app) and box.value != second.id and parameter not in app.query_params
    other = first if box.value == third.id else third
    box.select(other.id).run()
    assert app.query_params[parameter] == other.id
    app = open_page(page, **query | {parameter: "nope"}, **(tab if page != "predict" else {}))
    assert "Run “nope” not found. Select another one." in words(app)


def test_a_run_that_cannot_be_chosen_here_is_not_said_to_be_gone(open_page: Opener, write: Writer) -> None:
    write("finished", epochs=1)
    queued = write("queued", seed=1)
    assert f"Run “{queued.id}” isn't available here." in words(open_page("predict", run=queued.id))


def test_an_archived_run_predicts_where_the_address_names_it(open_page: Opener, write: Writer) -> None:
    run, other = write("finished", epochs=1), write("finished", epochs=1, seed=1)
    annotate(run.paths, "Ada", {"archived": True})
    app = open_page("predict", run=run.id)
    assert app.selectbox(key="choose-run").value == run.id and "not found" not in words(app)
    annotate(other.paths, "Ada", {"archived": True})
    assert "No trained model yet" not in words(open_page("predict"))
