"""The benchmark of the pages, on a real server with few and short runs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.bench import pages, visitor
from core.errors import FerError


def test_the_command_measures_every_page_on_a_real_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a page that shows an error ends it: of a run that is not there."""
    monkeypatch.setattr(pages, "EPOCHS", 2)
    monkeypatch.setattr(pages, "DETAILED", 2)
    monkeypatch.setattr(pages, "measure_tensorboard", lambda root, run_id: {"missing": "not here"})
    result = CliRunner().invoke(app, ["bench", "pages", "--runs", "20", "--rounds", "1", "--json"])
    assert result.exception is None, result.exception
    figures = json.loads(result.stdout)
    assert (figures["runs"], figures["runs_with_steps"], figures["step_rows"]) == (20, 2, 440)
    assert list(figures["pages"]) == ["runs", "run", "compare_2", "overview"]
    for name, times in figures["pages"].items():
        for when in ("cold", "warm"):
            assert times[when]["wall_s"] > 0 and times[when]["bytes_sent"] > 5000, (name, when)
    assert figures["start_to_run_page_s"] > 0


def test_a_page_with_a_problem_and_a_server_that_is_gone_are_told(tmp_path: Path) -> None:
    with visitor.serve(tmp_path / "runs", tmp_path / "data", tmp_path / "log") as server:
        with pytest.raises(RuntimeError, match=r"The page run shows an error: .*nowhere"):
            pages.measure_page(server, 1, "run", run="nowhere")
        server.process.kill()
        server.process.wait()
        with pytest.raises(RuntimeError, match="The server did not send all of the page runs: "):
            pages.measure_page(server, 1, "runs")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("core.cli.bench.PROJECT_ROOT", "dashboard/Home.py"),
        ("core.cli.bench.NEEDED", "Missing packages: not_installed. Run `pip install -r requirements.txt`."),
    ],
)
def test_without_the_dashboard_one_sentence_says_so(
    change: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, tmp_path if "ROOT" in change else ("json", "not_installed"))
    result = CliRunner().invoke(app, ["bench", "pages"])
    assert isinstance(result.exception, FerError)
    assert message in str(result.exception)
