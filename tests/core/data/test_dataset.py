"""Data sets on disk: written and read as a whole, whatever is killed in between."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.data import dataset
from core.data.dataset import (
    DatasetInfo,
    SplitArrays,
    delete_dataset,
    list_datasets,
    load_split,
    read_info,
    write_dataset,
)
from core.data.fer2013 import PUBLISHED_COUNTS, count_differences
from core.errors import DataError
from core.labels import LABELS
from core.splits import SPLITS

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests kill processes, not machines; waiting for the disk would take most of their time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def some_splits(seed: int = 0, per_class: int = 2) -> dict[str, SplitArrays]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7, dtype=np.uint8), per_class)
    shape = (len(labels), 48, 48)
    ids = np.array([f"{LABELS[label]}/{i:03d}" for i, label in enumerate(labels)])
    return {split: (rng.integers(0, 256, shape, dtype=np.uint8), labels, ids) for split in SPLITS}


def write(root: Path, name: str = "small", seed: int = 0, **changes: object) -> DatasetInfo:
    splits = changes.pop("splits", None) or some_splits(seed)
    return write_dataset(root, name, title="Small", kind="own", source="x.zip", splits=splits, **changes)  # type: ignore


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    splits = some_splits()
    info = write(tmp_path, splits=splits)
    assert read_info(tmp_path, "small") == info
    assert list_datasets(tmp_path) == [info]
    assert info.total == 42
    assert info.images("test") == 14
    assert info.images("seed-test") == 0
    for name, (images, labels, ids) in splits.items():
        split = load_split(tmp_path, "small", name)
        assert len(split) == 14
        np.testing.assert_array_equal(split.images, images)
        np.testing.assert_array_equal(split.labels, labels)
        assert split.ids.tolist() == ids.tolist()
        assert isinstance(split.images, np.memmap)
        assert not split.images.flags.writeable
        assert info.counts[name] == dict.fromkeys(LABELS, 2)


def test_mean_and_deviation_are_those_of_the_training_pixels(tmp_path: Path) -> None:
    splits = some_splits()
    info = write(tmp_path, splits=splits)
    assert info.mean == pytest.approx((splits["train"][0] / 255).mean())
    assert info.std == pytest.approx((splits["train"][0] / 255).std())


def test_source_never_carries_a_folder(tmp_path: Path) -> None:
    info = write_dataset(tmp_path, "a", title="A", kind="own", source="/some/where/x.zip", splits=some_splits())
    assert info.source == "x.zip"
    assert "some/where" not in (tmp_path / "a" / "dataset.json").read_text()


def test_order_and_names_do_not_change_the_fingerprint_but_pixels_and_labels_do(tmp_path: Path) -> None:
    splits = some_splits()
    fingerprint = write(tmp_path, splits=splits).fingerprint

    def changed(images: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> str:
        return write(tmp_path, splits={**splits, "train": (images, labels, ids)}).fingerprint

    images, labels, ids = splits["train"]
    order = np.random.default_rng(1).permutation(len(labels))
    assert changed(images[order], labels[order], ids[order]) == fingerprint
    assert changed(images, labels, np.array([f"row-{i}" for i in range(len(ids))])) == fingerprint
    other = images.copy()
    other[3, 20, 20] ^= 1
    assert changed(other, labels, ids) != fingerprint
    assert changed(images, np.roll(labels, 1), ids) != fingerprint
    swapped = write(tmp_path, splits={**splits, "validation": splits["test"], "test": splits["validation"]})
    assert swapped.fingerprint != fingerprint


def test_images_are_kept_by_label_then_id(tmp_path: Path) -> None:
    splits = some_splits()
    order = np.random.default_rng(2).permutation(14)
    write(tmp_path, splits={name: tuple(part[order] for part in arrays) for name, arrays in splits.items()})
    for name, (images, labels, ids) in splits.items():
        split = load_split(tmp_path, "small", name)
        np.testing.assert_array_equal(split.images, images)
        np.testing.assert_array_equal(split.labels, labels)
        assert split.ids.tolist() == ids.tolist()


def test_published_counts_are_those_of_the_challenge() -> None:
    assert [sum(PUBLISHED_COUNTS[split]) for split in SPLITS] == [28_709, 3_589, 3_589]
    original_test = [sum(pair) for pair in zip(PUBLISHED_COUNTS["validation"], PUBLISHED_COUNTS["test"], strict=True)]
    assert original_test == [958, 111, 1024, 1774, 1233, 1247, 831]


def test_differences_name_split_class_and_both_numbers() -> None:
    counts = {split: dict(zip(LABELS, numbers, strict=True)) for split, numbers in PUBLISHED_COUNTS.items()}
    assert count_differences(counts) == []
    counts["validation"]["fear"] = 495
    assert count_differences(counts) == [{"split": "validation", "label": "fear", "found": 495, "published": 496}]
    assert len(count_differences({})) == 21


def test_only_fer2013_with_no_difference_matches_the_published_numbers(tmp_path: Path) -> None:
    assert not write(tmp_path).matches_published
    info = write_dataset(tmp_path, "f", title="F", kind="fer2013", source="x.zip", splits=some_splits())
    assert info.matches_published
    difference = {"split": "train", "label": "sad", "found": 1, "published": 4830}
    assert not info.model_copy(update={"differences": [difference]}).matches_published


def test_missing_set_says_how_to_import_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_split(tmp_path, "fer2013", "train")
    assert str(caught.value) == (
        "Dataset 'fer2013' is not imported. Run `python -m core data import PATH` or use the Data page."
    )
    assert list_datasets(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["../etc", "", ".hidden", "a/b", "A", "-x", "x" * 65, "a\n", "..", "a\0b"])
def test_names_that_could_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    for action in (
        lambda: read_info(tmp_path, name),
        lambda: delete_dataset(tmp_path, name),
        lambda: write(tmp_path, name),
    ):
        with pytest.raises(DataError, match="Invalid dataset name"):
            action()


def test_unknown_split_names_those_there_are(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(DataError, match=r"has no split 'seed-test'\. Choose one of train, validation, test"):
        load_split(tmp_path, "small", "seed-test")


def _cut(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("train.npy", lambda path: _cut(path, 2000)),
        ("train.npy", lambda path: _cut(path, 0)),
        ("train.npy", Path.unlink),
        ("train.npy", lambda path: np.save(path, np.zeros((14, 48, 49), np.uint8))),
        ("train.npy", lambda path: np.save(path, np.zeros((14, 48, 48), np.float32))),
        ("train.npy", lambda path: np.save(path, np.zeros((15, 48, 48), np.uint8))),
        ("train.npy", lambda path: path.write_bytes(b"garbage" * 10_000)),
        ("train.index.npy", lambda path: _cut(path, 150)),
        ("train.index.npy", lambda path: _cut(path, 20)),
        ("train.index.npy", Path.unlink),
        ("train.index.npy", lambda path: np.save(path, np.zeros(14, np.uint8))),
        ("train.index.npy", lambda path: np.save(path, np.array([{}] * 14, dtype=object), allow_pickle=True)),
        ("dataset.json", lambda path: _cut(path, 100)),
        ("dataset.json", lambda path: path.write_text("[]")),
        ("dataset.json", lambda path: path.write_text('{"name": "small"}')),
        ("dataset.json", Path.unlink),
    ],
)
def test_damage_is_noticed_when_opened(tmp_path: Path, file: str, damage: object) -> None:
    write(tmp_path)
    write(tmp_path, "other")
    damage(tmp_path / "small" / file)  # type: ignore[operator]
    with pytest.raises(DataError, match=r"^Dataset 'small' is corrupt \(.*\)\. Import it again\.$"):
        load_split(tmp_path, "small", "train")
    assert "other" in [info.name for info in list_datasets(tmp_path)]


def test_labels_that_do_not_fit_the_counts_are_noticed(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "small" / "dataset.json"
    content = json.loads(path.read_text())
    content["counts"]["train"] |= {"angry": 3, "disgust": 1}
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="corrupt"):
        load_split(tmp_path, "small", "train")


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
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
from test_data_fer2013 import write

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


def test_imports_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; from test_data_fer2013 import write\n"
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


def test_pages_can_use_it_without_torch_or_pandas() -> None:
    code = (
        "import sys, core.data.dataset, core.data.importers.fer2013, core.data.importers.demo, core.data.decode\n"
        "print(*{'torch', 'pandas', 'sklearn', 'streamlit'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert result.stdout.strip() == ""
