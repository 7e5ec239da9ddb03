"""Groups of runs: started side by side in the queue or not at all, stopped and resumed as one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.config import TrainConfig
from core.errors import ConfigError, DataError, FerError, RunError
from core.files import lock_is_held, process_lock, write_json
from core.jobs import control, groups, slots
from core.jobs.control import spawn_module
from core.jobs.folds import queue_folds
from core.jobs.groups import NewGroup, resume_group, start_group, stop_group
from core.jobs.queue import take_queued
from core.jobs.reproductions import reproduce_often
from core.jobs.sweep import Sweep
from core.machine import boot_id
from core.runs.create import create_run
from core.runs.delete import delete_run
from core.runs.groups import MOST_RUNS, Group, group_of, list_groups, members_of, read_group
from core.runs.paths import GroupPaths, QueuePaths, RunPaths
from core.runs.reader import list_runs, read_config, read_run, read_status
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT, kill_processes_of
from tests.core.jobs.conftest import crash, line, lose
from tests.core.runs.conftest import make_finished, set_status
from tests.faults.test_kill_storm import TINY_WORKER

BASE = TrainConfig(dataset="demo", epochs=1)
SWEEP = Sweep(BASE, {"learning_rate": (0.1, 0.2), "optimizer": ("adam", "sgd")})


def start(runs_root: Path, data_root: Path, sweep: Sweep = SWEEP, **options: Any) -> Group:
    return start_group(runs_root, data_root, sweep.as_group(**options), author="Ada", started_by="ada@example.org")


@pytest.mark.usefixtures("no_runner")
def test_all_runs_of_a_sweep_are_queued_in_order_with_names_that_say_what_differs(
    runs_root: Path, demo_root: Path
) -> None:
    group = start(runs_root, demo_root, title="My sweep", parent="original")
    assert group == read_group(runs_root, "my-sweep") and group.record.complete
    assert line(runs_root) == group.run_ids
    runs = members_of(runs_root, group).runs
    assert [run.config for run in runs] == SWEEP.configs()
    assert [run.name for run in runs] == [
        f"My sweep learning_rate={rate} optimizer={optimizer}" for rate in (0.1, 0.2) for optimizer in ("adam", "sgd")
    ]
    for run, values in zip(runs, SWEEP.values(), strict=True):
        assert group.values_of(run.id) == values
        assert (run.meta.author, run.meta.started_by, run.meta.group) == ("Ada", "ada@example.org", "my-sweep")
        assert (run.meta.parent, run.meta.reproduces) == ("original", None)
        assert group_of(run) == group and run.status.data_root == str(demo_root)
    assert (group.record.author, group.record.kind) == ("Ada", "sweep")


@pytest.mark.usefixtures("no_runner")
def test_names_stay_short_and_different(runs_root: Path, demo_root: Path) -> None:
    many = {"learning_rate": (0.1, 0.2), "muon_learning_rate": (0.01,), "distillation_temperature": (1.0, 2.0)}
    for _ in range(2):
        start(runs_root, demo_root, Sweep(BASE, many), title="A title of a sweep that is rather long for a name")
    names = [run.name for run in list_runs(runs_root)]
    assert len(set(names)) == 8 and max(map(len, names)) <= 80
    assert sum(name.endswith(" #4") for name in names) == 1


@pytest.mark.usefixtures("no_runner")
def test_other_runs_that_are_started_meanwhile_stand_before_or_behind_all_of_them(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the clock stands still, as after it was set back."""
    monkeypatch.setattr("core.jobs.queue.time", lambda: 1_800_000_000.0)
    before = control.start(runs_root, demo_root, BASE)
    others = []
    begin = groups._start_member

    def with_others(*arguments: Any) -> None:
        begin(*arguments)
        others.append(control.start(runs_root, demo_root, BASE))

    monkeypatch.setattr(groups, "_start_member", with_others)
    seeds = Sweep(BASE, {"seed": tuple(range(4))})
    group = start(runs_root, demo_root, seeds)
    assert line(runs_root) == [before, *group.run_ids, *others]
    last = groups._STEP * MOST_RUNS
    assert last < 0.001 and 1_800_000_000.0 + groups._STEP != 1_800_000_000.0


REFUSED: dict[str, tuple[dict[str, tuple[Any, ...]], type[FerError], str]] = {
    "a value": ({"learning_rate": (0.1, -1.0)}, ConfigError, r"Learning rate must be greater than 0 \(got -1\)"),
    "no dataset": ({"dataset": ("demo", "nope")}, DataError, "nope"),
    "no corrections": ({"corrections": ("", "nope")}, RunError, "nope"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_if_one_run_cannot_be_started_none_is(
    runs_root: Path, demo_root: Path, no_runner: list[Path], what: str
) -> None:
    fields, error, words = REFUSED[what]
    with pytest.raises(error, match=words):
        start(runs_root, demo_root, Sweep(BASE, fields))
    assert list_groups(runs_root) == [] and list_runs(runs_root) == [] and no_runner == []


@pytest.mark.usefixtures("no_runner")
def test_a_teacher_that_is_missing_is_said_before_any_run_is_created(runs_root: Path, demo_root: Path) -> None:
    taught = BASE.model_copy(update={"teachers": ("nobody",)})
    with pytest.raises(RunError, match="Teacher not available"):
        start(runs_root, demo_root, Sweep(taught, {"seed": (1, 2)}))
    assert list_groups(runs_root) == [] and list_runs(runs_root) == []


@pytest.mark.parametrize("count", [0, MOST_RUNS + 1])
def test_a_group_has_a_limited_number_of_runs(runs_root: Path, demo_root: Path, count: int) -> None:
    with pytest.raises(RunError, match="A group has 1 to 200 runs"):
        start_group(runs_root, demo_root, NewGroup("sweep", BASE, [{}] * count))


def failing_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after so many runs."""
    begin = control.start
    started: list[str] = []

    def fail(*arguments: Any, **options: Any) -> str:
        if len(started) == count:
            raise RunError("Can't write a run folder: No space left on device.")
        started.append(begin(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(control, "start", fail)


@pytest.mark.usefixtures("no_runner")
def test_a_start_that_fails_in_the_middle_is_finished_by_a_resume(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        failing_after(3, full)
        with pytest.raises(RunError, match=r"No space left on device\. Of group “mine”, 3 of 4 runs have been started"):
            start(runs_root, demo_root, title="Mine")
    group = read_group(runs_root, "mine")
    assert not group.record.complete and line(runs_root) == group.run_ids[:3]
    changed = resume_group(runs_root, demo_root, "mine")
    assert changed.runs == (group.run_ids[3],) and changed.problems == ()
    assert changed.group.record.complete and line(runs_root) == group.run_ids
    assert resume_group(runs_root, demo_root, "mine").runs == ()


@pytest.mark.usefixtures("no_runner")
def test_a_start_that_fails_at_once_leaves_nothing(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_after(0, monkeypatch)
    with pytest.raises(RunError, match=r"No space left on device\.$"):
        start(runs_root, demo_root)
    assert list_groups(runs_root) == []


def test_a_start_that_is_killed_leaves_a_group_that_can_be_finished(
    runs_root: Path, demo_root: Path, no_runner: list[Path]
) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from core.config import TrainConfig; from core.jobs import control, groups\n"
        "from core.jobs.sweep import Sweep\n"
        "control.ensure_runner = lambda *_: None\n"
        "begin = groups._start_member\n"
        "def start(root, data, group, member, *others):\n"
        "    if member.id == group.run_ids[2]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    begin(root, data, group, member, *others)\n"
        "groups._start_member = start\n"
        "sweep = Sweep(TrainConfig(dataset='demo', epochs=1), {'seed': (1, 2, 3, 4)})\n"
        "groups.start_group(Path(sys.argv[1]), Path(sys.argv[2]), sweep.as_group(title='Mine'), author='Ada')\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(runs_root), str(demo_root)], cwd=PROJECT_ROOT, check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    group = read_group(runs_root, "mine")
    assert not group.record.complete and line(runs_root) == group.run_ids[:2], "the runs there are wait as usual"
    assert len(members_of(runs_root, group).missing) == 2
    stop_group(runs_root, "mine", by="Ben")
    assert line(runs_root) == [] and read_group(runs_root, "mine").record.stopped_by == "Ben"

    changed = resume_group(runs_root, demo_root, "mine")
    assert set(changed.runs) == set(group.run_ids) and no_runner
    assert set(line(runs_root)) == set(group.run_ids)
    now = read_group(runs_root, "mine")
    assert now.record.complete and now.record.stopped_at is None and now.record.stopped_by == ""
    assert [read_config(RunPaths(runs_root, run_id)).seed for run_id in now.run_ids] == [1, 2, 3, 4]
    assert read_run(runs_root, now.run_ids[3]).meta.author == "Ada"


@pytest.mark.usefixtures("no_runner")
def test_a_stop_takes_queued_runs_out_and_asks_running_ones(runs_root: Path, demo_root: Path) -> None:
    group = start(runs_root, demo_root)
    other = control.start(runs_root, demo_root, BASE)
    running, *queued = (RunPaths(runs_root, run_id) for run_id in group.run_ids)
    take_queued(running, {"host": os.uname().nodename})
    with process_lock(running.alive_lock):  # as its worker holds it
        changed = stop_group(runs_root, group.name, by="Ben")
        assert running.stop_request.exists() and read_run(runs_root, running.run_id).state is RunState.RUNNING
    assert line(runs_root) == [other], "what is not of the group waits as before"
    assert changed.runs == tuple(reversed(group.run_ids)) and changed.problems == ()
    assert all(read_run(runs_root, paths.run_id).state is RunState.STOPPED for paths in queued)
    assert changed.group.record.stopped_by == "Ben" and changed.group.record.stopped_at
    again = stop_group(runs_root, group.name, by="Cy")
    assert again.runs == () and again.group.record.stopped_by == "Ben", "there was nothing left to stop"


@pytest.mark.usefixtures("no_runner")
def test_what_cannot_be_done_with_one_run_is_said_and_done_with_the_others(runs_root: Path, demo_root: Path) -> None:
    group = start(runs_root, demo_root)
    finished, lost, failed, crashed = (RunPaths(runs_root, run_id) for run_id in group.run_ids)
    for paths, state in ((finished, "finished"), (lost, "stopped"), (failed, "failed")):
        write_json(paths.status, read_status(paths).model_dump(mode="json") | {"state": state})
    lost.weights.touch()  # a result, but no checkpoint: it would start over
    crash(crashed)
    changed = resume_group(runs_root, demo_root, group.name)
    assert changed.runs == (failed.run_id, crashed.run_id) and line(runs_root) == list(changed.runs)
    [problem] = changed.problems
    assert lost.run_id in problem and "no checkpoint.pt" in problem


class Slow:
    """Does what `control` does, and lets somebody else stop the group after so many runs, when the next one is being
    handed over to an engine that takes its time: before the run is there, or after it."""

    def __init__(self, act: str, count: int, before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self._act, self._left, self._before = getattr(control, act), count, before
        monkeypatch.setattr(control, act, self)

    def __call__(self, runs_root: Path, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left == -1 and self._before:
            self._stop(runs_root)
        done = self._act(runs_root, *arguments, **options)
        if self._left == -1 and not self._before:
            self._stop(runs_root)
        return done

    def _stop(self, runs_root: Path) -> None:
        assert lock_is_held(GroupPaths(runs_root).start_lock)
        [group] = list_groups(runs_root)
        stop_group(runs_root, group.name, by="Ben")


stopped_by_another = pytest.mark.parametrize("before", [True, False], ids=["before the run is there", "after"])


@stopped_by_another
@pytest.mark.usefixtures("no_runner")
def test_a_group_can_be_stopped_while_its_runs_are_started(
    runs_root: Path, demo_root: Path, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        Slow("start", 2, before, slow)
        said = r"^The group was stopped meanwhile\. Of group “mine”, 3 of 4 runs have been started: resume the group"
        with pytest.raises(RunError, match=said):
            start(runs_root, demo_root, title="Mine")
    group = read_group(runs_root, "mine")
    assert group.record.stopped_by == "Ben" and not group.record.complete and line(runs_root) == []
    resume_group(runs_root, demo_root, "mine")
    assert sorted(line(runs_root)) == sorted(group.run_ids) and read_group(runs_root, "mine").record.complete


@pytest.mark.usefixtures("no_runner")
def test_a_group_that_is_stopped_while_its_last_run_is_started_is_complete(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Slow("start", 3, True, monkeypatch)
    group = start(runs_root, demo_root)
    assert group.record.complete and group.record.stopped_by == "Ben" and line(runs_root) == []


@stopped_by_another
@pytest.mark.usefixtures("no_runner")
def test_a_group_can_be_stopped_while_its_runs_are_resumed(
    runs_root: Path, demo_root: Path, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = start(runs_root, demo_root)
    stop_group(runs_root, group.name)
    Slow("resume", 1, before, monkeypatch)
    changed = resume_group(runs_root, demo_root, group.name)
    assert changed.runs == tuple(group.run_ids[:2]), "the others were left as they were"
    assert changed.problems == (f"Group “{group.name}” was stopped meanwhile.",)
    assert line(runs_root) == [] and read_group(runs_root, group.name).record.stopped_by == "Ben"


@pytest.mark.usefixtures("no_runner")
def test_a_resume_leaves_lost_runs_to_a_person(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.liveness.is_local", lambda _: False)
    group = start(runs_root, demo_root, Sweep(BASE, {"seed": (1, 2)}))
    lost, crashed = (RunPaths(runs_root, run_id) for run_id in group.run_ids)
    crash(crashed)
    set_status(crashed, boot_id=boot_id())
    lock = lose(lost).alive_lock.stat().st_ino
    changed = resume_group(runs_root, demo_root, group.name)
    assert changed.runs == (crashed.run_id,) and line(runs_root) == [crashed.run_id]
    [problem] = changed.problems
    assert problem.startswith(f"{lost.run_id}: lost. No sign of life from another for ")
    assert problem.endswith(f"To do so: python -m core runs resume {lost.run_id}")
    assert read_run(runs_root, lost.run_id).state is RunState.LOST
    assert lost.alive_lock.stat().st_ino == lock, "a worker that lives on keeps its run"


@pytest.mark.usefixtures("no_runner")
def test_a_group_with_a_deleted_member_is_stopped_and_resumed_as_before(runs_root: Path, demo_root: Path) -> None:
    group = start(runs_root, demo_root)
    assert len(stop_group(runs_root, group.name).runs) == 4
    delete_run(runs_root, group.run_ids[1])
    changed = resume_group(runs_root, demo_root, group.name)
    assert set(changed.runs) == set(group.run_ids) - {group.run_ids[1]} and changed.problems == ()
    assert not (runs_root / group.run_ids[1]).exists(), "what was deleted does not come back"


@pytest.mark.usefixtures("no_runner")
def test_folds_are_a_group_whose_name_is_their_tag(runs_root: Path, demo_root: Path) -> None:
    group = queue_folds(runs_root, demo_root, BASE, 3, author="Ada")
    runs = members_of(runs_root, group).runs
    assert group.kind == "folds" and group.title == "3 folds of demo" and group.name.startswith("folds-")
    assert [run.config.hold_out for run in runs if run.config] == ["1/3", "2/3", "3/3"]
    assert [run.name for run in runs] == [f"Fold {number}/3 of {group.name}" for number in (1, 2, 3)]
    assert all(run.meta.tags == [group.name] for run in runs)
    with pytest.raises(RunError, match="Invalid number of folds: 1"):
        queue_folds(runs_root, demo_root, BASE, 1, author="Ada")


@pytest.mark.usefixtures("no_runner")
def test_reproductions_are_a_group_that_names_what_it_reproduces(runs_root: Path, demo_root: Path) -> None:
    original = make_finished(runs_root, "original", 0.5, evaluated=False)
    group = reproduce_often(runs_root, demo_root, "original", 3, author="Ada")
    runs = members_of(runs_root, group).runs
    assert (group.kind, group.record.parent) == ("reproductions", "original")
    assert [(run.config, run.meta.reproduces, run.meta.parent) for run in runs] == [
        (original.config, "original", "original")
    ] * 3
    assert [run.name for run in runs] == [f"original (reproduction){more}" for more in ("", " (2)", " (3)")]
    create_run(runs_root, BASE, run_id="unfinished")
    with pytest.raises(RunError, match="Only finished runs can be reproduced"):
        reproduce_often(runs_root, demo_root, "unfinished", 2)


def test_a_launcher_is_passed_on_and_remembered(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def note(*_: Any, **options: Any) -> str:
        asked.append(options.get("launcher"))
        return "a-run"

    monkeypatch.setattr(control, "start", note)
    for launcher in ("local", "slurm"):
        group = start_group(runs_root, demo_root, SWEEP.as_group(), launcher=launcher)
        assert group.record.launcher == launcher
    assert asked == ["local"] * 4 + ["slurm"] * 4


@pytest.fixture
def one_slot(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with one slot, the CPU; whatever was started ends with the test."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    slots.gpu_slots.cache_clear()
    yield
    kill_processes_of(runs_root)
    slots.gpu_slots.cache_clear()


@pytest.mark.usefixtures("no_runner", "one_slot")
def test_one_failing_run_does_not_stop_the_others(runs_root: Path, demo_root: Path) -> None:
    """A real runner with real processes, which train nothing."""
    group = start(runs_root, demo_root, Sweep(BASE, {"seed": (1, 2)}))
    bad = RunPaths(runs_root, group.run_ids[0])
    bad.config.write_text(json.dumps({"epochs": -1}))
    roots = ["--runs-root", str(runs_root), "--data-root", str(demo_root)]
    log = QueuePaths(runs_root).runner_log
    runner = spawn_module(
        ["core.jobs.runner", *roots, "--worker", TINY_WORKER], log, {"FER_TINY_STEPS": "1", "FER_TINY_SECONDS": "0"}
    )
    assert runner.wait(120) == 0
    states = [run.state for run in members_of(runs_root, group).runs]
    assert states == [RunState.FAILED, RunState.FINISHED]
    begun = [text.split()[2] for text in log.read_text().splitlines() if " starts on cpu" in text]
    assert begun == group.run_ids
