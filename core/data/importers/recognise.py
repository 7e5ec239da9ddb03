"""What the folders of a dataset mean: `understand` reads the paths of its files alone, so it can be tested on names.

A folder is a class, a split, or neither. The set lies in the folder above the first that is one of the two, whatever
stands beside it; splits may be above the classes or below. What is not certain becomes a question, never a guess.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Final

from core.data.archives import is_clutter
from core.data.fer2013 import named_split
from core.data.importers.mapping import LEAVE_OUT, given_meanings, two_in_one
from core.data.importers.names import Meaning, meaning_of
from core.data.importers.questions import check_met, listed, many_beside, unknown_folders, unknown_split
from core.errors import quote
from core.labels import LABELS
from core.splits import TEST, TRAIN, VALIDATION
from core.text import writable

IMAGE_ENDINGS: Final = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .webp .tif .tiff .pgm .ppm .pnm .pbm .heic .heif .avif .jp2".split()
)


_OTHER_ENDINGS: Final = frozenset(
    ".txt .md .csv .tsv .json .jsonl .xml .yml .yaml .log .ini .db .npy .npz .mat .pkl .h5 .pts .lst .py .ipynb .htm "
    ".html .pdf .doc .docx .xls .xlsx .zip .tar .gz .tgz .7z .rar .parquet .lnk .url .mp4 .avi .mov".split()
)
"""What lies beside images in their folders."""

SKIPPED: Final = "skipped as asked"
_MOST_BESIDE: Final = 0.1
"""Images outside the class folders for each one inside, from which on these may not be all that is meant."""


@dataclass(frozen=True)
class FoundImage:
    """One image of a dataset."""

    split: str
    """Empty where nothing says it."""
    label: int
    """Class index, 0..6."""
    where: str
    """Path inside the folder or archive."""
    id: str
    """The same below the folder of the set, in characters that can be written anywhere."""


@dataclass
class Layout:
    """What was understood."""

    images: list[FoundImage] = field(default_factory=list)
    root: str = ""
    """The folder of the set, with a slash at its end; empty for the top."""
    folders: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(folder, split or empty, class) to number of images."""
    copies: list[tuple[str, str]] = field(default_factory=list)
    """Files of the set and those of the same path in a folder inside it, which seems to be the set once more."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Why images are not part of the set, to their number."""
    question: str = ""
    """What must be decided first, as a sentence without the name of the source; empty where all is clear."""

    @property
    def has_fer2013_names(self) -> bool:
        """Whether every file is named as in FER2013."""
        return bool(self.images) and all(named_split(each.where) for each in self.images)


def understand(names: Sequence[str], mapping: Mapping[str, str] | None = None) -> Layout:
    """Find the classes and splits in the folders of files.

    Args:
        names: paths with /.
        mapping: name of a folder to class, split or `LEAVE_OUT`; it wins over what the name seems to say.

    Raises:
        DataError: the mapping is wrong.
    """
    given = given_meanings(mapping or {})
    files = [_File.of(name, given) for name in sorted(names) if not is_clutter(name)]
    layout = Layout()
    labelled = [file for file in files if file.kinds("class", "outside", "skip")]
    _ignore_what_all_are_in(labelled)
    if not any(file.kinds("class") for file in labelled):
        layout.question = _no_classes(files)
        return layout
    check_met(given, (folder for file in files if file.is_image for folder in file.folders))
    layout.question = _contradictions(labelled)
    base = labelled if layout.question else _one_set(labelled, layout)
    if layout.question:
        return layout
    layout.root = "".join(f"{part}/" for part in base[0].root)
    _collect(base, layout)
    _look_beside(files, layout)
    layout.question = (
        layout.question
        or _two_names(base)
        or _splits_of_names(base, layout)
        or _mixed(layout)
        or _too_little(base, layout)
    )
    return layout


@dataclass
class _File:
    name: str
    folders: tuple[str, ...]
    """From the top; one that is named for a split and a class is two."""
    meanings: list[Meaning | None]

    @classmethod
    def of(cls, name: str, given: Mapping[str, Meaning]) -> "_File":
        folders = name.split("/")[:-1]
        read = [(folder, given.get(folder) or meaning_of(folder)) for folder in folders]
        if not any(meaning for _, meaning in read):
            read = [pair for folder in folders for pair in two_in_one(folder, given) or [(folder, None)]]
        return cls(name, tuple(folder for folder, _ in read), [meaning for _, meaning in read])

    def kinds(self, *kinds: str) -> list[tuple[str, Meaning]]:
        """The folders of these kinds, from the top."""
        return [(f, m) for f, m in zip(self.folders, self.meanings, strict=True) if m and m.kind in kinds]

    @property
    def root(self) -> tuple[str, ...]:
        """The folders above the first that says something."""
        return self.folders[: next((i for i, meaning in enumerate(self.meanings) if meaning), len(self.folders))]

    @property
    def is_image(self) -> bool:
        return PurePosixPath(self.name).suffix.lower() in IMAGE_ENDINGS

    @property
    def is_something_else(self) -> bool:
        """Whether its ending is known as that of no image; there are images with any other, or none."""
        return PurePosixPath(self.name).suffix.lower() in _OTHER_ENDINGS

    @property
    def said(self) -> str:
        """The folders that say its class and split, as one path."""
        return "/".join(name for name, _ in self.kinds("class", "split"))

    @property
    def split(self) -> str:
        return next((meaning.value for _, meaning in self.kinds("split")), "")


def _ignore_what_all_are_in(files: list[_File]) -> None:
    """A folder around everything is only the name of the set where a deeper one says the same kind of thing."""
    for depth, level in enumerate(zip(*(file.folders for file in files), strict=False)):
        if len(set(level)) > 1:
            return
        meaning = files[0].meanings[depth]
        if meaning is None or meaning.is_given:
            continue
        kinds = {meaning.kind, "class"} if meaning.kind == "outside" else {meaning.kind}
        deeper = [file for file in files if any(m and m.kind in kinds for m in file.meanings[depth + 1 :])]
        if 2 * len(deeper) > len(files):
            for file in files:
                file.meanings[depth] = None


def _contradictions(labelled: Sequence[_File]) -> str:
    for file in labelled:
        for kind in ("class", "split"):
            said = {meaning.value for _, meaning in file.kinds(kind)}
            if len(said) > 1:
                return (
                    f"has {quote(file.name)}, whose folders say {' and '.join(sorted(said))}. Move it to one of them."
                )
    return ""


# --- where the set is


def _one_set(labelled: Sequence[_File], layout: Layout) -> list[_File]:
    """The files of the one set there is; else `layout.question` says what there is."""
    roots: dict[tuple[str, ...], list[_File]] = defaultdict(list)
    for file in labelled:
        roots[file.root].append(file)
    sets = [root for root, files in roots.items() if any(file.kinds("class") for file in files)]
    with_images = [root for root in sets if any(file.is_image for file in roots[root])]
    roots = {root: roots[root] for root in with_images or sets}
    contents = {root: {file.name.split("/", len(root))[-1] for file in files} for root, files in roots.items()}
    for root in sorted(roots, key=lambda root: (-len(root), root)):
        above = (root[:depth] for depth in range(len(root)))
        twin = next((other for other in above if other in roots and contents[other] == contents[root]), None)
        if twin is not None:
            layout.left_out["in a second copy of the folders"] += len(roots.pop(root))
            layout.copies += [("/".join((*twin, name)), "/".join((*root, name))) for name in sorted(contents[root])]
    if len(roots) == 1:
        return next(iter(roots.values()))
    parents = {root[:-1] for root in roots if root}
    splits = next((root for root in parents if root in roots and any(file.split for file in roots[root])), None)
    strangers = [
        root for root in sorted(roots) if root and splits == root[:-1] and not any(file.split for file in roots[root])
    ]
    if splits is not None and len(strangers) == len(roots) - 1:
        layout.question = unknown_split(strangers[0][-1], {file.split for file in roots[splits]})
        return []
    shown = listed([quote("/".join(root) or ".") for root in sorted(roots)])
    layout.question = (
        f"has class folders in {len(roots):,} places: {shown}. Import one of these folders by its own path, or move "
        "them into train, validation and test."
    )
    return []


def _no_classes(files: Sequence[_File]) -> str:
    """What is said where no folder is a class."""
    images = [file for file in files if file.is_image]
    unknown = _unknown_classes(images)
    if len(unknown) < 2:
        where = f"{len(images):,} images, but none in class folders" if images else "no class folders with images"
        return (
            f"has {where} ({len(files) - len(images):,} other files). Create one folder for each of "
            f"{', '.join(LABELS)}."
        )
    return unknown_folders(unknown)


def _unknown_classes(images: Sequence[_File]) -> Counter[str]:
    """The first folders that differ between images, splits aside, and their numbers of images."""
    paths = [[f for f, m in zip(file.folders, file.meanings, strict=True) if not m] for file in images]
    while paths and all(paths) and len({path[0] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    return Counter(path[0] for path in paths if path)


# --- what is in it


def _collect(base: Sequence[_File], layout: Layout) -> None:
    for file in base:
        skipped = file.kinds("outside", "skip")
        if skipped:
            folder, meaning = skipped[0]
            layout.left_out[SKIPPED if meaning.kind == "skip" else f"of the class {folder}"] += 1
            continue
        if file.is_something_else:
            layout.left_out["not an image"] += 1
            continue
        [(folder, meaning), *_] = file.kinds("class")
        id = writable(file.name.removeprefix(layout.root))
        layout.images.append(FoundImage(file.split, LABELS.index(meaning.value), file.name, id))
        layout.folders[file.said, file.split, meaning.value] += 1


def _look_beside(files: Sequence[_File], layout: Layout) -> None:
    """Images that are in no class folder: in the set they may be a class of another name, beside it they are not."""
    has_splits = any(file.split for file in files if file.kinds("class"))
    unknown, beside = Counter[str](), Counter[str]()
    root = tuple(layout.root.split("/")[:-1])
    copies = {copy for _, copy in layout.copies}
    for file in files:
        of_the_set = file.root == root and file.kinds("class", "outside", "skip")
        if of_the_set or file.name in copies or not file.is_image:
            continue
        if file.kinds("skip"):
            layout.left_out[SKIPPED] += 1
            continue
        inside = file.name.startswith(layout.root) and (bool(file.split) or not has_splits)
        depth = layout.root.count("/")
        below = [f for f, m in zip(file.folders[depth:], file.meanings[depth:], strict=True) if m is None]
        if inside and below:
            unknown[below[0]] += 1
        else:
            layout.left_out["outside the class folders"] += 1
            beside[next((a for a, b in zip_longest(file.folders, root) if a != b), None) or ""] += 1
    if unknown:
        layout.question = unknown_folders(unknown)
    elif beside.total() > _MOST_BESIDE * len(layout.images):
        layout.question = many_beside(beside, layout.root)


def _two_names(base: Sequence[_File]) -> str:
    """Two folders that seem to be the same class or split: one of them may be something else."""
    for kind, word in (("split", "split"), ("class", "class")):
        found: dict[tuple[str, str], dict[str, Meaning]] = defaultdict(dict)
        for file in base:
            for name, meaning in file.kinds(kind):
                found[meaning.value, "" if kind == "split" else file.split][name] = meaning
        for (value, _), names in found.items():
            if len(names) > 1 and sum(not meaning.is_given for meaning in names.values()) > 1:
                pairs = ", ".join(f"{name}={value}" for name in sorted(names))
                return (
                    f"has {len(names)} folders for the {word} {value}: {', '.join(map(quote, sorted(names)))}. Map "
                    f"each, e.g. {quote(pairs)}, or skip one with {quote(f'{max(names)}={LEAVE_OUT}')}."
                )
    return ""


def _splits_of_names(base: Sequence[_File], layout: Layout) -> str:
    """File names of FER2013 say the split where the folders say less: `test` holds two of them, and some copies have
    one of these in a folder of its own, too."""
    if not layout.has_fer2013_names:
        return ""
    renamed: dict[tuple[str, int, str], FoundImage] = {}
    for image in layout.images:
        named = named_split(image.where)
        if image.split not in ("", named) and not (image.split == TEST and named == VALIDATION):
            return (
                f"has {quote(image.where)}, whose name is of FER2013's {named} split but whose folder is of the "
                f"{image.split} split. Use the dataset with its original file names."
            )
        key = named, image.label, image.where.rsplit("/", 1)[-1]
        first = renamed.setdefault(key, FoundImage(named, image.label, image.where, image.id))
        if first.where != image.where:
            layout.copies.append((first.where, image.where))
            layout.left_out["in a second copy of the folders"] += 1
    layout.images[:] = renamed.values()
    said = {file.name: file.said for file in base}
    layout.folders = Counter((said[each.where], each.split, LABELS[each.label]) for each in layout.images)
    return ""


def _mixed(layout: Layout) -> str:
    inside = sum(bool(image.split) for image in layout.images)
    if inside in (0, len(layout.images)):
        return ""
    return (
        f"has {inside:,} images in train, validation or test and {len(layout.images) - inside:,} outside these "
        "folders. Move all of them inside, or none."
    )


def _too_little(base: Sequence[_File], layout: Layout) -> str:
    """Nothing can be learned without training images of two classes."""
    found = Counter(LABELS[image.label] for image in layout.images if image.split in ("", TRAIN))
    if len(found) > 1:
        return ""
    if not found and layout.images:
        splits = sorted({name for file in base for name, _ in file.kinds("split")})
        return (
            f"has no training images, only {' and '.join(map(quote, splits))}. Add a folder train, or map one to it, "
            f"e.g. {quote(f'{splits[-1]}={TRAIN}')}."
        )
    has = ", ".join(f"{label} {count:,}" for label, count in found.items()) or "none"
    return (
        f"has training images of fewer than two of the seven classes (found: {has}). Add some, or map folders to "
        f"{', '.join(LABELS)}."
    )
