"""Many images: found wherever they are, one at a time, unreadable ones included."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import ImageError
from core.prediction import pictures
from core.prediction.pictures import images_at


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three images in folders, one in a zip file, clutter and a text."""
    for name in ("b.png", "a.png", "sub/c.png", ".hidden/d.png", "__MACOSX/e.png", "Thumbs.db"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((48, 48), 9, np.uint8)).save(path, "PNG")
    with zipfile.ZipFile(tmp_path / "photos" / "z.zip", "w") as archive:
        archive.write(tmp_path / "photos" / "a.png", "inside/a.png")
        archive.writestr(".DS_Store", "x")
    (tmp_path / "photos" / "notes.txt").write_text("hello")
    return tmp_path / "photos"


def names(places: list[str], below: Path) -> list[str]:
    return [os.path.relpath(picture.name, below) for picture in images_at(places)]


def refusal(place: str) -> str:
    [picture] = images_at([place])
    with pytest.raises(ImageError) as caught:
        picture.read()
    return str(caught.value)


def test_a_folder_is_read_with_all_below_and_without_clutter(place: Path) -> None:
    found = ["a.png", "b.png", "notes.txt", "z.zip/inside/a.png", "sub/c.png"]
    assert names([str(place)], place) == found
    for picture in images_at([str(place)]):
        assert (picture.read()[:4] == b"\x89PNG") == (not picture.name.endswith(".txt"))


def test_files_patterns_and_zips_keep_their_order(place: Path) -> None:
    places = [str(place / "sub" / "c.png"), str(place / "*.png"), str(place / "z.zip"), str(place / "**" / "c.png")]
    assert names(places, place) == ["sub/c.png", "a.png", "b.png", "z.zip/inside/a.png", "sub/c.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(place: Path) -> None:
    (place / "[x].png").write_bytes((place / "a.png").read_bytes())
    assert names([str(place / "[x].png")], place) == ["[x].png"]


def test_what_is_not_there_is_said(place: Path, tmp_path: Path) -> None:
    assert refusal(str(place / "no.png")) == "Can't read no.png: No such file or directory."
    assert refusal(str(place / "*.webp")) == "No file matches '*.webp'. Check the pattern."
    (tmp_path / "empty").mkdir()
    assert refusal(str(tmp_path / "empty")) == "The folder 'empty' contains no files."
    os.mkfifo(tmp_path / "pipe")
    assert refusal(str(tmp_path / "pipe")) == "Can't read pipe: it is not a file."
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 no zip")
    assert refusal(str(tmp_path / "bad.zip")) == "'bad.zip' is corrupt or truncated. Copy it again."


def test_a_zip_is_bounded_in_entries_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            archive.writestr(f"{number}.png", bytes(1000))
    monkeypatch.setattr(pictures, "MAX_ENTRIES", 4)
    found = list(images_at([str(tmp_path / "z.zip")]))
    assert len(found) == 5
    with pytest.raises(ImageError, match="Those after the first 4 were skipped"):
        found[-1].read()
    monkeypatch.setattr(pictures, "MAX_UNPACKED", 2500)
    assert len(list(images_at([str(tmp_path / "z.zip")]))) == 3
