"""Runs on a real Slurm: one controller and two nodes on this machine, real workers, and what goes wrong on clusters."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.config import TrainConfig
from core.errors import RunError
from core.jobs import control
from core.jobs.launchers import get_launcher, register_launchers
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import Run, RunState
from tests.conftest import wait_for
from tests.core.conftest import ENDLESS, TINY
from tests.slurm_cluster import SlurmCluster, why_no_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SECONDS = 300
"""Patience: two workers import torch at a time, on two cores that may be busy."""
SHORT = TINY.model_copy(update={"epochs": 60})


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    if reason := why_no_cluster():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a socket has no room for the path of a test's own folder
    made = SlurmCluster(folder)
    monkeypatch.setenv("SLURM_CONF", str(made.conf))
    (folder / "site.toml").write_text("[slurm]\npartition = 'main'\ngpus = 1\ncpus = 1\ntime_limit = '1:00:00'\n")
    monkeypatch.setenv("FER_SITE", str(folder / "site.toml"))
    get_launcher.cache_clear()
    register_launchers()
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Site:
    """A runs root with a difficult name, and the runs that were started in it."""

    def __init__(self, cluster: SlurmCluster, root: Path, data_root: Path) -> None:
        self.cluster, self.data_root = cluster, data_root
        self.root = root / """it's "ours" & 100% #1 $HOME; x"""
        self.root.mkdir()

    def start(self, config: TrainConfig = SHORT) -> RunPaths:
        run_id = control.start(self.root, self.data_root, config, launcher="slurm")
        return RunPaths(self.root, run_id)

    def run(self, paths: RunPaths) -> Run:
        return read_run(self.root, paths.run_id)

    def wait_for_state(self, paths: RunPaths, *states: RunState) -> Run:
        wait_for(lambda: self.run(paths).state in states, SECONDS, f"{paths.run_id} being {' or '.join(states)}")
        return self.run(paths)

    def wait_until_it_trains(self, paths: RunPaths, epochs: int = 1) -> None:
        def trains() -> bool:
            run = self.run(paths)
            assert run.state in (RunState.QUEUED, RunState.RUNNING), (run.state, run.problem, log_of(paths))
            return len(read_rows(paths.epochs)[0]) >= epochs and paths.checkpoint.exists()

        wait_for(trains, SECONDS, f"{paths.run_id} training")

    def job(self, paths: RunPaths, field: str) -> str:
        """A field of its job, as the controller has it."""
        said = self.cluster.ask("scontrol", "show", "job", str(read_status(paths).job))
        found = re.search(rf"\b{field}=(\S*)", said)
        return found[1] if found else ""

    def wait_for_restart(self, paths: RunPaths, number: int) -> None:
        wait_for(lambda: self.job(paths, "Restarts") == str(number), SECONDS, f"restart {number} of {paths.run_id}")


def log_of(paths: RunPaths) -> str:
    return paths.log.read_text(errors="replace") if paths.log.exists() else "no log"


@pytest.fixture
def site(cluster: SlurmCluster, tmp_path: Path, demo_root: Path) -> Site:
    return Site(cluster, tmp_path, demo_root)


def test_six_runs_share_two_nodes_whatever_happens_to_them(site: Site, cluster: SlurmCluster) -> None:
    stopped, cancelled = site.start(ENDLESS), site.start(ENDLESS)
    for paths in (stopped, cancelled):
        site.wait_until_it_trains(paths)
        status = read_status(paths)
        assert (status.launcher, status.slot) == ("slurm", "gpu-slurm") and status.job
    undisturbed, killed, outage, removed = (site.start() for _ in range(4))
    for paths in (undisturbed, killed, outage, removed):
        run = site.run(paths)
        assert run.state is RunState.QUEUED and read_status(paths).slot is None
        assert run.problem and "in Slurm" in run.problem, "why it waits"

    # A person takes one out of the queue, and stops one that trains.
    control.stop(site.root, removed.run_id)
    assert site.run(removed).state is RunState.STOPPED
    control.stop(site.root, stopped.run_id)
    assert site.wait_for_state(stopped, RunState.STOPPED).problem is None
    assert stopped.checkpoint.exists() and not stopped.stop_request.exists()

    # Somebody cancels one behind our back: it ends with a checkpoint, says so, and does not come back.
    cluster.ask("scancel", str(read_status(cancelled).job))
    run = site.wait_for_state(cancelled, RunState.CRASHED)
    assert run.problem and run.problem.startswith("Interrupted by Slurm: cancelled there")
    wait_for(lambda: site.job(cancelled, "JobState") == "CANCELLED", SECONDS, "the end of its job")
    assert site.job(cancelled, "Restarts") == "0"

    # One is interrupted, as before its time limit, and then killed: both times it goes on where it was.
    site.wait_until_it_trains(killed)
    cluster.ask("scancel", "--signal=TERM", "--batch", str(read_status(killed).job))
    site.wait_for_restart(killed, 1)
    done = len(read_rows(killed.epochs)[0])
    assert done < SHORT.epochs, "it was interrupted in the middle"
    wait_for(lambda: process_of(killed) is not None, SECONDS, "the second process")
    process = process_of(killed)
    assert process
    process.kill()
    site.wait_for_restart(killed, 2)

    # The controller hangs, then crashes: nobody knows, and nothing is lost.
    launcher = get_launcher("slurm")
    cluster.freeze_controller()
    assert unknown(outage, "took longer than") and site.run(outage).state in WELL
    cluster.thaw_controller()
    wait_for(lambda: launcher.alive([outage])[outage.run_id].alive != "unknown", SECONDS, "the controller")
    site.wait_for_state(outage, RunState.RUNNING, RunState.FINISHED)
    cluster.kill_controller()
    assert unknown(outage, "Unable to contact slurm controller", "took longer than")
    assert {site.run(paths).state for paths in (undisturbed, killed, outage)} <= WELL
    before = sorted(site.root.iterdir())
    with pytest.raises(RunError, match=r"^Slurm's controller doesn't answer \(.*\)\. Try again later\.$"):
        site.start()
    assert sorted(site.root.iterdir()) == before, "no ghost"
    wait_for(lambda: site.run(outage).state is RunState.FINISHED, SECONDS, "its end without a controller")
    cluster.start_controller()

    for paths in (undisturbed, killed, outage):
        run = site.wait_for_state(paths, RunState.FINISHED)
        assert run.problem is None and len(read_rows(paths.epochs)[0]) == SHORT.epochs, log_of(paths)
        assert paths.weights.read_bytes() == undisturbed.weights.read_bytes(), "to the last bit"
    assert "interrupted" in log_of(killed) and log_of(killed).count("training cnn-model-1") == 3
    wait_for(lambda: cluster.ask("squeue", "-h") == "", SECONDS, "an empty queue")


WELL = {RunState.QUEUED, RunState.RUNNING, RunState.FINISHED}


def unknown(paths: RunPaths, *reasons: str) -> bool:
    """Whether the launcher says that it does not know, and why; what it remembers is asked anew."""
    launcher = get_launcher("slurm")
    launcher._look.forget()  # type: ignore[attr-defined]
    answer = launcher.alive([paths])[paths.run_id]
    return answer.alive == "unknown" and any(reason in answer.text for reason in reasons)


def process_of(paths: RunPaths) -> psutil.Process | None:
    """The process that trains a run, once it is in the loop again."""
    status = read_status(paths)
    if status.state != "running" or status.activity != "training" or status.pid is None or status.ended_at:
        return None
    try:
        process = psutil.Process(status.pid)
        return process if "core.worker" in process.cmdline() else None
    except psutil.Error:
        return None


def test_what_slurm_does_not_grant_is_refused_with_its_words(site: Site, cluster: SlurmCluster) -> None:
    text = "[slurm]\npartition = 'main'\ncpus = 64\n"
    Path(os.environ["FER_SITE"]).write_text(text)
    with pytest.raises(RunError, match=r"^Slurm refused: .*not available\. Check the settings in site\.toml\.$"):
        site.start()
    Path(os.environ["FER_SITE"]).write_text(text.replace("main", "gpu"))
    with pytest.raises(
        RunError, match=r"^This Slurm has no partition 'gpu'\. Set partition in site\.toml to one of main"
    ):
        site.start()
    assert list(site.root.glob("2*")) == [] and cluster.ask("squeue", "-h") == ""
