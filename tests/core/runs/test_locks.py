"""Who changes a run waits for who else does."""

import subprocess
import sys

import pytest
from filelock import FileLock

from core.runs.create import sweep_run
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from tests.conftest import PROJECT_ROOT


def test_sweeping_a_run_waits_for_people_who_write(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    (paths.folder / ".tmp-checkpoint.pt-x").touch()
    sweep_run(paths)
    assert not list(paths.folder.glob(".tmp-*"))
    monkeypatch.setattr("core.runs.locks.META_LOCK_SECONDS", 0.1)
    with FileLock(paths.meta_lock), pytest.raises(TimeoutError):
        sweep_run(paths)


def test_two_processes_that_change_a_run_at_once_both_get_theirs(paths: RunPaths) -> None:
    code = (
        "import sys, pathlib; from core.runs.paths import RunPaths; from core.runs.create import write_meta\n"
        "paths = RunPaths(pathlib.Path(sys.argv[1]), 'a-run')\n"
        "for number in range(15):\n"
        "    tag = f'{sys.argv[2]}-{number}'\n"
        "    write_meta(paths, lambda meta: meta.model_copy(update={'tags': [*meta.tags, tag]}))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(paths.root), name], cwd=PROJECT_ROOT) for name in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    tags = read_run(paths.root, "a-run").meta.tags
    assert sorted(tags) == sorted(f"{name}-{number}" for name in "ab" for number in range(15))
