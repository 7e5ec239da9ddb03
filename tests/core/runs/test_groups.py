"""Groups: what a file says, its members, how far it is, and its best."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.errors import RunError
from core.runs.create import create_run, write_meta
from core.runs.delete import delete_run, what_is_lost
from core.runs.estimate import estimate_duration
from core.runs.group_changes import add_group, group_lock
from core.runs.groups import (
    Group,
    GroupMember,
    GroupRecord,
    best_member,
    config_of_member,
    group_of,
    list_groups,
    members_of,
    progress_of,
    read_group,
    readable_group,
)
from core.runs.paths import GroupPaths
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from tests.core.runs.conftest import CONFIG, make_finished, set_status

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGES = {"demo": {"train": 1000, "validation": 100, "test": 100}}


def grouped(root: Path, ids: list[str], *, name: str = "a-sweep", complete: bool = True, when: datetime = NOW) -> Group:
    """A group of runs, whether they are there or not, each with a seed of its own."""
    members = tuple(GroupMember.of(run_id, {"seed": number}) for number, run_id in enumerate(ids))
    record = GroupRecord(
        title="My sweep",
        created_at=when,
        settings=CONFIG.model_dump(mode="json"),
        fields={"seed": list(range(len(ids)))},
        members=members,
        complete=complete,
    )
    with group_lock(root, make_root=True):
        return add_group(root, record, name)


def test_what_is_written_is_read_again(root: Path) -> None:
    group = grouped(root, ["a", "b"])
    assert read_group(root, "a-sweep") == group
    assert (group.title, group.kind, group.run_ids) == ("My sweep", "sweep", ["a", "b"])
    assert group.values_of("b") == {"seed": 1} and group.values_of("c") == {}
    assert config_of_member(group, group.record.members[1]) == CONFIG.model_copy(update={"seed": 1})
    assert list_runs(root) == [], "what lists runs does not see it"


def test_values_keep_their_types(root: Path) -> None:
    values = {"flip": True, "seed": 1, "shift": 1.0, "optimizer": "sgd", "learning_rate": 0.1}
    record = GroupRecord(created_at=NOW, members=(GroupMember.of("a", values),), fields={"shift": [0.0, 1.0]})
    with group_lock(root, make_root=True):
        add_group(root, record, "typed")
    read = read_group(root, "typed").record
    assert [(name, type(value), value) for name, value in read.members[0].values.items()] == [
        (name, type(value), value) for name, value in values.items()
    ]
    assert [type(value) for value in read.fields["shift"]] == [float, float]


def test_a_group_without_a_title_says_what_differs() -> None:
    record = GroupRecord(created_at=NOW, settings={"dataset": "demo"}, fields={"seed": [1, 2], "flip": [True]})
    assert Group("x", record).title == "seed, flip on demo"
    assert Group("x", GroupRecord(created_at=NOW)).title == "x"


def test_they_are_listed_newest_first(root: Path) -> None:
    assert list_groups(root) == []
    for number, name in enumerate(("first", "second", "third")):
        grouped(root, ["a"], name=name, when=NOW + timedelta(days=number % 2))
    assert [group.name for group in list_groups(root)] == ["second", "third", "first"]


CORRUPT = ["{", '{"kind": "sweep"}', '{"created_at": "2026-01-01T00:00:00Z", "members": [{"id": "../x"}]}', "[]"]


@pytest.mark.parametrize("content", CORRUPT, ids=["cut", "no time", "no id of a run", "no table"])
def test_a_corrupt_file_is_named_in_one_sentence_and_the_others_stay(root: Path, content: str) -> None:
    grouped(root, ["a"], name="good")
    GroupPaths(root).file("bad").write_text(content)
    good, bad = list_groups(root)
    assert (good.name, good.problem) == ("good", None)
    assert bad.problem and bad.problem.startswith("Can't read group “bad”: ") and bad.run_ids == []
    assert bad.problem.endswith(".") and bad.problem.count(". ") == 0
    with pytest.raises(RunError, match="Can't read group “bad”"):
        readable_group(root, "bad")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "[1]", "null"])
def test_a_value_that_no_setting_has_makes_the_file_corrupt(root: Path, value: str) -> None:
    grouped(root, ["a"])
    path = GroupPaths(root).file("a-sweep")
    path.write_text(path.read_text().replace('"seed": 0', f'"seed": {value}'))
    assert read_group(root, "a-sweep").problem


@pytest.mark.parametrize("name", ["nope", "../a-sweep", "A", ""])
def test_one_that_is_not_there_is_said(root: Path, name: str) -> None:
    grouped(root, ["a"])
    with pytest.raises(RunError, match="not found"):
        read_group(root, name)


def test_other_files_beside_them_are_no_groups(root: Path) -> None:
    grouped(root, ["a"])
    for name in ("notes.txt", "Mine.json", ".tmp-x.json", "no-json"):
        (GroupPaths(root).folder / name).write_text("{}")
    assert [group.name for group in list_groups(root)] == ["a-sweep"]


def test_a_run_knows_its_group_if_that_knows_it(root: Path) -> None:
    for run_id, name in (("a", "a-sweep"), ("stranger", "a-sweep"), ("lost", "gone"), ("odd", "../a-sweep"), ("b", "")):
        create_run(root, CONFIG, run_id=run_id, group=name)
    group = grouped(root, ["a"])
    assert group_of(read_run(root, "a")) == group
    for run_id in ("stranger", "lost", "odd", "b"):
        assert group_of(read_run(root, run_id)) is None
    GroupPaths(root).file("a-sweep").write_text("{")
    assert group_of(read_run(root, "a")) is None


def test_a_deleted_member_leaves_the_group_readable(root: Path) -> None:
    for run_id in ("a", "b", "c"):
        make_finished(root, run_id, 0.5, evaluated=False)
    group = grouped(root, ["a", "b", "c"])
    write_meta(read_run(root, "b").paths, lambda meta: meta.model_copy(update={"group": "a-sweep"}))
    assert what_is_lost(read_run(root, "b")).endswith("a run of the group “My sweep”")
    assert "group" not in what_is_lost(read_run(root, "a"))
    delete_run(root, "b")
    members = members_of(root, group)
    assert [run.id for run in members.runs] == ["a", "c"] and members.missing == ("b",)
    assert read_group(root, "a-sweep").values_of("b") == {"seed": 1}
    progress = progress_of(group, members, list_runs(root), IMAGES, 1)
    assert (progress.total, progress.missing, progress.finished, progress.fraction) == (3, 1, 2, 1.0)
    assert not progress.is_live and progress.seconds_left == 0


def test_a_member_that_cannot_be_read_is_there_all_the_same(root: Path) -> None:
    make_finished(root, "a", 0.5, evaluated=False)
    paths = create_run(root, CONFIG, run_id="b")
    paths.status.write_text("{")
    members = members_of(root, grouped(root, ["a", "b"]))
    assert [run.state for run in members.runs] == [RunState.FINISHED, RunState.DAMAGED]


def test_progress_counts_states_and_what_is_left_to_train(root: Path) -> None:
    make_finished(root, "a", 0.5, evaluated=False)
    for number, run_id in enumerate(("b", "c", "d", "e")):
        create_run(root, CONFIG, run_id=run_id, queue_position=number)
    set_status(read_run(root, "b").paths, state="failed")
    group = grouped(root, ["a", "b", "c", "d"])
    runs = list_runs(root)
    progress = progress_of(group, members_of(root, group), runs, IMAGES, 1)
    assert progress.counts == {RunState.FINISHED: 1, RunState.FAILED: 1, RunState.QUEUED: 2}
    assert progress.fraction == 0.5 and progress.is_live
    whole = estimate_duration(CONFIG, IMAGES["demo"], runs).seconds
    assert progress.seconds_left == pytest.approx(2 * whole), "not that of e, which comes later"
    assert progress_of(group, members_of(root, group), runs, {}, 1).seconds_left is None, "of no known size"


def test_what_was_never_started_is_still_to_be_trained(root: Path) -> None:
    make_finished(root, "a", 0.5, evaluated=False)
    group = grouped(root, ["a", "b", "c", "d"], complete=False)
    progress = progress_of(group, members_of(root, group), list_runs(root), IMAGES, 1)
    assert progress.fraction == 0.25 and progress.missing == 3


def test_a_group_of_nothing_is_done(root: Path) -> None:
    group = grouped(root, [])
    assert progress_of(group, members_of(root, group), [], IMAGES, 1).fraction == 1.0
    assert best_member([]) is None


def test_the_best_is_that_of_validation_and_the_first_of_equals(root: Path) -> None:
    accuracies = {"a": 0.5, "b": 0.7, "c": 0.7}
    runs = [make_finished(root, run_id, each, evaluated=False) for run_id, each in accuracies.items()]
    runs.append(read_run(root, create_run(root, CONFIG, run_id="d").run_id))
    best = best_member(runs)
    assert best and best.id == "b"
    assert best.validation_accuracy == max(run.validation_accuracy or 0 for run in runs)


def test_settings_of_a_newer_version_are_said(root: Path) -> None:
    group = grouped(root, ["a"])
    odd = Group(group.name, group.record.model_copy(update={"settings": {"warp": 9}}))
    with pytest.raises(RunError, match="Can't use the settings of a in group “a-sweep”"):
        config_of_member(odd, odd.record.members[0])
    assert isinstance(config_of_member(group, group.record.members[0]), TrainConfig)
