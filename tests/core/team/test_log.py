"""The activity log: lines of several processes, torn lines, months, and a folder that cannot be written."""

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import ActivityError
from core.team import log
from core.team.log import ActivityEntry, ActivityPaths, Filter, add_to, read_activity, record
from tests.conftest import PROJECT_ROOT

WHEN = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)


def entry(who: str = "Ada", minutes: float = 0, **more: Any) -> ActivityEntry:
    values = {"who": who, "role": "member", "way": "page", "action": "stop", "time": WHEN + timedelta(minutes=minutes)}
    return ActivityEntry.model_validate({**values, **more})


def write(root: Path, *entries: ActivityEntry) -> None:
    for each in entries:
        record(root, each, variable="FER_RUNS_ROOT")


def month(root: Path) -> Path:
    return ActivityPaths(root).month(WHEN)


def test_what_is_written_is_read_newest_first(runs_root: Path) -> None:
    entries = [entry(on="run-1", detail="last"), entry("Ben", 1, outcome="refused", reason="No."), entry("Eve", 2)]
    write(runs_root, *entries)
    assert list(read_activity([runs_root])) == entries[::-1]


def test_the_logs_of_two_folders_are_one(tmp_path: Path) -> None:
    for name, minutes in (("runs", (0, 2, 5)), ("data", (1, 3))):
        (tmp_path / name).mkdir()
        write(tmp_path / name, *(entry(name, each) for each in minutes))
    found = [each.who for each in read_activity([tmp_path / "runs", tmp_path / "data"])]
    assert found == ["runs", "data", "runs", "data", "runs"]
    assert [each.who for each in read_activity([tmp_path / "runs"] * 2)] == ["runs"] * 3, "one folder for both"


def test_what_is_added_later_is_part_of_the_act(runs_root: Path) -> None:
    first, second = entry("Ada", on="run-1"), entry("Ben", 1)
    write(runs_root, first, second)
    add_to(runs_root, first, variable="FER_RUNS_ROOT", outcome="failed", reason="It has finished.")
    add_to(runs_root, second, variable="FER_RUNS_ROOT", made="run-2")
    [last, before] = read_activity([runs_root])
    assert (last.who, last.made, last.outcome) == ("Ben", "run-2", "allowed")
    assert (before.who, before.on, before.outcome, before.reason) == ("Ada", "run-1", "failed", "It has finished.")


def test_each_month_has_a_file_and_an_act_stays_in_its_own(runs_root: Path) -> None:
    old = entry("Ada", time=datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    write(runs_root, old, entry("Ben"))
    add_to(runs_root, old, variable="FER_RUNS_ROOT", made="run-1")
    assert [path.name for path in ActivityPaths(runs_root).months()] == ["2026-11.jsonl", "2026-10.jsonl"]
    assert [(each.who, each.made) for each in read_activity([runs_root])] == [("Ben", ""), ("Ada", "run-1")]


def test_only_the_end_of_a_long_log_is_read(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(runs_root, entry())
    line = month(runs_root).read_text()
    month(runs_root).write_text(line * 20_000)
    read: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: (read.append(args[1]), pread(*args))[1])
    entries = read_activity([runs_root])
    assert [next(entries).who for _ in range(3)] == ["Ada"] * 3
    assert sum(read) < 200_000 < month(runs_root).stat().st_size
    assert sum(1 for _ in entries) == 20_000 - 3, "no line is lost between two blocks"


def test_what_is_no_line_is_skipped(runs_root: Path) -> None:
    write(runs_root, entry("Ada"), entry("Ben", 1))
    bad = ["not json", "7", "[]", "null", "{}", '{"id": 3}', '{"id": [], "action": "stop"}', '{"action": "stop"}', ""]
    bad += [json.dumps({"id": "x", "action": "stop", "who": "Eve", "role": "admin", "way": "page", "time": "soon"})]
    bad += ["[" * 100_000]
    with month(runs_root).open("a") as file:
        file.write("\n".join(bad) + "\n")
    write(runs_root, entry("Eve", 2))
    assert [each.who for each in read_activity([runs_root])] == ["Eve", "Ben", "Ada"]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_writer_that_was_killed_in_a_line_takes_no_other_with_it(cut: int, runs_root: Path) -> None:
    write(runs_root, entry("Ada"), entry("Ben", 1))
    whole = month(runs_root).read_bytes()
    month(runs_root).write_bytes(whole[:-cut])
    assert [each.who for each in read_activity([runs_root])] == ["Ada"], "half a line is not there yet"
    write(runs_root, entry("Eve", 2))
    said = [each.who for each in read_activity([runs_root])]
    assert said == (["Eve", "Ben", "Ada"] if cut == 1 else ["Eve", "Ada"])


def test_lines_of_many_processes_are_all_there_and_whole(runs_root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.team.log import ActivityEntry, record\n"
        "for n in range(40): record(Path(sys.argv[1]), ActivityEntry(who=f'{sys.argv[2]}-{n}', role='admin', "
        "way='API', action='start', detail='x' * 400), variable='FER_RUNS_ROOT')\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(runs_root), str(each)], cwd=PROJECT_ROOT) for each in range(2)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    said = {each.who for each in read_activity([runs_root])}
    assert said == {f"{writer}-{number}" for writer in range(2) for number in range(40)}


def test_a_full_disk_leaves_the_log_as_it_was_and_says_that_nothing_was_done(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(runs_root, entry("Ada"))
    before = month(runs_root).read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)  # what the disk says no to may have been written in part
    with pytest.raises(ActivityError, match=r"Nothing was done, since it can't be written down .*No space left"):
        write(runs_root, entry("Ben", 1))
    assert month(runs_root).read_bytes() == before


@pytest.mark.parametrize("place", ["a file", "missing"])
def test_a_folder_that_cannot_be_written_is_said(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(ActivityError, match="Nothing was done"):
        write(tmp_path / place, entry())
    assert not (tmp_path / "missing").exists(), "a folder that was unmounted must not come back empty"
    record(tmp_path / "missing", entry(), variable="FER_RUNS_ROOT", make_root=True)
    assert len(list(read_activity([tmp_path / "missing"]))) == 1


def test_a_log_that_another_process_holds_is_waited_for_and_then_said(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.files import process_lock

    write(runs_root, entry())
    monkeypatch.setattr(log, "ACTIVITY_LOCK_SECONDS", 0.05)
    with process_lock(ActivityPaths(runs_root).lock), pytest.raises(ActivityError, match="locked by another process"):
        write(runs_root, entry("Ben"))


def test_a_pipe_in_the_place_of_a_log_keeps_nobody_waiting(runs_root: Path) -> None:
    ActivityPaths(runs_root).folder.mkdir()
    os.mkfifo(month(runs_root))
    with pytest.raises(ActivityError, match="Can't read the activity log in runs"):
        list(read_activity([runs_root]))
    with pytest.raises(ActivityError, match="Nothing was done"):
        write(runs_root, entry())


def test_words_of_people_are_one_line_without_tricks(runs_root: Path) -> None:
    write(runs_root, entry("A\x1b[31m\u202eda\n", detail="two\nlines\x07"))
    [found] = read_activity([runs_root])
    assert (found.who, found.detail) == ("A[31mda", "two lines")
    assert len(month(runs_root).read_text().splitlines()) == 1


def test_the_filter_finds_by_person_run_action_outcome_and_time() -> None:
    entries = [
        entry("Ada", 3, email="ada@example.org", on="run-12", made="copy-1"),
        entry("Ben", 2, action="start", outcome="refused"),
        entry("Ada", 1, on="demo", action="import"),
    ]

    def places(**wanted: Any) -> list[int]:
        return [entries.index(each) for each in Filter(**wanted).matching(entries)]

    assert places() == [0, 1, 2]
    assert places(who="ADA") == [0, 2] and places(who="ada@example.org") == [0] and places(who="ad") == []
    assert places(on="run-1") == [0] == places(on="copy-1") and places(on="demo") == [2]
    assert places(action="Start") == [1] == places(outcome="refused")
    assert places(since=WHEN + timedelta(minutes=2)) == [0, 1]


def test_the_filter_does_not_read_what_is_too_old() -> None:
    entries = iter([entry(minutes=3), entry(minutes=1), entry(minutes=0)])
    assert len(list(Filter(since=WHEN + timedelta(minutes=2)).matching(entries))) == 1
    assert len(list(entries)) == 1
