"""Runs on a real Ray cluster: a head and a second node on loopback, each with one CPU and one GPU that is none, and a
token. Jobs are stopped from here and outside, a worker is killed, and the head goes down and comes back."""

import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from operator import methodcaller
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.bench.sandbox import difference
from core.errors import RunError
from core.files import lock_is_held
from core.jobs import control, recovery
from core.jobs.launchers import get_launcher, ray
from core.jobs.launchers.ray_head import RayHead
from core.runs.engines import Answer
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState
from tests import ray_stand_in
from tests.conftest import wait_for
from tests.core.conftest import ENDLESS, TINY
from tests.ray_cluster import PATIENCE, Cluster, name_in_site, running_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray isn't installed: pip install -r requirements-ray.txt"
    ),
]

LONG = TINY.model_copy(update={"epochs": 30, "images_per_epoch": 96})
"""Some ten seconds of training, so that it can be disturbed in the middle."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch, running_cluster(patch) as running:
        yield running


@pytest.fixture
def head(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RayHead]:
    """The cluster as the settings of the site name it; no job is left in it."""
    name_in_site(cluster, tmp_path / "site.toml", monkeypatch)
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
    assert recovery.recover(runs_root, demo_root) == [paths.run_id], "one action, for all that were lost"
    wait_for_written(paths, "finished")
    assert difference(whole, paths) is None
