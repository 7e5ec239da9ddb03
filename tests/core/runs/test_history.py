"""Histories: whatever is killed, what is there reads as a beginning of what was written."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.runs.history import HistoryWriter, Page, drop_rows_after, read_page, read_rows
from tests.conftest import PROJECT_ROOT, wait_for

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ROWS = st.lists(st.dictionaries(st.text(max_size=8), VALUES, max_size=4), max_size=8)


@contextmanager
def written(rows: list[dict[str, Any]]) -> Iterator[Path]:
    """A history with these rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        with HistoryWriter(path) as history:
            history.append(rows)
        yield path


@settings(deadline=None)  # the disk has other users
@given(ROWS, st.data())
def test_a_history_cut_at_any_byte_reads_as_a_prefix_of_its_rows(rows: list[dict[str, Any]], data: Any) -> None:
    with written(rows) as path:
        size = path.stat().st_size
        cut = data.draw(st.integers(0, size))
        os.truncate(path, cut)
        found, offset = read_rows(path)
        assert found == rows[: len(found)]
        assert len(found) == path.read_bytes().count(b"\n")
        assert offset <= cut
        assert (cut < size) or found == rows


@settings(deadline=None)
@given(ROWS, ROWS, st.data())
def test_a_row_after_a_torn_line_is_not_joined_to_it(before: list[Any], after: list[Any], data: Any) -> None:
    with written(before) as path:
        os.truncate(path, data.draw(st.integers(0, path.stat().st_size)))
        kept, _ = read_rows(path)
        with HistoryWriter(path) as history:
            history.append(after)
        assert read_rows(path)[0] == kept + after


@settings(deadline=None)
@given(ROWS, st.data())
def test_reading_on_and_on_gives_the_same_as_reading_once(rows: list[dict[str, Any]], data: Any) -> None:
    with written(rows) as path:
        content = path.read_bytes()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
        collected, offset = [], 0
        for start, end in pairwise([0, *cuts, len(content)]):
            with path.open("r+b" if start else "wb") as file:
                file.seek(start)
                file.write(content[start:end])
                file.truncate()
            found, offset = read_rows(path, offset)
            collected += found
        assert collected == rows == read_rows(path)[0]


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=12), st.integers(-1, 31))
def test_dropping_keeps_exactly_the_rows_up_to_the_last(steps: list[int], last: int) -> None:
    with written([{"step": step} for step in steps]) as path:
        drop_rows_after(path, "step", last)
        assert [row["step"] for row in read_rows(path)[0]] == [step for step in steps if step <= last]


def test_a_missing_history_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "x.jsonl", 100) == ([], 0)
    drop_rows_after(tmp_path / "x.jsonl", "step", 1)
    assert not (tmp_path / "x.jsonl").exists()


def test_a_history_that_became_shorter_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    rows, offset = read_rows(path)
    drop_rows_after(path, "step", 1)
    assert read_rows(path, offset) == (rows[:1], path.stat().st_size)


def pages(path: Path, most: int) -> list[Page]:
    """All pages of a history, one after the other."""
    found = [read_page(path, 0, most)]
    while found[-1].end > found[-1].start:
        found.append(read_page(path, found[-1].end, most, found[-1].mark))
    return found


@settings(deadline=None)
@given(ROWS, st.integers(1, 100))
def test_pages_are_the_history_whatever_their_size(rows: list[dict[str, Any]], most: int) -> None:
    with written(rows) as path:
        found = pages(path, most)
        assert [row for page in found for row in page.rows] == rows
        assert all(before.end == after.start for before, after in pairwise(found))


@pytest.mark.parametrize("most", [1, 10, 11, 12, 100])
def test_a_line_longer_than_a_page_is_one(tmp_path: Path, most: int) -> None:
    path = tmp_path / "x.jsonl"
    long = {"step": 1, "text": "x" * 1000}
    path.write_text(f'{{"step": 0}}\n{json.dumps(long)}\n{"[" * 1000}\n{{"step": 2}}\n{{"text": "{"x" * 1000}')
    found = pages(path, most)
    assert [row for page in found for row in page.rows] == [{"step": 0}, long, {"step": 2}]
    assert found[-1].end == path.read_bytes().rfind(b"\n") + 1


def test_replaced_rows_are_read_anew_though_the_history_is_longer_than_before(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with HistoryWriter(path) as history:
        history.append({"step": step, "elapsed_s": step / 10} for step in range(100))
    read = read_page(path, 0, 10**6)
    drop_rows_after(path, "step", 50)
    with HistoryWriter(path) as history:
        history.append({"step": step, "elapsed_s": step / 10 + 7} for step in range(51, 140))
    assert path.stat().st_size > read.end
    anew = read_page(path, read.end, 10**6, read.mark)
    assert (anew.start, anew.rows) == (0, read_rows(path)[0])
    with HistoryWriter(path) as history:
        history.append([{"step": 140}])
    more = read_page(path, anew.end, 10**6, anew.mark)
    assert (more.start, more.rows) == (anew.end, [{"step": 140}])


def test_rows_that_are_dropped_after_those_that_were_read_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with HistoryWriter(path) as history:
        history.append({"step": step} for step in range(10))
    first = read_page(path, 0, 30)
    drop_rows_after(path, "step", 5)
    second = read_page(path, first.end, 10**6, first.mark)
    assert first.rows + second.rows == [{"step": step} for step in range(6)]


def test_a_history_that_comes_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    none = read_page(path, 0, 100)
    assert (none.rows, none.start, none.end) == ([], 0, 0)
    path.write_text('{"step": 1}\n')
    assert read_page(path, none.end, 100, none.mark).rows == [{"step": 1}]


def test_a_history_with_nothing_to_drop_is_not_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n')
    inode = path.stat().st_ino
    drop_rows_after(path, "step", 2)
    assert path.stat().st_ino == inode


def test_dropping_takes_rows_that_do_not_say_where_they_belong(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"step": 1}\n{"step": null}\n{"step": "2"}\n{"other": 1}\n{"step": 2}\n')
    drop_rows_after(path, "step", 2)
    assert read_rows(path)[0] == [{"step": 1}, {"step": 2}]


def test_lines_that_are_no_rows_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = [
        b'{"step": 1}',
        b"nonsense",
        b"",
        b"[1, 2]",
        b"3",
        b"\xff",
        b'{"a": 1}, {"b": 2}',
        b"[" * 100_000,
        b'{"step": 2}',
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert read_rows(path)[0] == [{"step": 1}, {"step": 2}]


def test_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with HistoryWriter(path) as history:
        history.append([{"loss": float("nan"), "rate": float("inf"), "step": 1}])
    assert read_rows(path)[0] == [{"loss": None, "rate": None, "step": 1}]


def test_rows_are_there_before_the_file_is_closed(tmp_path: Path) -> None:
    history = HistoryWriter(tmp_path / "x.jsonl")
    history.append([{"step": 1}])
    assert read_rows(tmp_path / "x.jsonl")[0] == [{"step": 1}]
    history.close()


def test_a_killed_writer_leaves_a_history_that_the_next_one_continues(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    code = (
        "import sys, itertools, pathlib; from core.runs.history import HistoryWriter\n"
        "history = HistoryWriter(pathlib.Path(sys.argv[1]))\n"
        "for step in itertools.count(): history.append([{'step': step, 'text': 'x' * 5000}])\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=PROJECT_ROOT)
    try:
        wait_for(lambda: path.exists() and path.stat().st_size > 100_000)
    finally:
        writer.kill()
        writer.wait()
    rows, _ = read_rows(path)
    assert [row["step"] for row in rows] == list(range(len(rows)))
    with HistoryWriter(path) as history:
        history.append([{"step": len(rows)}])
    assert len(path.read_bytes().splitlines()) == len(rows) + 1
    assert read_rows(path)[0][-1] == {"step": len(rows)}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = HistoryWriter(tmp_path / "x.jsonl")
    history.close()
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(history, "_file", full)
        with pytest.raises(OSError, match="No space left") as caught:
            history.append([{"step": 1}])
    assert caught.value.errno == errno.ENOSPC


def test_what_the_system_takes_in_parts_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nibbler:
        """A raw file on a disk that is nearly full: takes 7 bytes at a time."""

        def __init__(self) -> None:
            self.taken = b""

        def write(self, data: bytes) -> int:
            self.taken += data[:7]
            return len(data[:7])

    history = HistoryWriter(tmp_path / "x.jsonl")
    history.close()
    nibbler = Nibbler()
    monkeypatch.setattr(history, "_file", nibbler)
    history.append([{"step": 1}, {"step": 2}])
    assert [json.loads(line) for line in nibbler.taken.splitlines()] == [{"step": 1}, {"step": 2}]
