"""Importing FER2013 in any of its published forms. Nothing is ever unpacked to disk.

Zip files and folders look the same from here (`open_files`); `tables.py` reads tables, and `own.py` custom
datasets. The check of the counts and the writing are the same for all of them.
"""

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from PIL import Image

from core.data.archives import DamagedError, Entry, Fault, ZipReader, begins_as_zip, is_clutter
from core.data.dataset import DatasetInfo, ImportProgress, SplitArrays, check_dataset_name, write_dataset
from core.data.fer2013 import CountDifference, count_differences
from core.data.importers.tables import TABLE_NAMES, is_table, looks_like_table, read_fer2013_csv, read_table_stream
from core.errors import CountsDifferError, DataError, quote, system_reason
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.splits import SPLITS

ACCEPTED: Final = "Supported: Kaggle zip or folder, fer2013.csv, icml_face_data.csv, fer2013.tar.gz."

_PREFIXES: Final = {"Training_": "train", "PublicTest_": "validation", "PrivateTest_": "test"}
_FOLDER_SPLITS: Final = {"train": ("train",), "test": ("validation", "test")}

# Real images have at most 2,483 bytes, and there are 35,887 of them; what is far beyond is not FER2013.
_MAX_IMAGE_BYTES: Final = 1_000_000
_MAX_TOTAL_BYTES: Final = 1_000_000_000
_MAX_FILES: Final = 200_000


@dataclass(frozen=True)
class _Entry:
    """One image of a source."""

    split: str
    label: int
    """Class index, 0..6."""
    id: str
    """Class folder and file name: some file names are in two classes."""
    where: str
    """Path inside the source."""


class UnusableImageError(Exception):
    """Why one image cannot be used, in a few words."""


def import_dataset(
    path: Path,
    data_root: Path,
    *,
    name: str = "fer2013",
    accept_differences: bool = False,
    progress: ImportProgress | None = None,
) -> DatasetInfo:
    """Validate FER2013 in any of its forms and write it as arrays under `data_root`.

    A process killed meanwhile leaves either nothing or the whole dataset; a dataset of that name is kept until the new
    one is complete.

    Args:
        path: zip file, folder, CSV table, or tar archive of one.
        data_root: the folder of the datasets.
        name: of the dataset.
        accept_differences: import even if class counts differ from the published ones.
        progress: called now and then with images done and images in all.

    Raises:
        CountsDifferError: class counts differ, and that was not accepted.
        DataError: the path is missing, corrupt, of another form, or has images that are not 48x48 gray.
    """
    check_dataset_name(name)
    try:
        if path.is_file() and not begins_as_zip(path) and looks_like_table(path):
            splits = read_fer2013_csv(path, progress)
            differences = _check_table_counts(splits, accept_differences)
        else:
            with open_files(path, _MAX_IMAGE_BYTES) as files:
                if table := table_inside(files.names):
                    with files.open(table) as (file, size):
                        splits = read_table_stream(file, table, size, progress)
                    differences = _check_table_counts(splits, accept_differences)
                else:
                    entries = _entries(path.name, files.names)
                    found = Counter((entry.split, LABELS[entry.label]) for entry in entries)
                    differences = _check_counts(found, accept_differences)
                    splits = _decode_all(entries, files, progress)
    except OSError as error:
        raise DataError(f"Cannot read {quote(path.name)}: {system_reason(error)}.") from error
    return write_dataset(
        data_root, name, title="FER2013", kind="fer2013", source=path.name, splits=splits, differences=differences
    )


# --- forms


def table_inside(names: Sequence[str]) -> str | None:
    """The table that a folder or zip file without images is about, such as the competition's own zip file."""
    tables = sorted((name for name in names if is_table(name) and not is_clutter(name)), key=_table_order)
    return tables[0] if tables and not any(_is_image_path(name) for name in names) else None


def _table_order(name: str) -> tuple[int, int, str]:
    return TABLE_NAMES.index(name.rsplit("/", 1)[-1].lower()), name.count("/"), name


@dataclass(frozen=True)
class Files:
    """The files of a zip file or folder, by their paths inside it, and how to get the content of one."""

    names: list[str]
    read: Callable[[str], bytes]
    open: Callable[[str], AbstractContextManager[tuple[BinaryIO, int]]]
    """For what is too large to be read at once: the open file, and its size in bytes."""


@contextmanager
def open_files(path: Path, max_bytes: int) -> Iterator[Files]:
    """The files of a folder or zip file; what no legitimate one has is rejected.

    Args:
        path: the folder or zip file.
        max_bytes: reading a larger file raises `UnusableImageError`.

    Raises:
        DataError: the path is missing, neither of the two, corrupt, or far too large.
        OSError: it cannot be read.
    """
    if path.is_dir():
        yield _folder_files(path, max_bytes)
        return
    if not path.exists():
        raise DataError(f"File not found: {quote(str(path))}. {ACCEPTED}")
    if not path.is_file():
        raise DataError(f"{quote(path.name)} is neither a file nor a folder. {ACCEPTED}")
    if not begins_as_zip(path):
        raise DataError(f"Can't import {quote(path.name)}. {ACCEPTED}")
    with _zip_files(path, max_bytes) as files:
        yield files


def _folder_files(path: Path, max_bytes: int) -> Files:
    names: list[str] = []
    for folder, _, inside in os.walk(path):
        names.extend(Path(folder, name).relative_to(path).as_posix() for name in inside)
        if len(names) > _MAX_FILES:
            raise DataError(f"{quote(path.name)} contains more than {_MAX_FILES:,} files. {ACCEPTED}")

    def read(name: str) -> bytes:
        file = path / name
        if not file.is_file():  # a pipe, say, would be waited for without end
            raise UnusableImageError("not a file")
        with file.open("rb") as opened:
            data = opened.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise UnusableImageError(f"more than {max_bytes:,} bytes")
        return data

    @contextmanager
    def open_file(name: str) -> Iterator[tuple[BinaryIO, int]]:
        with (path / name).open("rb") as opened:
            yield opened, os.fstat(opened.fileno()).st_size

    return Files(names, read, open_file)


@contextmanager
def _zip_files(path: Path, max_bytes: int) -> Iterator[Files]:
    damaged = DataError(f"{quote(path.name)} is corrupt or truncated. Download or copy it again.")
    with io.FileIO(path) as file:
        try:
            archive = ZipReader(file)
        except DamagedError as error:
            raise damaged from error
        _check_entries(path.name, archive.entries)
        entries = {entry.name: entry for entry in archive.entries}

        def read(name: str) -> bytes:
            if entries[name].size > max_bytes:
                raise UnusableImageError(f"more than {max_bytes:,} bytes")
            try:
                return archive.read(entries[name])
            except DamagedError as error:
                raise damaged from error

        @contextmanager
        def open_entry(name: str) -> Iterator[tuple[BinaryIO, int]]:
            try:
                with archive.open(entries[name]) as stream:
                    yield stream, entries[name].size
            except DamagedError as error:
                raise damaged from error

        yield Files(list(entries), read, open_entry)


def _check_entries(zip_name: str, entries: Sequence[Entry]) -> None:
    """Reject what no legitimate zip of FER2013 has: unsafe paths, links, passwords, bombs."""
    zip_name = quote(zip_name)
    for entry in entries:
        if entry.faults:
            raise DataError(_refusal(zip_name, entry))
        if _is_image_path(entry.name) and entry.size > _MAX_IMAGE_BYTES:
            raise DataError(
                f"Rejected: {quote(entry.name)} in {zip_name} unpacks to {entry.size:,} bytes "
                f"(max {_MAX_IMAGE_BYTES:,} for a 48×48 image)."
            )
    if len(entries) > _MAX_FILES or sum(entry.size for entry in entries) > _MAX_TOTAL_BYTES:
        raise DataError(
            f"Rejected: {zip_name} contains more than {_MAX_FILES:,} files or unpacks to more than "
            f"{_MAX_TOTAL_BYTES // 10**6:,} MB. {ACCEPTED}"
        )
    if len({entry.name for entry in entries}) < len(entries):
        raise DataError(f"Rejected: {zip_name} has two entries of the same name. Zip it again.")


def _refusal(zip_name: str, entry: Entry) -> str:
    fault = entry.faults[0]
    if fault is Fault.ENCRYPTED:
        return f"{zip_name} {fault}. Use one without."
    if fault is Fault.METHOD:
        return f"{zip_name} {fault}. Zip it again with standard compression."
    return f"Rejected: {quote(entry.name)} in {zip_name} {fault}."


# --- the layout train/<class>/*.jpg, test/<class>/*.jpg


def _entries(source_name: str, files: Sequence[str]) -> list[_Entry]:
    """The images among the files (paths with /) of a zip or folder; files outside train/ and test/ are ignored.

    Raises:
        DataError: the layout is another.
    """
    source_name = quote(source_name)
    files = sorted(file for file in files if not is_clutter(file))
    top = common_top(files, _FOLDER_SPLITS.__contains__)
    entries, foreign = [], []
    for file in files:
        parts = file.removeprefix(top).split("/")
        if parts[0] not in _FOLDER_SPLITS:
            continue
        if len(parts) != 3 or parts[1].lower() not in LABELS:
            foreign.append(file)
            continue
        label = LABELS.index(parts[1].lower())
        entries.append(_Entry(_split_of(source_name, file, parts[0]), label, f"{LABELS[label]}/{parts[2]}", file))
    if foreign:
        raise DataError(
            f"{source_name} has {len(foreign):,} files outside the known class folders (first: {quote(foreign[0])}). "
            f"The classes are {', '.join(LABELS)}."
        )
    missing = [split for split in SPLITS if not any(entry.split == split for entry in entries)]
    if not entries:
        raise DataError(
            f"{source_name} has no folders train/<class> and test/<class> with images. {ACCEPTED} "
            "For a custom dataset, choose a name other than fer2013."
        )
    if missing:
        prefix = next(prefix for prefix, split in _PREFIXES.items() if split == missing[0])
        raise DataError(f"{source_name} has no {missing[0]} images (file names beginning with {prefix}). {ACCEPTED}")
    return entries


def _split_of(source_name: str, file: str, folder: str) -> str:
    """The split that a file name implies; the folder must agree."""
    for prefix, split in _PREFIXES.items():
        if file.rsplit("/", 1)[-1].startswith(prefix) and split in _FOLDER_SPLITS[folder]:
            return split
    prefixes = [prefix for prefix, split in _PREFIXES.items() if split in _FOLDER_SPLITS[folder]]
    raise DataError(
        f"{source_name} has a file {quote(file)}, but in FER2013 names under {folder}/ begin with "
        f"{' or '.join(prefixes)}. Use the dataset with its original file names."
    )


def common_top(files: Sequence[str], ours: Callable[[str], bool]) -> str:
    """The folders that all files are in, with a trailing slash; empty where there are none.

    Args:
        files: paths with /.
        ours: whether a folder of that name means something; it and what is below are not part of the answer.
    """
    top: list[str] = []
    for parts in zip(*(file.split("/")[:-1] for file in files), strict=False):
        if len(set(parts)) > 1 or ours(parts[0]):
            break
        top.append(parts[0])
    return "".join(f"{part}/" for part in top)


def _is_image_path(file: str) -> bool:
    return not _FOLDER_SPLITS.keys().isdisjoint(file.split("/")[:-1])


# --- counts and pixels


def _check_table_counts(splits: Mapping[str, SplitArrays], accept: bool) -> list[CountDifference]:
    return _check_counts(
        Counter((split, LABELS[label]) for split in SPLITS for label in splits[split][1].tolist()), accept
    )


def _check_counts(found: Mapping[tuple[str, str], int], accept: bool) -> list[CountDifference]:
    """Counts per split and class name that differ from the published ones.

    Raises:
        CountsDifferError: there are such, and they are not accepted.
    """
    differences = count_differences(
        {split: {label: found.get((split, label), 0) for label in LABELS} for split in SPLITS}
    )
    if differences and not accept:
        first = differences[0]
        raise CountsDifferError(
            f"{len(differences)} of 21 class counts differ from the published ones (first: {first['split']}/"
            f"{first['label']} has {first['found']:,} images instead of {first['published']:,}). Check the source, or "
            "import it anyway with `--accept-differences` or the check box on the Data page.",
            differences,
        )
    return differences


def _decode_all(entries: Sequence[_Entry], files: Files, progress: ImportProgress | None) -> dict[str, SplitArrays]:
    """Images, labels and ids of each split.

    Raises:
        DataError: some images cannot be used; the message counts them and names the first.
    """
    total = len(entries)
    images = np.empty((total, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    unusable: list[str] = []
    for done, entry in enumerate(entries):
        if progress and done % 250 == 0:
            progress(done, total)
        try:
            images[done] = _decode(files.read(entry.where))
        except UnusableImageError as error:
            unusable.append(f"{quote(entry.where)} ({error})")
    if progress:
        progress(total, total)
    if unusable:
        raise DataError(
            f"{len(unusable):,} of {total:,} images are unusable (first: {unusable[0]}). "
            "FER2013 has 48×48 grayscale JPEG images only. Get the dataset again."
        )
    splits = np.array([entry.split for entry in entries])
    labels = np.array([entry.label for entry in entries], dtype=np.uint8)
    ids = np.array([entry.id for entry in entries])
    return {split: (images[splits == split], labels[splits == split], ids[splits == split]) for split in SPLITS}


def _decode(data: bytes) -> np.ndarray:
    """uint8 (48, 48) from the bytes of a JPEG or PNG file, with the gray values exactly as stored."""
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        if image.size != (IMAGE_SIZE, IMAGE_SIZE):  # before load(), which takes memory as the header says
            raise UnusableImageError(f"{image.width}×{image.height} pixels")
        if image.mode in ("1", "P"):
            image = image.convert("RGB")
        pixels = np.asarray(image)
    except UnusableImageError:
        raise
    except Exception as error:  # Pillow raises nearly anything on corrupt files
        raise UnusableImageError("not a readable JPEG or PNG image") from error
    if image.mode == "RGB" and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.shape != (IMAGE_SIZE, IMAGE_SIZE) or pixels.dtype != np.uint8:
        raise UnusableImageError("not 8-bit gray")
    return pixels
