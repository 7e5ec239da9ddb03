"""Many images: found wherever they are, one at a time, unreadable ones included."""

import ctypes
import io
import os
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import pytest
from PIL import Image

from core.data.archives import is_zip
from core.data.decode import decode_image, to_face
from core.errors import ImageError
from core.prediction import pictures
from core.prediction.pictures import MAX_ENTRIES, ImageFile, images_at, images_in_zip
from tests import hostile


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
    assert refusal(str(tmp_path / "pipe")) == "Can't read pipe: it is not a regular file."
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 no zip")
    assert refusal(str(tmp_path / "bad.zip")) == "'bad.zip' is corrupt or truncated. Copy it again."


def test_links_that_lead_in_circles_give_each_image_once(place: Path) -> None:
    for link in ("self", "too"):
        (place / link).symlink_to(".")
        (place / "sub" / link).symlink_to("..")
    images = ["a.png", "b.png", "sub/c.png"]
    assert names([str(place / "**" / "*.png")], place) == images
    assert names([str(place / "sub" / ".." / "**" / "**" / "?.png")], place) == images
    everything = [*images[:2], "notes.txt", "z.zip/inside/a.png", "sub/c.png"]
    assert names([str(place)], place) == everything
    assert names([str(place / "**")], place) == everything
    found = [os.path.basename(name) for name in names([str(place / "**" / "[a-z]*")], place)]
    assert sorted(found) == ["a.png", "a.png", "b.png", "c.png", "notes.txt"]  # one of them in the zip file


def test_patterns_without_a_folder_begin_here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert [each.name for each in images_at(["**/*.png"])] == ["a.png", "b.png", "sub/c.png"]
    (place / "sub").rename(place / "[s]")
    assert [each.name for each in images_at(["**/c.png"])] == ["[s]/c.png"]


def test_a_folder_that_is_not_entered_is_said(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "link").symlink_to(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (place / "other").symlink_to(tmp_path / "elsewhere")
    scandir = os.scandir

    def closed(path: str) -> Iterator[os.DirEntry[str]]:  # root may read all, so modes are no test
        if os.path.basename(path) == "sub":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    said = {
        "sub": "Can't read the folder 'sub': Permission denied.",
        "other": "The folder 'other' is a link, which is not followed. Name the folder it leads to.",
    }
    for pattern in ("", "**/*.png", "**"):
        found = {os.path.relpath(each.name, place): each for each in images_at([str(place / pattern)])}
        assert said.keys() <= found.keys() and "link" not in found
        for name, sentence in said.items():
            with pytest.raises(ImageError) as caught:
                found[name].read()
            assert str(caught.value) == sentence
    assert refusal(str(place / "sub")) == said["sub"]


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


SECONDS = 2.0

GROWTH_BYTES = 200_000_000


def take(name: str, data: bytes) -> list[str]:
    """What the page does with an upload: the sentences of what is refused; the rest must be pictures."""
    if is_zip(data):
        pictures = list(images_in_zip(cast(io.RawIOBase, io.BytesIO(data)), name))
        assert 1 <= len(pictures) <= MAX_ENTRIES + 1
    else:
        pictures = [ImageFile(name, lambda: data)]
    refused = []
    for picture in pictures:
        try:
            image = decode_image(picture.read(), picture.name)
        except ImageError as error:
            refused.append(str(error))
        else:
            assert image.mode in ("L", "RGB")
            assert to_face(image).shape == (48, 48)
    return refused


@pytest.mark.filterwarnings("ignore")
def test_every_hostile_upload_is_a_picture_or_a_sentence_quickly_and_in_bounded_memory() -> None:
    uploads = list(hostile.corpus())
    assert len(uploads) >= 300
    for upload in uploads[:3]:
        take(upload.name, upload.data)  # what is imported on first use is not growth
    process, libc = psutil.Process(), ctypes.CDLL("libc.so.6")
    before, slowest = process.memory_info().rss, (0.0, "")
    refused: Counter[str] = Counter()
    for upload in uploads:
        started = time.process_time()
        sentences = take(upload.name, upload.data)
        slowest = max(slowest, (time.process_time() - started, f"{upload.kind} {upload.name[:40]!r}"))
        for sentence in sentences:
            assert sentence.endswith("."), (upload.kind, sentence)
            assert len(sentence) < 300
            assert sentence.isprintable(), (upload.kind, sentence)
            assert "Traceback" not in sentence and "Error" not in sentence
        refused[upload.kind] += bool(sentences)
        libc.malloc_trim(0)  # what is free is not held, wherever another thread of this process has split the heap
        growth = process.memory_info().rss - before
        assert growth < GROWTH_BYTES, f"{upload.kind} {upload.name[:40]!r}: {growth / 1e6:.0f} MB"
    print(f"{len(uploads)} uploads, {sum(refused.values())} refused, slowest {slowest}, growth {growth / 1e6:.0f} MB")
    assert slowest[0] < SECONDS, slowest
    kinds = Counter(upload.kind for upload in uploads)
    for kind in ("bomb", "zip bomb", "cut"):
        assert refused[kind] > 0.8 * kinds[kind], kind
    for kind in ("animated", "odd mode", "long text"):
        assert refused[kind] == 0, kind
    assert refused["odd size"] == 2, "the two strips, and nothing else"


def test_what_is_wrong_with_a_zip_entry_is_named() -> None:
    by_name = {upload.name: upload.data for upload in hostile.zips()}

    def only(name: str) -> str:
        [sentence] = take(name, by_name[name])
        return sentence

    assert only("zeros.zip") == "'a.png' in 'zeros.zip' is too large (max 20 MB)."
    assert only("password.zip") == "'a.png' in 'password.zip' is protected by a password. Zip it without one."
    assert only("link.zip") == "'link.png' in 'link.zip' is a link or a special file, not an image."
    assert only("empty.zip") == "'empty.zip' contains no files. Choose a zip file of images."
    assert all(
        "is a zip file itself. Unpack it first." in sentence for sentence in take("n.zip", by_name["nested.zip"])
    )
    assert take("m.zip", by_name["many.zip"])[-1].endswith("Those after the first 10,000 were skipped.")
    assert take("p.zip", by_name["paths.zip"]) == []  # odd names, but images
