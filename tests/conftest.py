"""Fixtures that several test modules share."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

# One thread per test process: on two cores, threads that wait for each other cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PROJECT_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT_ROOT))

REAL_ZIP = Path(os.environ.get("FER2013_ZIP") or PROJECT_ROOT.parent / "shared" / "data" / "fer2013.zip")


LONGEST = ("browser", "faults")
"""Folders whose tests take longest: they go first, so that no process is left alone with one of them at the end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `pytest -n 2`: a process takes whole files, whose fixtures are then made once, or one `part` of a long
    test. All that drives Chromium is for one process: two browsers and two servers at once would keep a small machine
    from everything else."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.split("::")[0]
            if "[part" in nodeid:
                return nodeid
            return "browser" if "/browser/" in path else path

    config.option.loadscopereorder = False  # by the number of tests: the longest files have few
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, and say why."""
    import torch

    items.sort(key=lambda item: not {*LONGEST} & {*item.path.parts})
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))
        if item.get_closest_marker("real_data") and not REAL_ZIP.exists():
            item.add_marker(pytest.mark.skip(reason="the real FER2013 is not here; point FER2013_ZIP to fer2013.zip"))


@pytest.fixture(scope="session", autouse=True)
def _locks_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fixtures that several tests share train here; runs outside the tests do not keep them waiting, and the settings
    of this checkout have nobody told about them and offer no cluster."""
    os.environ["FER_MACHINE_LOCKS"] = str(tmp_path_factory.mktemp("locks"))
    os.environ["FER_NOTIFICATIONS"] = str(tmp_path_factory.mktemp("nobody") / "notifications.toml")
    os.environ["FER_SITE"] = str(tmp_path_factory.mktemp("nowhere") / "site.toml")


@pytest.fixture(autouse=True)
def machine_locks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slots of its own for each test, so that no run waits for one of another test."""
    folder = tmp_path_factory.mktemp("locks")
    monkeypatch.setenv("FER_MACHINE_LOCKS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _starts_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has started anything yet."""
    from core.team import limits

    monkeypatch.setattr(limits, "starts", limits.StartLimit())


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """Where a test imports to; not there yet."""
    return tmp_path / "data"


def refused(path: Path, data_root: Path, *parts: str, importer: Callable[..., object] | None = None) -> None:
    """Importing fails with one sentence that contains these parts, and leaves nothing."""
    from core.data.dataset import list_datasets
    from core.data.importers.fer2013 import import_dataset
    from core.errors import DataError

    with pytest.raises(DataError) as caught:
        (importer or partial(import_dataset, accept_differences=True))(path, data_root)
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message and message.endswith(".") and len(message) < 500
    assert list_datasets(data_root) == []


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small drawn set named `demo`; read-only for tests."""
    from core.data.importers.demo import import_demo

    root = tmp_path_factory.mktemp("data")
    import_demo(root, train_per_class=24, validation_per_class=6, test_per_class=6)
    return root


@pytest.fixture(scope="session")
def real_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the real FER2013, for tests marked `real_data`; read-only."""
    from core.data.importers.fer2013 import import_dataset

    root = tmp_path_factory.mktemp("real")
    import_dataset(REAL_ZIP, root)
    return root


@pytest.fixture
def runs_root(tmp_path: Path) -> Iterator[Path]:
    """An empty folder for runs; what still trains in it at the end of the test is killed."""
    root = tmp_path / "runs"
    root.mkdir()
    yield root
    kill_processes_of(root)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files and folders that are made safe from a power cut, in this order."""
    names: list[str] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        names.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    return names


def end_server(process: "subprocess.Popen[bytes]") -> None:
    """End a server as its service does. One that has not ended after a minute is killed.

    Raises:
        subprocess.TimeoutExpired: it had to be killed.
    """
    process.terminate()
    try:
        process.wait(60)
    finally:
        process.kill()


def kill_processes_of(root: Path) -> None:
    """Kill runners and workers whose command line names this folder."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(str(root) in part for part in command) and any(part.startswith("core.") for part in command):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture
def one_cpu() -> Iterator[Path]:
    """A control group whose processes get the time of one core, as with `docker run --cpus 1`."""
    parents = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
    group = next((each for each in parents if os.access(each, os.W_OK)), Path("/")) / f"fer-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_quota_us").write_text("100000")
        else:
            (group / "cpu.max").write_text("100000 100000")
        yield group
    except OSError as error:
        pytest.skip(f"no quota can be set here: {error}")
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text(), what="the end of the processes in the group")
        group.rmdir()


def as_in_a_terminal() -> None:
    """For `preexec_fn`: Ctrl-C and hanging up end a process. Under `nohup`, or in the background of a script, a child
    would inherit that they are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait_for(condition: Callable[[], bool], seconds: float = 60, what: str = "the condition") -> None:
    """Look every 50 ms until a condition holds; fail the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.05)
