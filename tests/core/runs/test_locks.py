"""Who changes a run waits for who else does."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import RunError
from core.files import lock_is_held, write_whole
from core.runs import locks
from core.runs.create import sweep_run
from core.runs.locks import replace_alive_lock, require_shared_locks
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


def test_who_holds_a_lock_file_that_was_replaced_keeps_nobody_waiting(paths: RunPaths) -> None:
    with FileLock(paths.alive_lock):
        assert lock_is_held(paths.alive_lock)
        replace_alive_lock(paths)
        assert not lock_is_held(paths.alive_lock)


@pytest.mark.parametrize("file", ["status", "checkpoint", "weights"])
def test_what_waits_for_its_rename_when_the_lock_file_is_replaced_does_not_come_any_more(
    paths: RunPaths, file: str
) -> None:
    """As of a machine that was cut off between its last look at the lock and the rename."""
    target: Path = getattr(paths, file)
    target.write_bytes(b"of the one that has taken over")
    with pytest.raises(FileNotFoundError):
        write_whole(target, lambda opened: opened.write(b"late"), check=lambda: replace_alive_lock(paths))
    assert target.read_bytes() == b"of the one that has taken over"
    assert not list(paths.folder.glob(".tmp-*"))


def test_a_folder_whose_locks_other_machines_do_not_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_shared_locks(tmp_path)
    monkeypatch.setattr(locks, "local_lock_option", lambda _: "local_lock=all")
    with pytest.raises(RunError) as refused:
        require_shared_locks(tmp_path)
    assert str(refused.value) == (
        f"Can't train in {tmp_path}: it is mounted with the option `local_lock=all`, so that other machines don't see "
        "the locks of this one. Mount it without that option, or set FER_RUNS_ROOT to a folder on another file system."
    )
