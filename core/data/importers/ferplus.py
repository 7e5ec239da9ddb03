"""FER+ (Barsoum et al. 2016, https://github.com/microsoft/FERPlus): ten votes about each image of FER2013, as a
dataset of its own with the same images in the same splits.

`fer2013new.csv` has a row per row of `fer2013.csv`, in the same order, and no pixels. Its image names do not tell the
row: from its row 60 on they skip most of the rows without a name, and FER+'s own generate_training_data.py joins by
order alone, too. So the images must come from a
dataset that was imported from a table, whose ids are row numbers; the image files of Kaggle's zip are numbered
differently, so their row is unknown.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

import numpy as np

from core.data.archives import DAMAGES, BoundedStream, TooLargeError, begins_as_zip, is_clutter, is_tar
from core.data.dataset import DatasetInfo, SplitArrays, list_datasets, load_split, write_dataset
from core.data.decode import MAX_IMAGE_BYTES
from core.data.fer2013 import KAGGLE_NAME
from core.data.importers.delimited import (
    TABLE_ENDINGS,
    CsvReader,
    columns_of,
    delimiter_of,
    head_of,
    heads,
    open_text,
    plain_number,
)
from core.data.importers.sources import Files, open_files
from core.data.importers.tables import ID_PREFIX, USAGES
from core.data.storage import check_dataset_name
from core.errors import DataError, quote, system_reason
from core.labels import LABELS
from core.splits import SPLITS

_CLASSES: Final = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
}
_OTHERS: Final = {"contempt": "contempt", "unknown": "unknown", "nf": "not a face"}
_VOTES: Final = (*_CLASSES, *_OTHERS)
_COLUMNS: Final = ("usage", "image name", *_VOTES)
_TIE: Final = "with no majority"
_MAX_ROWS: Final = 200_000
_MAX_LINE: Final = 10_000
_MAX_BYTES: Final = 100_000_000  # unpacked; the table has 2 MB


@dataclass(frozen=True)
class _Row:
    split: str
    label: int | None
    """Class index, or None where the image is excluded."""
    left_out: str
    """Why."""


def looks_like_ferplus(path: Path) -> bool:
    """Whether a file that is no archive, but may be packed, begins as `fer2013new.csv` does.

    Raises:
        DataError: it is corrupt or truncated.
        OSError: it cannot be read.
    """
    return path.is_file() and not begins_as_zip(path) and not is_tar(path) and _has_columns(head_of(path))


def check_ferplus(path: Path) -> None:
    """Look at the first line only, to say before an import what it would say.

    Args:
        path: as for `import_ferplus`.

    Raises:
        DataError: it is corrupt, or lacks columns of FER+.
    """
    with _open_table(path) as (name, text):
        _start(text, name)


def ferplus_inside(files: Files) -> str | None:
    """The table of FER+ in a folder or archive, such as a copy of its repository; None where there is none.

    Raises:
        DataError: an archive is corrupt.
        OSError: a file cannot be read.
    """
    names = sorted(name for name in files.names if not is_clutter(name) and name.lower().endswith(TABLE_ENDINGS))
    return next((name for name, start in sorted(heads(files, names).items()) if _has_columns(start)), None)


def _has_columns(start: bytes) -> bool:
    return {"image name", "contempt"} <= set(columns_of(start))


def import_ferplus(path: Path, data_root: Path, *, name: str = "fer2013-plus") -> DatasetInfo:
    """Write the images of FER2013 with FER+ labels as a dataset; all or nothing.

    The class with most of the votes wins. Images whose most frequent vote is contempt, unknown or not a face, or on
    which two are equally frequent, are excluded and counted.

    Args:
        path: `fer2013new.csv`, packed or not, or a folder or archive with it.
        data_root: the folder of the datasets; one of them must be FER2013, imported from a table.
        name: of the new dataset.

    Raises:
        DataError: the table cannot be used, there is no such dataset, or the two do not belong together.
    """
    check_dataset_name(name)
    rows = _read(path)
    base = _base(data_root)
    if name == base.name:
        raise DataError(f"{name!r} is the dataset that the images come from. Choose another name.")
    splits: dict[str, SplitArrays] = {}
    left_out: Counter[str] = Counter()
    for split in SPLITS:
        data = load_split(data_root, base.name, split)
        numbers = [int(id.removeprefix(ID_PREFIX)) for id in data.ids.tolist()]
        if max(numbers) > len(rows) or base.total != len(rows):
            raise DataError(
                f"{quote(path.name)} has {len(rows):,} rows, but {base.name!r} has {base.total:,} images. Use the "
                "complete fer2013new.csv and the complete fer2013.csv."
            )
        mine = [rows[number - 1] for number in numbers]
        if any(row.split != split for row in mine):
            number = next(number for number, row in zip(numbers, mine, strict=True) if row.split != split)
            raise DataError(
                f"Row {number:,} of {quote(path.name)} has another Usage than that row of the CSV that {base.name!r} "
                "was imported from. Use both in their original order."
            )
        left_out.update(row.left_out for row in mine if row.label is None)
        kept = np.array([row.label is not None for row in mine])
        labels = np.array([row.label for row in mine if row.label is not None], np.uint8)
        splits[split] = (data.images[kept], labels, data.ids[kept])
    return write_dataset(
        data_root,
        name,
        title="FER2013 with FER+ labels",
        kind="fer2013-plus",
        source=path.name,
        splits=splits,
        left_out=dict(left_out.most_common()),
    )


def _base(data_root: Path) -> DatasetInfo:
    """A FER2013 whose ids are row numbers.

    Raises:
        DataError: there is none.
    """
    candidates = [info for info in list_datasets(data_root) if info.kind == "fer2013"]
    for info in sorted(candidates, key=lambda info: info.name != "fer2013"):
        if all(
            id.startswith(ID_PREFIX) for split in SPLITS for id in load_split(data_root, info.name, split).ids.tolist()
        ):
            return info
    why = (
        f"the file names in {KAGGLE_NAME} do not say which row of the table an image comes from"
        if candidates
        else "FER+ has labels but no images"
    )
    raise DataError(
        "FER+ labels need FER2013 imported from CSV (fer2013.csv, icml_face_data.csv or fer2013.tar.gz), because "
        f"{why}."
    )


@contextmanager
def _open_table(path: Path) -> Iterator[tuple[str, TextIO]]:
    """The quoted name and the text of the table that a path is, or has inside.

    Raises:
        DataError: it has none, or it or the archive around it cannot be read.
    """
    name = quote(path.name)
    try:
        with _table_of(path) as (inside, text):
            name = quote(inside)
            yield name, text
    except DataError:  # a ValueError, too
        raise
    except OSError as error:
        raise DataError(f"Cannot read {name}: {system_reason(error)}.") from error
    except csv.Error as error:
        raise DataError(f"{name} is not a readable CSV: {error}.") from error
    except (*DAMAGES, TooLargeError) as error:
        raise DataError(f"{name} is corrupt or truncated. Download or copy it again.") from error


@contextmanager
def _table_of(path: Path) -> Iterator[tuple[str, TextIO]]:
    if not path.is_dir() and not begins_as_zip(path) and not is_tar(path):
        with path.open("rb") as alone, _text_in(alone) as text:
            yield path.name, text
        return
    with open_files(path, MAX_IMAGE_BYTES) as files:
        name = ferplus_inside(files)
        if name is None:
            raise DataError(f"{quote(path.name)} contains no fer2013new.csv of FER+.")
        with files.open(name) as (file, _), _text_in(file) as text:
            yield name, text


@contextmanager
def _text_in(file: BinaryIO) -> Iterator[TextIO]:
    with open_text(cast(BinaryIO, io.BufferedReader(BoundedStream(file, _MAX_BYTES)))) as text:
        yield text


def _start(text: TextIO, name: str) -> tuple[CsvReader, dict[str, int]]:
    """The rows after the first line, and the places of the columns that this names.

    Raises:
        DataError: it lacks one.
    """
    first = text.readline(_MAX_LINE)
    reader = csv.reader(chain([first], text), delimiter=delimiter_of(first))
    header = [cell.strip().lower() for cell in next(reader, [])]
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise DataError(f"{name} lacks the columns {', '.join(missing)}. Use fer2013new.csv of FER+.")
    return reader, {column: header.index(column) for column in _COLUMNS}


def _read(path: Path) -> list[_Row]:
    with _open_table(path) as (name, text):
        rows = _rows(text, name)
    if not rows:
        raise DataError(f"{name} has no rows. Use fer2013new.csv of FER+.")
    return rows


def _rows(text: TextIO, name: str) -> list[_Row]:
    rows: list[_Row] = []
    last_image = ""
    reader, places = _start(text, name)
    for cells in reader:
        if not cells:
            continue
        if len(rows) >= _MAX_ROWS:
            raise DataError(f"{name} has more than {_MAX_ROWS:,} rows. Use fer2013new.csv of FER+.")
        rows.append(_row(name, reader.line_num, cells, places))
        image = cells[places["image name"]].strip()
        if image and not last_image < image:
            raise DataError(
                f"Line {reader.line_num:,} of {name} is about {quote(image)}, which comes before "
                f"{quote(last_image)}. Use fer2013new.csv in its original order."
            )
        last_image = image or last_image
    return rows


def _row(name: str, line: int, cells: list[str], places: dict[str, int]) -> _Row:
    """One image's split and label.

    Raises:
        DataError: the row is invalid.
    """
    where = f"Line {line:,} of {name}"
    if len(cells) <= max(places.values()):
        raise DataError(f"{where} has {len(cells)} columns. Get fer2013new.csv again.")
    split = USAGES.get(cells[places["usage"]].strip().lower())
    votes = [plain_number(cells[places[column]]) for column in _VOTES]
    if split is None or not all(vote.isascii() and vote.isdigit() and len(vote) < 4 for vote in votes):
        raise DataError(f"{where} has no valid Usage or number of votes. Get fer2013new.csv again.")
    return _Row(split, *label_of_votes([int(vote) for vote in votes]))


def label_of_votes(votes: Sequence[int]) -> tuple[int | None, str]:
    """The class that has most of the votes.

    Args:
        votes: for neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown and not a face.

    Returns:
        Its index, or None and why there is none.
    """
    winners = [column for column, number in zip(_VOTES, votes, strict=True) if number == max(votes)]
    if len(winners) > 1:
        return None, _TIE
    if winners[0] in _OTHERS:
        return None, _OTHERS[winners[0]]
    return LABELS.index(_CLASSES[winners[0]]), ""
