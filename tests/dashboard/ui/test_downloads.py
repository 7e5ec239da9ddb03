"""What spreadsheets make of the CSV files that pages hand out."""

from pathlib import Path

import pytest

from core.runs.reader import list_runs
from dashboard.ui.downloads import spreadsheet_csv
from dashboard.views.run.downloads import curves_as_csv
from dashboard.views.runs.actions import runs_as_csv
from tests.conftest import PROJECT_ROOT
from tests.core.cli.conftest import runs_cli
from tests.dashboard.conftest import Writer

MARK = b"\xef\xbb\xbf"


def test_csv_files_say_that_they_are_utf_8(write: Writer, runs_root: Path) -> None:
    run = write("finished", name="Übung", author="Björn", epochs=1)
    content = runs_as_csv(list_runs(runs_root))
    assert content.startswith(MARK + b"run,name,") and "Björn" in content.decode("utf-8-sig")
    assert curves_as_csv(run.paths.epochs).startswith(MARK + b"epoch,")
    assert spreadsheet_csv("a\n") == MARK + b"a\n"


def test_a_pipe_gets_no_mark(write: Writer, runs_root: Path) -> None:
    write("finished", epochs=1)
    assert runs_cli(runs_root, "list", "--csv").startswith("run,name,")


CSV_PAGES = [file for file in sorted((PROJECT_ROOT / "dashboard").rglob("*.py")) if "text/csv" in file.read_text()]


def test_there_are_pages_with_csv_files() -> None:
    assert len(CSV_PAGES) >= 5


@pytest.mark.parametrize("file", CSV_PAGES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_page_writes_them_in_one_way(file: Path) -> None:
    assert "spreadsheet_csv(" in file.read_text()
