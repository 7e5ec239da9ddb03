"""Zip files and folders, honest and otherwise."""

import gc
import io
import os
import resource
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.data import archives
from core.data.importers import sources
from core.data.importers.fer2013 import import_dataset
from core.errors import DataError
from tests.conftest import refused
from tests.core.data.importers.conftest import make_folder, make_zip, picture, small_files

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_pipe_is_not_waited_for(tmp_path: Path, data_root: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", data_root, "'pipe' is neither a file nor a folder")
    folder = make_folder(tmp_path / "set", small_files())
    os.mkfifo(folder / "train/happy/Training_x.jpg")
    refused(folder, data_root, "Training_x.jpg' (not a file)")


def test_zip_cut_at_every_length_is_refused(tmp_path: Path, data_root: Path) -> None:
    whole = make_zip(tmp_path / "whole.zip", small_files()).read_bytes()
    cut = tmp_path / "cut.zip"
    for length in [*range(4, len(whole), 211), *range(len(whole) - 30, len(whole))]:
        cut.write_bytes(whole[:length])
        refused(cut, data_root, "'cut.zip' is corrupt or truncated. Download or copy it again.")


def test_zip_with_any_byte_changed_is_refused_or_right(tmp_path: Path, data_root: Path) -> None:
    whole = make_zip(tmp_path / "whole.zip", small_files()).read_bytes()
    fingerprint = import_dataset(tmp_path / "whole.zip", data_root, accept_differences=True).fingerprint
    rng = np.random.default_rng(0)
    outcomes = set()
    for position in rng.integers(0, len(whole), 250).tolist():
        changed = bytearray(whole)
        changed[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "changed.zip").write_bytes(changed)
        try:
            info = import_dataset(tmp_path / "changed.zip", data_root, name="c", accept_differences=True)
            outcomes.add(info.fingerprint == fingerprint)
        except DataError:
            outcomes.add("refused")
    assert outcomes >= {"refused", True}


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "train/../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg", "train/happy/.."]
)
def test_names_that_point_outside_are_refused(tmp_path: Path, data_root: Path, name: str) -> None:
    path = make_zip(tmp_path / "a.zip", small_files() | {name: picture()})
    refused(path, data_root, "points outside the archive")
    assert not list(tmp_path.rglob("evil*"))


def test_links_are_refused(tmp_path: Path, data_root: Path) -> None:
    path = make_zip(tmp_path / "a.zip", small_files())
    link = zipfile.ZipInfo("train/happy/Training_8.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    refused(path, data_root, "Training_8.jpg' in 'a.zip' is a link or a special file")


def test_same_name_twice_is_refused(tmp_path: Path, data_root: Path) -> None:
    path = make_zip(tmp_path / "a.zip", small_files())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("train/happy/Training_30.jpg", picture())
    refused(path, data_root, "two entries of the same name")


def test_password_and_unusual_compression_are_refused(tmp_path: Path, data_root: Path) -> None:
    refused(make_zip(tmp_path / "a.zip", small_files(), zipfile.ZIP_LZMA), data_root, "compressed in an unusual way")
    content = bytearray(make_zip(tmp_path / "b.zip", small_files()).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(content)
    refused(tmp_path / "b.zip", data_root, "protected by a password")


def test_entry_that_unpacks_to_much_is_refused(tmp_path: Path, data_root: Path) -> None:
    path = make_zip(tmp_path / "a.zip", small_files() | {"train/happy/Training_8.jpg": bytes(5_000_000)})
    refused(path, data_root, "Training_8.jpg' in 'a.zip' unpacks to 5,000,000 bytes")


def test_entry_that_lies_about_its_size_takes_no_memory(tmp_path: Path, data_root: Path) -> None:
    name = "train/happy/Training_8.jpg"
    path = make_zip(tmp_path / "a.zip", small_files() | {name: bytes(300_000_000)})
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\1\2", 0, content.rindex(name.encode()))
    content[directory + 24 : directory + 28] = struct.pack("<I", 2000)
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, data_root, "corrupt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB; it unpacks to 290,000


def test_too_many_files_and_too_many_bytes_are_refused(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "a.zip", small_files())
    folder = make_folder(tmp_path / "a", small_files())
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_MAX_FILES", 20)
        refused(path, data_root, "more than 20 files")
        refused(folder, data_root, "more than 20 files")
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_MAX_TOTAL_BYTES", 10_000)
        refused(path, data_root, "Rejected: 'a.zip' contains more than")
    with monkeypatch.context() as patch:
        patch.setattr(archives, "_MAX_DIRECTORY_BYTES", 1000)
        refused(path, data_root, "corrupt")


def test_control_characters_do_not_reach_the_message(tmp_path: Path, data_root: Path) -> None:
    path = make_zip(tmp_path / "a.zip", small_files() | {"train/happy/a\n\x1b[31m.jpg": picture()})
    refused(path, data_root, r"\n\x1b[31m")
    path = make_zip(tmp_path / "b.zip", small_files() | {f"train/happy/{'x' * 5000}.jpg": picture()})
    refused(path, data_root, "xxx...xxx")


def as_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_file_larger_than_a_buffer_is_read_from_a_tar(tmp_path: Path) -> None:
    large = bytes(range(256)) * 1000
    with sources.open_files(as_tar(tmp_path / "a.tar", {"a.csv": b"x", "b.csv": large, "c.csv": b"y"}), 10**6) as files:
        assert files.read("b.csv") == large
        with files.open("b.csv") as (stream, size):
            gc.collect()  # what nothing holds is closed
            assert stream.read(size) == large
        assert files.read("c.csv") == b"y"


def test_damage_met_while_an_entry_is_read_has_the_name_of_the_zip(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.parquet": bytes(1000)})
    content = bytearray(path.read_bytes())
    content[39] = 0xFF  # the first byte of what is packed
    path.write_bytes(content)
    with (
        pytest.raises(DataError, match=r"'a\.zip' is corrupt or truncated"),
        sources.open_files(path, 10**6) as files,
        files.open("a.parquet") as (stream, size),
    ):
        stream.read(size)


def test_pipes_in_a_folder_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with sources.open_files(tmp_path, 1000) as files:
        (tmp_path / "a.csv").unlink()
        os.mkfifo(tmp_path / "a.csv")
        with pytest.raises(sources.UnusableImageError, match="not a file"):
            files.read("a.csv")
        with pytest.raises(sources.UnusableImageError, match="not a file"), files.open("a.csv"):
            pass
