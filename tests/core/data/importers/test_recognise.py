"""Folders and what they mean, on names alone; and a grammar of layouts: each is imported rightly, asked about or
refused."""

import io
import os
import random
import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import load_split
from core.data.importers.auto import import_data
from core.data.importers.mapping import parse_mapping
from core.data.importers.recognise import understand
from core.errors import DataError
from core.labels import LABELS
from core.splits import SPLITS

ALL = tuple(LABELS)
NUMBERED = "1=surprise, 2=fear, 3=disgust, 4=happy, 5=sad, 6=angry, 7=neutral"


def paths(*folders: str, names: tuple[str, ...] = ALL, each: int = 3, file: str = "{}.jpg") -> list[str]:
    """Files in every class folder; `C` in a folder stands for the class."""
    return [
        f"{folder.replace('C', name)}/{file.format(number)}"
        for folder in folders
        for name in names
        for number in range(each)
    ]


def splits_of(names: list[str], mapping: str = "") -> dict[str, int]:
    layout = understand(names, parse_mapping([mapping]))
    assert not layout.question, layout.question
    return {split: sum(image.split == split for image in layout.images) for split in ("", *SPLITS)}


def question(names: list[str], mapping: str = "") -> str:
    text = understand(names, parse_mapping([mapping])).question
    assert text.endswith(".") and "\n" not in text and len(text) < 480
    return text


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (paths("C"), (21, 0, 0, 0)),
        (paths("train/C", "vaild/C"), (0, 21, 21, 0)),
        (paths("C/train", "C/test"), (0, 21, 0, 21)),
        (paths("Training/C", "PublicTest/C", "PrivateTest/C"), (0, 21, 21, 21)),
        (paths("test/faces/train/C", "test/faces/test/C"), (0, 21, 0, 21)),
        ([*paths("repo-main/data/train/C"), "repo-main/README.md", "repo-main/docs/x.png"], (0, 21, 0, 0)),
        (paths("train/images/C", "val/images/C"), (0, 21, 21, 0)),
        (paths("train/C", "images/train/C"), (0, 21, 0, 0)),
        ([*paths("train/C"), "test/1.jpg", "test/2.jpg"], (0, 21, 0, 0)),
        (paths("C", file="Training_{}.jpg") + paths("C", file="PublicTest_{}.jpg"), (0, 21, 21, 0)),
        (paths("train/C", file="Training_{}.jpg") + paths("test/C", file="PublicTest_{}.jpg"), (0, 21, 21, 0)),
        (paths("unknown/train/C", "unknown/test/C"), (0, 21, 0, 21)),
    ],
)
def test_splits_and_nesting(names: list[str], counts: tuple[int, ...]) -> None:
    assert tuple(splits_of(names).values()) == counts


@pytest.mark.parametrize(
    ("names", "mapping", "parts"),
    [
        (paths("train/C", "holdout/C"), "", ["'holdout'", "beside train", "'holdout=validation'"]),
        (paths("a/C", "b/C"), "", ["class folders in 2 places: 'a', 'b'"]),
        (paths("aligned/train/C", "original/train/C"), "", ["class folders in 2 places"]),
        (paths("C", names=tuple("1234567")), "", ["as in RAF-DB", f"'{NUMBERED}'"]),
        (paths("C", names=tuple("0123456")), "", ["as in FER2013", "'0=angry, 1=disgust, 2=fear"]),
        (paths("C", names=("AN", "HA", "foo")), "", ["'AN=angry, HA=happy'", "'AN=-'"]),
        (paths("C", names=("happy", "sad", "smug")), "", ["1 folder that is not a class: 'smug' (3)", "'smug=-'"]),
        (
            paths("C", names=("happy", "hapy", "sad")),
            "",
            ["2 folders for the class happy", "'happy=happy, hapy=happy'"],
        ),
        (paths("train/C", "val/C", "valid/C"), "", ["2 folders for the split validation"]),
        ([*paths("C"), "happy/angry/9.jpg"], "", ["whose folders say angry and happy"]),
        (paths("Testing/C"), "", ["only 'Testing'", "'Testing=train'"]),
        (paths("C", names=("happy",)), "", ["fewer than two"]),
        (paths("mine/C") + paths("1", "2"), "", ["42 images outside the class folders of 'mine/'", "'1=-, 2=-'"]),
        (["Image/aligned/1.jpg", "EmoLabel/list.txt"], "", ["1 images, but none in class folders (1 other files)"]),
        (paths("train/C", file="PublicTest_{}.jpg"), "", ["name is of FER2013's validation split"]),
    ],
)
def test_what_is_asked(names: list[str], mapping: str, parts: list[str]) -> None:
    text = question(names, mapping)
    assert all(part in text for part in parts), text


def test_every_example_of_a_question_answers_it() -> None:
    assert splits_of(paths("train/C", "holdout/C"), "holdout=validation")["validation"] == 21
    assert splits_of(paths("train/C", "holdout/C"), "holdout=-")["train"] == 21
    assert splits_of(paths("x/train/C", "x/test/C", names=tuple("1234567")), NUMBERED)["test"] == 21
    assert splits_of(paths("C", names=("happy", "hapy", "sad")), "happy=happy, hapy=happy")[""] == 9
    assert splits_of(paths("Testing/C"), "Testing=train")["train"] == 21
    with pytest.raises(DataError, match="'smug' is mapped to 'grin', which is not a class"):
        understand(paths("C"), {"smug": "grin"})


def test_a_few_images_beside_the_set_are_only_counted_and_many_are_skipped_when_told() -> None:
    layout = understand([*paths("mine/C"), "docs/a.png", "b.png"])
    assert layout.left_out == {"outside the class folders": 2} and not layout.question
    assert splits_of(paths("mine/C") + paths("1", "2"), "1=-, 2=-")[""] == 21


def test_folders_named_for_a_split_and_a_class_are_both() -> None:
    labels = ("angry", "happy", "sad")
    names = [f"set/{split}_{label}/{n}.jpg" for split in ("train", "test") for label in labels for n in range(4)]
    layout = understand(names)
    assert not layout.question and (layout.root, len(layout.images)) == ("set/", 24)
    assert Counter((image.split, LABELS[image.label]) for image in layout.images) == {
        (split, label): 4 for split in ("train", "test") for label in labels
    }
    assert {where for where, _, _ in layout.folders} == {f"{s}/{label}" for s in ("train", "test") for label in labels}
    wrapped = understand([f"train_happy_faces/{label}/{n}.jpg" for label in labels for n in range(4)])
    assert not wrapped.question and wrapped.root == "train_happy_faces/" and len(wrapped.images) == 12


def test_a_mapping_of_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="No folder or label is called 'anger', which is mapped to 'disgust'"):
        understand(paths("C"), {"anger": "disgust"})
    assert not understand(paths("C"), {"Angry": "disgust", "DISGUST": "angry"}).question


def test_files_with_the_ending_of_something_else_are_no_images() -> None:
    others = ["angry/readme.txt", "happy/labels.csv", "happy/notes.md", "sad/faces.zip"]
    odd = ["angry/0001", "angry/S005.00000014", "happy/photo.jpg_large", "happy/a.jpe", "sad/b.PGM", "sad/c.img"]
    layout = understand([*paths("C"), *others, *odd])
    assert layout.left_out == {"not an image": 4} and not layout.question
    assert {image.where for image in layout.images} == {*paths("C"), *odd}


def test_classes_outside_the_seven_are_counted() -> None:
    names = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    layout = understand(paths("C", names=names))
    assert layout.left_out == {"of the class contempt": 3} and len(layout.images) == 18 and not layout.question


# --- layouts by a grammar

COUNT, SAMPLE = 500, 60
SEED = int(os.environ.get("FER_LAYOUTS_SEED", "14"))

CLASS_NAMES = {
    "angry": ("Anger", "angry", "ANGRY", "angery"),
    "disgust": ("Disgust", "disgusted", "disgust", "discust"),
    "fear": ("fear", "Fearful", "FEAR", "afraid"),
    "happy": ("happy", "Happiness", "Happy ", "hapy"),
    "neutral": ("neutral", "Neutral", "NEUTRAL", "netural"),
    "sad": ("sad", "Sadness", "SAD", "sad"),
    "surprise": ("surprise", "Surprised", "suprise", "surprize"),
}
SPLIT_NAMES = {
    "train": ("train", "Training", "TRAIN", "train_set", "trian"),
    "validation": ("val", "valid", "Validation", "PublicTest", "vaild", "dev"),
    "test": ("test", "Test", "testing", "PrivateTest", "test_data"),
}
ROOTS = ("", "faces/", "repo-main/data/", "archive/FER set/", "test/")
CONTAINERS = ("folder", "zip", "powershell", "tar", "tar.gz", "tar.bz2", "tar.xz")
CLUTTER = ("README.md", ".DS_Store", "Thumbs.db", "__MACOSX/._x.jpg", "labels.txt", "docs/screenshot.png")


@dataclass
class Made:
    """A layout and its truth. The gray of an image is its identity."""

    container: str
    files: dict[str, bytes] = field(default_factory=dict)
    truth: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Gray to split, empty where no folder says it, and label."""
    unclear: list[str] = field(default_factory=list)
    """Why a question or refusal is right."""


def make_layout(rng: random.Random) -> Made:
    made = Made(rng.choice(CONTAINERS))
    root = rng.choice(ROOTS)
    splits = rng.choice(([], ["train"], ["train", "test"], ["train", "validation"], list(SPLITS), ["test"]))
    names = {split: rng.choice(SPLIT_NAMES[split]) for split in splits}
    classes = {label: rng.choice(CLASS_NAMES[label]) for label in LABELS}
    style = rng.choice(("words", "words", "words", "numbered", "numbers", "codes"))
    if style == "numbered":
        classes = {label: f"{index}{rng.choice(' _-')}{label}" for index, label in enumerate(LABELS)}
    elif style == "numbers":
        shuffled = rng.sample(range(7), 7)
        classes = {label: str(number) for label, number in zip(LABELS, shuffled, strict=True)}
        made.unclear.append("numbers")
    elif style == "codes":
        classes = {label: label[:2].upper() for label in LABELS}
        made.unclear.append("codes")
    for label in rng.sample(LABELS, rng.choice((0, 0, 0, 1, 2))):
        del classes[label]
    if splits == ["test"] or (splits == [] and root == "test/"):
        made.unclear.append("only a test split, or what looks like one")
    class_first = bool(splits) and rng.random() < 0.3
    for place, split in enumerate(splits or [""]):
        for label, folder in classes.items():
            parts = [folder, names.get(split, "")] if class_first else [names.get(split, ""), folder]
            for copy in range(4):
                gray = LABELS.index(label) * 12 + place * 4 + copy
                made.files[root + "/".join(filter(None, [*parts, f"im{copy}.png"]))] = flat(gray)
                made.truth[gray] = (split, LABELS.index(label))
    _with_extras(rng, made, root, splits)
    return made


def _with_extras(rng: random.Random, made: Made, root: str, splits: list[str]) -> None:
    for name in rng.sample(CLUTTER, rng.randrange(4)):
        made.files[root + name] = flat(250)
        if name.startswith("docs/") and not splits:
            made.unclear.append("a folder of images beside the classes")
        elif name.startswith("docs/"):
            made.unclear.append("may be taken for a class beside classes above splits")
    extra = rng.choice(("", "", "", "contempt", "smug", "holdout", "twice", "other copy", "loose"))
    if extra in ("contempt", "smug"):
        made.files[f"{root}{extra}/im0.png"] = flat(251)
        made.unclear += ["a class of another name"] if extra == "smug" or splits else []
    elif extra == "holdout":
        made.files |= {
            f"{root}holdout/{label}/im{copy}.png": flat(150 + 4 * index + copy)
            for index, label in enumerate(LABELS)
            for copy in range(4)
        }
        made.unclear.append("an unknown split")
    elif extra in ("twice", "other copy"):
        made.files |= {
            f"{root}copy/{name.removeprefix(root)}": data if extra == "twice" else flat(253)
            for name, data in list(made.files.items())
        }
        made.unclear += ["another set inside"] if extra == "other copy" else []
    elif extra == "loose":
        made.files[f"{root}im0.png"] = flat(254)


def flat(gray: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), gray).save(buffer, "PNG")
    return buffer.getvalue()


def write(made: Made, place: Path) -> Path:
    path = place / "given"
    if made.container == "folder":
        for name, data in made.files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    elif made.container in ("zip", "powershell"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in made.files.items():
                info = zipfile.ZipInfo("x")
                info.filename = name if made.container == "zip" else name.replace("/", "\\")
                if made.container == "powershell" and "/" in name:
                    folder = zipfile.ZipInfo("x")
                    folder.filename = info.filename.rpartition("\\")[0] + "\\"
                    if folder.filename not in archive.NameToInfo:
                        archive.writestr(folder, b"")
                archive.writestr(info, data)
    else:
        with tarfile.open(path, f"w:{made.container.removeprefix('tar').removeprefix('.')}") as archive:
            for name, data in made.files.items():
                entry = tarfile.TarInfo(f"./{name}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return path


def outcome(made: Made, place: Path) -> str:
    """`imported`, or what was said instead; fails where an image got another label or split than the truth, or is
    missing."""
    path = write(made, place)
    try:
        import_data(path, place / "data", name="mine")
    except DataError as error:
        message = str(error)
        assert message.startswith("'given' ") and message.endswith(".") and "\n" not in message, message
        assert not (place / "data" / "mine").exists()
        return message
    found: dict[int, tuple[str, int]] = {}
    for split in SPLITS:
        data = load_split(place / "data", "mine", split)
        for image, label in zip(data.images, data.labels.tolist(), strict=True):
            found[int(np.median(image))] = (split, label)
    assert found.keys() == made.truth.keys()
    for gray, (split, label) in found.items():
        truth_split, truth_label = made.truth[gray]
        assert label == truth_label
        named = {each for each, _ in made.truth.values()}
        assert split == truth_split or (truth_split in ("", "train") and split not in named - {""})
    return "imported"


@pytest.mark.parametrize(
    "number", [*range(SAMPLE), *(pytest.param(number, marks=pytest.mark.slow) for number in range(SAMPLE, COUNT))]
)
def test_no_layout_is_imported_wrongly(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FER_LAYOUTS_SEED says which layouts are made."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = make_layout(random.Random(f"{SEED} {number}"))
    said = outcome(made, tmp_path)
    print(f"seed {SEED}, layout {number}, {made.container}: {said}; unclear: {made.unclear}")
    if not made.unclear:
        assert said == "imported", f"nothing is unclear in {sorted(made.files)[:3]}"
