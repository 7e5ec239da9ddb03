"""Data sets on disk: written and read as a whole, whatever is killed in between."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.cli.data import data_status
from core.data.dataset import list_datasets, load_split, read_info, write_dataset
from core.errors import DataError
from core.labels import LABELS
from tests.conftest import PROJECT_ROOT
from tests.core.data.conftest import some_splits, write

pytestmark = pytest.mark.usefixtures("no_fsync")


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


def test_counts_have_all_classes_whatever_the_file_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write(tmp_path, name=name)
    path = tmp_path / "a" / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"counts": {"train": {}, "test": {"sad": 1}}}))
    info = read_info(tmp_path, "a")
    assert info.counts == {"train": dict.fromkeys(LABELS, 0), "test": dict.fromkeys(LABELS, 0) | {"sad": 1}}
    data_status(tmp_path)
    shown = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in shown if ": Small" in line] == ["a", "b"]
    with pytest.raises(DataError, match="is corrupt"):
        load_split(tmp_path, "a", "train")


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


def test_pages_can_use_it_without_torch_or_pandas() -> None:
    code = (
        "import sys, core.data.dataset, core.data.importers.fer2013, core.data.importers.demo, core.data.decode\n"
        "print(*{'torch', 'pandas', 'sklearn', 'streamlit'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert result.stdout.strip() == ""
