"""One folder of runs and one of datasets for several system users, each with a umask that lets nobody else write."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.data.importers.demo import import_demo
from core.data.storage import delete_dataset
from core.errors import RunError
from core.files import PROJECT_ROOT
from core.jobs import control
from core.jobs.kill import kill_worker
from core.machine import boot_id
from core.processes import reap
from core.review.corrections import Correction, Corrections, save_corrections
from core.review.images import add_label_reviews
from core.review.runs import annotate
from core.runs.delete import delete_run
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState, RunStatus
from tests.conftest import kill_processes_of
from tests.faults.colleague import TEAM, Colleague, why_not

WORKER = "tests.faults.tiny_worker"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that other users may enter, unlike those of pytest."""
    if reason := why_not():
        pytest.skip(reason)
    path = Path(tempfile.mkdtemp(prefix="fer-shared-"))
    path.chmod(0o755)
    locks = path / "locks"
    locks.mkdir()
    locks.chmod(0o1777)
    monkeypatch.setenv("FER_MACHINE_LOCKS", str(locks))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    yield path
    kill_processes_of(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def ada(folder: Path) -> Iterator[Colleague]:
    colleague = Colleague(4001)
    yield colleague
    colleague.leave()


@pytest.fixture
def bob(folder: Path) -> Iterator[Colleague]:
    colleague = Colleague(4002)
    yield colleague
    colleague.leave()


MODES = [
    pytest.param(0o2775, id="setgid"),
    pytest.param(0o775, id="group-writable", marks=pytest.mark.slow),
    pytest.param(0o2770, id="closed-to-others", marks=pytest.mark.slow),
]


@pytest.fixture(params=MODES)
def runs(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A folder of runs that belongs to the team."""
    return team_folder(folder / "runs", request.param)


def team_folder(path: Path, mode: int) -> Path:
    path.mkdir()
    os.chown(path, 0, TEAM)
    path.chmod(mode)
    return path


def start(runs: Path, name: str) -> str:
    return control.start(runs, runs, TrainConfig(), name=name)


def serve(runs: Path) -> None:
    """A runner and its workers, until nothing is queued."""
    roots = ["--runs-root", str(runs), "--data-root", str(runs), "--worker", WORKER]
    subprocess.run([sys.executable, "-m", "core.jobs.runner", *roots], cwd=PROJECT_ROOT, check=True, timeout=120)


def correction_set(name: str) -> Corrections:
    entry = Correction(split="train", image="a", action="exclude", by="Ada")
    now = datetime.now(UTC)
    return Corrections(name=name, dataset="demo", data_fingerprint="x", created_at=now, entries=(entry,))


def assert_is_the_teams(root: Path) -> None:
    """Whatever is there can be read and written by its group, and by nobody else where that is not let in."""
    for path in (root, *root.rglob("*")):
        about = path.stat()
        needed = stat.S_IRWXG if path.is_dir() else stat.S_IRGRP | stat.S_IWGRP
        assert about.st_gid == TEAM, f"{path} has group {about.st_gid}"
        assert about.st_mode & needed == needed, f"{path} has mode {stat.filemode(about.st_mode)}"
        if not root.stat().st_mode & stat.S_IROTH:
            assert not about.st_mode & stat.S_IRWXO, f"{path} has mode {stat.filemode(about.st_mode)}"


def test_whoever_starts_first_everybody_can_go_on(runs: Path, ada: Colleague, bob: Colleague) -> None:
    first, third, second = ada(start, runs, "first"), ada(start, runs, "third"), bob(start, runs, "second")
    RunPaths(runs, third).stop_request.touch()
    ada(serve, runs)
    states = {each: read_run(runs, each).state for each in (first, second, third)}
    assert states == {first: RunState.FINISHED, second: RunState.FINISHED, third: RunState.STOPPED}
    assert_is_the_teams(runs)

    bob(control.resume, runs, runs, third)
    ada(control.stop, runs, third)
    bob(control.resume, runs, runs, third)
    bob(serve, runs)
    assert read_run(runs, third).state is RunState.FINISHED, "a worker of one in a folder of another"
    assert [row["step"] for row in read_rows(RunPaths(runs, third).steps)[0]] == [1, 2, 3, 4, 5]
    assert_is_the_teams(runs)


def test_what_people_say_of_a_run_is_everybodys(runs: Path, ada: Colleague, bob: Colleague) -> None:
    first = ada(start, runs, "first")
    paths = RunPaths(runs, first)
    for user, name in ((ada, "Ada"), (bob, "Bob"), (ada, "Ada")):
        user(annotate, paths, name, {"notes": name}, tag=[name])
        user(add_label_reviews, paths, name, "test", ["a"], "ambiguous")
    for user, name in ((ada, "hers"), (bob, "his")):
        user(save_corrections, runs, correction_set(name))
    assert_is_the_teams(runs)
    bob(control.stop, runs, first)
    bob(delete_run, runs, first)
    assert not paths.folder.exists()
    second = bob(start, runs, "second")
    ada(control.stop, runs, second)
    ada(delete_run, runs, second)
    assert list(QueuePaths(runs).drafts.iterdir()) == []


def test_datasets_are_everybodys(folder: Path, ada: Colleague, bob: Colleague) -> None:
    data = team_folder(folder / "data", 0o2775)
    for user in (ada, bob, ada):
        user(import_demo, data, train_per_class=2, validation_per_class=1, test_per_class=1)
        assert_is_the_teams(data)
    bob(delete_dataset, data, "demo")
    assert [path.name for path in data.iterdir() if path.is_dir()] == []


def test_a_folder_from_before_it_was_shared_is_explained(folder: Path, ada: Colleague, bob: Colleague) -> None:
    runs = team_folder(folder / "runs", 0o2775)
    ada(os.makedirs, QueuePaths(runs).drafts)
    said = rf"\.queue belongs to user 4001 alone: as user 4001, run `chmod -R g\+rwX {runs}` to share it\.$"
    with pytest.raises(RunError, match=said):
        bob(start, runs, "second")
    ada(subprocess.check_call, ["chmod", "-R", "g+rwX", str(QueuePaths(runs).folder)])
    bob(start, runs, "second")


@pytest.mark.parametrize("mode", [0o755, 0o1777], ids=["own", "sticky"])
def test_a_folder_that_is_not_shared_is_as_the_umask_says(mode: int, folder: Path, ada: Colleague) -> None:
    root = folder / "runs"
    root.mkdir()
    os.chown(root, ada.user, ada.user)
    root.chmod(mode)
    paths = RunPaths(root, ada(start, root, "own"))
    for path in (paths.folder, QueuePaths(root).folder, paths.meta):
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def test_another_users_process_cannot_be_killed_and_that_is_said(folder: Path, ada: Colleague, bob: Colleague) -> None:
    runs = team_folder(folder / "runs", 0o2775)
    paths = RunPaths(runs, ada(start, runs, "first"))
    code = "import time; print(flush=True); time.sleep(600)"
    command = ada.command(sys.executable, "-c", code, "core.worker", str(paths.folder))
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline()
            about = {"pid": process.pid, "host": os.uname().nodename, "boot_id": boot_id()}
            status = RunStatus(created_at=datetime.now(UTC), **about)
            with pytest.raises(RunError, match=r"^Process \d+ of run .* belongs to 4001, who alone can force-stop it"):
                bob(kill_worker, paths, status)
            assert process.poll() is None
            reap(process)
            assert ada(kill_worker, paths, status)
        finally:
            process.kill()
