"""Parquet tables as the Hugging Face Hub has them: images as bytes, labels as numbers whose names stand in the schema.

A table is found in the split that its file name says (`train-00000-of-00001.parquet`), or the folder it is in.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.data.dataset import ImportProgress, SplitArrays
from core.data.decode import decode_image, to_face
from core.data.importers.mapping import LEAVE_OUT, given_meanings
from core.data.importers.names import Meaning, meaning_of
from core.data.importers.parquet_rows import ImageCell, open_table, table_content, table_rows
from core.data.importers.questions import NUMBERINGS, check_met, unknown_labels, unknown_splits
from core.data.importers.recognise import SKIPPED, Layout
from core.data.importers.sources import Files
from core.errors import DataError, ImageError, quote
from core.labels import LABELS
from core.models import IMAGE_SIZE

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

ENDING: Final = ".parquet"
_IMAGE_NAMES: Final = ("image", "img", "pixels", "image_bytes", "bytes")
_LABEL_NAMES: Final = ("label", "labels", "emotion", "expression", "class", "fine_label")
_SPLIT_NAMES: Final = ("usage", "split")
_PART: Final = re.compile(r"[-_.]?\d+([-_]of[-_]\d+)?$")


@dataclass
class Table:
    """What was understood of one table, without its images."""

    file: str
    rows: int
    image: str
    """Names of the columns; `split` is empty where there is none."""
    label: str
    split: str
    names: Mapping[str, str] = field(default_factory=dict)
    """Value of a label to its name, where the schema has names."""
    of_file: str = ""
    """The split that the file name says; empty where it says none."""


def parquet_names(names: Sequence[str]) -> list[str]:
    """The Parquet tables among the files of a source."""
    return sorted(name for name in names if name.lower().endswith(ENDING))


def understand_parquet(files: Files, names: Sequence[str], mapping: Mapping[str, str]) -> tuple[list[Table], Layout]:
    """The tables, and how many images each has of which class, from their labels alone.

    Args:
        mapping: name or number of a label to class or `-`; name of a file's split to a split.

    Raises:
        DataError: one is corrupt, too large, or has no images or labels; the mapping is wrong.
        OSError: one cannot be read.
    """
    given = given_meanings(mapping)
    layout = Layout()
    tables = []
    unknown: Counter[str] = Counter()
    no_splits: dict[str, Counter[str]] = defaultdict(Counter)
    there: set[str] = set()
    for name in names:
        with _errors_of(name):
            data = table_content(files, name)
            table = _table(open_table(data), name, given)
            for value, said, _ in table_rows(data, label=table.label, split=table.split):
                split, meaning = _split(table, said, given), _meaning(table, value, given)
                there.update((_title(table, value), said or _title(table, value)))
                if split is None:
                    no_splits[table.split][said] += 1
                elif split == LEAVE_OUT:
                    layout.left_out[SKIPPED] += 1
                elif meaning is None:
                    unknown[value] += 1
                elif meaning.kind == "class":
                    layout.folders[f"{name}: {_title(table, value)}", split, meaning.value] += 1
                else:
                    layout.left_out[f"of the class {_title(table, value)}"] += 1
            tables.append(table)
    check_met(given, there)
    if unknown:
        layout.question = unknown_labels(unknown)
    elif no_splits:
        layout.question = unknown_splits(*next(iter(no_splits.items())))
    splits = {split for _, split, _ in layout.folders}
    if not layout.question and "" in splits and len(splits) > 1:
        nameless = next(table.file for table in tables if not table.of_file and not table.split)
        layout.question = (
            f"has {quote(nameless)}, whose name says no split, beside others that do. Name it train, validation or "
            "test."
        )
    return tables, layout


def read_parquet(
    files: Files, tables: Sequence[Table], mapping: Mapping[str, str], progress: ImportProgress | None = None
) -> tuple[SplitArrays, list[str], dict[int, str]]:
    """Decode the images of tables.

    Returns:
        Images uint8 (N, 48, 48), labels (N,) and ids (N,); the split of each, empty where nothing says it; and row of
        all tables to what is wrong with an image that cannot be decoded.

    Raises:
        DataError: a table is corrupt.
        OSError: it cannot be read.
    """
    given = given_meanings(mapping)
    images: list[np.ndarray] = []
    labels, ids, splits, unreadable = [], [], [], {}
    done, total = 0, sum(table.rows for table in tables)
    for table in tables:
        faces = _Faces()
        with _errors_of(table.file):
            rows = table_rows(table_content(files, table.file), label=table.label, split=table.split, image=table.image)
            for number, row in enumerate(rows):
                if progress and done % 100 == 0:
                    progress(done, total)
                done += 1
                meaning, split = _meaning(table, row.label, given), _split(table, row.split, given)
                if meaning is None or meaning.kind != "class" or split in (None, LEAVE_OUT):
                    continue
                id = f"{table.file}/{number:06d}"
                face = faces.of(row.image)
                if isinstance(face, str):
                    unreadable[done - 1] = f"{quote(id)} {face}"
                    continue
                images.append(face)
                labels.append(LABELS.index(meaning.value))
                ids.append(id)
                splits.append(split or "")
    if progress:
        progress(total, total)
    stacked = np.array(images, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    return (stacked, np.array(labels, np.uint8), np.array(ids)), splits, unreadable


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """What pyarrow raises on corrupt tables, as a sentence."""
    from pyarrow import ArrowException

    try:
        yield
    except DataError:
        raise
    except (ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{quote(name)} is corrupt or truncated. Download or copy it again.") from error


def _table(file: "ParquetFile", name: str, given: Mapping[str, Meaning]) -> Table:
    schema = file.schema_arrow
    columns = {column.lower(): column for column in schema.names}
    image = next((columns[each] for each in _IMAGE_NAMES if each in columns), "")
    label = next((columns[each] for each in _LABEL_NAMES if each in columns), "")
    if not image or not label:
        has = ", ".join(map(quote, schema.names[:8])) or "none"
        raise DataError(
            f"{quote(name)} has no columns of images and labels; it has {has}. Rename them to image and label."
        )
    split = next((columns[each] for each in _SPLIT_NAMES if each in columns), "")
    names = _label_names(schema.metadata or {}, label)
    if not names and {"emotion", "pixels"} <= columns.keys() and label.lower() == "emotion":
        names = {str(number): text for number, text in NUMBERINGS["FER2013"].items()}  # FER2013's own table
    return Table(name, file.metadata.num_rows, image, label, split, names, _split_of_file(name, given))


def _label_names(metadata: Mapping[bytes, bytes], label: str) -> dict[str, str]:
    """The names of a ClassLabel feature, as the library `datasets` writes them."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {str(number): str(name) for number, name in enumerate(features[label]["names"])}
    except (KeyError, TypeError, ValueError):
        return {}


def _split_of_file(name: str, given: Mapping[str, Meaning]) -> str:
    *folders, file = name.split("/")
    stem = _PART.sub("", file[: -len(ENDING)])
    for part in (stem, *reversed(folders)):
        meaning = given.get(part) or meaning_of(part)
        if meaning and meaning.kind == "split":
            return meaning.value
    return ""


def _split(table: Table, said: str, given: Mapping[str, Meaning]) -> str | None:
    """The split of a row: `LEAVE_OUT` for none, empty where nothing says it, None where what says it is unknown."""
    meaning = (given.get(said) or meaning_of(said)) if table.split else None
    if meaning and meaning.kind in ("split", "skip"):
        return meaning.value
    return table.of_file or None if table.split else table.of_file


def _title(table: Table, value: str) -> str:
    return table.names.get(value, value)


def _meaning(table: Table, value: str, given: Mapping[str, Meaning]) -> Meaning | None:
    title = _title(table, value)
    meaning = given.get(value) or given.get(title) or meaning_of(title)
    return meaning if meaning and meaning.kind != "split" else None


class _Faces:
    """Images as the model input. Each is decoded once, however many rows have it."""

    def __init__(self) -> None:
        self._faces: dict[tuple[int, ...], np.ndarray | str] = {}

    def of(self, image: ImageCell) -> np.ndarray | str:
        """uint8 (48, 48), or why there is none, as the end of a sentence."""
        if not image.key:
            return _face(image.read())
        if image.key not in self._faces:
            self._faces[image.key] = _face(image.read())
        return self._faces[image.key]


def _face(content: Any) -> np.ndarray | str:
    try:
        return _pixels(content)
    except ImageError as error:
        return error.reason


def _pixels(content: Any) -> np.ndarray:
    """uint8 (48, 48) from the content of an image file, or from gray values in a text or list.

    Raises:
        ImageError: it cannot be decoded.
    """
    if isinstance(content, bytes):
        return to_face(decode_image(content))
    try:
        values = np.array(content.split() if isinstance(content, str) else content, np.float64)
        values = values.reshape(IMAGE_SIZE, IMAGE_SIZE)
    except (ValueError, TypeError, AttributeError) as error:
        raise ImageError("An image is missing.", "has no image in it") from error
    if not ((values >= 0) & (values <= 255) & (values == values.round())).all():
        raise ImageError("An image is invalid.", "has other values than 0 to 255")
    return values.astype(np.uint8)
