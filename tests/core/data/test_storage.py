"""A dataset appears, is replaced and disappears as a whole, whatever is killed meanwhile."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.data import dataset
from core.data.dataset import list_datasets, load_split, read_info
from core.data.importers import auto, demo
from core.data.importers.auto import import_data
from core.data.importers.demo import import_demo
from core.data.storage import check_writable, delete_dataset, read_whole
from core.errors import DataError
from core.splits import SPLITS
from tests.conftest import PROJECT_ROOT
from tests.core.data.conftest import write

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.mark.parametrize("name", ["../etc", "", ".hidden", "a/b", "A", "-x", "x" * 65, "a\n", "..", "a\0b"])
def test_names_that_could_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    for action in (
        lambda: read_info(tmp_path, name),
        lambda: delete_dataset(tmp_path, name),
        lambda: write(tmp_path, name),
    ):
        with pytest.raises(DataError, match="Invalid dataset name"):
            action()


def test_a_set_is_replaced_while_it_is_open(tmp_path: Path) -> None:
    write(tmp_path, seed=1)
    old = load_split(tmp_path, "small", "train")
    before = old.images.copy()
    new = write(tmp_path, seed=2)
    np.testing.assert_array_equal(old.images, before)
    assert read_info(tmp_path, "small") == new
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".import.lock", "small"]


def test_delete(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "other")
    delete_dataset(tmp_path, "small")
    assert [info.name for info in list_datasets(tmp_path)] == ["other"]
    with pytest.raises(DataError, match="not imported"):
        delete_dataset(tmp_path, "small")


def test_failed_writing_keeps_the_old_set_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write(tmp_path, seed=1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "write_json", full)
        with pytest.raises(DataError, match=r"The disk of .* is full\. Free some space"):
            write(tmp_path, seed=2)
    assert read_info(tmp_path, "small") == old
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".import.lock", "small"]


def test_data_root_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Cannot write datasets under"):
        write(tmp_path / "file" / "data")


KILLED_WRITERS = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.core.data.conftest import write

def dies_at(step):
    # Every call that changes what survives a crash counts as one step; the process dies before it.
    count = 0
    def counted(function):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    os.fsync = lambda _: None  # no power cut here: waiting for the disk would take most of the time
    for name in ("fsync", "rename", "replace", "mkdir", "rmdir", "unlink", "open"):
        setattr(os, name, counted(getattr(os, name)))

for step in range(1, 1000):
    root = Path(sys.argv[2]) / str(step)
    if sys.argv[3] == "replace":
        write(root, seed=1)
    pid = os.fork()
    if pid == 0:
        dies_at(step)
        write(root, seed=2)
        os._exit(0)
    if os.waitpid(pid, 0)[1] == 0:
        break
print(step)
"""


@pytest.mark.parametrize("mode", ["new", "replace"])
def test_writers_killed_at_every_step_leave_nothing_or_a_whole_set(tmp_path: Path, mode: str) -> None:
    command = [sys.executable, "-c", KILLED_WRITERS, str(PROJECT_ROOT), str(tmp_path / "roots"), mode]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert steps > 30
    reference = {seed: write(tmp_path / "reference", seed=seed).fingerprint for seed in (1, 2, 3)}
    seen = set()
    for step in range(1, steps):
        root = tmp_path / "roots" / str(step)
        found = list_datasets(root)
        seen.add(found[0].fingerprint if found else None)
        for info in found:
            for split in SPLITS:
                load_split(root, info.name, split)
        assert write(root, "later", seed=3).fingerprint == reference[3]  # sweeps, and restores what was swapped out
        assert [info.name for info in list_datasets(root)] == ["later", *(["small"] if found else [])]
        names = {entry.name for entry in root.iterdir()}
        assert names <= {".import.lock", "later", "small"}, step
    assert seen == ({None, reference[2]} if mode == "new" else {reference[1], reference[2]})


def test_who_reads_the_old_set_when_it_is_removed_reads_the_new_one(tmp_path: Path) -> None:
    """At the moment when one is renamed and the other is not yet: the removal of the first files shows in no time."""
    write(tmp_path, seed=1)
    final, replaced = tmp_path / "small", tmp_path / ".replaced-small"
    final.rename(replaced)
    looks = []

    def read(folder: Path) -> Path:
        looks.append(folder)
        if folder == replaced:
            final.mkdir()
            raise FileNotFoundError(replaced / "train.npy")
        return folder

    assert read_whole(tmp_path, "small", read) == final and looks == [replaced, final]


def test_imports_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; from tests.core.data.conftest import write\n"
        "for _ in range(8): write(Path(sys.argv[3]), seed=int(sys.argv[4]))"
    )
    root = tmp_path / "data"
    arguments = [sys.executable, "-c", script, str(PROJECT_ROOT), str(PROJECT_ROOT / "tests"), str(root)]
    writers = [subprocess.Popen([*arguments, str(seed)]) for seed in (1, 2)]
    deadline = time.monotonic() + 60
    while not root.exists() or not list_datasets(root):
        assert time.monotonic() < deadline
    looks = 0
    while any(writer.poll() is None for writer in writers):
        read_info(root, "small")  # never missing, never half
        looks += 1
    assert [writer.wait() for writer in writers] == [0, 0]
    assert looks > 10
    expected = {write(tmp_path / "reference", seed=seed).fingerprint for seed in (1, 2)}
    assert read_info(root, "small").fingerprint in expected
    assert sorted(os.listdir(root)) == [".import.lock", "small"]


@pytest.mark.parametrize("below", ["", "new/data"])
def test_an_import_that_cannot_be_written_is_refused_before_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """A file in the way stands for a folder that is only read: root may write anywhere."""
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(demo, "draw_face", lambda *_: pytest.fail("drawn for nothing"))
    monkeypatch.setattr(auto, "examine", lambda *_: pytest.fail("looked at for nothing"))
    for make in (import_demo, lambda root: import_data(tmp_path / "faces.zip", root)):
        with pytest.raises(DataError, match="Cannot write datasets under"):
            make(blocked / below)
    assert blocked.read_bytes() == b""


def test_looking_whether_a_folder_can_be_written_makes_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "data")
    assert list(tmp_path.iterdir()) == []
