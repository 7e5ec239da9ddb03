"""Six runs on two nodes of a real Slurm, and what goes wrong on clusters; whoever starts and stops them."""

import re
import time
from pathlib import Path

import psutil
import pytest

from core.config import TrainConfig
from core.errors import RunError
from core.jobs import control
from core.jobs.launchers import get_launcher
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import Run, RunState
from tests.conftest import wait_for
from tests.core.conftest import ENDLESS, TINY
from tests.slurm_cluster import SlurmCluster

SECONDS = 300
"""Patience: two workers import torch at a time, on two cores that may be busy."""
SHORT = TINY.model_copy(update={"epochs": 200})
"""Some ten seconds of training, so that it can be disturbed in the middle."""
OUTAGE_SECONDS = 60
HOSTILE = """it's "ours" & 100% #1 $HOME; x"""
"""The name of a folder."""
WELL = {RunState.QUEUED, RunState.RUNNING, RunState.FINISHED}


class Site:
    """A runs root, and the runs that are started in it.

    Args:
        cluster: where they are trained.
        root: the runs root.
        data_root: where the demo data is.
    """

    def __init__(self, cluster: SlurmCluster, root: Path, data_root: Path) -> None:
        self.cluster, self.root, self.data_root = cluster, root, data_root

    def start(self, config: TrainConfig = SHORT) -> RunPaths:
        return RunPaths(self.root, control.start(self.root, self.data_root, config, launcher="slurm"))

    def stop(self, paths: RunPaths) -> None:
        control.stop(self.root, paths.run_id)

    def shows(self, paths: RunPaths, text: str) -> bool:
        """Whether people read this of a run."""
        return text in (self.run(paths).problem or "")

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


def six_runs(site: Site, cluster: SlurmCluster) -> None:
    """All that the launcher promises, once."""
    stopped, cancelled = site.start(ENDLESS), site.start(ENDLESS)
    for paths in (stopped, cancelled):
        site.wait_until_it_trains(paths)
        status = read_status(paths)
        assert (status.launcher, status.slot) == ("slurm", "gpu-slurm") and status.job
    undisturbed, killed, outage, removed = (site.start() for _ in range(4))
    for paths in (undisturbed, killed, outage, removed):
        run = site.run(paths)
        assert run.state is RunState.QUEUED and read_status(paths).slot is None
        assert site.shows(paths, "Waits in Slurm"), run.problem

    # A person takes one out of the queue, and stops one that trains.
    site.stop(removed)
    assert site.run(removed).state is RunState.STOPPED
    site.stop(stopped)
    assert site.wait_for_state(stopped, RunState.STOPPED).problem is None
    assert stopped.checkpoint.exists() and not stopped.stop_request.exists()

    # Somebody cancels one behind our back: it ends with a checkpoint, says so, and does not come back.
    cluster.ask("scancel", str(read_status(cancelled).job))
    site.wait_for_state(cancelled, RunState.CRASHED)
    assert site.shows(cancelled, "Interrupted by Slurm: cancelled there, preempted or out of time.")
    wait_for(lambda: site.job(cancelled, "JobState") == "CANCELLED", SECONDS, "the end of its job")
    assert site.job(cancelled, "Restarts") == "0"

    # One is interrupted, as before its time limit, and then killed: both times it goes on where it was.
    site.wait_until_it_trains(killed)
    cluster.ask("scancel", "--signal=TERM", "--batch", str(read_status(killed).job))
    site.wait_for_restart(killed, 1)
    done = len(read_rows(killed.epochs)[0])
    assert done < SHORT.epochs, "it was interrupted in the middle"
    gone = kill(killed, epochs=done)
    site.wait_for_restart(killed, 2)
    wait_for(lambda: process_of(killed, done) not in (None, gone), SECONDS, "the third process")

    # The controller hangs, then is stopped: nobody knows, and nothing is lost.
    launcher = get_launcher("slurm")
    cluster.freeze_controller()
    assert unknown(outage, "took longer than") and site.run(outage).state in WELL
    cluster.thaw_controller()
    wait_for(lambda: launcher.alive([outage])[outage.run_id].alive != "unknown", SECONDS, "the controller")
    site.wait_for_state(outage, RunState.RUNNING, RunState.FINISHED)
    cluster.stop_controller()
    gone_since = time.monotonic()
    assert unknown(outage, "Unable to contact slurm controller", "took longer than")
    assert {site.run(paths).state for paths in (undisturbed, outage)} <= WELL
    assert site.run(killed).state in {*WELL, RunState.LOST}, "whether it was started again, nobody can say now"
    before = sorted(site.root.iterdir())
    with pytest.raises(RunError, match=r"^Slurm's controller doesn't answer \(.*\)\. Try again later\.$"):
        control.start(site.root, site.data_root, SHORT, launcher="slurm")
    assert sorted(site.root.iterdir()) == before, "no ghost"

    def is_over() -> bool:
        assert {site.run(paths).state for paths in (undisturbed, outage)} <= WELL
        return time.monotonic() > gone_since + OUTAGE_SECONDS and site.run(outage).state is RunState.FINISHED

    wait_for(is_over, SECONDS, "a minute without a controller, in which a run comes to its end")
    cluster.start_controller()

    for paths in (undisturbed, killed, outage):
        run = site.wait_for_state(paths, RunState.FINISHED)
        assert run.problem is None and len(read_rows(paths.epochs)[0]) == SHORT.epochs, log_of(paths)
        assert paths.weights.read_bytes() == undisturbed.weights.read_bytes(), "to the last bit"
    assert "interrupted" in log_of(killed) and log_of(killed).count("training cnn-model-1") == 3
    wait_for(lambda: cluster.ask("squeue", "-h") == "", SECONDS, "an empty queue")


def unknown(paths: RunPaths, *reasons: str) -> bool:
    """Whether the launcher says that it does not know, and why; what it remembers is asked anew."""
    launcher = get_launcher("slurm")
    launcher._look.forget()  # type: ignore[attr-defined]
    answer = launcher.alive([paths])[paths.run_id]
    return answer.alive == "unknown" and any(reason in answer.text for reason in reasons)


def kill(paths: RunPaths, epochs: int) -> psutil.Process:
    """Kill the process that trains a run, as soon as more epochs are done than these; it, which is no more."""
    gone: list[psutil.Process] = []

    def is_killed() -> bool:
        assert read_status(paths).state != "finished", "it ended before it could be killed"
        process = process_of(paths, epochs)
        if process:
            process.kill()
            gone.append(process)
        return bool(gone)

    wait_for(is_killed, SECONDS, f"a process that trains {paths.run_id}")
    return gone[0]


def process_of(paths: RunPaths, epochs: int) -> psutil.Process | None:
    """The process that trains a run, once more epochs are done than these."""
    status = read_status(paths)
    if status.state != "running" or status.pid is None or status.ended_at or len(read_rows(paths.epochs)[0]) <= epochs:
        return None
    try:
        process = psutil.Process(status.pid)
        return process if "core.worker" in process.cmdline() else None
    except psutil.Error:
        return None
