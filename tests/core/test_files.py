"""Whole files or none, and locks that die with their holder."""

import errno
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
from filelock import FileLock, Timeout

from core.files import lock_is_held, make_folder, process_lock, read_json, sweep_leftovers, write_json, write_whole
from tests.conftest import PROJECT_ROOT, wait_for


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_created_and_replaced(tmp_path: Path) -> None:
    for content in (b"first", b"second, longer", b""):
        write_whole(tmp_path / "x", lambda file, content=content: file.write(content))
        assert (tmp_path / "x").read_bytes() == content
        assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("lasting", [True, False])
def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, lasting: bool) -> None:
    write_whole(tmp_path / "x", lambda file: file.write(b"old"))

    def fail(file: BinaryIO) -> None:
        file.write(b"half of the n")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "x", fail, lasting=lasting)
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_half_a_file_never_takes_the_place_in_a_folder_that_was_put_back_from_a_copy(tmp_path: Path) -> None:
    """The copy was made while the file was being written, and so has half of it under the temporary name."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_whole(folder / "x", lambda file: file.write(b"old"))

    def write(file: BinaryIO) -> None:
        file.write(b"half")
        file.flush()
        folder.rename(tmp_path / "moved")
        shutil.copytree(tmp_path / "moved", folder)
        file.write(b", and the rest")

    with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
        write_whole(folder / "x", write)
    assert (folder / "x").read_bytes() == b"old"
    assert names(folder) == ["x"]


def test_what_was_swept_before_its_rename_does_not_come_any_more(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", lambda file: file.write(b"old"))

    def sweep() -> None:
        assert len(names(tmp_path)) == 2, "the new file is there under another name"
        sweep_leftovers(tmp_path, "y")
        assert len(names(tmp_path)) == 2, "another file's"
        sweep_leftovers(tmp_path, "x")

    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "x", lambda file: file.write(b"new"), check=sweep)
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_readers_meet_only_whole_files_while_a_writer_writes(tmp_path: Path) -> None:
    """The writer is a process of its own and is killed in the middle, which leaves at most leftovers to sweep."""
    code = (
        "import sys, itertools, pathlib; from core.files import write_json\n"
        "for number in itertools.count():\n"
        "    write_json(pathlib.Path(sys.argv[1]), {'numbers': [number] * 20_000})\n"
    )
    path = tmp_path / "x.json"
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=PROJECT_ROOT)
    try:
        wait_for(path.exists)
        seen = set()
        while len(seen) < 8:
            numbers = read_json(path)["numbers"]
            assert len(numbers) == 20_000
            assert len(set(numbers)) == 1
            seen.add(numbers[0])
    finally:
        writer.kill()
        writer.wait()
    assert len(set(read_json(path)["numbers"])) == 1
    sweep_leftovers(tmp_path)
    assert names(tmp_path) == ["x.json"]


def test_a_file_can_be_read_by_the_team(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {})
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o644


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"x": [float("-inf")]}])
def test_json_that_others_cannot_read_is_not_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "x.json", value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=["empty", "half", "binary", "deep"])
def test_what_is_no_json_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "x.json")


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"text": "größer ☺", "list": [1, 2.5, None, True]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert json.loads((tmp_path / "x.json").read_text()) == value


def test_sweeping_takes_leftovers_only(tmp_path: Path) -> None:
    for name in (".tmp-status.json-abc", "status.json", ".hidden", "tmp-x"):
        (tmp_path / name).touch()
    sweep_leftovers(tmp_path)
    assert names(tmp_path) == [".hidden", "status.json", "tmp-x"]


def test_a_lock_is_held_by_nobody_where_there_is_no_file(tmp_path: Path) -> None:
    assert not lock_is_held(tmp_path / "x.lock")
    assert names(tmp_path) == []


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    with FileLock(tmp_path / "x.lock"):
        assert lock_is_held(tmp_path / "x.lock")
        assert lock_is_held(tmp_path / "x.lock"), "asking changes nothing"
    assert not lock_is_held(tmp_path / "x.lock")
    FileLock(tmp_path / "x.lock").acquire(timeout=0)


def test_a_pipe_or_a_socket_in_the_place_of_a_lock_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not lock_is_held(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="symbolic links"):
        lock_is_held(tmp_path / "link")


def test_what_is_made_is_as_open_as_its_folder(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        for name, mode, kept in (("own", 0o755, 0o644), ("team", 0o775, 0o664), ("closed", 0o770, 0o660)):
            folder = tmp_path / name
            folder.mkdir()
            folder.chmod(mode)
            write_json(folder / "a.json", {})
            assert stat.S_IMODE((folder / "a.json").stat().st_mode) == kept
            write_whole(folder / "token", lambda file: file.write(b"x"), private=True)
            assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
            make_folder(folder / "b" / "c", parents=True)
            for inner in (folder / "b", folder / "b" / "c"):
                assert stat.S_IMODE(inner.stat().st_mode) == (mode if name != "own" else 0o700)
    finally:
        os.umask(old)


def test_a_lock_is_free_as_soon_as_its_holder_is_dead_even_unburied(tmp_path: Path) -> None:
    code = (
        "import sys, time, subprocess; from filelock import FileLock\n"
        "lock = FileLock(sys.argv[1]); lock.acquire()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "x.lock")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        assert lock_is_held(tmp_path / "x.lock")
        holder.kill()  # not waited for: a zombie, and with a child that lives on
        wait_for(lambda: not lock_is_held(tmp_path / "x.lock"), 10)
    finally:
        os.kill(child, signal.SIGKILL)
        holder.wait()
        holder.stdout.close()


def test_a_lock_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    with process_lock(tmp_path / "x.lock"), pytest.raises(Timeout):
        process_lock(tmp_path / "x.lock", timeout=0).acquire()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_named_and_no_other_lock_takes_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "old.lock").touch()
    monkeypatch.setattr(fcntl, "flock", flock)
    said = r"its file system has no file locks \(flock\); set FER_RUNS_ROOT or FER_DATA_ROOT"
    for act in (process_lock(tmp_path / "x.lock").acquire, lambda: lock_is_held(tmp_path / "old.lock")):
        with pytest.raises(OSError, match=said) as caught:
            act()
        assert caught.value.errno == code


def test_all_locks_are_of_one_kind() -> None:
    """`lock_is_held` sees no other."""
    modules = [path for top in ("core", "dashboard") for path in (PROJECT_ROOT / top).rglob("*.py")]
    assert [path.name for path in modules if "FileLock" in path.read_text()] == ["files.py"]
