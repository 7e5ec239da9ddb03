"""What is read once for all visitors, and what the server does when it starts."""

from pathlib import Path

import pytest

from core.jobs import control
from core.jobs.queue import queued_runs
from core.runs.reader import read_run
from dashboard.state import cache
from tests.conftest import wait_for
from tests.dashboard.conftest import Writer


def test_a_history_is_read_on_from_where_it_was(write: Writer) -> None:
    run = write("running", done=1)
    assert len(cache.history(run.paths.steps)) == 80
    run.add_epoch(2)
    assert cache.history(run.paths.steps)["step"].tolist() == list(range(1, 161))
    kept = run.paths.steps.read_bytes().splitlines(keepends=True)[:100]
    replacement = run.paths.folder / "new"
    replacement.write_bytes(b"".join(kept))
    replacement.replace(run.paths.steps)  # what a resume does
    assert len(cache.history(run.paths.steps)) == 100


@pytest.mark.parametrize(("setting", "expected"), [("", ["waiting"]), ("1", ["waiting", "crashed"])])
def test_a_server_takes_over_what_waits_and_if_told_so_what_was_interrupted(
    write: Writer,
    runs_root: Path,
    demo_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    expected: list[str],
) -> None:
    wanted: list[Path] = []
    monkeypatch.setattr(control, "ensure_runner", lambda root, _: wanted.append(root))
    monkeypatch.setenv("FER_AUTO_RECOVER", setting)
    write("queued", name="waiting")
    write("crashed", name="crashed", done=1, epochs=2)
    for _ in range(2):  # every page load
        cache.take_over(runs_root, demo_root)
    wait_for(lambda: len(wanted) > 0, 20, "a runner being asked for")
    assert [read_run(runs_root, run.id).name for run in queued_runs(runs_root)] == expected
    assert wanted == [runs_root]


def test_a_page_reads_the_runs_once(write: Writer, runs_root: Path) -> None:
    write("finished", epochs=1)
    with cache.one_look():
        first = cache.runs(runs_root)
        write("finished", epochs=1)
        assert cache.runs(runs_root) is first and len(first) == 1
    assert len(cache.runs(runs_root)) == 2
