"""The one way in: finds out what a path holds, says so, and imports it.

`examine` reads names, headers and labels, no images; what it returns can be shown before anything is imported.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal

from core.data.archives import begins_as_zip, is_clutter
from core.data.dataset import DatasetInfo, ImportProgress
from core.data.decode import MAX_IMAGE_BYTES
from core.data.fer2013 import count_differences
from core.data.importers.fer2013 import import_dataset, table_inside
from core.data.importers.ferplus import check_ferplus, ferplus_inside, import_ferplus, looks_like_ferplus
from core.data.importers.lists import understand_list, with_unread_lists
from core.data.importers.mapping import given_meanings
from core.data.importers.own import import_images, write_own
from core.data.importers.parquet import ENDING, Table, parquet_names, read_parquet, understand_parquet
from core.data.importers.recognise import IMAGE_ENDINGS, Layout, understand
from core.data.importers.sources import Files, UnusableImageError, open_files
from core.data.importers.tables import check_table, check_table_stream, is_lone_table
from core.data.storage import check_writable
from core.errors import DataError, quote, system_reason
from core.labels import LABELS
from core.splits import SPLITS

_SAMPLE: Final = 50

Form = Literal["ferplus", "table", "fer2013", "folders", "parquet", "list"]

FORMS: Final[Mapping[Form, str]] = {
    "ferplus": "FER+ labels",
    "table": "FER2013 as a table",
    "fer2013": "FER2013 as image files",
    "folders": "images in class folders",
    "parquet": "Parquet",
    "list": "images with a label file",
}


@dataclass
class Found:
    """What a path holds, as far as it is known without its images."""

    form: Form
    container: str
    """`folder`, `zip file`, `tar archive` or `file`."""
    layout: Layout = field(default_factory=Layout)
    """Empty where the form says it all."""
    tables: list[Table] = field(default_factory=list)
    """Of Parquet."""

    @property
    def summary(self) -> str:
        """What it is, in a few words."""
        where = f" in {quote(self.layout.root)}" if self.layout.root else ""
        return f"{FORMS[self.form]} ({self.container}){where}"

    def rows(self) -> list[dict[str, str | int]]:
        """What was understood, as a table: folder, split and class of how many images."""
        rows: list[dict[str, str | int]] = [
            {"found": folder, "split": split or "by seed", "class": label, "images": count}
            for (folder, split, label), count in sorted(self.layout.folders.items())
        ]
        left_out = sorted(self.layout.left_out.items())
        return rows + [{"found": why, "split": "-", "class": "left out", "images": count} for why, count in left_out]

    def notes(self) -> list[str]:
        """What is worth knowing before an import, as sentences."""
        if self.layout.question or not self.layout.folders:
            return []
        missing = [label for label in LABELS if not any(row[2] == label for row in self.layout.folders)]
        splits = {row[1] for row in self.layout.folders}
        made = [split for split in SPLITS[1:] if split not in splits]
        notes = []
        if missing:
            notes.append(f"No images of {', '.join(missing)}: metrics leave out these classes.")
        if self.form != "fer2013" and made:
            notes.append(f"A tenth of the training images of each class becomes {', another '.join(made)}.")
        return notes


def examine(path: Path, mapping: Mapping[str, str] | None = None) -> Found:
    """Find out what a path holds. What is not certain is in `layout.question` of the result.

    Args:
        path: file or folder.
        mapping: folder or label to class, split or `-`.

    Raises:
        DataError: it is nothing that can be imported, or the mapping is wrong.
    """
    try:
        found = _examine(path, mapping or {})
    except OSError as error:
        raise DataError(f"Cannot read {quote(path.name)}: {system_reason(error)}.") from error
    if mapping and found.form in ("table", "ferplus"):
        table = "FER+" if found.form == "ferplus" else "FER2013"
        raise DataError(
            f"{quote(path.name)} is a {table} table, whose numbers have one meaning. Import it without a mapping."
        )
    return found


def _examine(path: Path, mapping: Mapping[str, str]) -> Found:
    if looks_like_ferplus(path):
        check_ferplus(path)
        return Found("ferplus", "file")
    if is_lone_table(path):
        check_table(path)
        return Found("table", "file")
    with _open(path) as files:
        return _found(path, files, mapping)


def import_data(
    path: Path,
    data_root: Path,
    *,
    name: str | None = None,
    mapping: Mapping[str, str] | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    accept_differences: bool = False,
    progress: ImportProgress | None = None,
) -> DatasetInfo:
    """Import whatever a path holds; all or nothing.

    Args:
        path: file or folder.
        data_root: the folder of the datasets.
        name: of the dataset; None for the usual one of FER2013 and FER+, and for one made from the path's name.
        mapping: folder or label to class, split or `-`.
        seed: of the split, where nothing says the splits.
        skip_unreadable: skip images of a custom dataset that cannot be decoded, and count them.
        accept_differences: import FER2013 even if its class counts differ from the published ones.
        progress: called now and then with images done and images in all.

    Raises:
        CountsDifferError: class counts differ, and that was not accepted.
        DataError: it cannot be imported, or something must be decided first.
    """
    check_writable(data_root)
    found = examine(path, mapping)
    if found.form == "ferplus":
        return import_ferplus(path, data_root, name=name or "fer2013-plus")
    strict = found.form == "table" or (found.form == "fer2013" and not mapping)
    if strict and (
        name in (None, "fer2013") or found.form == "table" or accept_differences or _has_published_counts(found.layout)
    ):
        return import_dataset(
            path, data_root, name=name or "fer2013", accept_differences=accept_differences, progress=progress
        )
    if found.layout.question:
        raise DataError(f"{quote(path.name)} {found.layout.question}")
    if name == "fer2013":
        raise DataError("'fer2013' is reserved for FER2013. Choose another name, e.g. `--name mine`.")
    try:
        with _open(path) as files:
            if found.form != "parquet":
                return import_images(
                    path.name,
                    data_root,
                    files,
                    found.layout.images,
                    name=name,
                    left_out=found.layout.left_out,
                    seed=seed,
                    skip_unreadable=skip_unreadable,
                    progress=progress,
                )
            arrays, splits, unreadable = read_parquet(files, found.tables, mapping or {}, progress)
    except OSError as error:
        raise DataError(f"Cannot read {quote(path.name)}: {system_reason(error)}.") from error
    if unreadable and not skip_unreadable:
        raise DataError(
            f"{len(unreadable):,} images in {quote(path.name)} are unreadable (first: "
            f"{next(iter(unreadable.values()))}). Skip them with `--skip-unreadable` or the check box on the Data page."
        )
    return write_own(
        path.name,
        data_root,
        arrays,
        splits,
        name=name,
        left_out=found.layout.left_out,
        skipped=len(unreadable),
        seed=seed,
    )


@contextmanager
def _open(path: Path) -> Iterator[Files]:
    """The files of a source; a Parquet table alone is one of a single file."""
    if path.is_file() and _begins_as_parquet(path):
        yield _single(path)
        return
    with open_files(path, MAX_IMAGE_BYTES) as files:
        yield files


def _begins_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _single(path: Path) -> Files:
    name = path.name if path.name.lower().endswith(ENDING) else f"{path.name}{ENDING}"

    @contextmanager
    def open_file(_: str) -> Iterator[tuple[BinaryIO, int]]:
        with path.open("rb") as file:
            yield file, path.stat().st_size

    def each(names: object) -> Iterator[tuple[str, Callable[[], bytes]]]:
        yield name, path.read_bytes

    return Files([name], lambda _: path.read_bytes(), open_file, each)


def _found(path: Path, files: Files, mapping: Mapping[str, str]) -> Found:
    container = "folder" if path.is_dir() else "zip file" if begins_as_zip(path) else "tar archive"
    given_meanings(mapping)
    layout = understand(files.names, mapping)
    layout.question = layout.question or _other_copy(files, layout)
    if layout.images and not layout.question:
        return Found("fer2013" if layout.has_fer2013_names else "folders", container, layout)
    if table := table_inside(path.name, files):
        with files.open(table) as (file, _):
            check_table_stream(file, table)
        return Found("table", container)
    if parquet := parquet_names([name for name in files.names if not is_clutter(name)]):
        tables, of_tables = understand_parquet(files, parquet, mapping)
        return Found("parquet", container if len(files.names) > 1 else "file", of_tables, tables)
    listed = None if layout.folders else understand_list(files, mapping)
    if (listed is None or not listed.images) and ferplus_inside(files):
        check_ferplus(path)
        return Found("ferplus", container)
    if listed:
        return Found("list", container, listed)
    if not layout.folders:
        layout.question = with_unread_lists(files, _with_inner_archive(files, layout.question))
    return Found("folders", container, layout)


def _other_copy(files: Files, layout: Layout) -> str:
    """What to ask where a folder inside the set has its file names but, in a sample, not its content."""
    pairs = dict(layout.copies[:: max(1, len(layout.copies) // _SAMPLE)])
    contents = {}
    for name, read in files.each([*pairs, *pairs.values()]):
        try:
            contents[name] = hashlib.sha256(read()).digest()
        except UnusableImageError:
            contents[name] = b""
    other = next((pair for pair in pairs.items() if contents[pair[0]] != contents[pair[1]]), None)
    if other is None:
        return ""
    return (
        f"has class folders twice, with the same file names but other images, such as {quote(other[0])} and "
        f"{quote(other[1])}. Import the folder of one of them by its own path."
    )


def _with_inner_archive(files: Files, question: str) -> str:
    """The question, or what to do first where the data is in another archive inside."""
    endings = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar", ".7z", ".gz")
    inner = sorted(name for name in files.names if name.lower().endswith(endings) and not is_clutter(name))
    if inner and not any(name.lower().endswith(tuple(IMAGE_ENDINGS)) for name in files.names):
        return f"has no images but another archive, {quote(inner[0])}. Unpack it and import that one."
    return question


def _has_published_counts(layout: Layout) -> bool:
    counts = {split: dict.fromkeys(LABELS, 0) for split in SPLITS}
    for image in layout.images:
        if image.split:
            counts[image.split][LABELS[image.label]] += 1
    return not count_differences(counts)
