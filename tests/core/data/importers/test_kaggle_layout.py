"""Images in folders: which are taken, and what is said of a layout that is another."""

from pathlib import Path

import pytest

from core.data.dataset import load_split
from core.data.importers.fer2013 import import_dataset
from tests.conftest import refused
from tests.core.data.importers.conftest import make_folder, make_zip, picture, small_files

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_what_systems_leave_in_folders_is_ignored(tmp_path: Path, data_root: Path) -> None:
    clutter = {
        "__MACOSX/train/happy/._Training_1.jpg": b"x",
        "train/.DS_Store": b"x",
        "train/happy/Thumbs.db": b"x",
        "train/happy/._Training_00.jpg": b"x",
        "README.md": b"hello",
        "examples/a.jpg": b"x",
    }
    info = import_dataset(make_zip(tmp_path / "a.zip", small_files() | clutter), data_root, accept_differences=True)
    assert info.total == 28


def test_class_folders_may_be_capitalised_and_windows_paths_work(tmp_path: Path, data_root: Path) -> None:
    files = {name.replace("happy", "Happy").replace("/", "\\"): data for name, data in small_files().items()}
    info = import_dataset(make_zip(tmp_path / "a.zip", files), data_root, accept_differences=True)
    assert info.total == 28
    assert "happy/Training_30.jpg" in load_split(data_root, "fer2013", "train").ids


@pytest.mark.parametrize("form", ["zip", "folder"])
@pytest.mark.parametrize("files", [{}, {"happy/Training_1.jpg": b"x"}, {"faces.csv": b"emotion,image,Usage"}])
def test_no_class_folders(tmp_path: Path, data_root: Path, files: dict[str, bytes], form: str) -> None:
    (tmp_path / "a").mkdir()
    path = make_zip(tmp_path / "a.zip", files) if form == "zip" else make_folder(tmp_path / "a", files)
    refused(path, data_root, "has no folders train/<class> and test/<class> with images")


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("Training_", "no train images (file names beginning with Training_)"),
        ("PublicTest_", "no validation images (file names beginning with PublicTest_)"),
        ("PrivateTest_", "no test images (file names beginning with PrivateTest_)"),
    ],
)
def test_missing_split(tmp_path: Path, data_root: Path, prefix: str, text: str) -> None:
    files = {name: data for name, data in small_files().items() if prefix not in name}
    refused(make_zip(tmp_path / "a.zip", files), data_root, text)


@pytest.mark.parametrize(
    "name", ["train/contempt/Training_1.jpg", "train/Training_1.jpg", "test/happy/x/PublicTest_1.jpg"]
)
def test_unknown_class_folder(tmp_path: Path, data_root: Path, name: str) -> None:
    path = make_zip(tmp_path / "a.zip", small_files() | {name: picture()})
    refused(path, data_root, "1 files outside the known class folders", repr(name), "angry, disgust, fear")


@pytest.mark.parametrize("name", ["train/happy/photo.jpg", "test/happy/Training_1.jpg", "train/happy/PublicTest_1.jpg"])
def test_file_name_without_its_prefix(tmp_path: Path, data_root: Path, name: str) -> None:
    refused(make_zip(tmp_path / "a.zip", small_files() | {name: picture()}), data_root, repr(name), "begin with")
