"""FER2013 under other names, known by its pixels."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import load_split, read_info
from core.data.importers.auto import examine, import_data
from core.data.importers.known import as_fer2013
from core.splits import SPLITS
from tests.conftest import REAL_ZIP


@pytest.mark.real_data
def test_the_published_splits_come_back(real_root: Path) -> None:
    parts = [load_split(real_root, "fer2013", split) for split in SPLITS]
    truth = np.repeat(np.arange(3), [len(part) for part in parts])
    order = np.random.default_rng(0).permutation(len(truth))
    images = np.concatenate([part.images for part in parts])[order]
    labels = np.concatenate([part.labels for part in parts])[order]
    found = as_fer2013(images, labels, truth[order].astype(str))
    assert found is not None
    for number, split in enumerate(SPLITS):
        assert len(found[split][1]) == len(parts[number])
        rows = {
            (label, image.tobytes()) for image, label in zip(found[split][0], found[split][1].tolist(), strict=True)
        }
        part = parts[number]
        assert rows == {
            (label, image.tobytes()) for image, label in zip(part.images, part.labels.tolist(), strict=True)
        }
    images[7, 0, 0] ^= 1
    assert as_fer2013(images, labels, labels) is None


@pytest.mark.real_data
def test_under_any_names_it_is_fer2013(tmp_path: Path, real_root: Path) -> None:
    """As in a re-upload whose files are im0.png and whose test folder no longer tells the two splits apart."""
    names = {"disgust": "disgusted", "fear": "fearful", "surprise": "surprised"}
    with zipfile.ZipFile(REAL_ZIP) as real, zipfile.ZipFile(tmp_path / "emotions.zip", "w") as renamed:
        for number, info in enumerate(real.infolist()):
            split, label, _ = info.filename.split("/")
            renamed.writestr(f"{split}/{names.get(label, label)}/im{number}.jpg", real.read(info))
    assert examine(tmp_path / "emotions.zip").form == "folders"
    info = import_data(tmp_path / "emotions.zip", tmp_path / "data")
    assert (info.name, info.kind) == ("fer2013", "fer2013") and info.matches_published
    assert info.fingerprint == read_info(real_root, "fer2013").fingerprint
