"""This machine as one launcher among others."""

from pathlib import Path

from core.jobs.launchers.local import LocalLauncher
from core.runs.create import create_run
from core.runs.reader import read_status
from tests.core.conftest import TINY
from tests.core.jobs.conftest import line
from tests.core.jobs.conftest import no_runner as no_runner


def test_a_start_leaves_the_run_in_the_queue_and_brings_up_a_runner(runs_root: Path, no_runner: list[Path]) -> None:
    launcher, paths = LocalLauncher(), create_run(runs_root, TINY)
    assert launcher.why_not() is None
    launcher.start(paths, runs_root / "data")
    assert line(runs_root) == [paths.run_id] and no_runner == [runs_root]


def test_a_stop_takes_it_out_of_the_queue(runs_root: Path) -> None:
    paths = create_run(runs_root, TINY)
    for _ in range(2):
        LocalLauncher().stop(paths)
        assert read_status(paths).state == "stopped"


def test_the_preview_is_a_command(runs_root: Path) -> None:
    paths = create_run(runs_root / "my runs", TINY, run_id="a-run")
    said = LocalLauncher().preview(paths, Path("/data"))
    assert said == f"python -m core.worker '{runs_root}/my runs/a-run' --data-root /data\n"
