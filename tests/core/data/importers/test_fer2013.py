"""Importing FER2013 from a zip file or folder, honest and otherwise."""

import io
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import DatasetInfo, list_datasets, load_split, read_info
from core.data.fer2013 import PUBLISHED_COUNTS
from core.data.importers.fer2013 import import_dataset
from core.errors import CountsDifferError, DataError
from core.labels import LABELS
from core.splits import SPLITS
from tests.conftest import PROJECT_ROOT, REAL_ZIP, refused
from tests.core.data.importers.conftest import make_folder, make_zip, picture, small_files

pytestmark = pytest.mark.usefixtures("no_fsync")

# --- the real dataset


@pytest.fixture(scope="session")
def real_import(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, DatasetInfo, float]]:
    root = tmp_path_factory.mktemp("real")
    start = time.monotonic()
    info = import_dataset(REAL_ZIP, root)
    yield root, info, time.monotonic() - start
    shutil.rmtree(root)


@pytest.mark.real_data
def test_real_set_has_the_published_numbers(real_import: tuple[Path, DatasetInfo, float]) -> None:
    root, info, seconds = real_import
    assert info.total == 35_887
    assert info.matches_published
    assert info.counts == {split: dict(zip(LABELS, PUBLISHED_COUNTS[split], strict=True)) for split in SPLITS}
    assert (round(info.mean, 5), round(info.std, 5)) == (0.50774, 0.25508)
    assert info.source == "fer2013.zip"
    assert list_datasets(root) == [info]
    assert seconds < 60


@pytest.mark.real_data
def test_real_set_opens_at_once(real_import: tuple[Path, DatasetInfo, float]) -> None:
    root, _, _ = real_import
    start = time.monotonic()
    splits = [load_split(root, "fer2013", split) for split in SPLITS]
    assert time.monotonic() - start < 0.5
    assert [len(split) for split in splits] == [28_709, 3_589, 3_589]


@pytest.mark.real_data
def test_real_pixels_and_order_are_those_of_the_files(real_import: tuple[Path, DatasetInfo, float]) -> None:
    root, _, _ = real_import
    train = load_split(root, "fer2013", "train")
    with zipfile.ZipFile(REAL_ZIP) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("train/"))
        assert train.ids.tolist() == [name.removeprefix("train/") for name in names]
        assert train.labels.tolist() == [LABELS.index(name.split("/")[1]) for name in names]
        for index in range(0, len(train), 997):
            pixels = np.asarray(Image.open(archive.open(names[index])))
            np.testing.assert_array_equal(train.images[index], pixels)


@pytest.mark.real_data
def test_real_duplicates_are_as_measured(real_import: tuple[Path, DatasetInfo, float]) -> None:
    root, _, _ = real_import
    unique = {image.tobytes() for split in SPLITS for image in load_split(root, "fer2013", split).images}
    assert len(unique) == 34_034


@pytest.mark.real_data
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999999])
def test_real_zip_cut_short_is_refused(tmp_path: Path, data_root: Path, share: float) -> None:
    cut = tmp_path / "cut.zip"
    with REAL_ZIP.open("rb") as whole:
        cut.write_bytes(whole.read(int(REAL_ZIP.stat().st_size * share)))
    refused(cut, data_root, "'cut.zip' is corrupt or truncated")


# --- forms and layouts


@pytest.mark.parametrize("top", ["", "fer2013/", "archive/FER 2013/"])
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_zip_and_folder_give_the_same_set(tmp_path: Path, data_root: Path, top: str, form: str) -> None:
    make = {"zip": make_zip, "folder": make_folder}[form]
    path = make(tmp_path / f"set.{form}", {f"{top}{name}": data for name, data in small_files().items()})
    info = import_dataset(path, data_root, accept_differences=True)
    assert info.kind == "fer2013"
    assert info.counts == {
        "train": dict.fromkeys(LABELS, 2),
        "validation": dict.fromkeys(LABELS, 1),
        "test": dict.fromkeys(LABELS, 1),
    }
    validation = load_split(data_root, "fer2013", "validation")
    assert validation.ids.tolist() == [f"{label}/PublicTest_{i}.jpg" for i, label in enumerate(LABELS)]
    assert validation.images.mean(axis=(1, 2)).tolist() == [100 + i for i in range(7)]
    reference = import_dataset(
        make_zip(tmp_path / "r.zip", small_files()), data_root, name="r", accept_differences=True
    )
    assert info.fingerprint == reference.fingerprint


def test_png_palette_and_gray_stored_as_rgb_keep_their_values(tmp_path: Path, data_root: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    files = small_files()
    files["train/angry/Training_0.png"] = picture(pixels, kind="PNG")
    files["train/angry/Training_1.png"] = picture(pixels, mode="RGB", kind="PNG")
    files["train/angry/Training_2.png"] = picture(pixels, mode="P", kind="PNG")
    import_dataset(make_zip(tmp_path / "a.zip", files), data_root, accept_differences=True)
    train = load_split(data_root, "fer2013", "train")
    for name in ("0", "1", "2"):
        index = train.ids.tolist().index(f"angry/Training_{name}.png")
        np.testing.assert_array_equal(train.images[index], pixels)


def test_progress_runs_from_nothing_to_all(tmp_path: Path, data_root: Path) -> None:
    calls: list[tuple[int, int]] = []
    path = make_zip(tmp_path / "a.zip", small_files())
    import_dataset(path, data_root, accept_differences=True, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 28)
    assert calls[-1] == (28, 28)


# --- numbers


def test_other_numbers_must_be_accepted(tmp_path: Path, data_root: Path) -> None:
    path = make_zip(tmp_path / "a.zip", small_files())
    with pytest.raises(CountsDifferError) as caught:
        import_dataset(path, data_root)
    assert str(caught.value) == (
        "21 of 21 class counts differ from the published ones (first: train/angry has 2 images instead of 3,995). "
        "Check the source, or import it anyway with `--accept-differences` or the check box on the Data page, "
        "or choose another name to import it as a custom dataset."
    )
    assert caught.value.differences[0] == {"split": "train", "label": "angry", "found": 2, "published": 3995}
    assert not data_root.exists()
    info = import_dataset(path, data_root, accept_differences=True)
    assert info.differences == caught.value.differences
    assert not info.matches_published
    assert read_info(data_root, "fer2013") == info


# --- refusals


def test_missing_path(tmp_path: Path, data_root: Path) -> None:
    refused(tmp_path / "none.zip", data_root, "File not found: ", "none.zip", "Supported: Kaggle zip or folder")


@pytest.mark.parametrize("content", [b"", b"P", b"PK", b"a,b\n1,2\n"])
def test_other_forms_are_told_what_is_accepted(tmp_path: Path, data_root: Path, content: bytes) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    refused(path, data_root, "Can't import 'fer2013.csv'", "Supported: Kaggle zip or folder")

    # A changed digit in a file name or class is seen by no checksum; but then the numbers differ, which users confirm.


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a readable JPEG or PNG image"),
        (b"this is text", "not a readable JPEG or PNG image"),
        (picture(kind="GIF"), "not a readable JPEG or PNG image"),
        (picture(np.arange(2304, dtype=np.uint8).reshape(48, 48))[:700], "not a readable JPEG or PNG image"),
        (picture(size=(48, 47)), "48×47 pixels"),
        (picture(size=(480, 480)), "480×480 pixels"),
        (picture(mode="RGBA", kind="PNG"), "not 8-bit gray"),
        (picture(mode="LA", kind="PNG"), "not 8-bit gray"),
        (picture(mode="I;16", kind="PNG"), "not 8-bit gray"),
        (picture(mode="CMYK"), "not 8-bit gray"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_unusable_images_are_counted_and_the_first_is_named(
    tmp_path: Path, data_root: Path, data: bytes, reason: str, form: str
) -> None:
    make = {"zip": make_zip, "folder": make_folder}[form]
    extra = {"train/happy/Training_8.jpg": data, "train/sad/Training_9.jpg": data}
    path = make(tmp_path / "set", small_files() | extra)
    refused(path, data_root, f"2 of 30 images are unusable (first: 'train/happy/Training_8.jpg' ({reason}))")


def test_colour_image_is_not_gray(tmp_path: Path, data_root: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (48, 48), "red").save(buffer, "JPEG")
    path = make_zip(tmp_path / "a.zip", small_files() | {"train/happy/Training_8.jpg": buffer.getvalue()})
    refused(path, data_root, "not 8-bit gray")


def test_picture_that_claims_to_be_huge_takes_no_memory(tmp_path: Path, data_root: Path) -> None:
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = make_zip(tmp_path / "a.zip", small_files() | {"train/happy/Training_8.jpg": png})
    refused(path, data_root, "Training_8.jpg' (")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; its pixels take 140,000


# --- killed


def test_import_killed_at_any_moment_leaves_nothing_or_the_whole_set(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", small_files())
    script = (
        "import sys, time; from pathlib import Path; from core.data.importers.fer2013 import import_dataset\n"
        "def progress(done, total): print(done, flush=True); time.sleep(float(sys.argv[3]))\n"
        "import_dataset(Path(sys.argv[1]), Path(sys.argv[2]), accept_differences=True, progress=progress)"
    )
    for seconds in (0, 60):  # killed while writing, or nearly so, and killed while decoding
        data_root = tmp_path / f"data-{seconds}"
        command = [sys.executable, "-c", script, str(path), str(data_root), str(seconds)]
        with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "0\n"
            if not seconds:
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        for info in list_datasets(data_root):
            assert [len(load_split(data_root, info.name, split)) for split in SPLITS] == [14, 7, 7]
        import_dataset(path, data_root, accept_differences=True)
        assert sorted(os.listdir(data_root)) == [".import.lock", "fer2013"]


def test_failed_import_keeps_the_old_set(tmp_path: Path, data_root: Path) -> None:
    old = import_dataset(make_zip(tmp_path / "a.zip", small_files()), data_root, accept_differences=True)
    bad = make_zip(tmp_path / "b.zip", small_files() | {"train/happy/Training_8.jpg": b"text"})
    with pytest.raises(DataError):
        import_dataset(bad, data_root, accept_differences=True)
    assert list_datasets(data_root) == [old]
