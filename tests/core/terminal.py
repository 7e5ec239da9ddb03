"""`python -m core` inside the test's own process, which is also the worker of the runs it starts."""

from pathlib import Path

from typer.testing import CliRunner

from core.__main__ import app
from core.runs.paths import RunPaths
from core.worker import StopFlag, _train, work
from tests.core.training.test_loop import TINY

SETTINGS = [part for field, value in TINY.items() for part in ("--set", f"{field}={value}")]


class Terminal:
    """`python -m core` with its folders."""

    def __init__(self, runs_root: Path, data_root: Path) -> None:
        self.runs_root, self.data_root = runs_root, data_root

    def __call__(self, *words: str, data: bool = False, code: int = 0) -> str:
        roots = ["--runs-root", str(self.runs_root), *(["--data-root", str(self.data_root)] if data else [])]
        result = CliRunner().invoke(app, [*words, *roots])
        if code:
            assert getattr(result.exception, "exit_code", None) == code, (result.output, result.exception)
            return str(result.exception)
        assert result.exception is None, (result.exception, result.output)
        return result.stdout.strip()

    def train(self, run_id: str) -> RunPaths:
        """Be the worker of a run that waits."""
        paths = RunPaths(self.runs_root, run_id)
        assert work(paths, self.data_root, "cpu", StopFlag(paths), _train) == 0, paths.status.read_text()
        return paths
