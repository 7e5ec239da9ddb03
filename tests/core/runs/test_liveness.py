"""Runs of other machines in a folder that machines share: running, lost, back again, and crashed only if that is
certain, whatever the clocks of the machines say."""

import json
import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from core.machine import boot_id, host_name
from core.runs import engines, liveness
from core.runs.create import create_run, write_status
from core.runs.engines import Answer
from core.runs.liveness import DIED, LEASE_SECONDS
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import RunReader, read_run, read_status
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT
from tests.core.runs.conftest import CONFIG, set_status

HOUR = 3600.0
ELSEWHERE = {"state": "running", "host": "node-2", "boot_id": "of node-2", "pid": 42}


class Clock:
    """The monotonic clock of the reader's machine."""

    def __init__(self) -> None:
        self.now = 50_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The reader's, on a machine of which other ones share the folder."""
    made = Clock()
    monkeypatch.setattr(liveness, "monotonic", made)
    monkeypatch.setattr(liveness, "is_local", lambda _: False)
    return made


@pytest.fixture
def shared(root: Path, paths: RunPaths, clock: Clock) -> RunPaths:
    """A run of another machine that was just taken there."""
    QueuePaths(root).folder.mkdir(exist_ok=True)
    set_status(paths, **ELSEWHERE)
    return paths


def renew(paths: RunPaths, *, skew: float = 0.0) -> None:
    """As its process does every few seconds, on a machine whose clock is wrong by so many seconds."""
    status = read_status(paths)
    now = datetime.now(UTC) + timedelta(seconds=skew)
    lease = {"lease_at": now, "lease_sequence": status.lease_sequence + 1}
    write_status(paths, status.model_copy(update=lease))


def written(paths: RunPaths, seconds_ago: float) -> None:
    """What the file server says of `status.json`; it gives all files their times."""
    moment = time.time() - seconds_ago
    os.utime(paths.status, (moment, moment))


skews = pytest.mark.parametrize("skew", [-HOUR, 0.0, HOUR], ids=["an hour behind", "right", "an hour ahead"])


@skews
@pytest.mark.parametrize("whose", ["worker", "reader"])
def test_a_run_elsewhere_is_running_then_lost_then_back_again(
    shared: RunPaths, clock: Clock, skew: float, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = skew if whose == "worker" else 0.0
    if whose == "reader":
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + skew)
    renew(shared, skew=theirs)
    reader = RunReader(shared.root)

    def look(seconds_later: float) -> RunState:
        clock.now += seconds_later
        return reader.list()[0].state

    assert look(0) is RunState.RUNNING
    renew(shared, skew=theirs)
    assert look(1) is RunState.RUNNING
    assert look(LEASE_SECONDS - 10) is RunState.RUNNING, "it may be late"
    assert look(30) is RunState.LOST
    assert look(10 * HOUR) is RunState.LOST, "and never crashed"
    lost = reader.read(shared.run_id)
    assert lost.state.is_live and lost.state.is_resumable
    assert lost.problem == (
        "No sign of life from node-2 for 10 h: it may still train there, or not. If it does not train any more, "
        "resume it from its last checkpoint."
    )
    renew(shared, skew=theirs)
    assert look(1) is RunState.RUNNING
    assert look(LEASE_SECONDS - 10) is RunState.RUNNING
    renew(shared, skew=theirs)
    assert look(LEASE_SECONDS - 10) is RunState.RUNNING
    assert look(LEASE_SECONDS + 1) is RunState.LOST


@skews
def test_who_looks_once_goes_by_the_file_servers_clock(
    shared: RunPaths, skew: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew(shared, skew=skew)
    assert read_run(shared.root, shared.run_id).state is RunState.RUNNING
    written(shared, LEASE_SECONDS + 60)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    run = read_run(shared.root, shared.run_id)
    assert run.state is RunState.LOST
    assert re.match(r"No sign of life from node-2 for \d+ min: it may still train there", str(run.problem))


def test_a_look_after_a_long_pause_is_a_first_one(shared: RunPaths, clock: Clock) -> None:
    """The lease was renewed meanwhile, but perhaps not of late."""
    reader = RunReader(shared.root)
    assert reader.read(shared.run_id).state is RunState.RUNNING
    renew(shared)
    written(shared, 10 * LEASE_SECONDS)
    clock.now += 20 * LEASE_SECONDS
    assert reader.read(shared.run_id).state is RunState.LOST


def test_where_nothing_may_be_written_the_first_look_knows_nothing(shared: RunPaths, clock: Clock) -> None:
    QueuePaths(shared.root).clock.mkdir()  # cannot be touched
    reader = RunReader(shared.root)
    assert reader.read(shared.run_id).state is RunState.LOST
    clock.now += 5
    renew(shared)
    assert reader.read(shared.run_id).state is RunState.RUNNING
    clock.now += LEASE_SECONDS + 1
    assert reader.read(shared.run_id).state is RunState.LOST


@pytest.mark.parametrize("seed", range(20))
def test_it_is_never_crashed_and_lost_only_after_a_silence(shared: RunPaths, clock: Clock, seed: int) -> None:
    """A process that renews its lease, is cut off, and comes back, at random, with a clock that is set at random."""
    chance = random.Random(seed)
    reader, silence = RunReader(shared.root), 0.0
    reader.list()
    renew(shared)
    reader.list()
    for _ in range(60):
        step = chance.choice([1.0, 7.0, 31.0, 101.0])
        clock.now += step
        silence += step
        if chance.random() < 0.4:
            renew(shared, skew=chance.choice([-HOUR, 0.0, HOUR]))
            silence = 0.0
        state = reader.list()[0].state
        assert state is (RunState.LOST if silence > LEASE_SECONDS else RunState.RUNNING)


# --- what is certain


def test_of_a_process_of_this_machine_the_lock_is_proof_and_nothing_else_is_looked_at(
    shared: RunPaths, clock: Clock
) -> None:
    set_status(shared, boot_id=boot_id(), host="another-container")
    with FileLock(shared.alive_lock):
        clock.now += 10 * HOUR
        assert read_run(shared.root, shared.run_id).state is RunState.RUNNING
    assert read_run(shared.root, shared.run_id).state is RunState.CRASHED
    assert not QueuePaths(shared.root).clock.exists()


def test_in_a_folder_of_this_machine_alone_the_lock_is_proof(shared: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "is_local", lambda _: True)
    renew(shared)
    assert read_run(shared.root, shared.run_id).state is RunState.CRASHED


def test_before_a_restart_this_machine_was_itself_but_another_of_its_name_is_not(
    shared: RunPaths, clock: Clock
) -> None:
    """The clock is so many seconds old as the machine is up."""
    clock.now = 600.0
    set_status(shared, host=host_name(), boot_id="of before")
    written(shared, 700)
    assert read_run(shared.root, shared.run_id).state is RunState.CRASHED
    written(shared, 500)  # since this machine started
    assert read_run(shared.root, shared.run_id).state is RunState.LOST
    written(shared, 5)
    assert read_run(shared.root, shared.run_id).state is RunState.RUNNING


@pytest.mark.parametrize("asked_to_stop", [False, True])
def test_what_its_own_machine_has_written_down_everybody_knows(shared: RunPaths, asked_to_stop: bool) -> None:
    set_status(shared, ended_at=datetime.now(UTC), error=DIED)
    if asked_to_stop:
        shared.stop_request.touch()
    run = read_run(shared.root, shared.run_id)
    assert run.state is (RunState.STOPPED if asked_to_stop else RunState.CRASHED)
    assert "died" in str(run.problem)


# --- what an engine says


class Engine:
    """A cluster that answers as it is told, and counts how often it is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[list[str]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
        self.asked.append(sorted(paths.run_id for paths in runs))
        self.meanwhile()
        return self.answers


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(engines, "_ENGINES", {"slurm": made})
    return made


UNKNOWN = Answer("unknown", text="Slurm does not answer.")
STATES: dict[str, tuple[dict[str, Any], Answer | None, RunState]] = {
    "waits for the first time": ({"state": "queued"}, Answer("yes", waits=True, text="Priority."), RunState.QUEUED),
    "its process begins": ({"state": "queued"}, Answer("yes"), RunState.QUEUED),
    "cancelled while it waited": ({"state": "queued"}, Answer("no"), RunState.LOST),
    "queued, no answer": ({"state": "queued"}, UNKNOWN, RunState.QUEUED),
    "waits again": ({}, Answer("yes", waits=True, text="Its node has failed."), RunState.QUEUED),
    "waits again after a signal": ({"ended_at": datetime.now(UTC)}, Answer("yes", waits=True), RunState.QUEUED),
    "trains": ({}, Answer("yes"), RunState.RUNNING),
    "trains, unseen for hours": ({"old": True}, Answer("yes"), RunState.RUNNING),
    "cancelled": ({}, Answer("no"), RunState.CRASHED),
    "no answer, but a fresh lease": ({}, UNKNOWN, RunState.RUNNING),
    "no answer and no lease": ({"old": True}, UNKNOWN, RunState.LOST),
    "no answer after a signal": ({"ended_at": datetime.now(UTC)}, UNKNOWN, RunState.LOST),
    "nobody to ask": ({"old": True, "launcher": "ray"}, None, RunState.LOST),
    "of this machine, gone, no answer": ({"boot_id": boot_id()}, UNKNOWN, RunState.LOST),
    "of this machine, gone, waits again": ({"boot_id": boot_id()}, Answer("yes", waits=True), RunState.QUEUED),
    "ended": ({"state": "finished"}, Answer("no"), RunState.FINISHED),
}


@pytest.mark.parametrize("case", STATES)
def test_what_a_run_of_a_cluster_is_doing(shared: RunPaths, engine: Engine, case: str) -> None:
    fields, answer, state = STATES[case]
    old = fields.get("old")
    set_status(shared, **{"launcher": "slurm", **{name: value for name, value in fields.items() if name != "old"}})
    if old:
        written(shared, 5 * HOUR)
    if answer:
        engine.answers = {shared.run_id: answer}
    run = read_run(shared.root, shared.run_id)
    assert run.state is state, run.problem
    if answer and answer.text and state is not RunState.RUNNING:
        assert answer.text in str(run.problem)
    if state is RunState.LOST:
        assert "esume it" in str(run.problem), "what to do"


def test_an_engine_is_asked_once_for_all_runs_of_a_look_and_not_about_those_that_have_ended(
    root: Path, shared: RunPaths, engine: Engine
) -> None:
    for name, state in (("b", "queued"), ("c", "running"), ("d", "finished"), ("e", "running")):
        status = {**ELSEWHERE, "state": state, "launcher": "local" if name == "e" else "slurm"}
        set_status(create_run(root, CONFIG, run_id=name), **status)
    RunReader(root).list()
    assert engine.asked == [["b", "c"]]


def test_a_run_that_ends_while_its_engine_is_asked_has_not_crashed(shared: RunPaths, engine: Engine) -> None:
    set_status(shared, launcher="slurm")
    engine.answers = {shared.run_id: Answer("no")}
    engine.meanwhile = lambda: set_status(shared, state="finished")
    assert read_run(shared.root, shared.run_id).state is RunState.FINISHED


def test_a_run_that_is_resumed_while_its_engine_is_asked_is_not_lost(shared: RunPaths, engine: Engine) -> None:
    set_status(shared, launcher="slurm")
    engine.answers = {shared.run_id: Answer("no")}
    engine.meanwhile = lambda: set_status(shared, state="queued")
    assert read_run(shared.root, shared.run_id).state is RunState.QUEUED


# --- older versions


def test_a_run_of_an_older_version_elsewhere_is_known_by_its_heartbeat(shared: RunPaths, clock: Clock) -> None:
    text = shared.status.read_text().replace('"lease_at"', '"x"').replace('"lease_sequence"', '"y"')
    shared.status.write_text(text)
    reader = RunReader(shared.root)
    assert reader.read(shared.run_id).state is RunState.RUNNING
    clock.now += LEASE_SECONDS + 1
    assert reader.read(shared.run_id).state is RunState.LOST
    shared.status.write_text(text.replace('"heartbeat": null', '"heartbeat": 12.5'))
    assert reader.read(shared.run_id).state is RunState.RUNNING


@pytest.mark.parametrize("held", [True, False])
def test_a_run_of_an_older_version_here_reads_as_before(root: Path, held: bool) -> None:
    folder = root / "old-run"
    folder.mkdir(parents=True)
    folder.joinpath("config.json").write_text('{"epochs": 3}')
    status = {"state": "running", "created_at": "2020-01-01T00:00:00Z", "host": "old", "boot_id": boot_id(), "pid": 1}
    folder.joinpath("status.json").write_text(json.dumps(status))
    with FileLock(folder / "alive.lock") as lock:
        if not held:
            lock.release()
        run = read_run(root, "old-run")
    assert run.state is (RunState.RUNNING if held else RunState.CRASHED)
    assert run.problem == (None if held else DIED)


def test_the_reference_run_reads_as_before() -> None:
    run = read_run(PROJECT_ROOT / "runs", "reference-cnn-model-2")
    assert (run.state, run.problem, run.status.lease_sequence) == (RunState.FINISHED, None, 0)
