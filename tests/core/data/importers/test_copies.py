"""FER2013 with some of its files twice."""

from pathlib import Path

import pytest

from core.data.dataset import load_split
from core.data.importers.auto import examine, import_data
from core.data.importers.fer2013 import import_dataset
from core.splits import SPLITS
from tests.conftest import refused
from tests.core.data.importers.conftest import make_folder, make_zip, picture, small_files

pytestmark = pytest.mark.usefixtures("no_fsync")


def doubled(content: bytes | None = None) -> dict[str, bytes]:
    """PublicTest_* in validation/, too."""
    files = small_files()
    validation = {name: data for name, data in files.items() if "PublicTest" in name}
    return files | {name.replace("test/", "validation/"): content or data for name, data in validation.items()}


def test_a_name_is_taken_once(tmp_path: Path, data_root: Path) -> None:
    info = import_dataset(make_folder(tmp_path / "a", doubled()), data_root, accept_differences=True)
    assert [info.images(split) for split in SPLITS] == [14, 7, 7]
    assert len(set(load_split(data_root, "fer2013", "validation").ids)) == 7
    own = import_data(make_zip(tmp_path / "a.zip", doubled()), data_root, name="mine")
    assert own.fingerprint == info.fingerprint and own.left_out == {"in a second copy of the folders": 7}


def test_two_of_a_name_that_differ_are_asked_about(tmp_path: Path, data_root: Path) -> None:
    path = make_folder(tmp_path / "a", doubled(picture(7)))
    refused(path, data_root, "'test/angry/PublicTest_0.jpg' and 'validation/angry/PublicTest_0.jpg', which differ")
    assert "same file names but other images" in examine(path).layout.question


def test_what_cannot_be_read_is_no_copy_of_what_can(tmp_path: Path, data_root: Path) -> None:
    path = make_folder(tmp_path / "a", doubled())
    copy = path / "validation/happy/PublicTest_3.jpg"
    copy.unlink()
    copy.symlink_to("nowhere.jpg")
    refused(path, data_root, "'validation/happy/PublicTest_3.jpg', which differ")


def test_a_dry_run_shows_the_splits_that_the_names_say(tmp_path: Path) -> None:
    found = examine(make_folder(tmp_path / "a", doubled()))
    of_happy = {(row["found"], row["split"], row["images"]) for row in found.rows() if row["class"] == "happy"}
    assert of_happy == {("train/happy", "train", 2), ("test/happy", "validation", 1), ("test/happy", "test", 1)}
    assert sum(int(row["images"]) for row in found.rows() if row["class"] == "left out") == 7
