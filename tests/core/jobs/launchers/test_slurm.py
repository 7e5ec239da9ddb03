"""Slurm as the dashboard uses it: one command per act, one look for all runs, and a sentence where it refuses."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, RunError
from core.jobs.launchers import slurm as module
from core.jobs.launchers.base import FRESH_SECONDS, SUBMITTING_SECONDS, UNASKED_SECONDS
from core.jobs.launchers.slurm import SlurmLauncher
from core.jobs.notify.events import change_of
from core.jobs.queue import note_job, requeue, take_queued
from core.runs import engines
from core.runs.create import create_run, write_status
from core.runs.engines import Answer
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import RunReader, read_status
from core.runs.records import RunState
from tests.core.conftest import TINY
from tests.fake_slurm import FakeSlurm

SILENT = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
"""As `squeue` says it."""


@pytest.fixture
def launcher(slurm: FakeSlurm) -> SlurmLauncher:
    slurm.says("sinfo", "main\nmain\nlong\n")
    slurm.says("sbatch", "12\n")
    return SlurmLauncher()


@pytest.fixture
def queued(runs_root: Path) -> RunPaths:
    return create_run(runs_root, TINY, run_id="a-run", launcher="slurm")


def site(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = folder / "site.toml"
    path.write_text(text)
    monkeypatch.setenv("FER_SITE", str(path))


def noted(paths: RunPaths, job: str) -> None:
    write_status(paths, read_status(paths).model_copy(update={"job": job}))


def long_ago(paths: RunPaths) -> None:
    """What the file server says of the time at which the run was queued; it gives all files their times."""
    QueuePaths(paths.root).folder.mkdir(exist_ok=True)
    moment = time.time() - SUBMITTING_SECONDS - 1
    os.utime(paths.status, (moment, moment))


def test_a_start_submits_the_script_that_was_shown_and_records_the_job(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path
) -> None:
    launcher.start(queued, tmp_path / "data")
    assert slurm.calls("sbatch") == [["--parsable"]]
    assert slurm.submitted == launcher.preview(queued, tmp_path / "data")
    status = read_status(queued)
    assert (status.state, status.launcher, status.job) == ("queued", "slurm", "12")


def test_the_name_of_the_cluster_is_no_part_of_the_job(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path
) -> None:
    slurm.says("sbatch", "13;north\n")
    launcher.start(queued, tmp_path)
    assert read_status(queued).job == "13"


def test_a_worker_that_is_quicker_than_the_answer_keeps_what_it_wrote(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path
) -> None:
    taken = take_queued(queued, {"slot": "cpu-slurm"}, job="12")
    launcher.start(queued, tmp_path)
    assert taken and read_status(queued) == taken


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (
            "sbatch: error: invalid partition specified: gpu\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
            "Slurm refused: invalid partition specified: gpu; Invalid partition name specified. Check the settings in "
            "site.toml.",
        ),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n",
            "Slurm's controller doesn't answer (Unable to contact slurm controller (connect failure)). Try again "
            "later.",
        ),
        (
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
            "Slurm's controller doesn't answer (Socket timed out on send/recv operation). Try again later.",
        ),
        ("", "Slurm refused: sbatch ended with code 1. Check the settings in site.toml."),
    ],
    ids=["partition", "down", "hangs", "wordless"],
)
def test_a_refusal_is_one_sentence(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path, stderr: str, said: str
) -> None:
    slurm.says("sbatch", stderr=stderr, code=1)
    before = read_status(queued)
    with pytest.raises(RunError) as refused:
        launcher.start(queued, tmp_path)
    assert str(refused.value) == said and read_status(queued) == before


def test_a_controller_that_hangs_is_not_waited_for(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUBMIT_SECONDS", 0.1)
    slurm.says("sbatch", code="hangs")
    with pytest.raises(RunError, match=r"^Slurm's controller doesn't answer \(sbatch took longer than 0 s\)"):
        launcher.start(queued, tmp_path)


def test_a_job_does_not_inherit_the_allocation_of_the_server(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "64")
    launcher.start(queued, tmp_path)
    assert "SLURM_CPUS_PER_TASK" not in slurm.environment("sbatch")
    assert {"SLURM_CONF", "PATH"} <= slurm.environment("sbatch").keys()


def test_nothing_overrules_the_script_that_was_shown_or_hides_jobs(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See the input environment variables in the manuals of the commands."""
    own = {"SBATCH_ACCOUNT", "SBATCH_TIMELIMIT", "SQUEUE_PARTITION", "SQUEUE_USERS", "SCANCEL_INTERACTIVE"}
    own |= {"SINFO_PARTITION", "SACCT_FORMAT", "SLURM_CLUSTERS"}
    for name in own:
        monkeypatch.setenv(name, "another")
    assert launcher.why_not() is None
    launcher.start(queued, tmp_path)
    launcher.alive([queued])
    launcher.stop(queued)
    for command in ("sinfo", "sbatch", "squeue", "scancel"):
        found = slurm.environment(command)
        assert own.isdisjoint(found) and found["SLURM_CONF"], command


def test_a_stop_cancels_the_job_by_its_name(launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths) -> None:
    launcher.stop(queued)
    assert slurm.calls("scancel") == [["--name=fer-a-run"]]


def test_one_look_answers_for_all_runs(launcher: SlurmLauncher, slurm: FakeSlurm, runs_root: Path) -> None:
    runs = [create_run(runs_root, TINY, run_id=f"run-{number}", launcher="slurm") for number in range(5)]
    for number, paths in enumerate(runs[:4], 1):
        noted(paths, str(number))
    slurm.says(
        "squeue", "1|RUNNING|None|fer-run-0\n2|PENDING|Priority|fer-run-1\n3|CANCELLED|None|fer-run-2\n", stderr="hm"
    )
    answers = launcher.alive(runs)
    assert slurm.calls("squeue") == [
        ["--noheader", "--states=all", "--format=%i|%T|%r|%j", "--name=" + ",".join(f"fer-run-{n}" for n in range(5))]
    ]
    assert answers == {
        "run-0": Answer("yes"),
        "run-1": Answer("yes", waits=True, text="Waits in Slurm: other jobs have a higher priority."),
        "run-2": Answer("no", text="Its Slurm job was cancelled outside the dashboard. Resume submits it again."),
        "run-3": Answer("no", text="Slurm no longer has its job. Resume submits it again."),
        "run-4": Answer("yes", waits=True, text="It is being submitted to Slurm."),
    }


def test_an_answer_holds_for_a_moment(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def looks() -> int:
        launcher.alive([queued])
        return len(slurm.calls("squeue"))

    assert (looks(), looks()) == (1, 1)
    launcher.alive([queued, RunPaths(queued.root, "another")])
    assert len(slurm.calls("squeue")) == 2, "of that one nothing was known"
    now[0] += FRESH_SECONDS
    assert looks() == 3
    launcher.start(queued, tmp_path)
    assert looks() == 4, "after a start everything is new"
    launcher.stop(queued)
    assert looks() == 5, "and after a stop"


GONE = Answer("no", text="Slurm no longer has its job. Resume submits it again.")
SUBMITTING = Answer("yes", waits=True, text="It is being submitted to Slurm.")
WAITS = Answer("yes", waits=True, text="Waits in Slurm: other jobs have a higher priority.")


@pytest.fixture
def look(launcher: SlurmLauncher, queued: RunPaths, monkeypatch: pytest.MonkeyPatch) -> Callable[[], RunState]:
    """What a page shows of the run, on a machine that shares its folder; the time stands still."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr("core.runs.liveness.is_local", lambda _: False)
    monkeypatch.setitem(engines._ENGINES, "slurm", launcher.alive)
    reader = RunReader(queued.root)

    def look() -> RunState:
        [run] = reader.list()
        change = change_of(run)
        assert change is None, "nobody is told of anything"
        return run.state

    return look


def test_a_run_is_never_lost_or_crashed_while_somebody_else_submits_it_and_a_worker_starts(
    slurm: FakeSlurm, queued: RunPaths, look: Callable[[], RunState]
) -> None:
    assert look() is RunState.QUEUED, "sbatch is under way"
    slurm.says("squeue", "124|PENDING|Priority|fer-a-run\n")
    assert look() is RunState.QUEUED
    note_job(queued, "124")
    assert look() is RunState.QUEUED, "within the seconds for which an answer holds"
    assert take_queued(queued, {"host": "node-1", "boot_id": "of node-1", "pid": 5}, job="124")
    assert look() is RunState.QUEUED, "as was said a moment ago"


def test_a_worker_that_starts_at_once_is_no_crash(
    slurm: FakeSlurm, queued: RunPaths, look: Callable[[], RunState]
) -> None:
    assert look() is RunState.QUEUED, "sbatch is under way"
    slurm.says("squeue", "124|RUNNING|None|fer-a-run\n")
    assert take_queued(queued, {"host": "node-1", "boot_id": "of node-1", "pid": 5}, job="124")
    assert look() is RunState.RUNNING


def test_a_job_that_is_noted_while_slurm_is_asked_is_not_gone(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = module._slurm

    def noted_meanwhile(*arguments: Any, **options: Any) -> str:
        said = ask(*arguments, **options)
        slurm.says("squeue", "124|PENDING|Priority|fer-a-run\n")
        note_job(queued, "124")
        return said

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(module, "_slurm", noted_meanwhile)
        assert launcher.alive([queued]) == {"a-run": SUBMITTING}
    assert launcher.alive([queued]) == {"a-run": WAITS}


def test_a_resume_within_the_minutes_for_which_slurm_remembers_the_last_job_is_not_lost(
    slurm: FakeSlurm, queued: RunPaths, look: Callable[[], RunState]
) -> None:
    write_status(queued, read_status(queued).model_copy(update={"state": "stopped", "job": "124"}))
    slurm.says("squeue", "124|CANCELLED|None|fer-a-run\n")
    requeue(queued, launcher="slurm")
    assert look() is RunState.QUEUED, "sbatch is under way"
    slurm.says("squeue", "124|CANCELLED|None|fer-a-run\n125|PENDING|Priority|fer-a-run\n")
    note_job(queued, "125")
    assert look() is RunState.QUEUED


def test_what_became_of_an_earlier_job_is_not_told_of_this_one(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths
) -> None:
    slurm.says("squeue", "124|OUT_OF_MEMORY|None|fer-a-run\n")
    long_ago(queued)
    assert launcher.alive([queued]) == {"a-run": GONE}, "whoever wanted to submit it is gone"
    noted(queued, "125")
    assert launcher.alive([queued]) == {"a-run": GONE}
    noted(queued, "124")
    said = "Slurm killed it: out of memory. Set memory in site.toml. Resume submits it again."
    assert launcher.alive([queued]) == {"a-run": Answer("no", text=said)}


@pytest.mark.parametrize("hours", [-1, 1])
def test_how_long_ago_a_run_was_queued_is_told_by_the_file_server(
    launcher: SlurmLauncher, queued: RunPaths, hours: int
) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=hours)  # the clock of the machine that submits it is wrong
    write_status(queued, read_status(queued).model_copy(update={"queued_at": theirs, "created_at": theirs}))
    QueuePaths(queued.root).folder.mkdir(exist_ok=True)
    assert launcher.alive([queued]) == {"a-run": SUBMITTING}
    long_ago(queued)
    assert launcher.alive([queued]) == {"a-run": GONE}


def test_a_job_that_is_gone_is_not_asked_for_again_and_again(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    noted(queued, "124")
    assert [launcher.alive([queued]) for _ in range(3)] == [{"a-run": GONE}] * 3
    assert len(slurm.calls("squeue")) == 1


def test_a_controller_that_is_down_makes_everything_unknown_and_is_left_in_peace(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    slurm.says("squeue", stderr=f"{SILENT}\n", code=1)
    said = "Slurm's controller doesn't answer (Unable to contact slurm controller (connect failure)). Try again later."
    for _ in range(3):
        assert launcher.alive([queued]) == {"a-run": Answer("unknown", text=said)}
    assert len(slurm.calls("squeue")) == 1
    now[0] += UNASKED_SECONDS
    slurm.says("squeue", "1|RUNNING|None|fer-a-run\n")
    assert launcher.alive([queued]) == {"a-run": Answer("yes")}


def test_very_many_runs_are_asked_for_without_their_names(launcher: SlurmLauncher, slurm: FakeSlurm) -> None:
    runs = [RunPaths(Path("/runs"), f"{number:060}") for number in range(2000)]
    slurm.says("squeue", f"1|RUNNING|None|fer-{7:060}\n")
    answers = launcher.alive(runs)
    assert slurm.calls("squeue") == [["--noheader", "--states=all", "--format=%i|%T|%r|%j"]]
    assert [run_id for run_id, answer in answers.items() if answer.alive == "yes"] == [f"{7:060}"]


def test_it_can_be_used_where_a_controller_answers(launcher: SlurmLauncher, slurm: FakeSlurm) -> None:
    assert [launcher.why_not() for _ in range(3)] == [None] * 3
    assert len(slurm.calls("sinfo")) == 1, "pages ask again and again"


def test_without_slurm_nothing_is_run(
    launcher: SlurmLauncher, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_configurations", lambda: ("/nowhere/slurm.conf",))
    said = "Slurm has no configuration on this machine. Set SLURM_CONF, or add [slurm] to site.toml."
    assert launcher.why_not() == said
    monkeypatch.setenv("PATH", str(slurm.folder.parent))
    said = "Slurm isn't available here: sbatch is not in PATH. Run the dashboard on a login node of a cluster."
    assert launcher.why_not() == said and not slurm.calls("sinfo")


def test_a_site_that_names_slurm_needs_no_configuration_where_it_usually_is(
    launcher: SlurmLauncher, slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_configurations", lambda: ("/nowhere/slurm.conf",))
    site(tmp_path, monkeypatch, "[slurm]\n")
    assert launcher.why_not() is None


def test_why_it_cannot_be_used(
    launcher: SlurmLauncher, slurm: FakeSlurm, queued: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site(tmp_path, monkeypatch, "[slurm]\npartition = 'main,gpu'\n")
    assert launcher.why_not() == "This Slurm has no partition 'gpu'. Set partition in site.toml to one of long, main."
    site(tmp_path, monkeypatch, "[slurm]\npartition = 'main'\n")
    assert launcher.why_not() is None, "another setting is asked about at once"
    site(tmp_path, monkeypatch, "[slurm]\npartitions = 'main'\n")
    assert launcher.why_not() == "Can't use site.toml: slurm.partitions is not a setting."
    with pytest.raises(ConfigError, match=r"^Can't use site.toml: slurm.partitions is not a setting.$"):
        launcher.start(queued, tmp_path)


def test_why_it_cannot_be_used_while_the_controller_is_down(launcher: SlurmLauncher, slurm: FakeSlurm) -> None:
    slurm.says("sinfo", stderr="slurm_load_partitions: Unable to contact slurm controller (connect failure)\n", code=1)
    reason = launcher.why_not()
    assert reason and reason.startswith("Slurm's controller doesn't answer (") and os.linesep not in reason
