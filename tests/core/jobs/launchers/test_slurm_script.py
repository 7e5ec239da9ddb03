"""The batch script: what it asks for, and what it does when the worker has ended. A real bash runs it, with Slurm's
commands and the worker in the hands of the test."""

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from core.errors import RunError
from core.files import PROJECT_ROOT
from core.jobs.launchers import slurm_script
from core.jobs.launchers.slurm_script import batch_script
from core.jobs.sites import SlurmSettings
from core.runs.paths import RunPaths
from tests.conftest import wait_for
from tests.fake_slurm import FakeSlurm

PLAIN = SlurmSettings(python="python3")


def options_of(script: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]


def test_every_setting_of_the_site_becomes_an_option() -> None:
    site = SlurmSettings(
        partition="gpu",
        account="vision",
        gpus=1,
        gpu_type="a100",
        cpus=6,
        memory="16G",
        time_limit="08:00:00",
        python="/venv/bin/python",
        container="apptainer exec --nv 'my image.sif'",
        options=["--qos=normal", "--comment=two words"],
        restarts=3,
    )
    script = batch_script(site, RunPaths(Path("/runs"), "a-run"), Path("/data"))
    assert script.startswith("#!/bin/bash\n#SBATCH --job-name=fer-a-run\n")
    assert options_of(script) == [
        "--job-name=fer-a-run",
        "--output=/runs/a-run/train.log",
        "--open-mode=append",
        "--requeue",
        "--signal=B:TERM@120",
        "--nodes=1",
        "--ntasks=1",
        "--partition=gpu",
        "--account=vision",
        "--gres=gpu:a100:1",
        "--cpus-per-task=6",
        "--mem=16G",
        "--time=08:00:00",
        "--qos=normal",
        '"--comment=two words"',
    ]
    worker = "apptainer exec --nv 'my image.sif' /venv/bin/python -m core.worker /runs/a-run --data-root /data"
    assert f'\n{worker} --launcher slurm --job "$SLURM_JOB_ID" &\n' in script
    assert "-lt 3 ]" in script and f"cd -- {shlex.quote(str(PROJECT_ROOT))} || exit 1" in script


def test_what_the_site_leaves_open_is_the_clusters() -> None:
    asked = options_of(batch_script(PLAIN, RunPaths(Path("/runs"), "a-run"), Path("/data")))
    assert {text.split("=")[0] for text in asked} == {
        *("--job-name", "--output", "--open-mode", "--requeue", "--signal", "--nodes", "--ntasks", "--cpus-per-task"),
    }
    assert "--gres=gpu:1" in options_of(batch_script(SlurmSettings(gpus=1), RunPaths(Path("/r"), "a"), Path("/d")))


@pytest.mark.parametrize("folder", ["a\\b", "a\nb", "a\tb"], ids=["backslash", "line-break", "tab"])
def test_a_log_that_slurm_cannot_name_is_refused(folder: str) -> None:
    with pytest.raises(RunError, match=r"^Slurm can't write to .*: use a runs folder without backslashes"):
        batch_script(PLAIN, RunPaths(Path("/runs") / folder, "a-run"), Path("/data"))


def test_percent_and_quotes_in_the_log_are_kept_from_slurm() -> None:
    script = batch_script(PLAIN, RunPaths(Path('/100% "ours" #1'), "a-run"), Path("/data"))
    assert r'#SBATCH "--output=/100%% \"ours\" #1/a-run/train.log"' in script.splitlines()


class Batch:
    """The script of a run as Slurm would run it."""

    def __init__(self, folder: Path, slurm: FakeSlurm) -> None:
        self.folder, self.slurm = folder, slurm
        self.paths = RunPaths(folder / "it's $HOME; 100%", "a-run")
        self.noted, self.environment = folder / "arguments", folder / "environment"
        self.started = folder / "started"

    def process(self, worker: str, restarts: int = 5, **variables: str) -> "subprocess.Popen[bytes]":
        """Start it.

        Args:
            worker: what the worker does, in bash.
            restarts: at most.
            variables: of its environment.
        """
        python = self.folder / "python"
        note = f"printf '%s\\0' \"$@\" > {self.noted}; env > {self.environment}; touch {self.started}"
        python.write_text(f"#!/bin/bash\n{note}\n{worker}\n")
        python.chmod(0o755)
        site = SlurmSettings(python=str(python), restarts=restarts)
        script = batch_script(site, self.paths, self.folder / "da ta")
        environment = {**os.environ, "SLURM_JOB_ID": "12", "CUDA_VISIBLE_DEVICES": "3", **variables}
        return subprocess.Popen(["bash", "-c", script], env=environment)

    def code(self, worker: str, restarts: int = 5, **variables: str) -> int:
        return self.process(worker, restarts, **variables).wait(timeout=120)

    def requeued(self) -> bool:
        return self.slurm.calls("scontrol") == [["requeue", "12"]]


@pytest.fixture
def batch(tmp_path: Path, slurm: FakeSlurm) -> Batch:
    slurm.says("squeue", "RUNNING\n")
    return Batch(tmp_path, slurm)


def test_the_worker_gets_its_run_whatever_the_folders_are_called(batch: Batch) -> None:
    assert batch.code("exit 0") == 0
    environment = dict(line.split("=", 1) for line in batch.environment.read_text().splitlines() if "=" in line)
    assert batch.noted.read_text().rstrip("\0").split("\0") == [
        *("-m", "core.worker", str(batch.paths.folder.resolve()), "--data-root", str(batch.folder / "da ta")),
        *("--launcher", "slurm", "--job", "12"),
    ]
    assert environment["PYTHONPATH"].split(":")[0] == environment["PWD"] == str(PROJECT_ROOT)
    assert (environment["PYTHONUNBUFFERED"], environment["FER_CPU_SLOTS"]) == ("1", "1")


@pytest.mark.parametrize(("given", "seen"), [({}, ""), ({"SLURM_JOB_GPUS": "3"}, "3")], ids=["none", "one"])
def test_the_worker_sees_a_gpu_only_where_slurm_has_given_one(batch: Batch, given: dict[str, str], seen: str) -> None:
    assert batch.code("exit 0", **given) == 0
    assert f"CUDA_VISIBLE_DEVICES={seen}" in batch.environment.read_text().splitlines()


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_run_that_has_ended_is_not_requeued(batch: Batch, code: int) -> None:
    assert batch.code(f"exit {code}") == code
    assert not batch.slurm.calls("scontrol")


@pytest.mark.parametrize("worker", ["exit 75", "kill -9 $$"], ids=["interrupted", "killed"])
def test_a_run_that_was_interrupted_or_killed_is_requeued(batch: Batch, worker: str) -> None:
    assert batch.code(worker) == 0
    assert batch.requeued()
    assert batch.slurm.calls("squeue") == [["--noheader", "--jobs=12", "--format=%T"]]


@pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "TIMEOUT"])
def test_a_job_that_was_cancelled_or_is_out_of_time_is_not_requeued(batch: Batch, state: str) -> None:
    batch.slurm.says("squeue", f"{state}\n")
    assert batch.code("exit 75") == 75
    assert not batch.slurm.calls("scontrol")


def test_a_run_is_not_requeued_for_ever(batch: Batch) -> None:
    assert batch.code("exit 75", restarts=2, SLURM_RESTART_COUNT="1") == 0
    assert batch.requeued()
    assert batch.code("exit 75", restarts=2, SLURM_RESTART_COUNT="2") == 75
    assert batch.requeued(), "no second time"


def test_a_controller_that_does_not_answer_is_asked_again(batch: Batch) -> None:
    batch.slurm.says("squeue", code=1, once=True)
    assert batch.code("exit 75") == 0
    assert batch.requeued() and batch.slurm.calls("sleep") == [["10"]]


def test_a_controller_that_is_down_for_long_is_given_up(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_script, "ATTEMPTS", 3)
    batch.slurm.says("squeue", code=1)
    assert batch.code("exit 75") == 75
    assert len(batch.slurm.calls("squeue")) == 3 and not batch.slurm.calls("scontrol")


def test_the_signal_before_the_time_limit_reaches_the_worker(batch: Batch) -> None:
    process = batch.process('trap "exit 75" TERM; while :; do read -t 1 <> <(:); done')
    wait_for(batch.started.exists, 60, "the worker")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    assert batch.requeued()
