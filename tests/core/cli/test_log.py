"""`python -m core log`: what commands do is in it, and is found again."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.config import TrainConfig
from core.review.runs import local_user
from core.runs.create import create_run
from core.team.log import ActivityEntry, record
from tests.core.cli.conftest import runs_cli


def log(runs_root: Path, *arguments: str) -> str:
    roots = ["--runs-root", str(runs_root), "--data-root", str(runs_root.parent / "data")]
    result = CliRunner().invoke(app, ["log", *arguments, *roots])
    assert result.exception is None, (result.exception, result.output)
    return result.stdout


def test_a_command_is_an_act_of_the_user_of_the_machine(runs_root: Path) -> None:
    assert log(runs_root) == "No activity yet.\n"
    create_run(runs_root, TrainConfig(), run_id="first")
    runs_cli(runs_root, "annotate", "first", "--name", "Tiny", "--by", "Ada")
    runs_cli(runs_root, "stop", "first")
    runs_cli(runs_root, "delete", "first", "--yes")
    rows = json.loads(log(runs_root, "--json"))
    assert [(row["action"], row["on"]) for row in rows] == [
        ("delete", "first"),
        ("stop", "first"),
        ("annotate", "first"),
    ]
    assert {(row["who"], row["role"], row["way"]) for row in rows} == {(local_user(), "admin", "command line")}
    assert rows[-1]["detail"] == "name; as Ada" and rows[0]["detail"] == "Tiny"


@pytest.fixture
def filled(runs_root: Path) -> Path:
    acts = [
        ActivityEntry(
            who="Ada",
            email="ada@example.org",
            role="member",
            way="page",
            action="start",
            made="run-1",
            time=datetime.now(UTC) - timedelta(days=3),
        ),
        ActivityEntry(
            who="Ben",
            role="viewer",
            way="API",
            action="stop",
            on="run-1",
            outcome="refused",
            reason="No, Ben.",
            time=datetime.now(UTC) - timedelta(hours=1),
        ),
    ]
    for act in acts:
        record(runs_root, act, variable="FER_RUNS_ROOT")
    return runs_root


def test_a_line_says_who_did_what_and_whether_it_was_refused(filled: Path) -> None:
    refused, started = log(filled).splitlines()
    assert "UTC  Ben " in refused and "Stop run " in refused and refused.endswith("run-1  [refused: No, Ben.]")
    assert "Ada <ada@example.org> " in started and started.endswith("→ run-1")


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ("--limit 1", ["Ben"]),
        ("--who ada@example.org", ["Ada"]),
        ("--action stop", ["Ben"]),
        ("--on run-1", ["Ben", "Ada"]),
        ("--on run-2", []),
        ("--days 1", ["Ben"]),
        ("--limit 0", ["Ben", "Ada"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_narrow_it(options: str, who: list[str], filled: Path) -> None:
    assert [row["who"] for row in csv.DictReader(io.StringIO(log(filled, *options.split(), "--csv")))] == who
    if not who:
        assert log(filled, *options.split()) == "No activity matches.\n"
