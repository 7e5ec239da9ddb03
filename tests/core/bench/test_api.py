"""Programs that predict beside a training: what counts as lost, and on a real server that nothing is."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.bench import api
from core.bench.server import free_port
from core.errors import TrainingError


def test_where_nobody_answers_the_request_is_lost() -> None:
    assert api._ask(free_port(), "fer_x", b"", "multipart/form-data")[1:] == (0, 0)


def test_a_lost_request_makes_the_command_fail(demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = dict.fromkeys(("first_ms", "p50_ms", "p95_ms", "worst_ms"), 1)
    others = {"cores": 2, "images_per_second": 1.0, "server_memory_mb": 1, "training_images_per_second": 1.0}
    lost = {"lost": 1, "statuses": {"200": 9, "429": 1}}
    monkeypatch.setattr(api, "measure_api", lambda *_: times | others | lost)
    result = CliRunner().invoke(app, ["bench", "api", "--dataset", "demo", "--data-root", str(demo_root)])
    assert isinstance(result.exception, TrainingError) and "'429': 1" in str(result.exception)
    assert "p95 1 ms" in result.stdout and "1 lost" in result.stdout


@pytest.mark.slow
def test_fifty_at_once_beside_a_training_are_all_answered(demo_root: Path) -> None:
    words = ["--dataset", "demo", "--preset", "original", "--set", "model=cnn-model-1", "--set", "batch_size=16"]
    result = CliRunner().invoke(
        app, ["bench", "api", "--data-root", str(demo_root), *words, "--requests", "50", "--at-once", "50", "--json"]
    )
    assert result.exception is None, (result.exception, result.output)
    found = json.loads(result.stdout)
    assert (found["requests"], found["lost"], found["statuses"]) == (50, 0, {"200": 50})
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["worst_ms"]
    assert found["training_images_per_second"] > 0
