"""Making and changing the files of groups."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import RunError
from core.runs import group_changes
from core.runs.group_changes import (
    add_group,
    change_group,
    group_lock,
    group_start_lock,
    name_from_title,
    remove_group,
)
from core.runs.groups import GroupRecord, list_groups, read_group
from core.runs.paths import GroupPaths

RECORD = GroupRecord(created_at=datetime(2026, 1, 2, tzinfo=UTC))


def add(root: Path, name: str) -> str:
    with group_lock(root, make_root=True):
        return add_group(root, RECORD, name).name


def test_a_name_is_given_once_however_many_ask(root: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: add(root, "sweep"), range(16)))
    assert sorted(names) == sorted(["sweep", *(f"sweep-{number}" for number in range(2, 17))])
    assert sorted(group.name for group in list_groups(root)) == sorted(names)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Learning rate × optimizer", "learning-rate-optimizer"),
        ("  LR!  ", "lr"),
        ("日本", "other"),
        ("", "other"),
        ("-- -x- --", "x"),
        ("a" * 200, "a" * 60),
    ],
    ids=["words", "signs", "no letters", "empty", "hyphens", "long"],
)
def test_a_title_becomes_a_valid_name(root: Path, title: str, name: str) -> None:
    assert name_from_title(title, "other") == name
    assert [add(root, name) for _ in range(2)] == [name, f"{name}-2"]
    assert {group.name for group in list_groups(root)} == {name, f"{name}-2"}, "both names are valid"


def test_a_change_keeps_the_rest(root: Path) -> None:
    name = add(root, "sweep")
    with group_lock(root):
        change_group(root, name, stopped_by="Ada")
    record = read_group(root, name).record
    assert record == RECORD.model_copy(update={"stopped_by": "Ada"})
    GroupPaths(root).file(name).write_text("{")
    with group_lock(root), pytest.raises(RunError, match="Can't read group “sweep”"):
        change_group(root, name, stopped_by="Ben")


def test_a_group_can_be_removed_also_if_it_is_corrupt(root: Path) -> None:
    for name in (add(root, "one"), add(root, "two")):
        GroupPaths(root).file(name).write_text("{")
        remove_group(root, name)
    assert list_groups(root) == []
    with pytest.raises(RunError, match="“one” not found"):
        remove_group(root, "one")


def test_a_lock_that_is_not_given_back_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(root, "one")
    monkeypatch.setattr(group_changes, "GROUP_LOCK_SECONDS", 0.05)
    busy = pytest.raises(RunError, match=r"^Another group is being changed\. Try again in a moment\.$")
    with FileLock(GroupPaths(root).lock), busy, group_lock(root):
        pass
    busy = pytest.raises(RunError, match=r"^Another group is being started\. Try again in a moment\.$")
    with FileLock(GroupPaths(root).start_lock), busy, group_start_lock(root):
        pass


def test_a_start_that_takes_long_keeps_nobody_from_changing_a_group(root: Path) -> None:
    with group_start_lock(root, make_root=True), group_lock(root):
        add_group(root, RECORD, "one")
    assert [group.name for group in list_groups(root)] == ["one"], "the locks are no groups"


def test_a_folder_of_runs_that_is_gone_does_not_come_back_empty(root: Path) -> None:
    with pytest.raises(RunError, match="Can't write under"), group_lock(root):
        pass
    assert not root.exists()
