"""The audit finds what was put in, nothing else, and what is known of the real set."""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from core.data import audit, near_duplicates
from core.data.audit import Audit, audit_dataset, label_counts
from core.data.dataset import load_split, read_info, write_dataset
from core.data.importers.demo import import_demo
from core.data.importers.drawing import draw_face
from core.data.near_duplicates import near_groups, perceptual_hashes
from core.errors import DataError
from core.splits import SPLITS


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    audit._audit.cache_clear()


def faces(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([draw_face(int(rng.integers(7)), rng) for _ in range(count)])


def write(root: Path, name: str = "small", **splits: tuple[np.ndarray, list[int]]) -> None:
    """Splits as images and labels; labels ascend, so that positions are those given."""
    arrays = {}
    for split, (images, labels) in splits.items():
        assert labels == sorted(labels)
        ids = np.array([f"{index:05d}" for index in range(len(labels))])
        arrays[split] = (images, np.array(labels, np.uint8), ids)
    write_dataset(root, name, title="Small", kind="own", source="x", splits=arrays)


def test_it_finds_what_was_put_in(tmp_path: Path) -> None:
    train, validation, test = faces(10, 1), faces(5, 2), faces(5, 3)
    train[4] = train[3]  # the same label
    train[9] = train[0]  # another label
    validation[0] = train[0]  # and leaked
    test[1], test[2] = train[6], train[6]
    test[4] = 7  # flat
    validation[4] = 7
    validation[3] = np.random.default_rng(0).integers(100, 108, (48, 48))  # nearly
    write(
        tmp_path,
        train=(train, [0, 0, 0, 1, 1, 2, 3, 4, 5, 6]),
        validation=(validation, [0, 1, 2, 3, 4]),
        test=(test, [0, 3, 3, 4, 4]),
    )
    found = audit_dataset(tmp_path, "small")
    assert found.duplicates == [[0, 9, 10], [3, 4], [6, 16, 17], [14, 19]]
    assert found.conflicts == found.leak_conflicts == [[0, 9, 10]]
    assert found.leaks == [[0, 9, 10], [6, 16, 17]]
    assert (found.flat, found.nearly_flat) == ([14, 19], [13, 14, 19])
    assert found.near == []
    assert (found.images, found.unique, found.repeats) == (20, 14, 6)
    assert found.shared_with_train("validation") == [0]
    assert found.shared_with_train("test") == [1, 2]
    assert [found.locate(position) for position in (0, 9, 10, 14, 15, 19)] == [
        ("train", 0),
        ("train", 9),
        ("validation", 0),
        ("validation", 4),
        ("test", 0),
        ("test", 4),
    ]
    with pytest.raises(IndexError):
        found.locate(20)


def test_near_duplicates_of_brightness_noise_and_a_shifted_pixel(tmp_path: Path) -> None:
    train, test = faces(12, 4), faces(6, 5)
    rng = np.random.default_rng(0)
    test[0] = np.clip(train[0] * 0.8 + 20, 0, 255)
    test[1] = np.clip(train[1] + rng.normal(0, 3, (48, 48)), 0, 255)
    train[11] = train[1]  # an exact copy joins its near-duplicates
    write(tmp_path, train=(train, [0] * 6 + [1] * 6), validation=(faces(3, 6), [0, 1, 2]), test=(test, [0] * 6))
    found = audit_dataset(tmp_path, "small")
    assert [0, 15] in found.near and [1, 11, 16] in found.near
    assert found.near_conflicts == [[1, 11, 16]]
    assert [0, 15] in found.near_leaks
    assert found.duplicates == [[1, 11]] and found.leaks == []
    assert found.shared_with_train("test") == []
    assert found.shared_with_train("test", near=True) == [0, 1]


def everything(pairs: np.ndarray) -> np.ndarray:
    return np.ones(len(pairs), bool)


def connected(pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    """Groups of what is connected, one pair after the other."""
    groups: set[frozenset[int]] = set()
    for pair in pairs:
        touched = {group for group in groups if group & set(pair)}
        groups = groups - touched | {frozenset(pair).union(*touched)}
    return groups


def test_drawn_faces_are_not_compared_for_near_duplicates(tmp_path: Path) -> None:
    images = faces(3, 4)
    test = np.clip(images * 0.8 + 20, 0, 255).astype(np.uint8)
    write(tmp_path, train=(images, [0, 1, 2]), validation=(faces(3, 6), [0, 1, 2]), test=(test, [0, 1, 2]))
    assert audit_dataset(tmp_path, "small").near
    info = tmp_path / "small" / "dataset.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"kind": "drawn"}))
    (tmp_path / "small" / audit.AUDIT_FILE).unlink()
    audit._audit.cache_clear()
    found = audit_dataset(tmp_path, "small")
    assert found.near == found.near_conflicts == found.near_leaks == []


def test_near_groups_are_those_of_comparing_all_with_all() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 400, dtype=np.uint64)
    for index in range(200, 400):  # up to four bits changed, anywhere
        bits = rng.choice(64, rng.integers(0, 5), replace=False)
        hashes[index] = hashes[index - 200] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), initial=0)
    hashes[300:] = hashes[rng.integers(0, 300, 100)]  # equal ones, too
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    close = [(int(a), int(b)) for a, b in np.argwhere(np.triu(distance <= 2, 1))]
    assert 80 < len(close) < 400
    assert {frozenset(group) for group in near_groups(hashes, everything)} == connected(close)
    unlike = rng.random((400, 400)) < 0.3
    unlike |= unlike.T
    expected = connected([(a, b) for a, b in close if not unlike[a, b]])
    found = near_groups(hashes, lambda pairs: ~unlike[pairs[:, 0], pairs[:, 1]])
    assert {frozenset(group) for group in found} == expected != connected(close)
    assert near_groups(hashes[:0], everything) == near_groups(hashes[:1], everything) == []


@pytest.mark.parametrize("alike", [True, False])
def test_look_alikes_take_a_number_of_comparisons_that_grows_with_their_number(
    alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of pictures whose hashes differ in a bit or two, be they of one scene or different drawings."""
    compared: list[int] = []
    distance = near_duplicates._distance
    monkeypatch.setattr(near_duplicates, "_distance", lambda a, b: compared.append(len(a)) or distance(a, b))

    def cost(images: int) -> tuple[int, int]:
        """How many pairs of hashes, and how many pairs of pictures are compared."""
        compared.clear()
        asked: list[int] = []
        hashes = np.uint64(1) << np.random.default_rng(0).integers(0, 64, images, dtype=np.uint64)
        groups = near_groups(hashes, lambda pairs: asked.append(len(pairs)) or np.full(len(pairs), alike))
        assert [len(group) for group in groups] == ([images] if alike else [])
        return sum(compared), sum(asked)

    few, many = cost(1000), cost(4000)
    assert many[0] < 6 * few[0] and many[1] < 6 * few[1], "four times the pictures: linear is 4, quadratic 16"
    per_image = 1 if alike else 64
    assert many[1] <= 4000 * per_image and many[0] <= 3 * 4000 * per_image


def test_thousands_of_look_alikes_are_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    correlated: list[int] = []
    correlations = near_duplicates._correlations
    monkeypatch.setattr(
        audit, "_correlations", lambda images, pairs: correlated.append(len(pairs)) or correlations(images, pairs)
    )
    noise = np.random.default_rng(0).normal(0, 2, (1500, 48, 48))
    images = np.clip(faces(1)[0] + noise, 0, 255).astype(np.uint8)
    write(tmp_path, train=(images, [0] * 1500), validation=(faces(3, 6), [0, 1, 2]), test=(faces(3, 7), [0] * 3))
    assert audit_dataset(tmp_path, "small").near[0] == list(range(1500))
    assert sum(correlated) < 2 * 1500


def test_a_hash_is_64_bits_and_bears_a_change_of_contrast() -> None:
    images = faces(50)
    hashes = perceptual_hashes(images)
    assert hashes.dtype == np.uint64
    assert len(set(hashes.tolist())) > 45
    paler = np.round(images * 0.7 + 30).astype(np.uint8)
    assert np.bitwise_count(hashes ^ perceptual_hashes(paler)).max() <= 4


def test_it_is_made_once_and_again_after_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_demo(tmp_path, train_per_class=3, validation_per_class=1, test_per_class=1)
    made: list[object] = []
    find = audit.find_issues
    monkeypatch.setattr(audit, "find_issues", lambda splits, **more: made.append(1) or find(splits, **more))
    first = audit_dataset(tmp_path, "demo")
    assert audit_dataset(tmp_path, "demo") is first
    audit._audit.cache_clear()  # as in another process
    assert audit_dataset(tmp_path, "demo") == first
    assert len(made) == 1
    import_demo(tmp_path, train_per_class=4, validation_per_class=1, test_per_class=1)
    assert audit_dataset(tmp_path, "demo").images == 42
    assert len(made) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 2}', '{"version": 1}', "[" * 100_000])
def test_a_damaged_copy_is_made_again(tmp_path: Path, damage: str) -> None:
    import_demo(tmp_path, train_per_class=3, validation_per_class=1, test_per_class=1)
    path = tmp_path / "demo" / audit.AUDIT_FILE
    path.write_text(damage)
    found = audit_dataset(tmp_path, "demo")
    assert Audit.model_validate_json(path.read_text()) == found


def test_an_older_version_or_other_pixels_are_not_believed(tmp_path: Path) -> None:
    import_demo(tmp_path, train_per_class=3, validation_per_class=1, test_per_class=1)
    found = audit_dataset(tmp_path, "demo")
    path = tmp_path / "demo" / audit.AUDIT_FILE
    for changed in ({"version": 0}, {"fingerprint": "0"}, {"created_at": "2020-01-01T00:00:00Z"}):
        path.write_text(json.dumps(found.model_dump(mode="json") | changed | {"flat": [1, 2, 3]}))
        audit._audit.cache_clear()
        assert audit_dataset(tmp_path, "demo").flat == []


def test_a_folder_that_cannot_be_written_gets_its_audit_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import_demo(tmp_path, train_per_class=3, validation_per_class=1, test_per_class=1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit, "write_json", full)
    assert audit_dataset(tmp_path, "demo").images == 35
    assert "No space left on device" in caplog.text
    assert audit.AUDIT_FILE not in os.listdir(tmp_path / "demo")


def test_what_is_not_there_has_no_audit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not imported"):
        audit_dataset(tmp_path, "none")


def test_label_counts() -> None:
    assert label_counts([0, 2, 3, 4], np.array([5, 0, 1, 5, 3], np.uint8)) == [(5, 2), (1, 1), (3, 1)]


@pytest.mark.real_data
def test_the_real_set_is_as_measured(tmp_path: Path, real_root: Path) -> None:
    shutil.copytree(real_root, tmp_path, dirs_exist_ok=True)
    info = read_info(tmp_path, "fer2013")
    start = time.monotonic()
    found = audit_dataset(tmp_path, "fer2013")
    seconds = time.monotonic() - start
    counts = found.counts()
    assert seconds < 20
    expected = {
        "images": 35_887,
        "unique": 34_034,
        "repeats": 1_853,
        "conflicting_groups": 57,
        "shared_with_train": 531,
        "shared_with_train_conflicting": 25,
        "validation_images_shared": 280,
        "test_images_shared": 288,
        "flat": 12,
        "nearly_flat": 14,
        "near_groups": 358,
    }
    assert {key: counts[key] for key in expected} == expected
    splits = {split: load_split(tmp_path, "fer2013", split) for split in SPLITS}
    in_train = {image.tobytes() for image in splits["train"].images}
    for split in ("validation", "test"):
        shared = [index for index, image in enumerate(splits[split].images) if image.tobytes() in in_train]
        assert found.shared_with_train(split) == shared
    for group in found.conflicts:
        places = [found.locate(position) for position in group]
        assert len({splits[split].images[index].tobytes() for split, index in places}) == 1
        assert len({int(splits[split].labels[index]) for split, index in places}) > 1
    audit._audit.cache_clear()
    start = time.monotonic()
    assert audit_dataset(tmp_path, "fer2013") == found
    assert time.monotonic() - start < 0.5
    assert found.fingerprint == info.fingerprint
    shutil.rmtree(tmp_path / "fer2013")
