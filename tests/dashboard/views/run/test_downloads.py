"""The Files tab: all of a run can be taken away."""

import zipfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from core.runs.reader import read_run
from core.runs.removed import remove_files
from dashboard.views.run import downloads
from tests.dashboard.conftest import Opener
from tests.dashboard_fixtures import FakeRun


def test_everything_can_be_taken_away(open_page: Opener, run: FakeRun) -> None:
    run.paths.meta_lock.touch()
    app = open_page("run", run=run.id, tab="Files")
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels[0].startswith("Download weights") and labels[1:] == [
        "Epoch metrics (CSV)",
        "Step metrics (CSV)",
        "System metrics (CSV)",
        "Model card",
        "Run archive, without checkpoint (zip)",
    ]
    assert not any(name.endswith(".lock") for name in app.dataframe[0].value["file"])
    assert downloads.curves_as_csv(run.paths.steps).count(b"\n") == 161
    with zipfile.ZipFile(BytesIO(downloads.run_as_zip(read_run(run.paths.root, run.id)))) as archive:
        assert f"{run.id}/steps.jsonl" in archive.namelist()


def test_weights_that_were_removed_say_why(open_page: Opener, run: FakeRun) -> None:
    remove_files(run.paths, [run.paths.weights], "Weights removed: group “*Mine*” keeps only those of its best run.")
    app = open_page("run", run=run.id, tab="Files")
    assert r"group “\*Mine\*” keeps only those of its best run" in app.info[0].value.replace("\u2060", "")
    assert not any("Download weights" in button.proto.label for button in app.get("download_button"))


def test_each_file_can_be_taken_by_itself(
    open_page: Opener, run: FakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (run.paths.folder / "_a *note*.txt").write_text("by hand")

    def first_selected(frame: pd.DataFrame, **_: Any) -> Any:
        return SimpleNamespace(selection=SimpleNamespace(rows=[list(frame["file"]).index("_a *note*.txt")]))

    monkeypatch.setattr(downloads, "show_table", first_selected)
    app = open_page("run", run=run.id, tab="Files")
    assert r"Download \_a \*note\*\.txt (7 B)" in app.get("download_button")[-1].proto.label.replace("\u2060", "")
    monkeypatch.setattr(downloads, "MOST_BYTES", 6)
    app.run()
    assert app.code[-1].value.endswith("_a *note*.txt")
