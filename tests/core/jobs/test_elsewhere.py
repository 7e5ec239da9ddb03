"""Runs that an engine trains, with an engine that does what the test says."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import RunError
from core.files import process_lock
from core.jobs import control, launchers, recovery
from core.jobs.elsewhere import launcher_like
from core.jobs.launchers import LOCAL
from core.jobs.queue import note_job, take_queued
from core.runs import engines
from core.runs.create import create_run, write_status
from core.runs.delete import delete_run
from core.runs.engines import Answer
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState
from tests.core.conftest import TINY
from tests.core.jobs.conftest import line


class Engine:
    """Stands in for a cluster."""

    name = "slurm"

    def __init__(self) -> None:
        self.reason: str | None = None
        self.refusal: str | None = None
        self.told: list[tuple[str, str]] = []
        self.answer = Answer("no")

    def why_not(self) -> str | None:
        return self.reason

    def start(self, paths: RunPaths, data_root: Path) -> None:
        self._hear("start", paths)
        note_job(paths, str(len(self.told)))

    def stop(self, paths: RunPaths) -> None:
        self._hear("stop", paths)
        if self.answer.waits:
            self.answer = Answer("no")

    def alive(self, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
        return {paths.run_id: self.answer for paths in runs}

    def preview(self, paths: RunPaths, data_root: Path) -> str:
        return ""

    def _hear(self, what: str, paths: RunPaths) -> None:
        self.told.append((what, paths.run_id))
        if self.refusal:
            raise RunError(self.refusal)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    real = launchers.get_launcher.__wrapped__
    for module in ("core.jobs.launchers", "core.jobs.elsewhere", "core.jobs.control"):
        monkeypatch.setattr(f"{module}.get_launcher", lambda name: made if name == "slurm" else real(name))
    monkeypatch.setitem(engines._ENGINES, "slurm", made.alive)
    return made


@pytest.fixture
def run(engine: Engine, runs_root: Path, demo_root: Path, no_runner: list[Path]) -> RunPaths:
    return RunPaths(runs_root, control.start(runs_root, demo_root, TINY, launcher="slurm"))


def takes(paths: RunPaths, job: str = "1") -> None:
    """As its worker does."""
    assert take_queued(paths, {"pid": 1}, job=job)


def test_a_start_hands_the_run_over_and_no_runner_sees_it(
    engine: Engine, run: RunPaths, runs_root: Path, no_runner: list[Path]
) -> None:
    status = read_status(run)
    assert (status.state, status.launcher, status.job) == ("queued", "slurm", "1")
    assert engine.told == [("start", run.run_id)]
    assert no_runner == [] and line(runs_root) == []


def test_what_cannot_be_started_leaves_nothing(
    engine: Engine, runs_root: Path, demo_root: Path, no_runner: list[Path]
) -> None:
    engine.reason = "No controller."
    with pytest.raises(RunError, match=r"^No controller.$"):
        control.start(runs_root, demo_root, TINY, launcher="slurm")
    assert engine.told == []
    engine.reason, engine.refusal = None, "Slurm refused: no such partition."
    with pytest.raises(RunError, match=r"^Slurm refused: no such partition.$"):
        control.start(runs_root, demo_root, TINY, launcher="slurm")
    assert len(engine.told) == 1 and list_runs(runs_root) == []


def test_a_run_that_was_taken_although_the_answer_was_lost_stays(
    engine: Engine, runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(paths: RunPaths, data_root: Path) -> None:
        takes(paths)
        lock.append(process_lock(paths.alive_lock))
        lock[0].acquire()
        raise RunError("Slurm's controller doesn't answer.")

    lock: list[FileLock] = []
    monkeypatch.setattr(engine, "start", silent)
    with pytest.raises(RunError):
        control.start(runs_root, demo_root, TINY, launcher="slurm")
    assert [run.state for run in list_runs(runs_root)] == [RunState.RUNNING]


def test_the_same_job_takes_its_run_again_and_no_other_does(run: RunPaths) -> None:
    assert take_queued(run, {}) is None, "a worker of this machine"
    assert take_queued(run, {}, job="7") is None, "another job"
    takes(run)
    interrupted = {"state": "running", "error": "Interrupted.", "ended_at": read_status(run).created_at}
    write_status(run, read_status(run).model_copy(update=interrupted))
    assert take_queued(run, {}, job="7") is None
    taken = take_queued(run, {}, job="1")
    assert taken and (taken.state, taken.error, taken.ended_at, taken.job) == ("running", None, None, "1")
    write_status(run, taken.model_copy(update={"state": "finished"}))
    assert take_queued(run, {}, job="1") is None, "there is nothing more to do"


def test_a_job_takes_a_run_before_its_number_is_known_but_none_of_this_machine(runs_root: Path) -> None:
    assert take_queued(create_run(runs_root, TINY, launcher="slurm"), {}, job="5")
    assert take_queued(create_run(runs_root, TINY), {}, job="5") is None


def test_a_run_that_waits_is_stopped_at_once(engine: Engine, run: RunPaths, runs_root: Path) -> None:
    control.stop(runs_root, run.run_id)
    assert engine.told[1:] == [("stop", run.run_id)]
    status = read_status(run)
    assert (status.state, status.error) == ("stopped", None) and status.ended_at
    assert not run.stop_request.exists()
    assert take_queued(run, {}, job="1") is None, "nor does a worker that was on its way"
    control.stop(runs_root, run.run_id)
    assert len(engine.told) == 2, "a second stop is harmless"


def test_a_run_that_trains_writes_itself_that_it_was_stopped(engine: Engine, run: RunPaths, runs_root: Path) -> None:
    takes(run)
    engine.answer = Answer("yes")
    with process_lock(run.alive_lock):
        control.stop(runs_root, run.run_id)
        assert read_status(run).state == "running" and run.stop_request.exists()
        engine.answer = Answer("no")
        control.stop(runs_root, run.run_id)
        assert read_status(run).state == "running", "as long as its process lives"


def test_a_run_that_waits_to_be_started_again_is_stopped_at_once(
    engine: Engine, run: RunPaths, runs_root: Path
) -> None:
    takes(run)
    write_status(run, read_status(run).model_copy(update={"error": "Interrupted."}))
    engine.answer = Answer("yes", waits=True, text="It starts again within minutes.")
    found = read_run(runs_root, run.run_id)
    assert (found.state, found.problem) == (RunState.QUEUED, "It starts again within minutes.")
    control.stop(runs_root, run.run_id)
    status = read_status(run)
    assert (status.state, status.error) == ("stopped", None) and not run.stop_request.exists()


def test_a_stop_that_the_engine_does_not_hear_is_told_and_still_reaches_the_worker(
    engine: Engine, run: RunPaths, runs_root: Path
) -> None:
    takes(run)
    engine.refusal = "Slurm's controller doesn't answer."
    with process_lock(run.alive_lock):
        with pytest.raises(RunError) as refused:
            control.stop(runs_root, run.run_id)
        assert run.stop_request.exists()
    assert str(refused.value) == (
        "Slurm's controller doesn't answer. If Slurm is gone for good, force-stop the run: "
        f"python -m core runs stop {run.run_id} --now"
    )


@pytest.mark.parametrize("launcher", ["slurm", "pbs"], ids=["gone", "of another version"])
@pytest.mark.parametrize("state", ["queued", "running", "lost"])
def test_a_run_of_an_engine_that_is_gone_is_force_stopped_and_can_be_deleted_or_resumed_here(
    engine: Engine,
    run: RunPaths,
    runs_root: Path,
    demo_root: Path,
    state: str,
    launcher: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.runs.liveness.is_local", lambda _: False)
    engine.refusal, engine.answer = "Slurm isn't available here: scancel can't be run.", Answer("unknown")
    if state != "queued":
        assert take_queued(run, {"pid": 1, "host": "node-1", "boot_id": "of node-1"}, job="1")
    write_status(run, read_status(run).model_copy(update={"launcher": launcher}))
    if state == "lost":
        os.utime(run.status, (0, 0))
    assert read_run(runs_root, run.run_id).state == state
    run.alive_lock.touch()
    lock = run.alive_lock.stat().st_ino
    with pytest.raises(RunError, match=r"before deleting"):
        delete_run(runs_root, run.run_id)
    with pytest.raises(RunError, match=rf"force-stop the run: python -m core runs stop {run.run_id} --now$"):
        control.stop(runs_root, run.run_id)
    control.stop_now(runs_root, run.run_id)
    found = read_run(runs_root, run.run_id)
    title = "Slurm" if launcher == "slurm" else "pbs"
    assert (found.state, found.problem) == (
        RunState.STOPPED,
        f"Force-stopped by user while {title} couldn't be told. A job of it may still be there, but trains nothing. "
        "Resume continues from the last checkpoint.",
    )
    assert run.alive_lock.stat().st_ino != lock, "a worker that lives on notices"
    assert take_queued(run, {}, job="1") is None, "and one that comes late gets nothing"
    assert not run.stop_request.exists()
    control.stop_now(runs_root, run.run_id)  # twice is harmless
    control.resume(runs_root, demo_root, run.run_id, launcher=LOCAL)
    assert line(runs_root) == [run.run_id]
    control.stop(runs_root, run.run_id)
    delete_run(runs_root, run.run_id)
    assert list_runs(runs_root) == []


def test_a_run_that_ends_by_itself_while_its_engine_is_silent_stays_as_it_ended(
    engine: Engine, run: RunPaths, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(paths: RunPaths) -> None:
        write_status(paths, read_status(paths).model_copy(update={"state": "finished"}))
        raise RunError("Slurm's controller doesn't answer.")

    takes(run)
    engine.answer = Answer("yes")
    monkeypatch.setattr(engine, "stop", silent)
    control.stop_now(runs_root, run.run_id)
    assert (read_status(run).state, read_status(run).error) == ("finished", None)


def test_a_resume_goes_back_to_the_engine(engine: Engine, run: RunPaths, runs_root: Path, demo_root: Path) -> None:
    control.stop(runs_root, run.run_id)
    control.resume(runs_root, demo_root, run.run_id)
    assert [what for what, _ in engine.told] == ["start", "stop", "start"]
    assert (read_status(run).state, read_status(run).job) == ("queued", "3")


def test_a_resume_may_go_to_this_machine(
    engine: Engine, run: RunPaths, runs_root: Path, demo_root: Path, no_runner: list[Path]
) -> None:
    control.stop(runs_root, run.run_id)
    control.resume(runs_root, demo_root, run.run_id, launcher=LOCAL)
    status = read_status(run)
    assert (status.state, status.launcher, status.job) == ("queued", LOCAL, None)
    assert line(runs_root) == [run.run_id] and no_runner == [runs_root]
    assert take_queued(run, {}, job="1") is None, "the old job has nothing to do with it any more"


@pytest.mark.parametrize("before", ["stopped", "failed"])
def test_a_resume_that_is_refused_leaves_the_run_as_it_was(
    engine: Engine, run: RunPaths, runs_root: Path, demo_root: Path, before: str
) -> None:
    ended = {"state": before, "error": "Why.", "job": "1"}
    write_status(run, read_status(run).model_copy(update=ended))
    status = read_status(run)
    engine.refusal = "Slurm refused: it is full."
    with pytest.raises(RunError, match=r"^Slurm refused: it is full.$"):
        control.resume(runs_root, demo_root, run.run_id)
    assert read_status(run) == status
    engine.reason = "No controller."
    with pytest.raises(RunError, match=r"^No controller.$"):
        control.resume(runs_root, demo_root, run.run_id)
    assert read_status(run) == status


def test_a_run_like_another_is_trained_where_that_one_was_if_that_is_possible(engine: Engine, run: RunPaths) -> None:
    found = read_run(run.root, run.run_id)
    assert launcher_like(found) == "slurm"
    engine.reason = "No controller."
    assert launcher_like(found) == LOCAL


def test_no_recovery_submits_what_somebody_has_cancelled(engine: Engine, run: RunPaths, runs_root: Path) -> None:
    engine.answer = Answer("no", text="Cancelled outside.")
    takes(run)
    [found] = list_runs(runs_root)
    assert (found.state, found.problem) == (RunState.CRASHED, "Cancelled outside.")
    assert recovery.interrupted_runs([found]) == recovery.interrupted_without_checkpoint([found]) == []
    assert recovery.recover(runs_root, runs_root) == [] and read_status(run).state == "running"
