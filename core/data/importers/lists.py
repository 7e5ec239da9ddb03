"""Images beside a file that says their labels: which image a row of it is about.

`list_forms.py` reads the rows. A row whose image is not there must not find another one: a name without a folder may be
found by its stem, one with folders only where these agree.
"""

import posixpath
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Final

from core.data.archives import is_clutter
from core.data.importers.list_forms import LIST_ENDINGS, ListRow, read_lists, said_split
from core.data.importers.mapping import LEAVE_OUT, Given, given_meanings
from core.data.importers.names import Meaning, meaning_of
from core.data.importers.questions import check_met, listed, unknown_labels
from core.data.importers.recognise import IMAGE_ENDINGS, SKIPPED, FoundImage, Layout
from core.data.importers.sources import Files
from core.errors import quote
from core.labels import LABELS
from core.splits import SPLITS, TEST, TRAIN, VALIDATION
from core.text import writable

_NO_LABEL: Final = ("with no majority", "unknown", "not a face")
"""Labels that are none, beside those that `meaning_of` knows."""


def understand_list(files: Files, mapping: Mapping[str, str]) -> Layout | None:
    """The images that label files name; None where there is no such file.

    Args:
        files: of the source.
        mapping: label to class or `-`, and split of a list to one of ours.

    Raises:
        DataError: the mapping is wrong, or a label file breaks off.
        OSError: a file cannot be read.
    """
    names, images = _names(files)
    rows = list(read_lists(files, names)) if images else []
    return _match(rows, images, given_meanings(mapping)) if rows else None


def with_unread_lists(files: Files, question: str) -> str:
    """The question about images in no class folders, and what a table beside them needs to be a list of labels."""
    names, images = _names(files)
    unread = [name for name in names if name.lower().endswith(LIST_ENDINGS)]
    folders = {tuple(folder for folder in name.split("/")[:-1] if not meaning_of(folder)) for name in images}
    if not unread or len(folders) != 1:
        return question
    shown = listed([quote(name) for name in unread])
    return f"{question} Or list the labels: {shown} would need a column file_name and a column label."


def _names(files: Files) -> tuple[list[str], list[str]]:
    """All files that are no clutter, and the images among them."""
    names = sorted(name for name in files.names if not is_clutter(name))
    return names, [name for name in names if PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS]


# --- which image a row is about


def _key(name: str) -> str:
    """A file name or folder without what differs between systems."""
    return unicodedata.normalize("NFC", name).casefold()


def _stem(file: str) -> str:
    """The name of a file without its ending, if it has the one of an image, and without what RAF-DB adds to it."""
    path = PurePosixPath(_key(file))
    return (path.stem if path.suffix in IMAGE_ENDINGS else path.name).removesuffix("_aligned")


def _folders(path: str) -> tuple[str, ...]:
    return tuple(_key(part) for part in path.split("/")[:-1] if part not in ("", ".", ".."))


def _ends_with(path: tuple[str, ...], end: tuple[str, ...]) -> bool:
    return path[len(path) - len(end) :] == end if len(end) <= len(path) else False


_Fits = Callable[[tuple[str, ...], tuple[str, ...]], bool]
"""Whether the folders that a row names are those of an image."""


def _ways(home: tuple[str, ...], common: int) -> Iterator[_Fits]:
    """How the names in a list may be meant, the strictest first.

    Args:
        home: the folder of the list.
        common: how many folders the names of all its rows begin with.
    """

    def is_below(row: tuple[str, ...], image: tuple[str, ...]) -> bool:
        return image[: len(home)] == home and _ends_with(image[len(home) :], row)

    def is_there(row: tuple[str, ...], image: tuple[str, ...], foreign: int = 0) -> bool:
        """Without the first folders, which are of the machine that the list was written on."""
        said, other = _split_of(home + row), _split_of(image)
        is_other_split = said and other and said != other
        return not is_other_split and _ends_with(image, row[min(foreign, max(len(row) - 1, 0)) :])

    def is_inside(row: tuple[str, ...], image: tuple[str, ...]) -> bool:
        """What was given is itself the folder that all names begin with."""
        return image in (row[common:], home + row[common:])

    yield is_below
    for foreign in range(common + 1):
        yield partial(is_there, foreign=foreign)
    yield is_inside


class _Images:
    """The images of a source, by their stems."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._stems: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            self._stems[_stem(path.rsplit("/", 1)[-1])].append(path)

    def of_list(self, rows: Sequence[ListRow]) -> list[str]:
        """The image of each row of one list; empty where it is not there or not the only one.

        The first way to understand the names that fits any row holds for all: what is missing is not sought elsewhere.
        """
        folders = [_folders(row.name) for row in rows]
        ends = zip(min(folders), max(folders), strict=False)  # what these two begin with, all begin with
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
        alike = [
            [(image, _folders(image)) for image in self._stems.get(_stem(row.name.rsplit("/", 1)[-1]), ())]
            for row in rows
        ]
        for fits in _ways(_folders(rows[0].list), common):
            found = [
                [image for image, inside in images if fits(mine, inside)]
                for mine, images in zip(folders, alike, strict=True)
            ]
            if any(found):
                return _of_one_split(rows, [_only_one(row, near) for row, near in zip(rows, found, strict=True)])
        return [""] * len(rows)


def _of_one_split(rows: Sequence[ListRow], images: Sequence[str]) -> list[str]:
    """The images without those in folders of another split, where others of the same split are in the folder of that:
    `val.csv` may be about images in `train`, but not about some in `val` and some in `train`."""
    pairs = [(_said(row), _split_of(image.split("/")[:-1])) for row, image in zip(rows, images, strict=True)]
    in_place = {said for said, folder in pairs if said and said == folder}
    return [
        "" if said in in_place and folder not in ("", said) else image
        for (said, folder), image in zip(pairs, images, strict=True)
    ]


def _said(row: ListRow) -> str:
    """The split that a row says, or its list."""
    return _split_of([row.split]) if row.split else said_split(row.list)


def _only_one(row: ListRow, images: Sequence[str]) -> str:
    """The one of these images that a row is about; empty where nothing tells."""
    folder, file = row.list.rpartition("/")[0], row.name.rsplit("/", 1)[-1]
    exact = posixpath.normpath(posixpath.join(folder, row.name))
    marks: tuple[Callable[[str], bool], ...] = (
        lambda image: image == exact,
        lambda image: PurePosixPath(image).stem.endswith("_aligned"),  # RAF-DB has the whole photos, too
        lambda image: image.rsplit("/", 1)[-1] == file,
        lambda image: image.rpartition("/")[0] == folder,
        lambda image: _split_of(image.split("/")[:-1]) == _said(row),
    )
    for mark in marks:
        images = [image for image in images if mark(image)] or images
    return images[0] if len(images) == 1 else ""


def _split_of(folders: Sequence[str]) -> str:
    meanings = (meaning_of(folder) for folder in reversed(folders))
    return next((meaning.value for meaning in meanings if meaning and meaning.kind == "split"), "")


# --- what all lists together say


@dataclass
class _Said:
    """What lists say about one image."""

    label: str
    meaning: Meaning | None
    split: str


@dataclass
class _Lists:
    """What the lists of a source say, row by row, and what is not clear in it."""

    given: Given
    images: dict[str, _Said] = field(default_factory=dict)
    """By path, in the order of the lists."""
    unknown_splits: Counter[str] = field(default_factory=Counter)
    contradiction: str = ""
    """The first one, as a question."""
    there: set[str] = field(default_factory=set)
    """All labels and splits, which a mapping may be about."""

    def add(self, row: ListRow, image: str) -> None:
        """What one row says about its image."""
        label = _Said(row.label, self._meaning(row.label), self._split(row))
        self.there.update(filter(None, (row.label, row.split)))
        said = self.images.setdefault(image, label)
        if _is_other_label(said, label):
            what = f"has two labels for {quote(image)}, {quote(said.label)} and {quote(label.label)}"
        elif label.split and said.split and label.split != said.split:
            what = f"has two splits for {quote(image)}, {said.split} and {label.split}"
        else:
            said.split = said.split or label.split
            return
        self.contradiction = self.contradiction or f"{what}. Remove one."

    def _meaning(self, text: str) -> Meaning | None:
        return self.given.get(text) or meaning_of(text)

    def _split(self, row: ListRow) -> str:
        if not row.split:
            return said_split(row.list)
        meaning = self._meaning(row.split)
        if meaning and meaning.kind in ("split", "skip"):
            return meaning.value
        self.unknown_splits[row.split] += 1
        return ""


def _is_other_label(one: _Said, other: _Said) -> bool:
    """Whether two labels are not two spellings of one."""
    if one.meaning and other.meaning:
        return (one.meaning.kind, one.meaning.value) != (other.meaning.kind, other.meaning.value)
    return one.label.casefold() != other.label.casefold()


def _split_or_skip(image: str, said: str, given: Given) -> str:
    """The split that lists say of an image, else its folders; `LEAVE_OUT` where it is to be skipped."""
    folders = image.split("/")[:-1]
    asked = [meaning for folder in reversed(folders) if (meaning := given.get(folder))]
    if any(meaning.kind == "skip" for meaning in asked):
        return LEAVE_OUT
    return said or next((meaning.value for meaning in asked if meaning.kind == "split"), "") or _split_of(folders)


def _match(rows: Sequence[ListRow], paths: Sequence[str], given: Given) -> Layout:
    images, lists = _Images(paths), _Lists(given)
    missing: list[ListRow] = []
    by_list: dict[str, list[ListRow]] = defaultdict(list)
    for row in rows:
        by_list[row.list].append(row)
    for mine in by_list.values():
        for row, image in zip(mine, images.of_list(mine), strict=True):
            if image:
                lists.add(row, image)
            else:
                missing.append(row)
    layout, unknown = Layout(), Counter[str]()
    for image, said in lists.images.items():
        split = _split_or_skip(image, said.split, given)
        if split == LEAVE_OUT or (said.meaning and said.meaning.kind == "skip"):
            layout.left_out[SKIPPED] += 1
        elif said.meaning and said.meaning.kind == "class":
            id = writable(image)
            layout.images.append(FoundImage(split, LABELS.index(said.meaning.value), image, id))
            layout.folders[said.label, split, said.meaning.value] += 1
        elif said.meaning or said.label in _NO_LABEL:
            layout.left_out[f"of the class {said.label}"] += 1
        else:
            unknown[said.label] += 1
    layout.left_out["without a label"] = len(paths) - len(lists.images)
    layout.left_out += Counter()  # drops zeros
    layout.question = lists.contradiction or _open_points(layout, unknown, missing, lists.unknown_splits)
    if not missing:
        check_met(given, lists.there | {folder for path in paths for folder in path.split("/")[:-1]})
    return layout


def _open_points(
    layout: Layout, unknown: Counter[str], missing: Sequence[ListRow], unknown_splits: Counter[str]
) -> str:
    if unknown:
        return unknown_labels(unknown)
    if missing:
        return (
            f"has a list with {len(missing):,} names of images that are not there, or more than once (first: "
            f"{quote(missing[0].name)} in {quote(missing[0].list)}). Add the images, or remove the lines."
        )
    if unknown_splits:
        shown = listed([f"{quote(name)} ({count:,})" for name, count in sorted(unknown_splits.items())])
        example, skipped = (quote(f"{min(unknown_splits)}={meaning}") for meaning in (TEST, LEAVE_OUT))
        return (
            f"has a list with splits that are none of {', '.join(SPLITS)}: {shown}. Map each, e.g. {example}, skip it "
            f"with {skipped}, or remove the column."
        )
    splits = {image.split for image in layout.images}
    if "" in splits and splits - {""}:
        return "has a list that says a split for some images only. Say it for all, or for none."
    if not splits & {"", TRAIN}:
        return f"has a list without training images, only {' and '.join(sorted(splits)) or VALIDATION}. Add some."
    return ""
