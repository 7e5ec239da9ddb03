"""Importing FER2013 in any of its published forms: the one entry point, which tells them apart.

`kaggle_layout.py` finds images by their folders and `tables.py` reads tables; custom datasets are read by
`own.py`. The check of the counts and the writing are the same for all forms.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.archives import is_clutter
from core.data.dataset import DatasetInfo, ImportProgress, SplitArrays, write_dataset
from core.data.fer2013 import CountDifference, count_differences
from core.data.importers.copies import without_copies
from core.data.importers.delimited import TABLE_ENDINGS, columns_of, heads
from core.data.importers.kaggle_layout import LayoutImage, is_image_path, layout_images
from core.data.importers.sources import MAX_FACE_BYTES, Files, UnusableImageError, open_files
from core.data.importers.tables import (
    TABLE_NAMES,
    has_table_columns,
    is_lone_table,
    is_table,
    read_fer2013_csv,
    read_table_stream,
)
from core.data.storage import check_dataset_name
from core.errors import CountsDifferError, DataError, quote, system_reason
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.splits import SPLITS


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
        if is_lone_table(path):
            splits = read_fer2013_csv(path, progress)
            differences = _check_table_counts(splits, accept_differences)
        else:
            with open_files(path, MAX_FACE_BYTES) as files:
                if table := table_inside(path.name, files):
                    with files.open(table) as (file, size):
                        splits = read_table_stream(file, table, size, progress)
                    differences = _check_table_counts(splits, accept_differences)
                else:
                    entries = without_copies(path.name, files, layout_images(path.name, files.names))
                    found = Counter((entry.split, LABELS[entry.label]) for entry in entries)
                    differences = _check_counts(found, accept_differences)
                    splits = _decode_all(entries, files, progress)
    except OSError as error:
        raise DataError(f"Cannot read {quote(path.name)}: {system_reason(error)}.") from error
    return write_dataset(
        data_root, name, title="FER2013", kind="fer2013", source=path.name, splits=splits, differences=differences
    )


def table_inside(source: str, files: Files) -> str | None:
    """The table that a folder or archive without images is about, such as the competition's own zip file; under any
    name where it is the only CSV with the columns of one.

    Raises:
        DataError: the only such table is half of the competition's, without the splits.
    """
    names = [name for name in files.names if not is_clutter(name)]
    if any(is_image_path(name) for name in names):
        return None
    if tables := sorted((name for name in names if is_table(name)), key=_table_order):
        return tables[0]
    found = heads(files, [name for name in names if name.lower().endswith(TABLE_ENDINGS)])
    tables = [name for name, start in found.items() if has_table_columns(start)]
    if len(tables) > 1:
        raise DataError(
            f"{quote(source)} has {len(tables):,} tables with images: {', '.join(map(quote, sorted(tables)[:5]))}. "
            f"Import one by its own path."
        )
    named = {name: columns_of(start) for name, start in found.items()}
    halves = sorted(name for name, columns in named.items() if "pixels" in columns and "usage" not in columns)
    if halves and not tables:
        raise DataError(
            f"{quote(source)} has {', '.join(map(quote, halves[:5]))} without the column Usage, which says the splits; "
            "test.csv of the competition has no labels either. Use icml_face_data.csv of the same download."
        )
    return tables[0] if tables else None


def _table_order(name: str) -> tuple[int, int, str]:
    return TABLE_NAMES.index(name.rsplit("/", 1)[-1].lower()), name.count("/"), name


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
            "import it anyway with `--accept-differences` or the check box on the Data page, or choose another name to "
            "import it as a custom dataset.",
            differences,
        )
    return differences


def _decode_all(
    entries: Sequence[LayoutImage], files: Files, progress: ImportProgress | None
) -> dict[str, SplitArrays]:
    """Images, labels and ids of each split.

    Raises:
        DataError: some images cannot be used; the message counts them and names the first.
    """
    total = len(entries)
    images = np.empty((total, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    unusable: list[str] = []
    places = {entry.where: index for index, entry in enumerate(entries)}
    for done, (where, read) in enumerate(files.each(list(places))):
        if progress and done % 250 == 0:
            progress(done, total)
        try:
            images[places[where]] = _decode(read())
        except UnusableImageError as error:
            unusable.append(f"{quote(where)} ({error})")
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
