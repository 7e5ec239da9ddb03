"""The benchmark of a folder with many runs, on few."""

import json
import os

from typer.testing import CliRunner

from core.__main__ import app


def test_the_command_measures_each_look_and_starts_no_runner() -> None:
    before = os.environ.get("FER_RUNNER")
    result = CliRunner().invoke(app, ["bench", "runs", "--runs", "3", "--runs", "30", "--rounds", "2", "--json"])
    assert result.exception is None, result.exception
    few, many = json.loads(result.stdout)
    assert (few["runs"], many["runs"]) == (3, 30)
    for figures in (few, many):
        assert set(figures["milliseconds"]) == set(figures["cpu_milliseconds"])
        assert all(value > 0 for value in figures["milliseconds"].values())
    assert os.environ.get("FER_RUNNER") == before


def test_it_prints_a_line_per_look_and_a_column_per_count() -> None:
    result = CliRunner().invoke(app, ["bench", "runs", "--runs", "3", "--runs", "20", "--rounds", "1"])
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["3", "runs", "20", "runs"]
    assert [line.partition("  ")[0] for line in lines] == [
        "first list",
        "later list",
        "look for queued",
        "write status",
        "take from queue",
        "start",
    ]
    assert all(line.count("CPU") == 2 for line in lines)
