"""The command line as people call it: real processes, exit codes, one-line errors, JSON that parses."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from tests.conftest import PROJECT_ROOT, kill_processes_of

TINY = "dataset=demo epochs=1 batch_size=16 images_per_epoch=48 model=cnn-model-1 threads=1 device=cpu".split()

SETTINGS = [part for text in TINY for part in ("--set", text)]


def fer(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `python -m core ARGUMENTS`, which must end with this exit code."""
    result = subprocess.run(
        [sys.executable, "-m", "core", *map(str, arguments)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == code, result.stderr + result.stdout
    return result


def error_of(*arguments: str | Path, code: int = 2) -> str:
    """The one line that a failing command prints; nothing goes to standard output."""
    result = fer(*arguments, code=code)
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


def runs_cli(root: Path, *arguments: str, code: int = 0) -> str:
    """What `python -m core runs ARGUMENTS` prints; for `code` 2 the error."""
    result = CliRunner().invoke(app, ["runs", *arguments, "--runs-root", str(root)])
    if code:
        assert result.exception is not None and getattr(result.exception, "exit_code", None) == code, result.output
        return str(result.exception)
    assert result.exception is None, (result.exception, result.output)
    return result.stdout


def table(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="session")
def roots(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str | Path]]:
    """The options that name a folder of runs, which `trained` fills, and the demo set."""
    runs_root = tmp_path_factory.mktemp("cli") / "runs"
    yield ["--runs-root", runs_root, "--data-root", demo_root]
    kill_processes_of(runs_root)


@pytest.fixture(scope="session")
def trained(roots: list[str | Path]) -> dict[str, Any]:
    """What `train --wait --json` printed."""
    result = fer("train", *roots, *SETTINGS, "--name", "First", "--author", "Ada", "--wait", "--json")
    run: dict[str, Any] = json.loads(result.stdout)
    assert result.stderr.splitlines()[0] == run["id"]
    assert result.stderr.rstrip().endswith("finished")
    return run
