"""What is taken away from a run: every point of its curves, and a folder that is a run again."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.exchange.bundle import write_zip
from core.exchange.export import write_curves
from core.exchange.formats import Format, export_run
from core.runs.history import read_rows
from core.runs.reader import read_run
from tests.dashboard_fixtures import FakeRun, write_run


@pytest.fixture
def run(runs_root: Path, demo_root: Path) -> FakeRun:
    made = write_run(runs_root, demo_root, "finished", epochs=2, name="=1+1")
    made.paths.checkpoint.write_bytes(b"large")
    made.paths.meta_lock.touch()
    made.paths.stop_request.touch()
    (made.paths.folder / ".tmp-summary.json-x").touch()
    (made.paths.folder / "secret").symlink_to("/etc/hostname")
    return made


def test_curves_hold_every_point(run: FakeRun) -> None:
    rows = read_rows(run.paths.steps)[0]
    text = io.StringIO()
    assert write_curves(run.paths.steps, text) == len(rows) == 160
    table = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [float(row["loss"]) for row in table] == [row["loss"] for row in rows]
    assert list(table[0]) == list(rows[0])


def test_rows_of_several_shapes_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_text('{"step": 1, "loss": null}\nnonsense\n[3]\n{"step": 2, "gpu": 5}\n{"step": 3, "lo')
    text = io.StringIO()
    assert write_curves(path, text) == 2
    assert text.getvalue() == "step,loss,gpu\n1,,\n2,,5\n"


def test_halves_of_characters_are_written_as_they_are_escaped(run: FakeRun, tmp_path: Path) -> None:
    with run.paths.epochs.open("a") as file:
        file.write('{"epoch": 3, "note": "\\ud800", "\\udc00": "x"}\n')
    csv_file = next(
        file
        for file in export_run(read_run(run.paths.folder.parent, run.id), Format.CSV, tmp_path)
        if "epochs" in file.name
    )
    *_, last = csv.DictReader(csv_file.read_text(encoding="utf-8").splitlines())
    assert (last["note"], last["\\udc00"]) == ("\\ud800", "x")
    parquet = next(
        file
        for file in export_run(read_run(run.paths.folder.parent, run.id), Format.PARQUET, tmp_path)
        if "epochs" in file.name
    )
    assert pq.read_table(parquet).to_pylist()[-1]["note"] == "\\ud800"


def test_a_zip_unpacks_to_a_run(run: FakeRun, tmp_path: Path) -> None:
    with (tmp_path / "run.zip").open("wb") as file:
        write_zip(run.paths, file)
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        assert archive.testzip() is None
        names = {Path(name).name for name in archive.namelist()}
        archive.extractall(tmp_path / "elsewhere")
    assert names >= {"config.json", "steps.jsonl", "fer2013_model_2.pth", "predictions-test.parquet"}
    assert not names & {"checkpoint.pt", "meta.lock", "alive.lock", "stop.request", "secret", ".tmp-summary.json-x"}
    again = read_run(tmp_path / "elsewhere", run.id)
    assert (again.state, again.name, again.problem) == ("finished", "=1+1", None)
    assert run.paths.checkpoint.exists(), "it was there to be left out"


def test_the_command_writes_files_and_says_which(run: FakeRun, runs_root: Path, tmp_path: Path) -> None:
    def export(*arguments: str) -> list[str]:
        result = CliRunner().invoke(app, ["export", run.id, "--runs-root", str(runs_root), *arguments])
        assert result.exception is None, result.exception
        return result.stdout.split()

    assert export("--format", "csv", "--output", str(tmp_path)) == [
        str(tmp_path / f"{run.id}-{name}.csv") for name in ("epochs", "steps", "system")
    ]
    [written] = export("--format", "zip", "--output", str(tmp_path))
    assert zipfile.is_zipfile(written)
    config = json.loads(zipfile.ZipFile(written).read(f"{run.id}/config.json"))
    assert config["epochs"] == 2


def test_what_cannot_be_exported_says_why(runs_root: Path, demo_root: Path, tmp_path: Path) -> None:
    waiting = write_run(runs_root, demo_root, "queued")
    arguments = ["export", waiting.id, "--runs-root", str(runs_root), "--format", "csv", "--output"]
    assert "has no metrics yet" in str(CliRunner().invoke(app, [*arguments, str(tmp_path)]).exception)
    assert "Folder not found" in str(CliRunner().invoke(app, [*arguments, str(tmp_path / "no")]).exception)
