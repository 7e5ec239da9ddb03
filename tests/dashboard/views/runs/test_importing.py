"""Importing a run on the Runs page."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.exchange.bundle import write_zip
from core.models.cnn import build_model
from core.runs.delete import delete_run
from core.runs.history import read_all
from core.runs.reader import list_runs, read_config
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import press, words
from tests.dashboard_fixtures import write_run


@pytest.fixture
def bundle(runs_root: Path, demo_root: Path) -> bytes:
    """Of a run that is not there any more."""
    run = write_run(runs_root, demo_root, "finished", name="From afar", epochs=2)
    torch.save(build_model(read_config(run.paths).model).state_dict(), run.paths.weights)
    file = io.BytesIO()
    write_zip(run.paths, file)
    delete_run(runs_root, run.id)
    return file.getvalue()


@pytest.fixture
def dialog(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], AppTest]:
    """The dialog on the Runs page, where a file has been chosen."""
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))

    def choose(content: bytes) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=120).run()
        app.session_state["who"] = "Ada"
        app.switch_page("views/runs/page.py").run()
        press(app, "import-run")
        app.file_uploader(key="bundle").set_value([("run.zip", content, "application/zip")])
        press(app, "import-run")
        press(app, "import-run", "bundle-import")
        return app

    return choose


def test_a_bundle_becomes_a_run_and_its_page_opens(
    runs_root: Path, bundle: bytes, dialog: Callable[[bytes], AppTest]
) -> None:
    app = dialog(bundle)
    [run] = list_runs(runs_root)
    assert run.name == "From afar"
    assert [row["by"] for row in read_all(run.paths.imports)] == ["Ada"]
    assert app.query_params["run"] == run.id


def test_why_a_bundle_is_refused_is_said_in_the_dialog(runs_root: Path, dialog: Callable[[bytes], AppTest]) -> None:
    app = dialog(b"PK\3\4 no zip")
    assert "'run.zip' is not a zip file, or is corrupt. Export the run again." in words(app)
    assert list_runs(runs_root) == []
