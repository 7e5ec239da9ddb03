"""Runs as jobs of a Ray cluster, with a stand-in for Ray."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from core.config import TrainConfig
from core.errors import ConfigError, RunError
from core.jobs import recovery
from core.jobs.launchers import get_launcher, ray, ray_head, register_launchers
from core.jobs.launchers.base import Launcher
from core.jobs.queue import note_job
from core.machine import JOB_CORES_VARIABLE
from core.runs.create import create_run, write_status
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_status
from core.runs.records import RunState
from tests.ray_stand_in import StandInCluster, install

SITE = '[ray]\naddress = "http://head:8265"\ngpus = 1\ncpus = 6\nmemory = "16G"\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of the site."""
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    monkeypatch.setenv("FER_SITE", str(path))
    return path


@pytest.fixture
def cluster(site: Path, monkeypatch: pytest.MonkeyPatch) -> StandInCluster:
    """A cluster that can be used; nothing was asked of it before."""
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    ray._head_at.cache_clear()
    made = StandInCluster()
    install(monkeypatch, made)
    return made


@pytest.fixture
def paths(runs_root: Path) -> RunPaths:
    """A run that was just handed over."""
    return create_run(runs_root, TrainConfig(dataset="demo"), run_id="calm-river", launcher="ray")


def launcher() -> Launcher:
    return get_launcher("ray")


def test_a_start_submits_the_worker_with_what_the_site_gives_it(
    paths: RunPaths, cluster: StandInCluster, tmp_path: Path
) -> None:
    assert launcher().why_not() is None
    launcher().start(paths, tmp_path / "data")
    [job] = cluster.submitted
    assert job["submission_id"] == "calm-river.1"
    assert (job["entrypoint_num_gpus"], job["entrypoint_num_cpus"]) == (1, 6)
    assert job["entrypoint_memory"] == 16 * 2**30
    environment = job["runtime_env"]["env_vars"]
    assert int(environment["RAY_JOB_STOP_WAIT_TIME_S"]) >= 60, "time for a checkpoint"
    assert environment[JOB_CORES_VARIABLE] == "6"
    worker = f"{sys.executable} -m core.worker {paths.folder} --data-root {tmp_path / 'data'} --launcher ray"
    assert job["entrypoint"].endswith(f"{worker} --job calm-river.1")
    assert read_status(paths).job == "calm-river.1"


def test_every_start_is_another_attempt(paths: RunPaths, cluster: StandInCluster, tmp_path: Path) -> None:
    cluster.add("calm-river.2", "STOPPED")
    cluster.add("calm-river.10", "FAILED")
    cluster.add("calm-river-7.30", "RUNNING")  # another run
    launcher().start(paths, tmp_path)
    assert [job["submission_id"] for job in cluster.submitted] == ["calm-river.11"]


def test_the_entry_point_is_one_command_whatever_the_paths_are(
    cluster: StandInCluster, site: Path, tmp_path: Path
) -> None:
    root = tmp_path / 'it\'s $HOME; "runs"'
    root.mkdir()
    paths = create_run(root, TrainConfig(dataset="demo"), run_id="calm-river", launcher="ray")
    paths.log.write_text("before\n")
    python = tmp_path / "my python"
    python.write_text('#!/bin/sh\npwd; printf "%s\\n" "$@"; echo trouble >&2; exit 7\n')
    python.chmod(0o755)
    site.write_text(f'[ray]\naddress = "http://head:8265"\npython = "{python}"\ncontainer = "env A=1"\n')
    launcher().start(paths, root / "data")
    done = subprocess.run(cluster.submitted[0]["entrypoint"], shell=True, capture_output=True, cwd="/", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")
    project = str(Path(ray.__file__).parents[3])
    arguments = ["-m", "core.worker", str(paths.folder), "--data-root", str(root / "data"), "--launcher", "ray"]
    expected = ["before", project, *arguments, "--job", "calm-river.1", "trouble"]
    assert paths.log.read_text().splitlines() == expected


SIZES = [("", None), ("512M", 512 * 2**20), ("2T", 2 * 2**40), ("64K", 64 * 2**10), ("100", 100 * 2**20)]


@pytest.mark.parametrize(("size", "count"), SIZES, ids=[size or "none" for size, _ in SIZES])
def test_memory_is_given_in_bytes(
    size: str, count: int | None, paths: RunPaths, cluster: StandInCluster, site: Path, tmp_path: Path
) -> None:
    site.write_text(f'[ray]\naddress = "http://head:8265"\nmemory = "{size}"\n')
    launcher().start(paths, tmp_path)
    assert cluster.submitted[0]["entrypoint_memory"] == count


def test_a_preview_shows_what_is_submitted_without_the_token(
    paths: RunPaths, cluster: StandInCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "canary-7f3a")
    text = launcher().preview(paths, tmp_path)
    assert cluster.asked == []
    assert "canary" not in text
    cluster.token = "canary-7f3a"
    launcher().start(paths, tmp_path)
    lines = text.splitlines()
    assert lines[0] == "# A job for the Ray cluster at http://head:8265"
    assert [line.partition(": ")[0] for line in lines[1:]] == list(cluster.submitted[0])
    assert f"entrypoint: {cluster.submitted[0]['entrypoint']}" in lines
    assert "canary" not in repr(cluster.submitted)


def refused_without_a_trace(paths: RunPaths, cluster: StandInCluster, words: str) -> None:
    before = paths.status.read_bytes()
    with pytest.raises((RunError, ConfigError), match=words):
        launcher().start(paths, paths.root)
    assert cluster.submitted == []
    assert paths.status.read_bytes() == before


def test_without_a_token_nothing_starts(
    paths: RunPaths, cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(paths.root))
    refused_without_a_trace(paths, cluster, "Ray needs a token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    monkeypatch.delenv("RAY_AUTH_MODE")
    refused_without_a_trace(paths, cluster, "Ray needs a token")
    assert cluster.asked == []


def test_on_an_open_cluster_nothing_starts(paths: RunPaths, cluster: StandInCluster) -> None:
    assert launcher().why_not() is None
    cluster.token = None  # since then
    refused_without_a_trace(paths, cluster, "runs commands for anybody")


def test_with_another_token_nothing_starts(paths: RunPaths, cluster: StandInCluster) -> None:
    cluster.token = "another"
    refused_without_a_trace(paths, cluster, "refuses this token")


def test_a_head_that_is_gone_starts_nothing(paths: RunPaths, cluster: StandInCluster) -> None:
    cluster.trouble = requests.ConnectionError()
    refused_without_a_trace(paths, cluster, "doesn't answer")


def test_a_log_that_is_none_starts_nothing(paths: RunPaths, cluster: StandInCluster) -> None:
    os.mkfifo(paths.log)  # whose reader the job would wait for
    refused_without_a_trace(paths, cluster, "Can't write the log of run calm-river")


def test_settings_that_cannot_be_used_are_a_reason(paths: RunPaths, cluster: StandInCluster, site: Path) -> None:
    site.write_text("[ray]\ngpus = 9\n")
    refused_without_a_trace(paths, cluster, r"Can't use site\.toml")
    assert "Can't use site.toml" in str(launcher().why_not())
    answer = launcher().alive([paths])["calm-river"]
    assert (answer.alive, "Can't use site.toml" in answer.text) == ("unknown", True)


def test_without_settings_no_cluster_is_meant(cluster: StandInCluster, site: Path) -> None:
    site.unlink()
    assert "No Ray cluster is named" in str(launcher().why_not())
    assert cluster.asked == []


def test_two_who_start_it_at_once_have_one_job(
    paths: RunPaths, cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add("calm-river.1", "PENDING")
    monkeypatch.setattr("core.jobs.launchers.ray_head._by_run", lambda jobs: {})  # the other was not there yet
    refused_without_a_trace(paths, cluster, r"submission_id calm-river\.1 already exists")


ANSWERS: list[tuple[Sequence[str], str, bool, str]] = [
    (["PENDING"], "yes", True, "Waits in Ray"),
    (["RUNNING"], "yes", False, ""),
    (["FAILED", "PENDING"], "yes", True, "Waits in Ray"),
    (["PENDING", "RUNNING"], "yes", False, ""),
    (["RUNNING", "FAILED"], "yes", False, ""),
    (["STOPPED"], "no", False, "stopped outside"),
    (["STOPPED", "FAILED"], "no", False, "has failed"),
    (["SUCCEEDED"], "no", False, "has ended"),
    (["FAILED:JOB_SUPERVISOR_ACTOR_START_TIMEOUT"], "no", False, "RAY_JOB_START_TIMEOUT_SECONDS"),
    (["FAILED:JOB_SUPERVISOR_ACTOR_DIED"], "no", False, "Its node"),
    (["FAILED:JOB_ENTRYPOINT_COMMAND_ERROR"], "no", False, "has failed"),
    ([], "no", False, "no longer has its job"),
]


@pytest.mark.parametrize(("jobs", "alive", "waits", "words"), ANSWERS, ids=["+".join(each[0]) for each in ANSWERS])
def test_what_ray_s_jobs_say_about_a_run(
    jobs: Sequence[str], alive: str, waits: bool, words: str, paths: RunPaths, cluster: StandInCluster
) -> None:
    write_status(paths, read_status(paths).model_copy(update={"job": f"calm-river.{len(jobs)}"}))
    for number, job in enumerate(jobs, 1):
        status, _, error_type = job.partition(":")
        cluster.add(f"calm-river.{number}", status, error_type or None)
    answer = launcher().alive([paths])["calm-river"]
    assert (answer.alive, answer.waits) == (alive, waits)
    assert words in answer.text
    assert bool(answer.text) == bool(words)


def test_all_runs_of_a_look_are_asked_about_at_once(runs_root: Path, cluster: StandInCluster) -> None:
    runs = [RunPaths(runs_root, f"run-{number}") for number in range(50)]
    for run in runs:
        cluster.add(f"{run.run_id}.1", "RUNNING")
    answers = launcher().alive(runs)
    assert {run_id: answer.alive for run_id, answer in answers.items()} == dict.fromkeys(
        (run.run_id for run in runs), "yes"
    )
    assert cluster.listings() == 1


def test_a_head_that_is_gone_makes_nobody_dead(runs_root: Path, cluster: StandInCluster) -> None:
    cluster.trouble = requests.ConnectTimeout()
    runs = [RunPaths(runs_root, f"run-{number}") for number in range(3)]
    answers = launcher().alive(runs)
    assert {answer.alive for answer in answers.values()} == {"unknown"}
    assert all("doesn't answer" in answer.text for answer in answers.values())
    assert answers.keys() == {run.run_id for run in runs}


def test_a_run_that_is_being_submitted_is_not_dead(paths: RunPaths, cluster: StandInCluster) -> None:
    cluster.add("calm-river.1", "STOPPED")  # an attempt before
    theirs = datetime.now(UTC) - timedelta(hours=1)  # by the clock of the machine that submits it, which is wrong
    write_status(paths, read_status(paths).model_copy(update={"queued_at": theirs, "created_at": theirs}))
    answer = launcher().alive([paths])["calm-river"]
    assert (answer.alive, answer.waits) == ("yes", True)
    QueuePaths(paths.root).folder.mkdir(exist_ok=True)
    os.utime(paths.status, (0, 0))
    answer = launcher().alive([paths])["calm-river"]
    assert answer.alive == "no", "whoever submitted it is gone"
    assert answer.text.startswith("Ray no longer has its job."), "the end of the attempt before is not its own"


def test_a_job_that_is_noted_while_ray_is_asked_is_not_gone(
    paths: RunPaths, cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ray_head._by_run

    def noted_meanwhile(jobs: Sequence[Any]) -> Any:
        found = listed(jobs)
        cluster.add("calm-river.1", "PENDING")
        note_job(paths, "calm-river.1")
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(ray_head, "_by_run", noted_meanwhile)
        assert "being submitted" in launcher().alive([paths])["calm-river"].text
    assert "Waits in Ray" in launcher().alive([paths])["calm-river"].text


def test_a_stop_ends_the_living_jobs_of_a_run(paths: RunPaths, cluster: StandInCluster) -> None:
    for number, status in enumerate(("FAILED", "PENDING", "RUNNING", "STOPPED", "SUCCEEDED"), 1):
        cluster.add(f"calm-river.{number}", status)
    cluster.add("calm-river-7.1", "RUNNING")
    launcher().stop(paths)
    assert cluster.stopped == ["calm-river.2", "calm-river.3"]


def test_a_stop_is_harmless_too_late_and_says_so_where_nobody_answers(paths: RunPaths, cluster: StandInCluster) -> None:
    launcher().stop(paths)
    cluster.trouble = requests.ConnectionError()
    with pytest.raises(RunError, match="doesn't answer"):
        launcher().stop(paths)


def test_all_runs_that_went_down_with_a_cluster_are_resumed_by_one_action(
    runs_root: Path, cluster: StandInCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.engines._ENGINES", {})
    register_launchers()
    for name in ("first", "second"):
        run = create_run(runs_root, TrainConfig(dataset="demo"), run_id=name, launcher="ray")
        running = {"state": "running", "job": f"{name}.1", "boot_id": "another", "host": "node-7", "pid": 4711}
        write_status(run, read_status(run).model_copy(update=running))
    cluster.trouble = requests.ConnectionError()
    assert [run.state for run in list_runs(runs_root)] == [RunState.LOST] * 2
    assert recovery.recover(runs_root, tmp_path) == [], "nobody knows"
    cluster.trouble = None  # a new head, which has no jobs
    ray._head_at.cache_clear()
    assert [run.state for run in list_runs(runs_root)] == [RunState.CRASHED] * 2
    assert recovery.recover(runs_root, tmp_path) == ["first", "second"]
    assert [job["submission_id"] for job in cluster.submitted] == ["first.1", "second.1"]
    assert [run.state for run in list_runs(runs_root)] == [RunState.QUEUED] * 2
