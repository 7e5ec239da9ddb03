"""Runs as read from their folders: the state shown is true, and one bad folder is one explained row."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from core.bench import synthetic_records
from core.config import TrainConfig
from core.errors import RunError
from core.files import lock_is_held, write_json
from core.jobs import control
from core.machine import boot_id
from core.runs import reader as reader_module
from core.runs.create import create_run, write_meta, write_status
from core.runs.liveness import STALLED_AFTER_SECONDS
from core.runs.paths import RunPaths
from core.runs.reader import RunReader, find_run, list_runs, read_config, read_run
from core.runs.records import RunState, RunStatus
from core.runs.selection import best_run
from tests.conftest import PROJECT_ROOT, wait_for
from tests.core.runs.conftest import CONFIG, make_finished, set_status
from tests.core.runs.test_paths import BAD_IDS


@pytest.fixture
def hold() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Starts a process that takes a lock file and keeps it until it is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(lock: Path) -> "subprocess.Popen[str]":
        code = "import sys, time, filelock\nlock = filelock.FileLock(sys.argv[1]); lock.acquire(); time.sleep(100)"
        process = subprocess.Popen([sys.executable, "-c", code, str(lock)], text=True)
        started.append(process)
        wait_for(lambda: lock_is_held(lock), 20)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


# --- states


@pytest.mark.parametrize("state", ["queued", "finished", "failed", "stopped"])
def test_a_written_state_is_shown(root: Path, paths: RunPaths, state: str) -> None:
    set_status(paths, state=state, error="It broke." if state == "failed" else None)
    run = read_run(root, "a-run")
    assert run.state == state
    assert run.state.is_live == (state == "queued")
    assert run.problem == ("It broke." if state == "failed" else None)


def test_running_means_that_a_process_holds_the_lock_and_crashed_that_none_does(
    root: Path, paths: RunPaths, hold: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    worker = hold(paths.alive_lock)
    set_status(paths, state="running", heartbeat=time.monotonic(), boot_id=boot_id(), pid=worker.pid)
    assert read_run(root, "a-run").state is RunState.RUNNING
    assert read_run(root, "a-run").problem is None
    os.kill(worker.pid, signal.SIGKILL)  # and not waited for: its pid lives on as a zombie's
    wait_for(lambda: read_run(root, "a-run").state is RunState.CRASHED, 10)
    run = read_run(root, "a-run")
    assert not run.state.is_live
    assert run.problem is not None
    assert "Resume" in run.problem


@pytest.mark.parametrize("pid", [1, os.getpid(), 2**22 + 1], ids=["init", "somebody else's", "nobody's"])
def test_a_pid_proves_nothing(root: Path, paths: RunPaths, pid: int) -> None:
    set_status(paths, state="running", heartbeat=time.monotonic(), boot_id=boot_id(), pid=pid)
    assert read_run(root, "a-run").state is RunState.CRASHED


def test_a_run_from_before_a_restart_of_the_machine_has_crashed(root: Path, paths: RunPaths) -> None:
    set_status(paths, state="running", heartbeat=time.monotonic() + 1e6, boot_id="another", pid=os.getpid())
    paths.alive_lock.touch()
    assert read_run(root, "a-run").state is RunState.CRASHED


def test_a_silent_process_has_stalled(root: Path, paths: RunPaths) -> None:
    silence = STALLED_AFTER_SECONDS + 60
    set_status(paths, state="running", heartbeat=time.monotonic() - silence, boot_id=boot_id())
    with FileLock(paths.alive_lock):
        run = read_run(root, "a-run")
        assert run.state is RunState.STALLED
        assert run.state.is_live
        assert run.problem == "Stalled: no progress for 3 min (process still running)."
        set_status(paths, boot_id="another")  # of another machine: its clock says nothing here
        assert read_run(root, "a-run").state is RunState.RUNNING


def test_a_worker_that_ends_between_two_looks_has_not_crashed(
    root: Path, paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_status(paths, state="running")

    def end_and_ask(lock: Path) -> bool:
        set_status(paths, state="finished", progress=1.0)
        return False

    monkeypatch.setattr("core.runs.liveness.lock_is_held", end_and_ask)
    run = read_run(root, "a-run")
    assert run.state is RunState.FINISHED
    assert run.status.state == "finished", "the state and the status are of the same moment"
    assert run.status.progress == 1.0


# --- damage: one explained row each

STATUS: dict[str, Any] = {"state": "queued", "created_at": "2026-11-22T10:00:00Z"}


def write(name: str, content: str | bytes) -> Callable[[RunPaths], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda paths: (paths.folder / name).write_bytes(data) and None


def status_with(**fields: Any) -> Callable[[RunPaths], None]:
    return write("status.json", json.dumps(STATUS | fields))


def empty(paths: RunPaths) -> None:
    for path in paths.folder.iterdir():
        path.unlink()


def replaced_by_folder(name: str) -> Callable[[RunPaths], None]:
    def damage(paths: RunPaths) -> None:
        (paths.folder / name).unlink(missing_ok=True)
        (paths.folder / name).mkdir()

    return damage


def linked(paths: RunPaths) -> None:
    elsewhere = paths.root.parent / "elsewhere"
    shutil.move(paths.folder, elsewhere)
    paths.folder.symlink_to(elsewhere)


def linked_to_nothing(paths: RunPaths) -> None:
    linked(paths)
    shutil.rmtree(paths.root.parent / "elsewhere")


DAMAGED = {
    "empty folder": empty,
    "empty status": write("status.json", ""),
    "half a status": write("status.json", json.dumps(STATUS)[:25]),
    "binary status": write("status.json", b"\xff\x00\x93NUMPY"),
    "deep status": write("status.json", "[" * 100_000),
    "list as status": write("status.json", "[1, 2]"),
    "null as status": write("status.json", "null"),
    "no state of ours": status_with(state="sleeping"),
    "number as state": status_with(state=3),
    "text as epoch": status_with(epoch="three"),
    "list as heartbeat": status_with(heartbeat=[1]),
    "NaN as time left": write(
        "status.json", '{"state": "queued", "created_at": "2026-11-22T10:00:00Z", "eta_seconds": NaN}'
    ),
    "infinite progress": status_with(progress=1e999),
    "progress of two": status_with(progress=2),
    "time without zone": status_with(created_at="2026-11-22T10:00:00"),
    "no time at all": write("status.json", '{"state": "queued"}'),
    "status is a folder": replaced_by_folder("status.json"),
    "symbolic link": linked,
    "broken link": linked_to_nothing,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_run_is_one_explained_row_beside_the_others(
    root: Path, paths: RunPaths, damage: Callable[[RunPaths], None]
) -> None:
    good = [make_finished(root, f"good-{number}", 0.5) for number in range(2)]
    damage(paths)
    runs = {run.id: run for run in list_runs(root)}
    assert runs.keys() == {"a-run", "good-0", "good-1"}
    run = runs["a-run"]
    assert run.state is RunState.DAMAGED
    assert not run.state.is_live
    assert run.problem is not None
    assert run.problem.startswith(("Run 'a-run' ", "Can't read "))
    assert run.problem.endswith(".")
    assert "\n" not in run.problem
    assert read_run(root, "a-run").state is RunState.DAMAGED
    chosen = best_run(list(runs.values()))
    assert chosen is not None
    assert chosen.id in {each.id for each in good}


BROKEN_PARTS = {
    "half a config": ("config.json", write("config.json", '{"epochs": 2, "learn')),
    "config out of range": ("config.json", write("config.json", '{"epochs": 0}')),
    "no config": ("config.json", lambda paths: paths.config.unlink()),
    "list as meta": ("meta.json", write("meta.json", "[]")),
    "meta is a folder": ("meta.json", replaced_by_folder("meta.json")),
    "number as tags": ("meta.json", write("meta.json", '{"tags": 5}')),
    "half a summary": ("summary.json", write("summary.json", '{"best": {')),
    "list as summary": ("summary.json", write("summary.json", "[1]")),
    "list as best": ("summary.json", write("summary.json", '{"best": []}')),
    "text as accuracy": ("summary.json", write("summary.json", '{"best": {"epoch": 1, "validation_accuracy": "x"}}')),
    "number as evaluation": ("summary.json", write("summary.json", '{"evaluation": {"test": 0.6}}')),
    "NaN in the summary": ("summary.json", write("summary.json", '{"best": {}, "elapsed_seconds": NaN}')),
}


@pytest.mark.parametrize(("name", "damage"), BROKEN_PARTS.values(), ids=BROKEN_PARTS)
def test_a_damaged_part_is_named_and_the_rest_is_shown(
    root: Path, name: str, damage: Callable[[RunPaths], None]
) -> None:
    run = make_finished(root, "a-run", 0.5)
    damage(run.paths)
    [run] = list_runs(root)
    assert run.state is RunState.FINISHED
    assert run.problem is not None
    assert run.problem.startswith(f"Can't use {name}: ")
    assert re.search(
        r"file is (corrupt|missing);|this version can't use its entry '[a-z_]+';|it is not a regular file;", run.problem
    )
    assert not re.search("json_|JSON|line 1|Input|validation error|EOF", run.problem)
    assert (run.config is None) == (name == "config.json")
    best_run([run])


def test_settings_of_a_newer_version_are_named_and_a_run_with_them_is_only_shown(root: Path) -> None:
    run = make_finished(root, "a-run", 0.5)
    run.paths.config.write_text('{"epochs": 2, "not_yet_known": 1}')
    [run] = list_runs(root)
    assert run.config == TrainConfig(epochs=2)
    assert run.problem == "Made by a newer version: this one ignores the setting 'not_yet_known'."
    assert best_run([run]) is run
    write_status(run.paths, run.status.model_copy(update={"state": "stopped"}))
    for act in (control.resume, control.retry, control.reproduce):
        with pytest.raises(RunError, match=r"it was made by a newer version\. Update this one, or clone the run\."):
            act(root, root, "a-run")
    with pytest.raises(RunError, match="this version can't use its entry 'not_yet_known'"):
        read_config(run.paths)  # of the worker


def test_folders_that_are_no_runs_are_passed_over(root: Path, paths: RunPaths) -> None:
    (root / "Not A Run").mkdir()
    (root / "README.md").touch()
    (root / "a-file").touch()
    assert [run.id for run in list_runs(root)] == ["a-run"]


def test_what_the_parser_says_is_logged_once(root: Path, paths: RunPaths, caplog: pytest.LogCaptureFixture) -> None:
    paths.status.write_text("{ no")
    for _ in range(2):
        assert read_run(root, "a-run").problem == (
            "Can't read status.json of run 'a-run': file is corrupt; restore it from a backup, or delete the run."
        )
    [record] = caplog.records
    assert "status.json can't be used: 1 validation error" in record.getMessage() and "Invalid JSON" in record.message


def test_a_folder_of_runs_that_was_there_and_is_gone_is_no_first_visit(root: Path, paths: RunPaths) -> None:
    reader = RunReader(root)
    assert len(reader.list()) == 1
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(RunError, match=r"Runs folder not found: .*\. Remount or restore it"):
        reader.list()
    root.with_name("elsewhere").rename(root)
    assert len(reader.list()) == 1


def test_there_are_no_runs_where_there_is_no_folder(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "nowhere") == []
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"Can't read the runs under .*Not a directory"):
        list_runs(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's part")
def test_what_may_not_be_read_is_one_explained_row() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which other users may not enter
        os.chmod(folder, 0o755)
        root = Path(folder)
        for name in ("closed", "closed-status", "closed-lock", "open"):
            make_finished(root, name, 0.5)
        closed_lock = RunPaths(root, "closed-lock")
        set_status(closed_lock, state="running")
        closed_lock.alive_lock.touch()
        for path in (root / "closed", root / "closed-status" / "status.json", closed_lock.alive_lock):
            path.chmod(0)
        os.seteuid(65534)
        try:
            runs = {run.id: run for run in list_runs(root)}
            best = best_run(list(runs.values()))
            assert not any(run.paths.has_predictions("test") for run in runs.values())
        finally:
            os.seteuid(0)
    assert {name for name, run in runs.items() if run.state is RunState.DAMAGED} == runs.keys() - {"open"}
    assert all("Permission denied" in str(runs[name].problem) for name in runs.keys() - {"open"})
    assert best is not None
    assert best.state is RunState.FINISHED


def test_an_old_folder_without_newer_fields_stays_readable(root: Path) -> None:
    folder = root / "old-run"
    folder.mkdir(parents=True)
    (folder / "status.json").write_text('{"state": "finished", "created_at": "2020-01-01T00:00:00Z", "gone": 1}')
    (folder / "config.json").write_text('{"epochs": 3}')
    (folder / "meta.json").write_text('{"name": "Old", "colour": "blue"}')
    (folder / "summary.json").write_text('{"best": {"epoch": 2, "validation_accuracy": 0.25, "more": []}}')
    [run] = list_runs(root)
    assert run.state is RunState.FINISHED
    assert run.problem is None
    assert run.name == "Old"
    assert run.config == TrainConfig(epochs=3)
    assert (run.validation_accuracy, run.summary.last, run.metrics("test"), run.temperature) == (0.25, None, None, None)


# --- finding


@pytest.mark.parametrize("name", BAD_IDS)
def test_ids_that_could_lead_elsewhere_are_refused(root: Path, paths: RunPaths, name: str) -> None:
    with pytest.raises(RunError):
        read_run(root, name)
    if "/" not in name:
        with pytest.raises(RunError):
            find_run(root, name)


def test_a_path_that_is_no_run_is_refused(root: Path, paths: RunPaths) -> None:
    for text in ("../x", "/etc", str(root), "~nobody-of-that-name/x", "/" * 5000, "x/" * 3000):
        with pytest.raises(RunError):
            find_run(root, text)


def test_a_run_is_found_by_id_beginning_and_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run_id in ("20261122-calm-river", "20261122-calm-river-2", "20261123-wise-owl"):
        create_run(root, CONFIG, run_id=run_id)
    assert find_run(root, "20261122-calm-river").id == "20261122-calm-river", "a whole id is never ambiguous"
    assert find_run(root, "20261123").id == "20261123-wise-owl"
    assert find_run(root, str(root / "20261123-wise-owl")).id == "20261123-wise-owl"
    assert find_run(Path("elsewhere"), f"{root / '20261123-wise-owl'}/").id == "20261123-wise-owl"
    monkeypatch.chdir(root)
    assert find_run(Path("elsewhere"), "./20261123-wise-owl").id == "20261123-wise-owl"
    with pytest.raises(RunError, match=r"'20261122' matches 2 runs\. Enter more of the ID"):
        find_run(root, "20261122")
    with pytest.raises(RunError, match=r"Run “2025” not found. List all runs with `python -m core runs list`"):
        find_run(root, "2025")


def test_runs_are_listed_newest_first(root: Path) -> None:
    for year in (2022, 2024, 2023):
        paths = create_run(root, CONFIG, run_id=f"of-{year}")
        set_status(paths, created_at=datetime(year, 1, 1, tzinfo=UTC))
    assert [run.id for run in list_runs(root)] == ["of-2024", "of-2023", "of-2022"]


def test_a_second_look_reads_only_what_has_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        make_finished(root, f"run-{number}", 0.5)
    reader, read = RunReader(root), []
    first = reader.list()
    original = reader_module.read_regular
    monkeypatch.setattr(reader_module, "read_regular", lambda path: read.append(path) or original(path))
    assert reader.list() == first and read == []
    changed = RunPaths(root, "run-1")
    write_meta(changed, lambda meta: meta.model_copy(update={"name": "another"}))
    write_json(changed.summary, synthetic_records.summary(epochs_done=9))
    read.clear()
    assert {run.id: (run.name, run.summary.epochs_done) for run in reader.list()} == {
        "run-0": ("run-0", 2),
        "run-1": ("another", 9),
        "run-2": ("run-2", 2),
    }
    assert read == [changed.meta, changed.summary]
    changed.summary.write_text('{"epochs_done": ')
    assert "Can't use summary.json" in str(reader.read("run-1").problem)
    shutil.rmtree(changed.folder)
    assert [run.id for run in reader.list()] == ["run-2", "run-0"]
    with pytest.raises(RunError, match="Run “run-1” not found"):
        reader.read("run-1")


def test_a_second_look_sees_a_death_that_changed_no_file(root: Path, paths: RunPaths) -> None:
    set_status(paths, state="running", heartbeat=time.monotonic(), boot_id=boot_id())
    reader = RunReader(root)
    with FileLock(paths.alive_lock):
        assert reader.read(paths.run_id).state is RunState.RUNNING
    assert reader.read(paths.run_id).state is RunState.CRASHED
    assert reader.list()[0].state is RunState.CRASHED


# --- what people say


def test_the_list_of_runs_stays_readable_while_runs_are_made(runs_root: Path) -> None:
    code = (
        "import sys, pathlib; from core.config import TrainConfig; from core.runs.create import create_run\n"
        "for number in range(40): create_run(pathlib.Path(sys.argv[1]), TrainConfig())\n"
    )
    makers = [subprocess.Popen([sys.executable, "-c", code, str(runs_root)], cwd=PROJECT_ROOT) for _ in range(2)]
    while any(each.poll() is None for each in makers):
        assert all(run.state is RunState.QUEUED and run.problem is None for run in list_runs(runs_root))
    assert [each.returncode for each in makers] == [0, 0]
    assert len(list_runs(runs_root)) == 80


def test_the_best_accuracy_has_its_interval_where_the_number_of_images_is_known(runs_root: Path) -> None:
    run = make_finished(runs_root, "a-run", 0.6, evaluated=False)
    assert run.validation_interval == pytest.approx((0.58376, 0.61580), abs=1e-5), "Wilson's, of 2,153 of 3,589"
    summary = json.loads(run.paths.summary.read_text())
    run.paths.summary.write_text(json.dumps({**summary, "validation_images": None}))
    assert read_run(runs_root, "a-run").validation_interval is None
    assert read_run(runs_root, create_run(runs_root, CONFIG).run_id).validation_interval is None


def test_a_peak_that_is_exceeded_was_measured_on_a_busy_machine_and_says_nothing() -> None:
    status = RunStatus(created_at=datetime.now(UTC), images_per_second=200, flop_per_image=10**9)
    assert status.utilization == "0.2 TFLOP/s"
    for peak, said in ((4e11, "0.2 TFLOP/s, 50% of peak"), (2e11, "0.2 TFLOP/s, 100% of peak"), (1e11, "0.2 TFLOP/s")):
        assert status.model_copy(update={"peak_flop_per_second": peak}).utilization == said
