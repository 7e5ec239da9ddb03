"""One folder of runs and one of datasets for several system users, each with a umask that lets nobody else write."""

import os
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from core.config import TrainConfig
from core.data.importers.demo import import_demo
from core.data.storage import delete_dataset
from core.errors import RunError
from core.files import PROJECT_ROOT
from core.jobs import control
from core.jobs.kill import kill_worker
from core.machine import boot_id
from core.review.corrections import Correction, Corrections, save_corrections
from core.review.images import add_label_reviews
from core.review.runs import annotate
from core.runs.delete import delete_run
from core.runs.history import read_rows
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState, RunStatus
from tests.conftest import kill_processes_of, wait_for

ADA, BOB, TEAM = 4001, 4002, 4010
WORKER = "tests.faults.tiny_worker"

T = TypeVar("T")


def as_user(user: int, act: Callable[[], T]) -> T:
    """Do something as a member of the team, in a process of its own; its result, or what it raised."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([TEAM])
            os.setgid(user)
            os.setuid(user)
            os.umask(0o022)
            answer: tuple[bool, object] = True, act()
        except BaseException as error:
            answer = False, error
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        succeeded, value = pickle.load(pipe)
    os.waitpid(child, 0)
    if not succeeded:
        raise value
    return value  # type: ignore[no-any-return]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that other users may enter, unlike those of pytest."""
    if os.geteuid():
        pytest.skip("only root can be two users")
    path = Path(tempfile.mkdtemp(prefix="fer-shared-"))
    path.chmod(0o755)
    locks = path / "locks"
    locks.mkdir()
    locks.chmod(0o1777)
    monkeypatch.setenv("FER_MACHINE_LOCKS", str(locks))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)  # `serve` is the runner here
    readable = [sys.executable, str(PROJECT_ROOT / "core" / "worker.py")]
    if not as_user(ADA, lambda: all(os.access(each, os.R_OK) for each in readable)):
        pytest.skip("other users can't read this checkout or its Python")
    yield path
    kill_processes_of(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(params=[0o2775, 0o775, 0o2770], ids=["setgid", "group-writable", "closed-to-others"])
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
    entry = Correction(split="train", image="a", action="exclude", label=None, by="Ada")
    now = datetime.now(UTC)
    return Corrections(name=name, dataset="demo", data_fingerprint="x", created_at=now, entries=(entry,))


def assert_is_the_teams(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        about = path.stat()
        needed = stat.S_IRWXG if path.is_dir() else stat.S_IRGRP | stat.S_IWGRP
        assert about.st_gid == TEAM, f"{path} has group {about.st_gid}"
        assert about.st_mode & needed == needed, f"{path} has mode {stat.filemode(about.st_mode)}"
        if not root.stat().st_mode & stat.S_IROTH:
            assert not about.st_mode & stat.S_IRWXO, f"{path} has mode {stat.filemode(about.st_mode)}"


def test_whoever_starts_first_everybody_can_go_on(runs: Path) -> None:
    first, third = as_user(ADA, lambda: (start(runs, "first"), start(runs, "third")))
    second = as_user(BOB, lambda: start(runs, "second"))
    as_user(BOB, lambda: RunPaths(runs, third).stop_request.touch())
    as_user(ADA, lambda: serve(runs))
    assert {each: read_run(runs, each).state.value for each in (first, second, third)} == {
        first: "finished",
        second: "finished",
        third: "stopped",
    }
    assert_is_the_teams(runs)

    as_user(BOB, lambda: control.resume(runs, runs, third))
    as_user(ADA, lambda: control.stop(runs, third))
    as_user(BOB, lambda: control.resume(runs, runs, third))
    as_user(BOB, lambda: serve(runs))
    assert read_run(runs, third).state is RunState.FINISHED, "a worker of one in a folder of another"
    assert [row["step"] for row in read_rows(RunPaths(runs, third).steps)[0]] == [1, 2, 3, 4, 5]
    assert_is_the_teams(runs)


def test_what_people_say_of_a_run_is_everybodys(runs: Path) -> None:
    first = as_user(ADA, lambda: start(runs, "first"))
    paths = RunPaths(runs, first)
    for user, name in ((ADA, "Ada"), (BOB, "Bob"), (ADA, "Ada")):
        as_user(user, lambda name=name: annotate(paths, name, {"notes": name}, tag=[name]) and None)
        as_user(user, lambda name=name: add_label_reviews(paths, name, "test", ["a"], "ambiguous") and None)
    for user, name in ((ADA, "hers"), (BOB, "his")):
        as_user(user, lambda name=name: save_corrections(runs, correction_set(name)))
    assert_is_the_teams(runs)
    as_user(BOB, lambda: control.stop(runs, first))
    as_user(BOB, lambda: delete_run(runs, first))
    assert not paths.folder.exists()
    second = as_user(BOB, lambda: start(runs, "second"))
    as_user(ADA, lambda: control.stop(runs, second))
    as_user(ADA, lambda: delete_run(runs, second))
    assert list(QueuePaths(runs).drafts.iterdir()) == []


def test_datasets_are_everybodys(folder: Path) -> None:
    data = team_folder(folder / "data", 0o2775)
    sizes = {"train_per_class": 2, "validation_per_class": 1, "test_per_class": 1}
    for user in (ADA, BOB, ADA):
        as_user(user, lambda: import_demo(data, **sizes).name)
        assert_is_the_teams(data)
    as_user(BOB, lambda: delete_dataset(data, "demo"))
    assert [path.name for path in data.iterdir() if path.is_dir()] == []


def test_a_folder_from_before_it_was_shared_is_explained(folder: Path) -> None:
    runs = team_folder(folder / "runs", 0o2775)
    as_user(ADA, lambda: QueuePaths(runs).drafts.mkdir(parents=True))
    said = (
        rf"Permission denied\. .+ belongs to user {ADA} alone: as user {ADA}, run `chmod -R g\+rwX {runs}` to share it"
    )
    with pytest.raises(RunError, match=said):
        as_user(BOB, lambda: start(runs, "second"))
    as_user(ADA, lambda: subprocess.run(["chmod", "-R", "g+rwX", str(QueuePaths(runs).folder)], check=True) and None)
    as_user(BOB, lambda: start(runs, "second"))


def test_a_folder_that_is_not_shared_is_as_the_umask_says(folder: Path) -> None:
    for name, mode in (("own", 0o755), ("sticky", 0o1777)):
        root = folder / name
        root.mkdir()
        os.chown(root, ADA, ADA)
        root.chmod(mode)
        run_id = as_user(ADA, lambda root=root: start(root, "own"))
        for path in (RunPaths(root, run_id).folder, QueuePaths(root).folder, RunPaths(root, run_id).meta):
            assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def test_another_users_process_cannot_be_killed_and_that_is_said(folder: Path) -> None:
    runs = team_folder(folder / "runs", 0o2775)
    paths = RunPaths(runs, as_user(ADA, lambda: start(runs, "first")))
    code = "import time; print(flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code, "core.worker", str(paths.folder)]
    with subprocess.Popen(command, user=ADA, group=ADA, start_new_session=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline()
            status = RunStatus(
                created_at=datetime.now(UTC), pid=process.pid, host=os.uname().nodename, boot_id=boot_id()
            )
            with pytest.raises(
                RunError, match=r"^Process \d+ of run .* belongs to 4001, who alone can force-stop it\.$"
            ):
                as_user(BOB, lambda: kill_worker(paths, status))
            assert process.poll() is None
            assert as_user(ADA, lambda: kill_worker(paths, status))
            wait_for(lambda: process.poll() is not None, what="the end of the process")
        finally:
            process.kill()
