"""What label files say, whatever their form:

EmoLabel/list_patition_label.txt    train_00001.jpg 5                 RAF-DB (Li et al. 2017), numbers as published
annotations/0_exp.npy               a number per image                AffectNet (Mollahosseini et al. 2017)
FER2013Train/label.csv              fer0000000.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0       ten votes of FER+
metadata.csv, labels.tsv, *.jsonl   columns of file names and labels  the imagefolder of the Hugging Face Hub
labels.json                         rows of such columns, or one object of file names and labels
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np

from core.data.importers.delimited import delimiter_of, plain_number, text_of
from core.data.importers.ferplus import label_of_votes
from core.data.importers.names import meaning_of
from core.data.importers.questions import NUMBERINGS
from core.data.importers.recognise import IMAGE_ENDINGS
from core.data.importers.sources import Files, UnusableImageError
from core.errors import DataError, quote
from core.labels import LABELS
from core.splits import TEST, TRAIN

LIST_ENDINGS: Final = (".csv", ".tsv", ".json", ".jsonl")
"""Of what is a list of labels, or was meant as one, where it lies beside images."""

_RAF_LIST: Final = "list_patition_label.txt"
_AFFECTNET: Final = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
_FILE_COLUMNS: Final = (
    *("file_name", "filename", "file", "image", "image_name", "image_file", "image_path", "file_path", "filepath"),
    *("path", "name", "pth", "image_id", "id"),
)
"""The first of these that a table has, blanks in its names taken as `_`; `id` last: it may be a number of the row."""
_LABEL_COLUMNS: Final = ("label", "labels", "emotion", "expression", "class")
_SPLIT_COLUMNS: Final = ("split", "usage")
_VOTES: Final = 10


@dataclass(frozen=True)
class ListRow:
    """One image in a label file."""

    list: str
    """Path of the label file."""
    name: str
    """As the file names it, with /."""
    label: str
    split: str = ""
    """As the row itself names it; empty where it does not."""


def read_lists(files: Files, names: Sequence[str]) -> Iterator[ListRow]:
    """The rows of all label files among files, which are read in one pass.

    Raises:
        DataError: a label file breaks off or cannot be read to its end.
        OSError: a file cannot be read.
    """
    for name, read in files.each(
        [name for name in names if name.lower().endswith((*LIST_ENDINGS, ".txt", "_exp.npy"))]
    ):
        try:
            data = read()
        except UnusableImageError:
            continue
        if name.endswith("_exp.npy"):
            yield from _affectnet(name, data)
            continue
        try:
            for image, label, split in _cells(name, text_of(data)):
                if image and label:
                    yield ListRow(name, image.replace("\\", "/"), plain_number(label), split)
        except csv.Error as error:
            raise DataError(f"{quote(name)} is not a readable table: {error}. Save it again, or remove it.") from error


_Cells = Iterator[tuple[str, str, str]]
"""Name of an image, its label, and its split or an empty text."""


def _cells(name: str, text: str) -> _Cells:
    file = name.rsplit("/", 1)[-1].lower()
    if file == _RAF_LIST:
        return _raf(text)
    if file.endswith(".jsonl"):
        return _records(_json_lines(text))
    return _json(text) if file.endswith(".json") else _table(text)


def _raf(text: str) -> _Cells:
    names = NUMBERINGS["RAF-DB"]
    for line in text.splitlines():
        image, _, number = line.strip().rpartition(" ")
        if _is_count(number):
            split = TRAIN if image.startswith("train") else TEST if image.startswith("test") else ""
            yield image.strip(), names.get(int(number), number), split


def _is_count(text: str) -> bool:
    """Whether a cell is a number that `int` takes; it has no more digits than any count of votes or images."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _json_lines(text: str) -> Iterator[Any]:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            if number == lines[0][0]:  # some other text
                return
            raise csv.Error(f"line {number:,} is not JSON") from None


def _json(text: str) -> _Cells:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return iter(())
    if isinstance(content, dict) and any(PurePosixPath(key).suffix.lower() in IMAGE_ENDINGS for key in content):
        return ((key.strip(), str(each), "") for key, each in content.items() if isinstance(each, str | int | float))
    return _records(content if isinstance(content, list) else [])


def _records(rows: Iterable[Any]) -> _Cells:
    """Rows that name their columns; what has none for a file and a label is another file."""
    for row in rows:
        if not isinstance(row, dict):
            return
        found = _columns(row)
        if not found:
            return
        cells = ["" if column is None or row.get(column) is None else str(row[column]).strip() for column in found]
        yield cells[0], cells[1], cells[2]


def _columns(columns: Iterable[str]) -> tuple[str, str, str | None] | None:
    """The columns of the file, the label and the split, if any, by the names that the table has for them; None where
    it has no file or no label."""
    found = {str(column).strip().lower().replace(" ", "_"): column for column in columns}

    def first(names: Sequence[str]) -> str | None:
        return next((found[name] for name in names if name in found), None)

    image, label = first(_FILE_COLUMNS), first(_LABEL_COLUMNS)
    return None if image is None or label is None else (image, label, first(_SPLIT_COLUMNS))


def _table(text: str) -> _Cells:
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(header))
    try:
        first = next(reader, [])
    except csv.Error:  # some other text
        return
    if _is_votes(first):
        yield _majority(first)
        yield from (_majority(cells) for cells in reader if _is_votes(cells))
        return
    found = _columns(first)
    if not found:
        return
    image, label, split = (None if column is None else first.index(column) for column in found)
    for cells in reader:
        yield _cell(cells, image), _cell(cells, label), _cell(cells, split)


def _cell(cells: Sequence[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def _is_votes(cells: Sequence[str]) -> bool:
    """Whether a row is one that FER+'s generate_training_data.py writes: name, box, ten votes."""
    return (
        len(cells) == _VOTES + 2 and cells[1].strip().startswith("(") and all(_is_count(c.strip()) for c in cells[2:])
    )


def _majority(cells: Sequence[str]) -> tuple[str, str, str]:
    label, why = label_of_votes([int(cell) for cell in cells[2:]])
    return cells[0].strip(), why if label is None else LABELS[label], ""


def _affectnet(name: str, data: bytes) -> Iterator[ListRow]:
    try:
        number = int(np.load(io.BytesIO(data), allow_pickle=False).item())
    except (ValueError, EOFError, TypeError, OverflowError):
        return
    path = PurePosixPath(name)
    label = _AFFECTNET[number] if 0 <= number < len(_AFFECTNET) else str(number)
    # all annotations of a folder are one list, about the folder `images` beside it
    yield ListRow(str(path.parent), f"images/{path.name.removesuffix('_exp.npy')}", label)


def said_split(list_name: str) -> str:
    """The split that the name of a label file says, or of a folder it lies in; empty where they say none."""
    *folders, file = list_name.split("/")
    for part in (file.split(".")[0], *reversed(folders)):
        meaning = meaning_of(part)
        if meaning and meaning.kind == "split":
            return meaning.value
    return ""
