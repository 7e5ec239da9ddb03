"""The measurements of what survives, in short forms: each finds what it looks for, and says so where it is missing."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.bench import kills, sandbox, starts
from core.bench.mortal import MOMENTS
from core.errors import FerError
from core.runs.history import HistoryWriter
from core.runs.reader import read_run
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT
from tests.dashboard_fixtures import write_run

WRITES = """
import sys
from pathlib import Path
from core.bench.mortal import Fate
from core.files import read_json, write_json

folder, event, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.addaudithook(Fate(event, count, folder / "died-at"))
for number in range(3):
    write_json(folder / "status.json", {"activity": f"step {number}"})
    read_json(folder / "status.json")
"""


@pytest.mark.parametrize(
    ("event", "count", "left", "leftover"),
    [
        ("opening status.json", 1, None, False),
        ("replacing status.json", 1, None, True),
        ("replaced status.json", 1, "step 0", False),
        ("reading status.json", 1, "step 0", False),
        ("replacing status.json", 3, "step 1", True),
        ("says step 1", 1, "step 1", False),
    ],
)
def test_a_process_dies_at_the_moment_that_was_named(
    event: str, count: int, left: str | None, leftover: bool, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WRITES, str(tmp_path), event, str(count)]
    assert subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode == -signal.SIGKILL
    status = tmp_path / "status.json"
    assert (json.loads(status.read_text())["activity"] if status.exists() else None) == left
    assert bool(list(tmp_path.glob(".tmp-*"))) == leftover
    assert float((tmp_path / "died-at").read_text()) > 0


def test_a_moment_that_does_not_come_kills_nobody(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITES, str(tmp_path), "replacing status.json", "4"]
    assert subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode == 0


def test_there_are_fifteen_moments() -> None:
    assert len(MOMENTS) == len(set(MOMENTS.values())) == 15


def test_what_differs_from_an_undisturbed_run_is_told(runs_root: Path, demo_root: Path) -> None:
    one, other = (write_run(runs_root, demo_root, "finished", name=name, epochs=2).paths for name in ("one", "other"))
    for paths in (one, other):
        paths.weights.write_bytes(b"weights")
    assert sandbox.difference(one, other) is None
    other.weights.write_bytes(b"others")
    assert sandbox.difference(one, other) == "the weights differ"
    other.weights.write_bytes(b"weights")
    with HistoryWriter(other.steps) as history:
        history.append([{"step": 1}])
    assert sandbox.difference(one, other) == "steps.jsonl differs"
    (other.folder / ".tmp-status.json-x").touch()
    assert sandbox.difference(one, other) == "left behind: .tmp-status.json-x"


def test_lost_and_doubled_starts_are_told(runs_root: Path, demo_root: Path) -> None:
    run = read_run(runs_root, write_run(runs_root, demo_root, "finished", name="one").id)
    good = (1, [run], {run.id}, {1.0}, [run.id], 1)
    assert starts._judge(*good) == {"problems": [], "held": True}
    bad = (2, [run], {run.id}, {1.0}, [run.id, run.id], 2)
    assert starts._judge(*bad)["problems"] == [
        "1 ids, 1 folders",
        "1 places in the queue",
        "2 starts of 1 runs",
        "2 runners",
    ]


def test_a_part_that_does_not_exist_is_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "faults", "--only", "kill"])
    assert isinstance(result.exception, FerError)
    assert str(result.exception) == "Unknown part 'kill'. Use one of kills, storm, starts."


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "words",
    [
        ["--only", "kills"],
        ["--only", "storm", "--runs", "4", "--seconds", "15"],
        ["--only", "starts", "--starts", "5"],
    ],
    ids=["kills", "storm", "starts"],
)
def test_what_is_killed_loses_nothing(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["bench", "faults", *words, "--json"])
    print(result.stdout)
    assert result.exception is None, (result.exception, result.output)
    [report] = json.loads(result.stdout).values()
    assert report["held"]


@pytest.mark.slow
def test_a_kill_that_meets_nothing_is_no_success() -> None:
    report = kills.measure_kills(["never"], print)  # a worker does not know such a moment, and fails
    assert not report["held"]
    assert report["moments"][0]["problem"] == f"it did not die, but is {RunState.FAILED.in_words()}"
