"""FER+ (Barsoum et al. 2016, https://github.com/microsoft/FERPlus): ten votes about each image of FER2013, as a
dataset of its own with the same images in the same splits.

`fer2013new.csv` has a row per row of `fer2013.csv`, in the same order, and no pixels. Its image names do not tell the
row: from its row 60 on they skip most of the rows without a name, and FER+'s own generate_training_data.py joins by
order alone, too. So the images must come from a
dataset that was imported from a table, whose ids are row numbers; the image files of Kaggle's zip are numbered
differently, so their row is unknown.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.data.dataset import DatasetInfo, SplitArrays, list_datasets, load_split, write_dataset
from core.data.fer2013 import KAGGLE_NAME
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


@dataclass(frozen=True)
class _Row:
    split: str
    label: int | None
    """Class index, or None where the image is excluded."""
    left_out: str
    """Why."""


def looks_like_ferplus(path: Path) -> bool:
    """Whether a file begins as `fer2013new.csv` does."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            header = file.readline(1000).lower()
    except OSError:
        return False
    return b"image name" in header and b"contempt" in header


def import_ferplus(path: Path, data_root: Path, *, name: str = "fer2013-plus") -> DatasetInfo:
    """Write the images of FER2013 with FER+ labels as a dataset; all or nothing.

    The class with most of the votes wins. Images whose most frequent vote is contempt, unknown or not a face, or on
    which two are equally frequent, are excluded and counted.

    Args:
        path: `fer2013new.csv`.
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


def _read(path: Path) -> list[_Row]:
    name = quote(path.name)
    rows: list[_Row] = []
    last_image = ""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file)
            header = [cell.strip().lower() for cell in next(reader, [])]
            missing = [column for column in _COLUMNS if column not in header]
            if missing:
                raise DataError(f"{name} lacks the columns {', '.join(missing)}. Use fer2013new.csv of FER+.")
            places = {column: header.index(column) for column in _COLUMNS}
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
    except OSError as error:
        raise DataError(f"Cannot read {name}: {system_reason(error)}.") from error
    except csv.Error as error:
        raise DataError(f"{name} is not a readable CSV: {error}.") from error
    if not rows:
        raise DataError(f"{name} has no rows. Use fer2013new.csv of FER+.")
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
    votes = [cells[places[column]].strip() for column in _VOTES]
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
