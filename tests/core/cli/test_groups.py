"""`groups`: lists, tables and JSON about runs that were started together, and what is done with all of them."""

import json
import re
from typing import TYPE_CHECKING

import pytest

from core.jobs.queue import queued_runs
from core.runs.delete import delete_run
from core.runs.groups import GroupMember, list_groups
from core.runs.paths import GroupPaths
from core.runs.reader import RunReader, read_run
from core.runs.records import RunState
from tests.core.runs.conftest import make_finished, set_status

if TYPE_CHECKING:
    from tests.core.terminal import Terminal

DEMO = ("--set", "dataset=demo", "--set", "epochs=1")


@pytest.fixture
def name(fer: "Terminal") -> str:
    """A sweep of three runs: one has finished, one has failed, one is queued."""
    fer("train", *DEMO, "--sweep", "seed=1..3", "--name", "Three seeds", data=True)
    [group] = list_groups(fer.runs_root)
    first, second, _ = group.run_ids
    done = make_finished(fer.runs_root, "finished", 0.5, evaluated=False)
    paths = read_run(fer.runs_root, first).paths
    for file in (done.paths.summary, done.paths.weights):
        file.rename(paths.folder / file.name)
    delete_run(fer.runs_root, "finished")
    set_status(paths, state="finished")
    set_status(read_run(fer.runs_root, second).paths, state="failed", error="Out of memory.")
    return group.name


def test_the_list_says_how_far_each_is_and_which_is_best(fer: "Terminal", name: str) -> None:
    first = list_groups(fer.runs_root)[0].run_ids[0]
    best = read_run(fer.runs_root, first).validation_accuracy
    assert best is not None
    line = fer("groups", "list", data=True)
    assert line.startswith(f"{name}: seeds, 1 of 3 finished, 1 failed, 1 queued, 67% done, about ")
    assert re.search(rf" left, best {100 * best:.2f}% ± [\d.]+ pp on validation \({first}\)$", line)
    GroupPaths(fer.runs_root).file("bad").write_text("{")
    lines = fer("groups", "list", data=True).splitlines()
    assert len(lines) == 2 and lines[1].startswith("bad: Can't read group “bad”")
    assert [each.get("problem") is None for each in json.loads(fer("groups", "list", "--json", data=True))] == [
        True,
        False,
    ]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_list_looks_at_all_runs_once_however_many_groups_there_are(
    fer: "Terminal", name: str, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    fer("train", *DEMO, "--sweep", "seed=4..5", "--name", "Two more", data=True)
    looks = []
    look = RunReader.list
    monkeypatch.setattr(RunReader, "list", lambda reader: looks.append(1) or look(reader))
    assert name in fer("groups", "list", *options, data=True)
    assert len(looks) == 1


def test_one_is_shown_with_the_effect_of_each_field_and_its_runs(fer: "Terminal", name: str) -> None:
    group = list_groups(fer.runs_root)[0]
    delete_run(fer.runs_root, group.run_ids[1])
    shown = fer("groups", "show", name, data=True)
    best = read_run(fer.runs_root, group.run_ids[0]).validation_accuracy
    assert best is not None
    assert shown.splitlines()[0].startswith("Three seeds: seeds, 1 of 3 finished, 1 queued, 1 missing")
    assert re.search(rf"^seed +1 +1 +{100 * best:.2f}% +-$", shown, re.MULTILINE)
    assert re.search(rf"^{group.run_ids[0]} +finished +{100 * best:.2f}% ± [\d.]+ pp \*  seed=1$", shown, re.MULTILINE)
    assert re.search(rf"^{group.run_ids[1]} +deleted +-    seed=2$", shown, re.MULTILINE)
    assert re.search(rf"^{group.run_ids[2]} +queued +-    seed=3$", shown, re.MULTILINE)

    printed = json.loads(fer("groups", "show", name, "--json", data=True))
    assert (printed["best"], printed["missing"], printed["kind"]) == (group.run_ids[0], [group.run_ids[1]], "seeds")
    assert printed["effects"][0]["values"][0] == {"value": 1, "runs": 1, "mean": best, "standard_deviation": None}
    assert printed["runs"][0] == {
        "id": group.run_ids[0],
        "state": "finished",
        "validation_accuracy": best,
        "values": {"seed": 1},
        "problem": None,
    }


def test_stop_and_resume_take_all_of_it(fer: "Terminal", name: str) -> None:
    group = list_groups(fer.runs_root)[0]
    assert fer("groups", "stop", name) == f"{group.run_ids[2]}: stopping."
    assert queued_runs(fer.runs_root) == []
    assert "stopped by " in fer("groups", "show", name, data=True)
    assert fer("groups", "stop", name) == "None of its runs is queued or running."
    assert fer("groups", "resume", name, data=True).splitlines() == [f"{each}: queued." for each in group.run_ids[1:]]
    assert [run.id for run in queued_runs(fer.runs_root)] == group.run_ids[1:]
    assert "stopped by " not in fer("groups", "show", name, data=True)


def test_a_deleted_group_leaves_its_runs(fer: "Terminal", name: str) -> None:
    run_id = list_groups(fer.runs_root)[0].run_ids[2]
    assert fer("groups", "delete", name) == f"{name}: deleted."
    assert fer("groups", "list", data=True).startswith("No groups yet.")
    assert read_run(fer.runs_root, run_id).state is RunState.QUEUED
    assert "not found" in fer("groups", "show", name, data=True, code=2)


def test_teachers_say_how_to_train_their_student(fer: "Terminal") -> None:
    fer("train", *DEMO, "--sweep", "seed=1,2", "--teachers", "--name", "Teachers", data=True)
    assert "Train a student" not in fer("groups", "show", "teachers", data=True)
    ids = list_groups(fer.runs_root)[0].run_ids
    for run_id in ids:
        set_status(read_run(fer.runs_root, run_id).paths, state="finished")
    shown = fer("groups", "show", "teachers", data=True)
    assert f"Train a student with them: python -m core train --set teachers={','.join(ids)}" in shown
    assert GroupMember.of(ids[0], {"seed": 1}) == list_groups(fer.runs_root)[0].record.members[0]


def test_several_reproductions_are_a_group(fer: "Terminal") -> None:
    make_finished(fer.runs_root, "original", 0.5, evaluated=False)
    printed = json.loads(fer("runs", "reproduce", "original", "--times", "2", "--json", data=True))
    [group] = list_groups(fer.runs_root)
    assert printed == {"group": group.name, "runs": group.run_ids} and group.kind == "reproductions"
