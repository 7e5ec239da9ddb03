"""Images beside a file that says their labels: RAF-DB, AffectNet, what FER+'s script writes, and lists of file names.

EmoLabel/list_patition_label.txt    train_00001.jpg 5                 RAF-DB (Li et al. 2017), numbers as published
annotations/0_exp.npy               a number per image                AffectNet (Mollahosseini et al. 2017)
FER2013Train/label.csv              fer0000000.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0       ten votes of FER+
metadata.csv, labels.csv, *.jsonl   columns of file names and labels  the imagefolder of the Hugging Face Hub
"""

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from core.data.archives import is_clutter
from core.data.importers.ferplus import label_of_votes
from core.data.importers.mapping import given_meanings
from core.data.importers.names import Meaning, meaning_of
from core.data.importers.questions import NUMBERINGS, unknown_labels
from core.data.importers.recognise import IMAGE_ENDINGS, FoundImage, Layout
from core.data.importers.sources import Files, UnusableImageError
from core.errors import quote
from core.labels import LABELS
from core.splits import TEST, TRAIN, VALIDATION

_RAF_LIST: Final = "list_patition_label.txt"
_AFFECTNET: Final = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
_FILE_COLUMNS: Final = ("file_name", "filename", "file", "image", "image_name", "image name", "path", "name", "pth")
_LABEL_COLUMNS: Final = ("label", "labels", "emotion", "expression", "class")
_ENDINGS: Final = (".csv", ".txt", ".jsonl")

_Row = tuple[str, str, str]
"""Name of an image as the list has it, its label, and the split that the list says, or an empty text."""


def understand_list(files: Files, mapping: Mapping[str, str]) -> Layout | None:
    """The images that label files name; None where there is no such file.

    Args:
        files: of the source.
        mapping: label to class or `-`.

    Raises:
        DataError: the mapping is wrong.
        OSError: a file cannot be read.
    """
    names = sorted(name for name in files.names if not is_clutter(name))
    images = [name for name in names if PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS]
    rows = _affectnet(files, names) + [row for name in names for row in _rows_of(files, name)]
    if not rows or not images:
        return None
    return _match(rows, images, given_meanings(mapping))


# --- the forms of lists


def _rows_of(files: Files, name: str) -> list[tuple[str, _Row]]:
    """What one label file says, each with the folder it lies in; nothing where it is another file."""
    if not name.lower().endswith(_ENDINGS):
        return []
    try:
        text = files.read(name).decode("utf-8-sig", "replace")
    except UnusableImageError:
        return []
    file, folder = name.rsplit("/", 1)[-1].lower(), name.rpartition("/")[0]
    if file == _RAF_LIST:
        rows = _raf(text)
    elif file.endswith(".jsonl"):
        rows = _json_lines(text)
    else:
        rows = _votes(text) if re.match(r'[^,\n]+,"?\(\d', text) else _columns(text)
    said = next((m.value for part in (file.split(".")[0], *reversed(folder.split("/"))) if (m := _split(part))), "")
    return [(folder, (image, label, split or said)) for image, label, split in rows]


def _split(name: str) -> Meaning | None:
    meaning = meaning_of(name)
    return meaning if meaning and meaning.kind == "split" else None


def _raf(text: str) -> Iterator[_Row]:
    names = NUMBERINGS["RAF-DB"]
    for line in text.splitlines():
        image, _, number = line.strip().rpartition(" ")
        if image and number.isdigit():
            split = TRAIN if image.startswith("train") else TEST if image.startswith("test") else ""
            yield image, names.get(int(number), number), split


def _json_lines(text: str) -> Iterator[_Row]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            return
        if isinstance(row, dict) and isinstance(row.get("file_name"), str):
            label = next((row[column] for column in _LABEL_COLUMNS if column in row), None)
            if label is not None:
                yield row["file_name"], str(label), ""


def _columns(text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text))
    found = {str(column).strip().lower(): column for column in reader.fieldnames or ()}
    image = next((found[column] for column in _FILE_COLUMNS if column in found), None)
    label = next((found[column] for column in _LABEL_COLUMNS if column in found), None)
    if image is None or label is None:
        return
    split = next((found[column] for column in ("split", "usage") if column in found), None)
    try:
        for row in reader:
            meaning = _split(row.get(split) or "") if split else None
            if row.get(image) and row.get(label):
                yield row[image].strip(), row[label].strip(), meaning.value if meaning else ""
    except csv.Error:
        return


def _votes(text: str) -> Iterator[_Row]:
    """The rows that FER+'s generate_training_data.py writes: name, box, ten votes."""
    try:
        for cells in csv.reader(io.StringIO(text)):
            if len(cells) == 12 and all(cell.strip().isdigit() for cell in cells[2:]):
                label, why = label_of_votes([int(cell) for cell in cells[2:]])
                yield cells[0].strip(), why if label is None else LABELS[label], ""
    except csv.Error:
        return


def _affectnet(files: Files, names: Sequence[str]) -> list[tuple[str, _Row]]:
    wanted = [name for name in names if name.endswith("_exp.npy")]
    rows = []
    for name, read in files.each(wanted):
        try:
            number = int(np.load(io.BytesIO(read()), allow_pickle=False).item())
        except (UnusableImageError, ValueError, EOFError, TypeError):
            continue
        folder, _, file = name.rpartition("/")
        above = folder.rpartition("/")[0]
        label = _AFFECTNET[number] if 0 <= number < len(_AFFECTNET) else str(number)
        said = next((m.value for part in reversed(above.split("/")) if (m := _split(part))), "")
        rows.append((f"{above}/images".removeprefix("/"), (file.removesuffix("_exp.npy"), label, said)))
    return rows


# --- which image a row is about


def _match(rows: Sequence[tuple[str, _Row]], images: Sequence[str], given: Mapping[str, Meaning]) -> Layout:
    layout = Layout()
    paths, stems = set(images), defaultdict(list)
    for image in images:
        stems[PurePosixPath(image).stem.removesuffix("_aligned")].append(image)
    unknown: Counter[str] = Counter()
    missing = 0
    taken: dict[str, str] = {}
    for folder, (name, label, said) in rows:
        path = f"{folder}/{name}".removeprefix("/")
        near = stems.get(PurePosixPath(name).stem, [])
        same_folder = [each for each in near if each.rpartition("/")[0] == path.rpartition("/")[0]]
        where = path if path in paths else next(iter(same_folder if len(same_folder) == 1 else near), "")
        if not where or (path not in paths and len(same_folder) != 1 and len(near) != 1):
            missing += 1
            continue
        if taken.setdefault(where, label) != label:
            layout.question = (
                f"has two labels for {quote(where)}, {quote(taken[where])} and {quote(label)}. Remove one."
            )
            return layout
        meaning = given.get(label.lower()) or meaning_of(label)
        if meaning and meaning.kind == "class":
            split = said or next((m.value for part in reversed(where.split("/")[:-1]) if (m := _split(part))), "")
            index = LABELS.index(meaning.value)
            id = where.encode("utf-8", "backslashreplace").decode()
            layout.images.append(FoundImage(split, index, where, id))
            layout.folders[label, split, meaning.value] += 1
        elif meaning or label in ("with no majority", "unknown", "not a face"):
            layout.left_out[f"of the class {label}"] += 1
        else:
            unknown[label] += 1
    if len(set(taken)) < len(layout.images):
        layout.images = list({image.where: image for image in layout.images}.values())
    layout.left_out["without a label"] = len(images) - len(taken)
    layout.left_out += Counter()  # drops zeros
    layout.question = _open_points(layout, unknown, missing)
    return layout


def _open_points(layout: Layout, unknown: Counter[str], missing: int) -> str:
    if unknown:
        return unknown_labels(unknown)
    if missing:
        return (
            f"has a list with {missing:,} names of images that are not there, or more than once. Add the images, or "
            "remove the lines."
        )
    splits = {image.split for image in layout.images}
    if "" in splits and splits - {""}:
        return "has a list that says a split for some images only. Say it for all, or for none."
    if not splits & {"", TRAIN}:
        return f"has a list without training images, only {' and '.join(sorted(splits)) or VALIDATION}. Add some."
    return ""
