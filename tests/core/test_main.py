"""What all commands have in common: exit codes and readers that leave."""

import subprocess
import sys
from pathlib import Path

from core.config import TrainConfig
from core.runs.create import create_run
from tests.conftest import PROJECT_ROOT
from tests.core.cli.conftest import fer


def test_wrong_usage_ends_with_code_2() -> None:
    assert "No such command" in fer("fly", code=2).stderr
    assert "Missing argument" in fer("runs", "show", code=2).stderr


def test_a_reader_that_has_seen_enough_is_no_error(runs_root: Path) -> None:
    for _ in range(3):
        create_run(runs_root, TrainConfig())
    command = f"{sys.executable} -m core runs list --json --runs-root {runs_root} | head -1"
    result = subprocess.run(command, shell=True, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[\n", "")
