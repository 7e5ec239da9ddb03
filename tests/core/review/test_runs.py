"""What people say about runs: nothing is lost when two say it at once, and it stays known who said what."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from core.bench import synthetic_records
from core.config import TrainConfig
from core.errors import RunError
from core.files import write_json
from core.review.runs import EditConflictError, annotate, local_user, read_changes
from core.runs.create import create_run, write_status
from core.runs.delete import delete_run, what_is_lost
from core.runs.history import HistoryWriter
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunMeta
from core.runs.values import MAX_TAGS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def paths(root: Path) -> RunPaths:
    return create_run(root, TrainConfig(dataset="demo", epochs=2), run_id="a-run")


def meta(paths: RunPaths) -> RunMeta:
    return read_run(paths.root, paths.run_id).meta


def test_each_change_is_kept_with_name_and_time(paths: RunPaths) -> None:
    annotate(paths, "Ada", {"notes": "looks good", "review": "in review"}, tag=["paper"])
    annotate(paths, "Ben", {"review": "approved"}, comment="Agreed.")
    annotate(paths, "Ben", {"starred": True}, untag=["paper", "never there"])
    assert [(each.by, each.field, each.in_words()) for each in read_changes(paths)] == [
        ("Ada", "notes", "notes: looks good"),
        ("Ada", "review", "unreviewed → in review"),
        ("Ada", "tags", "tags +paper"),
        ("Ben", "review", "in review → approved"),
        ("Ben", "comment", "Agreed."),
        ("Ben", "starred", "starred"),
        ("Ben", "tags", "tags -paper"),
    ]
    assert meta(paths) == RunMeta(notes="looks good", review="approved", reviewer="Ben", starred=True)
    times = [each.time for each in read_changes(paths)]
    assert times == sorted(times)


def test_the_history_is_safe_from_a_power_cut_before_the_present_state_changes(
    paths: RunPaths, synced: list[str]
) -> None:
    synced.clear()
    annotate(paths, "Ada", {"notes": "x"})
    assert synced[0].startswith(".tmp-meta.json"), "not there yet: a rename is left"
    assert synced[1:] == ["changes.jsonl", "a-run", "a-run"], "the lines, that there is such a file, and the rename"


def test_saying_the_same_again_changes_nothing(paths: RunPaths) -> None:
    annotate(paths, "Ada", {"notes": "x", "review": "approved"}, tag=["a"])
    before = paths.changes.read_bytes()
    annotate(paths, "Ben", {"notes": "x", "review": "approved"}, tag=["a"])
    assert paths.changes.read_bytes() == before
    assert meta(paths).reviewer == "Ada"


def test_the_second_of_two_who_change_one_field_is_told_both_texts(paths: RunPaths) -> None:
    annotate(paths, "Ada", {"notes": "Ada's words"}, seen={"notes": ""})
    with pytest.raises(EditConflictError) as caught:
        annotate(paths, "Ben", {"notes": "Ben's words", "name": "other"}, seen={"notes": "", "name": ""}, tag=["t"])
    error = caught.value
    assert (error.field, error.theirs, error.yours, error.by) == ("notes", "Ada's words", "Ben's words", "Ada")
    assert "Ada changed the notes" in str(error) and "Ben's words" in str(error) and "Ada's words" in str(error)
    assert meta(paths).notes == "Ada's words" and meta(paths).name == "" and meta(paths).tags == []
    annotate(paths, "Ben", {"notes": "both"}, seen={"notes": "Ada's words"})
    assert meta(paths).notes == "both"
    annotate(paths, "Ada", {"notes": "both"}, seen={"notes": "Ada's words"})  # both want the same: no conflict


def test_different_fields_and_tags_merge(paths: RunPaths) -> None:
    annotate(paths, "Ada", {"notes": "n"}, seen={"notes": ""}, tag=["a"])
    annotate(paths, "Ben", {"name": "m"}, seen={"name": "", "notes": ""}, tag=["b"], untag=["c"])
    assert (meta(paths).notes, meta(paths).name, meta(paths).tags) == ("n", "m", ["a", "b"])


def test_many_at_once_lose_nothing(paths: RunPaths) -> None:
    def work(number: int) -> None:
        for step in range(5):
            annotate(paths, f"p{number}", tag=[f"t{number}-{step}"], comment=f"c{number}-{step}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = {f"{n}-{s}" for n in range(4) for s in range(5)}
    assert {tag[1:] for tag in meta(paths).tags} == everything
    assert {each.new[1:] for each in read_changes(paths) if each.field == "comment"} == everything


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"review": "fine"}, "Unknown review state"),
        ({"parent": "x"}, "Unknown field 'parent'"),
        ({"notes": "x" * 20_001}, "20,001 characters"),
        ({"starred": "perhaps"}, "Can't change meta.json"),
    ],
)
def test_what_is_not_allowed_is_refused_and_leaves_no_trace(paths: RunPaths, changes: dict, says: str) -> None:
    with pytest.raises(RunError, match=says):
        annotate(paths, "Ada", changes)
    assert meta(paths) == RunMeta() and not paths.changes.exists()


def test_tags_and_names_have_limits(paths: RunPaths) -> None:
    for bad in ("", "a,b", "x" * 41):
        with pytest.raises(RunError, match="Invalid tag"):
            annotate(paths, "Ada", tag=[bad])
    with pytest.raises(RunError, match="Remove some"):
        annotate(paths, "Ada", tag=[str(i) for i in range(MAX_TAGS + 1)])
    with pytest.raises(RunError, match="Enter your name"):
        annotate(paths, "  ", {"notes": "x"})
    assert local_user()


def test_a_damaged_history_shows_what_can_be_read(paths: RunPaths) -> None:
    annotate(paths, "Ada", comment="one")
    with paths.changes.open("a") as file:
        file.write('{"by": 3}\nnonsense\n{"time": "2026-01-01T00:00:00Z", "by": "torn')
    annotate(paths, "Ben", comment="two")
    assert [each.new for each in read_changes(paths)] == ["one", "two"]


def test_a_deleted_run_cannot_be_talked_about(root: Path, paths: RunPaths) -> None:
    write_status(paths, read_status(paths).model_copy(update={"state": "finished"}))
    delete_run(root, paths.run_id)
    with pytest.raises(RunError):
        annotate(paths, "Ada", comment="hello")
    assert not paths.folder.exists()


# --- deleting


@pytest.fixture
def alive(paths: RunPaths) -> Iterator[RunPaths]:
    write_status(paths, read_status(paths).model_copy(update={"state": "running"}))
    with FileLock(paths.alive_lock):
        yield paths


def test_a_live_run_is_not_deleted(root: Path, alive: RunPaths) -> None:
    with pytest.raises(RunError, match=r"is running\. Stop it before"):
        delete_run(root, alive.run_id)
    assert alive.status.exists()


def test_a_waiting_run_is_not_deleted(root: Path, paths: RunPaths) -> None:
    with pytest.raises(RunError, match=r"is queued\. Stop it before"):
        delete_run(root, paths.run_id)


def test_a_deletion_says_what_is_lost_and_leaves_nothing(root: Path, paths: RunPaths) -> None:
    write_status(paths, read_status(paths).model_copy(update={"state": "finished"}))
    write_json(paths.summary, synthetic_records.summary(epochs_done=2))
    paths.weights.write_bytes(b"0" * 1_500_000)
    annotate(paths, "Ada", {"notes": "n", "review": "approved"})
    said = what_is_lost(read_run(root, paths.run_id))
    for part in ("1.5 MB", "the curves of 2 epochs", "the trained weights", "notes", "the review (approved)"):
        assert part in said
    delete_run(root, paths.run_id)
    assert list_runs(root) == [] and not list(QueuePaths(root).drafts.iterdir())
    with pytest.raises(RunError, match="not found"):
        delete_run(root, paths.run_id)


def test_the_shipped_run_is_only_deleted_by_who_says_so(root: Path, paths: RunPaths) -> None:
    write_status(paths, read_status(paths).model_copy(update={"state": "finished"}))
    shipped = RunPaths(root, "reference-of-a-test")
    paths.folder.rename(shipped.folder)
    with pytest.raises(RunError, match="is shipped with the project"):
        delete_run(root, shipped.run_id)
    assert shipped.status.exists()
    delete_run(root, shipped.run_id, shipped=True)
    assert list_runs(root) == []


def test_a_damaged_run_can_be_deleted_but_not_through_a_link(root: Path, paths: RunPaths, tmp_path: Path) -> None:
    paths.status.write_text("{")
    delete_run(root, paths.run_id)
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="symbolic link"):
        delete_run(root, "link")
    assert (tmp_path / "elsewhere").exists()


class Full(OSError):
    """As on a disk that has just become full."""


@pytest.mark.parametrize("where", ["temporary file", "history", "second half of the history", "rename"])
def test_a_full_disk_leaves_both_the_history_and_what_it_tells_or_neither(
    where: str, paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotate(paths, "Ada", {"notes": "first"})
    before = paths.meta.read_bytes(), paths.changes.read_bytes()
    fsync, replace, append = os.fsync, os.replace, HistoryWriter.append

    def full_sync(handle: int) -> None:
        if where == "temporary file" and ".tmp-" in os.readlink(f"/proc/self/fd/{handle}"):
            raise Full(28, "No space left on device")
        fsync(handle)

    def full_replace(source: str, target: Path) -> None:
        if where == "rename":
            raise Full(28, "No space left on device")
        replace(source, target)

    def full_append(self: HistoryWriter, rows: Any, *, lasting: bool = False) -> None:
        if "history" not in where:
            append(self, rows, lasting=lasting)
            return
        if where == "second half of the history":
            append(self, list(rows)[:1])
        raise Full(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_sync)
        patch.setattr(os, "replace", full_replace)
        patch.setattr(HistoryWriter, "append", full_append)
        with pytest.raises(RunError, match="No space left on device"):
            annotate(paths, "Bob", {"notes": "second", "review": "approved"}, comment="c")
    assert (paths.meta.read_bytes(), paths.changes.read_bytes()) == before
    assert not list(paths.folder.glob(".tmp-*"))
    annotate(paths, "Bob", {"notes": "second"})
    assert [change.new for change in read_changes(paths)] == ["first", "second"]
