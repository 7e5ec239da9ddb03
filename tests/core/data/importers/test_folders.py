"""Folders with links in them, and folders that cannot be read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.data.importers.folders import folders_below
from core.errors import DataError


def make(top: Path, *files: str) -> Path:
    for name in files:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    return top


def names(top: Path) -> list[str]:
    return sorted(
        (folder / name).relative_to(top).as_posix() for folder, inside in folders_below(top) for name in inside
    )


def test_files_of_all_folders_without_what_systems_leave(tmp_path: Path) -> None:
    top = make(
        tmp_path / "set", "a.txt", "happy/1.jpg", "happy/more/2.jpg", ".git/3.jpg", "__MACOSX/4.jpg", ".DS_Store"
    )
    (top / "empty").mkdir()
    assert names(top) == ["a.txt", "happy/1.jpg", "happy/more/2.jpg"]


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    top = make(tmp_path / "set", "happy/1.jpg", "sad/2.jpg")
    for number, target in enumerate((".", "..", "../..", "../happy")):
        (top / "happy" / f"link{number}").symlink_to(target)
    assert names(top) == ["happy/1.jpg", "sad/2.jpg"]


def test_two_links_from_each_folder_to_the_next_do_not_double(tmp_path: Path) -> None:
    top = tmp_path / "set"
    for number in range(25):
        make(top / f"d{number}", "1.jpg")
        for link in ("x", "y"):
            (top / f"d{number}" / link).symlink_to(f"../d{number + 1}")
    make(top / "d25", "1.jpg")
    with pytest.raises(
        DataError, match=r"^'d0/x' in 'set' is a link to 'd1', so the images would be in the set twice\."
    ):
        names(top)


def test_a_folder_is_entered_by_the_shortest_path(tmp_path: Path) -> None:
    top = make(tmp_path / "set", "store/v1/happy/1.jpg")
    (top / "train").symlink_to("store/v1")
    assert names(top) == ["train/happy/1.jpg"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("../other/angry", "is a link to a folder outside. Import that folder by its own path, or put a copy"),
        ("../happy", "is a link to something that is not there, or not readable"),
        ("angry", "is a link to something that is not there, or not readable"),
        ("happy", "is a link to 'happy', so the images would be in the set twice"),
    ],
    ids=["outside", "nowhere", "itself", "twice"],
)
def test_a_link_that_would_lose_or_double_images_is_refused(tmp_path: Path, target: str, says: str) -> None:
    make(tmp_path / "other", "angry/1.jpg")
    top = make(tmp_path / "set", "happy/1.jpg")
    (top / "angry").symlink_to(target)
    with pytest.raises(DataError, match=f"^'angry' in 'set' {says}"):
        names(top)


def test_links_to_files_are_files_and_a_broken_image_is_counted(tmp_path: Path) -> None:
    make(tmp_path / "other", "1.jpg")
    top = make(tmp_path / "set", "happy/1.jpg")
    (top / "happy" / "2.jpg").symlink_to(tmp_path / "other" / "1.jpg")
    (top / "happy" / "3.jpg").symlink_to("nowhere.jpg")
    assert names(top) == ["happy/1.jpg", "happy/2.jpg", "happy/3.jpg"]


def test_pipes_are_no_files_unless_named_as_images(tmp_path: Path) -> None:
    top = make(tmp_path / "set", "happy/1.jpg")
    for name in ("x.csv", "x.parquet", "fer2013.csv", "2.jpg"):
        os.mkfifo(top / name)
    assert names(top) == ["2.jpg", "happy/1.jpg"]


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = make(tmp_path / "set", "train/happy/1.jpg", "train/sad/1.jpg")
    scandir = os.scandir

    def closed(path: Any) -> Iterator[os.DirEntry[str]]:  # root may read all, so modes are no test
        if Path(path).name == "happy":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(DataError, match=r"^Can't read the folder 'train/happy' in 'set': Permission denied\."):
        names(top)
