"""What time it is where the files are: by the clock that gives them their times, whatever this machine's says."""

import os
import time
from pathlib import Path

import pytest

from core.runs.file_time import age_of, now_at
from core.runs.paths import QueuePaths, RunPaths


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_age_of_a_file_does_not_depend_on_this_machines_clock(
    paths: RunPaths, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 3600 * hours)
    os.utime(paths.status, (real - 300, real - 300))
    age = age_of(paths.status, paths.root)
    assert age is not None and 299 < age < 600  # the clock of files is some milliseconds behind


def test_nothing_is_known_where_nothing_can_be_written_or_the_file_is_from_the_future(paths: RunPaths) -> None:
    now = now_at(paths.root)
    assert now is not None
    os.utime(paths.status, (now + 3600, now + 3600))
    assert age_of(paths.status, paths.root) is None
    assert age_of(paths.root / "gone", paths.root) is None
    clock = QueuePaths(paths.root).clock
    clock.unlink()
    clock.mkdir()
    assert now_at(paths.root) is None and age_of(paths.config, paths.root) is None


def test_a_folder_without_a_queue_is_left_as_it_is(tmp_path: Path) -> None:
    assert now_at(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
