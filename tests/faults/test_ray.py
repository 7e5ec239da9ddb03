"""Runs on a real Ray cluster: a head and a second node on loopback, each with one CPU and one GPU that is none, and a
token. Jobs are stopped from here and outside, a worker is killed, and the head goes down and comes back."""

import importlib.util
import inspect
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import methodcaller
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.bench.sandbox import difference
from core.bench.server import free_port
from core.errors import RunError
from core.files import lock_is_held
from core.jobs import control
from core.jobs.launchers import get_launcher, ray, register_launchers
from core.jobs.launchers.ray_head import RayHead
from core.runs.engines import Answer
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState
from tests import ray_stand_in
from tests.conftest import wait_for
from tests.core.conftest import ENDLESS, TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray isn't installed: pip install -r requirements-ray.txt"
    ),
]

PATIENCE = 240
"""Seconds for anything of a cluster of some twenty processes on two busy cores."""
LONG = TINY.model_copy(update={"epochs": 30, "images_per_epoch": 96})
"""Some ten seconds of training, so that it can be disturbed in the middle."""

RAY_ON_LOOPBACK = """
from ray._private import ray_constants, services
services.get_node_ip_address = lambda address=None: "127.0.0.1"
ray_constants.ENABLE_RAY_CLUSTER = True  # this process may start a second node all the same
from ray.scripts.scripts import main
main()
"""
"""The command `ray`. With the setting for systems on which Ray keeps to one machine, all that it starts keeps to
loopback; else it puts an address that others can reach in the place of 127.0.0.1."""


class Cluster:
    """Two nodes of `ray start`, each with all that belongs to it."""

    def __init__(self, *, token: str | None) -> None:
        self.token = token
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets in it allow for no long path
        self.port, self.dashboard_port = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.dashboard_port}"
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def start_head(self) -> None:
        """Start the node that everything is asked of."""
        dashboard = ["--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard_port}"]
        head = ["--head", f"--port={self.port}", f"--ray-client-server-port={free_port()}", *dashboard]
        self._start("head", [*head, f"--temp-dir={self.folder}"])
        wait_for(self._answers, PATIENCE, "the head of the cluster")

    def start_second(self) -> None:
        """Start another node, and wait until the head knows it."""
        self._start("second", [f"--address=127.0.0.1:{self.port}"])
        wait_for(lambda: b"Ray runtime started" in self._log("second").read_bytes(), PATIENCE, "the second node")

    def kill(self, name: str, *, spare: Sequence[str] = ()) -> None:
        """Kill all of a node, but not what has one of these texts in its command line."""
        for process, command in self._processes_of(name):
            with suppress(psutil.NoSuchProcess):
                if not any(text in command for text in spare):
                    process.kill()
        self.nodes.pop(name).wait()

    def stop(self) -> None:
        """Leave nothing."""
        for name in list(self.nodes):
            self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self) -> list[tuple[psutil.Process, str]]:
        """All of all nodes, with their command lines."""
        return [found for name in self.nodes for found in self._processes_of(name)]

    def _processes_of(self, name: str) -> list[tuple[psutil.Process, str]]:
        root = psutil.Process(self.nodes[name].pid)
        found = []
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found.append((process, " ".join(process.cmdline())))
        return found

    def environment(self) -> dict[str, str]:
        """What makes a node, or a client, one of this cluster."""
        own = {"RAY_AUTH_MODE": "disabled"}
        if self.token:
            own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "CUDA_"))}
        return {**inherited, **own, "HOME": str(self.folder), "OMP_NUM_THREADS": "1"}

    def _start(self, name: str, options: list[str]) -> None:
        resources = ["--num-cpus=1", "--num-gpus=1", "--object-store-memory=80000000"]
        ports = [f"--dashboard-agent-listen-port={free_port()}", f"--metrics-export-port={free_port()}"]
        command = [sys.executable, "-c", RAY_ON_LOOPBACK, "start", "--block", "--disable-usage-stats"]
        own = {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
            "RAY_JOB_START_TIMEOUT_SECONDS": "3600",
        }
        with self._log(name).open("wb") as log:
            self.nodes[name] = subprocess.Popen(
                [*command, "--node-ip-address=127.0.0.1", *resources, *ports, *options],
                env={**self.environment(), **own},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _answers(self) -> bool:
        with suppress(RunError):
            RayHead(self.address).jobs()
            return True
        return False


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(patch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Both nodes up; this process has their token."""
    made = Cluster(token=secrets.token_hex(16))
    patch.setenv("RAY_AUTH_MODE", "token")
    patch.setenv("RAY_AUTH_TOKEN", str(made.token))
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN_PATH"):
        patch.delenv(name, raising=False)
    try:
        made.start_head()
        made.start_second()
        yield made
    finally:
        made.stop()


@pytest.fixture
def head(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RayHead]:
    """The cluster as the settings of the site name it; no job is left in it."""
    site = tmp_path / "site.toml"
    site.write_text(f'[ray]\naddress = "{cluster.address}"\ngpus = 1\ncpus = 1\n')
    monkeypatch.setenv("FER_SITE", str(site))
    ray._head_at.cache_clear()
    register_launchers()
    made = RayHead(cluster.address)
    yield made
    for job in living(made):
        made.ask(methodcaller("stop_job", job))
    wait_for(lambda: not living(made), PATIENCE, "the end of all jobs")


def living(head: RayHead) -> list[str]:
    jobs = head.jobs().items()
    found = [(run_id, number, job) for run_id, attempts in jobs for number, job in attempts.items()]
    return [f"{run_id}.{number}" for run_id, number, job in found if not job.status.is_terminal()]


def ask(paths: RunPaths) -> Answer:
    return get_launcher("ray").alive([paths])[paths.run_id]


def wait_for_job(paths: RunPaths, alive: str, what: str) -> Answer:
    wait_for(lambda: ask(paths).alive == alive, PATIENCE, f"{what} of {paths.run_id}")
    return ask(paths)


def wait_for_rows(paths: RunPaths, epochs: int) -> None:
    wait_for(lambda: len(read_rows(paths.epochs)[0]) >= epochs, PATIENCE, f"{epochs} epochs of {paths.run_id}")


def wait_for_written(paths: RunPaths, state: str) -> None:
    def is_written() -> bool:
        return read_status(paths).state == state and not lock_is_held(paths.alive_lock)

    wait_for(is_written, PATIENCE, f"{paths.run_id} being {state}")


def start(runs_root: Path, data_root: Path, config: Any) -> RunPaths:
    return RunPaths(runs_root, control.start(runs_root, data_root, config, launcher="ray"))


def caught(paths: RunPaths, data_root: Path) -> tuple[RunPaths, psutil.Process]:
    """A run that is frozen in the middle, and its process: this one, or another like it if it was too quick for us."""
    for _ in range(5):
        wait_for_rows(paths, 3)
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(read_status(paths).pid or 0))
            process.suspend()
            if len(read_rows(paths.epochs)[0]) < LONG.epochs:
                return paths, process
            process.resume()
        paths = start(paths.root, data_root, LONG)
    pytest.fail("each run was at its end before it could be frozen")


def test_the_stand_in_of_other_tests_is_like_ray(cluster: Cluster, head: RayHead) -> None:
    from ray import exceptions, job_submission

    stand_in = set(ray_stand_in.JobDetails.__dataclass_fields__)
    assert stand_in == set(job_submission.JobDetails.model_fields)
    real, made = job_submission.JobStatus, ray_stand_in.JobStatus
    assert {each.value: each.is_terminal() for each in real} == {each.value: each.is_terminal() for each in made}
    assert issubclass(exceptions.AuthenticationError, Exception)
    assert "kwargs" in inspect.signature(job_submission.JobSubmissionClient._do_request).parameters
    assert head.ask(methodcaller("submit_job", entrypoint="true", submission_id="twice.1")) == "twice.1"
    with pytest.raises(RunError, match=r"refuses: .*submission_id twice\.1 already exists"):
        head.ask(methodcaller("submit_job", entrypoint="true", submission_id="twice.1"))


def test_the_cluster_of_these_tests_listens_on_loopback_only(cluster: Cluster) -> None:
    found = []
    for process, _ in cluster.processes():
        with suppress(psutil.NoSuchProcess):
            found += [each.laddr for each in process.net_connections("inet") if each.laddr]
    assert {port for _, port in found} >= {cluster.port, cluster.dashboard_port}
    assert {address.removeprefix("::ffff:") for address, _ in found} <= {"127.0.0.1", "::1"}


def test_without_the_token_nothing_starts(
    cluster: Cluster, head: RayHead, monkeypatch: pytest.MonkeyPatch, runs_root: Path, demo_root: Path
) -> None:
    before = head.jobs()

    def refused(words: str) -> None:
        ray._head_at.cache_clear()
        with pytest.raises(RunError, match=words) as caught:
            start(runs_root, demo_root, TINY)
        assert "\n" not in str(caught.value)
        assert list_runs(runs_root) == []

    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    refused("refuses this token")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(runs_root))
    refused("Ray needs a token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", str(cluster.token))
    monkeypatch.delenv("RAY_AUTH_MODE")
    refused("Ray needs a token")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert head.jobs() == before


def test_a_cluster_that_is_open_to_everybody_is_refused(cluster: Cluster, demo_root: Path) -> None:
    is_open = Cluster(token=None)
    try:
        is_open.start_head()
        head = RayHead(is_open.address)
        assert "runs commands for anybody" in str(head.trouble())
        assert RayHead(cluster.address).trouble() is None
    finally:
        is_open.stop()


def test_six_runs_over_two_nodes(cluster: Cluster, head: RayHead, runs_root: Path, demo_root: Path) -> None:
    stopped, cancelled = (start(runs_root, demo_root, ENDLESS) for _ in range(2))
    for paths in (stopped, cancelled):
        wait_for_rows(paths, 1)
    nodes = {head.jobs()[paths.run_id][1].driver_node_id for paths in (stopped, cancelled)}
    assert len(nodes) == 2
    assert read_status(stopped).slot == "gpu-ray", "it has the GPU of its node"

    killed, whole, other, waiting = (start(runs_root, demo_root, config) for config in (LONG, LONG, TINY, TINY))
    for paths in (killed, whole, other, waiting):
        wait_for(lambda paths=paths: ask(paths).alive == "yes", PATIENCE, f"the job of {paths.run_id}")
        assert ask(paths).waits
        assert read_run(runs_root, paths.run_id).state is RunState.QUEUED
    control.stop(runs_root, waiting.run_id)
    assert read_run(runs_root, waiting.run_id).state is RunState.STOPPED, "at once"

    control.stop(runs_root, stopped.run_id)
    wait_for_written(stopped, "stopped")
    assert read_run(runs_root, stopped.run_id).problem is None
    tool = [sys.executable, "-m", "ray.scripts.scripts", "job", "stop", "--no-wait", f"{cancelled.run_id}.1"]
    environment = {**cluster.environment(), "RAY_ADDRESS": cluster.address}
    subprocess.run(tool, env=environment, check=True, capture_output=True, timeout=PATIENCE)
    assert "stopped outside" in wait_for_job(cancelled, "no", "the end").text
    wait_for_written(cancelled, "running")
    run = read_run(runs_root, cancelled.run_id)
    assert run.state is RunState.CRASHED
    assert "Interrupted by Ray" in str(run.problem)
    for paths in (stopped, cancelled):
        assert paths.checkpoint.exists()

    killed, process = caught(killed, demo_root)
    process.kill()
    assert "has failed" in wait_for_job(killed, "no", "the end").text
    assert read_run(runs_root, killed.run_id).state is RunState.CRASHED
    control.resume(runs_root, demo_root, killed.run_id)
    for paths in (killed, whole, other):
        wait_for_written(paths, "finished")
        wait_for_job(paths, "no", "the end")
    assert head.jobs()[killed.run_id].keys() == {1, 2}
    assert difference(whole, killed) is None
    assert read_run(runs_root, waiting.run_id).state is RunState.STOPPED
    assert read_rows(waiting.steps)[0] == [], "its turn came, but it was stopped"


def test_a_head_that_hangs_is_soon_given_up(cluster: Cluster, head: RayHead, runs_root: Path, demo_root: Path) -> None:
    paths = start(runs_root, demo_root, ENDLESS)
    wait_for_rows(paths, 1)
    [dashboard] = [each for each, command in cluster.processes() if "dashboard/dashboard.py" in command]
    dashboard.suspend()
    try:
        wait_for(lambda: ask(paths).alive == "unknown", PATIENCE, "the head being silent")
        assert "doesn't answer" in ask(paths).text
    finally:
        dashboard.resume()
    wait_for_job(paths, "yes", "the job")


def test_runs_of_a_head_that_is_gone_are_resumed_on_a_new_one(
    cluster: Cluster, head: RayHead, runs_root: Path, demo_root: Path
) -> None:
    whole = start(runs_root, demo_root, LONG)
    wait_for_written(whole, "finished")
    paths, _ = caught(start(runs_root, demo_root, LONG), demo_root)
    cluster.kill("head", spare=["core.worker", "kill -s 0"])  # a worker, and what Ray has there to end it
    answer = wait_for_job(paths, "unknown", "the loss")
    assert "doesn't answer" in answer.text
    with pytest.raises(RunError, match="doesn't answer"):
        start(runs_root, demo_root, TINY)
    wait_for(lambda: not lock_is_held(paths.alive_lock), PATIENCE, "the end of a worker without Ray")
    run = read_run(runs_root, paths.run_id)
    assert run.state is RunState.LOST
    assert "doesn't answer" in str(run.problem)

    cluster.kill("second")
    cluster.start_head()
    assert "no longer has its job" in wait_for_job(paths, "no", "the new head").text
    assert read_run(runs_root, paths.run_id).state is RunState.CRASHED
    wait_for(lambda: get_launcher("ray").why_not() is None, PATIENCE, "the launcher")
    assert control.recover(runs_root, demo_root) == [paths.run_id], "one action, for all that were lost"
    wait_for_written(paths, "finished")
    assert difference(whole, paths) is None
