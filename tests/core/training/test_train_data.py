"""What a run is trained on: a list of corrections changes the images it names."""

from pathlib import Path

import numpy as np
import pytest

from core.config import TrainConfig
from core.data.dataset import load_split
from core.errors import DataError, RunError
from core.labels import LABELS
from core.training.compute import choose_compute
from core.training.train_data import alternating_flips, load_data
from tests.core.training.conftest import corrections_for
from tests.core.training.test_loop import TINY


def test_a_list_changes_the_training_images_it_names(demo_root: Path) -> None:
    config, train = TrainConfig(**TINY), load_split(demo_root, "demo", "train")
    found = corrections_for(
        demo_root,
        {"split": "train", "image": str(train.ids[5]), "action": "exclude"},
        {"split": "train", "image": str(train.ids[9]), "action": "relabel", "label": "surprise"},
    )
    data = load_data(config, demo_root, choose_compute(config), found)
    assert np.array_equal(data.images.numpy(), np.delete(train.images, 5, axis=0))
    expected = np.array(train.labels)
    expected[9] = LABELS.index("surprise")
    assert np.array_equal(data.labels.numpy(), np.delete(expected, 5))
    assert data.corrected is None, "it leaves validation alone"
    with pytest.raises(RunError, match="made for "):
        load_data(config, demo_root, choose_compute(config), found.model_copy(update={"data_fingerprint": "0"}))


def test_a_list_that_leaves_nothing_is_refused(demo_root: Path) -> None:
    config = TrainConfig(**TINY)
    for split in ("train", "validation"):
        ids = load_split(demo_root, "demo", split).ids
        found = corrections_for(
            demo_root, *({"split": split, "image": str(image), "action": "exclude"} for image in ids)
        )
        with pytest.raises(DataError, match=f"excludes? all {'training' if split == 'train' else split} images"):
            load_data(config, demo_root, choose_compute(config), found)


def test_alternating_flips_show_both_sides_of_every_image_in_two_epochs(demo_root: Path) -> None:
    config = TrainConfig(**TINY)
    data = load_data(config, demo_root, choose_compute(config))
    first, second, third = (alternating_flips(7, epoch, data) for epoch in range(3))
    assert bool((first != second).all()) and bool((first == third).all())
    assert 0.3 < float(first.float().mean()) < 0.7
    assert not bool((first == alternating_flips(8, 0, data)).all())
