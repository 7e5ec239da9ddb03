"""The drawn faces: the same for the same seed, learnable, and not all alike."""

import time
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import DatasetInfo, list_datasets, load_split
from core.data.importers.demo import import_demo
from core.data.importers.drawing import draw_face
from core.errors import DataError
from core.labels import LABELS
from core.splits import SPLITS


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetInfo]:
    root = tmp_path_factory.mktemp("demo")
    return root, import_demo(root, train_per_class=100, validation_per_class=20, test_per_class=20)


def test_a_drawn_set_is_what_was_asked_for(demo: tuple[Path, DatasetInfo]) -> None:
    root, info = demo
    assert list_datasets(root) == [info]
    assert (info.name, info.title, info.kind, info.source) == (
        "demo",
        "Synthetic demo faces",
        "drawn",
        "generated with seed 0",
    )
    assert [info.images(split) for split in SPLITS] == [700, 140, 140]
    assert not info.matches_published
    assert info.counts["test"] == dict.fromkeys(LABELS, 20)
    assert load_split(root, "demo", "train").ids[0] == "angry/train-00000"


def test_same_seed_same_pixels(tmp_path: Path) -> None:
    sizes = {"train_per_class": 3, "validation_per_class": 1, "test_per_class": 1}
    first, again, other = (
        import_demo(tmp_path, name=name, seed=seed, **sizes) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_no_face_is_drawn_twice(demo: tuple[Path, DatasetInfo]) -> None:
    root, info = demo
    images = {image.tobytes() for split in SPLITS for image in load_split(root, "demo", split).images}
    assert len(images) == info.total


@pytest.mark.parametrize("label", range(7))
def test_draw_face(label: int) -> None:
    faces = np.stack([draw_face(label, np.random.default_rng(seed)) for seed in range(20)])
    assert faces.dtype == np.uint8
    assert faces.shape == (20, 48, 48)
    assert faces.std(axis=(1, 2)).min() > 5  # never one flat colour
    assert faces.std(axis=0).min() > 5  # no pixel is the same in all
    np.testing.assert_array_equal(faces[3], draw_face(label, np.random.default_rng(3)))


def test_expressions_are_learnable_but_not_trivial(demo: tuple[Path, DatasetInfo]) -> None:
    """A linear classifier is well above chance (1 in 7) and far from perfect, so a network has something to learn."""
    from sklearn.linear_model import RidgeClassifier

    root, _ = demo
    train, test = load_split(root, "demo", "train"), load_split(root, "demo", "test")

    def features(images: np.ndarray) -> np.ndarray:
        flat = images.reshape(len(images), -1).astype(np.float64)
        return (flat - flat.mean(axis=1, keepdims=True)) / flat.std(axis=1, keepdims=True)

    model = RidgeClassifier(alpha=3000).fit(features(train.images), train.labels)
    accuracy = model.score(features(test.images), test.labels)
    assert 0.22 < accuracy < 0.8


def test_progress_and_time(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    start = time.process_time()
    import_demo(
        tmp_path,
        train_per_class=20,
        validation_per_class=5,
        test_per_class=5,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(100, 210), (200, 210), (210, 210)]
    assert (time.process_time() - start) / 210 < 0.01  # the default 2,940 faces take seconds


def test_bad_name_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Invalid dataset name"):
        import_demo(tmp_path, name="../demo", progress=lambda done, total: pytest.fail("drew something"))
