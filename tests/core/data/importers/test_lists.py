"""Images beside a file with their labels, as RAF-DB, AffectNet, FER+ and the Hugging Face Hub publish them."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from core.data.archives import read_tar
from core.data.dataset import load_split
from core.data.importers import sources
from core.data.importers.auto import examine, import_data
from core.errors import DataError
from core.labels import LABELS
from core.splits import SPLITS
from tests.conftest import refused
from tests.core.data.importers.conftest import make_folder, picture

pytestmark = pytest.mark.usefixtures("no_fsync")


def labels_by_gray(root: Path, name: str) -> dict[int, tuple[str, str]]:
    """Gray of an image to split and class."""
    return {
        int(np.median(image)): (split, LABELS[label])
        for split in SPLITS
        for data in [load_split(root, name, split)]
        for image, label in zip(data.images, data.labels.tolist(), strict=True)
    }


def test_raf_db_as_published(tmp_path: Path, data_root: Path) -> None:
    order = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
    files, lines, truth = {}, [], {}
    for gray in range(42):
        split = "train" if gray < 28 else "test"
        name = f"{split}_{gray:05}"
        files[f"basic/Image/aligned/{name}_aligned.jpg"] = picture(gray * 5)
        lines.append(f"{name}.jpg {gray % 7 + 1}")
        truth[gray * 5] = (split, order[gray % 7])
    files["basic/EmoLabel/list_patition_label.txt"] = "\n".join(lines).encode()
    path = make_folder(tmp_path / "raf", files)
    assert examine(path).form == "list"
    import_data(path, data_root, name="raf")
    found = labels_by_gray(data_root, "raf")
    assert {gray: label for gray, (_, label) in found.items()} == {gray: label for gray, (_, label) in truth.items()}
    assert all((split == "test") == (truth[gray][0] == "test") for gray, (split, _) in found.items())


def test_affectnet_as_published(tmp_path: Path, data_root: Path) -> None:
    order = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
    files = {}
    for split in ("train_set", "val_set"):
        for number in range(24):
            buffer = io.BytesIO()
            np.save(buffer, np.array(str(number % 8)))
            files[f"{split}/annotations/{number}_exp.npy"] = buffer.getvalue()
            files[f"{split}/annotations/{number}_val.npy"] = b"x"
            files[f"{split}/images/{number}.jpg"] = picture(number * 5 + (120 if split == "val_set" else 0))
    info = import_data(make_folder(tmp_path / "affect", files), data_root, name="affect")
    assert info.left_out == {"of the class contempt": 6} and info.images("validation") == 21
    for gray, (split, label) in labels_by_gray(data_root, "affect").items():
        assert label == order[gray // 5 % 24 % 8] and (split == "validation") == (gray >= 120)


def test_what_the_script_of_ferplus_writes(tmp_path: Path, data_root: Path) -> None:
    order = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
    files = {}
    for place, split in enumerate(("Train", "Valid", "Test")):
        lines = []
        for number in range(9):
            votes = [0] * 10
            if number < 8:
                votes[number] = 8
            else:
                votes[0] = votes[1] = 5
            lines.append(f'fer{number:07}.png,"(0, 0, 48, 48)",{",".join(map(str, votes))}')
            files[f"FER2013{split}/fer{number:07}.png"] = picture(60 * place + number * 6, kind="PNG")
        files[f"FER2013{split}/label.csv"] = "\n".join(lines).encode()
    info = import_data(make_folder(tmp_path / "fp", files), data_root, name="fp")
    assert info.left_out == {"of the class contempt": 3, "of the class with no majority": 3}
    for gray, (split, label) in labels_by_gray(data_root, "fp").items():
        assert (split, label) == (SPLITS[gray // 60], order[gray % 60 // 6])


def image_folder(label: str = "label") -> dict[str, bytes]:
    files = {f"train/{number}.png": picture(number * 5, kind="PNG") for number in range(42)}
    lines = [json.dumps({"file_name": f"{number}.png", label: LABELS[number % 7]}) for number in range(42)]
    return files | {"train/metadata.jsonl": "\n".join(lines).encode()}


def test_an_image_folder_of_the_hub(tmp_path: Path, data_root: Path) -> None:
    info = import_data(make_folder(tmp_path / "hf", image_folder()), data_root, name="hf")
    assert info.total == 42
    assert all(LABELS[gray // 5 % 7] == label for gray, (_, label) in labels_by_gray(data_root, "hf").items())


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"train/more.png": picture(3)}, []),
        ({"train/metadata.jsonl": b'{"file_name": "0.png", "label": 3}'}, ["'3' (1)", "Numbers do not say"]),
        (
            {"train/metadata.jsonl": b'{"file_name": "gone.png", "label": "sad"}'},
            ["1 names of images that are not there"],
        ),
        ({"train/labels.csv": b"image,label\n0.png,sad\n"}, ["two labels for 'train/0.png', 'sad' and 'angry'"]),
        ({"train/metadata.jsonl": b'{"file_name": "0.png", "label": "smug"}'}, ["'smug' (1)", "'smug=-'"]),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, data_root: Path, change: dict[str, bytes], parts: list[str]) -> None:
    path = make_folder(tmp_path / "hf", image_folder() | change)
    if parts:
        refused(path, data_root, *parts, importer=import_data)
    else:
        assert import_data(path, data_root, name="hf").left_out == {"without a label": 1}


# --- which image a row is about


def numbered(*folders: str, each: int = 14) -> dict[str, bytes]:
    """Path to content: `0.png` to `13.png` in the first folder, and so on."""
    return {
        f"{folder}{number}.png": picture(number * 4 + 60 * place, kind="PNG")
        for place, folder in enumerate(folders)
        for number in range(place * each, (place + 1) * each)
    }


def lines(names: Iterable[str], header: str = "file_name,label") -> bytes:
    """A list of labels: that of number n is the class n modulo 7."""
    rows = [f"{name},{LABELS[int(name.rsplit('/', 1)[-1].split('.')[0]) % 7]}" for name in names]
    return "\n".join([header, *rows]).encode()


def by_split(path: Path) -> dict[str, int]:
    counts = Counter[str]()
    for (_, split, _), count in examine(path).layout.folders.items():
        counts[split] += count
    return dict(counts)


def test_an_image_that_is_not_there_is_not_found_in_another_folder(tmp_path: Path, data_root: Path) -> None:
    """The rows name 28 images of train, of which 14 exist; those of test have no labels."""
    names = [f"train/{number}.png" for number in range(28)]
    path = make_folder(tmp_path / "a", numbered("train/", "test/") | {"labels.csv": lines(names)})
    refused(path, data_root, "14 names of images that are not there", "'train/14.png'", importer=import_data)
    path = make_folder(tmp_path / "b", numbered("test/") | {"labels.csv": lines(names[:14])})
    refused(path, data_root, "14 names of images that are not there", importer=import_data)
    files = numbered("anna/images/", "ben/images/") | {"labels.csv": lines(f"anna/images/{n}.png" for n in range(28))}
    refused(make_folder(tmp_path / "c", files), data_root, "14 names of images", importer=import_data)
    files = numbered("train/", "test/") | {"train/labels.csv": lines(f"{n}.png" for n in range(28))}
    refused(make_folder(tmp_path / "d", files), data_root, "14 names of images", importer=import_data)
    files = numbered("test/") | {"train/labels.csv": lines(f"{n}.png" for n in range(14))}
    refused(make_folder(tmp_path / "e", files), data_root, "14 names of images", importer=import_data)
    files = numbered("test/images/") | {"labels.csv": lines(f"train/images/{n}.png" for n in range(14))}
    refused(make_folder(tmp_path / "f", files), data_root, "14 names of images", importer=import_data)
    files = numbered("train/", "test/") | {"train.csv": lines(f"{n}.png" for n in range(28))}
    refused(make_folder(tmp_path / "g", files), data_root, "14 names of images", importer=import_data)


def test_an_annotation_of_affectnet_without_its_image_takes_no_other(tmp_path: Path, data_root: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array("1"))
    files = {f"train_set/annotations/{number}_exp.npy": buffer.getvalue() for number in range(4)}
    files |= {f"train_set/images/{number}.jpg": picture(number) for number in range(3)}
    path = make_folder(tmp_path / "set", files | {"val_set/images/3.jpg": picture(9)})
    refused(path, data_root, "1 names of images that are not there", importer=import_data)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("images/", "{}.png"),
        ("images/", "images/{}.png"),
        ("images/", "./images/{}.png"),
        ("images/", "images\\{}.png"),
        ("images/", "{}"),
        ("images/", "{}.PNG"),
        ("images/", "Images/{}.jpg"),
        ("set/images/", "images/{}.png"),
        ("set/images/", "/home/anna/data/images/{}.png"),
        ("", "images/{}.png"),
    ],
)
def test_names_as_lists_have_them(tmp_path: Path, data_root: Path, folder: str, name: str) -> None:
    text = lines(f"{number}.png" for number in range(28)).decode().splitlines()
    rows = [f"{name.format(row.split('.')[0])},{row.split(',')[1]}" for row in text[1:]]
    files = numbered(folder, each=28) | {"labels.csv": "\n".join([text[0], *rows]).encode()}
    import_data(make_folder(tmp_path / "set", files), data_root, name="mine")
    assert {g: label for g, (_, label) in labels_by_gray(data_root, "mine").items()} == {
        number * 4: LABELS[number % 7] for number in range(28)
    }


def test_one_stem_in_two_folders_goes_by_the_split_of_the_list(tmp_path: Path) -> None:
    files = {f"images/{split}/{n}.png": picture(n + 9, kind="PNG") for split in ("train", "test") for n in range(14)}
    files |= {f"{split}_labels.csv": lines(f"{n}.png" for n in range(14)) for split in ("train", "test")}
    assert by_split(make_folder(tmp_path / "set", files)) == {"train": 14, "test": 14}


def test_lists_named_after_splits_say_them(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(28)]
    files = numbered("images/", each=28)
    files |= {"train_labels.csv": lines(names[:20]), "test_list.csv": lines(names[20:])}
    assert by_split(make_folder(tmp_path / "set", files)) == {"train": 20, "test": 8}


def test_lists_may_divide_the_folder_of_one_split(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(28)]
    files = numbered("train/", each=28) | {"train.csv": lines(names[:20]), "val.csv": lines(names[20:])}
    assert by_split(make_folder(tmp_path / "set", files)) == {"train": 20, "validation": 8}


def test_two_lists_about_the_same_images(tmp_path: Path, data_root: Path) -> None:
    names = [f"{number}.png" for number in range(28)]
    files = numbered("images/", each=28) | {"train.csv": lines(names)}
    path = make_folder(tmp_path / "a", files | {"test.csv": lines(names[:7])})
    refused(path, data_root, "two splits for 'images/0.png', test and train", importer=import_data)
    path = make_folder(tmp_path / "b", files | {"labels.csv": lines(names)})
    assert by_split(path) == {"train": 28}  # counted once, and one says the split
    Path(path, "more.csv").write_bytes(b"file_name,label\n0.png,Angry\n")
    assert by_split(path) == {"train": 28}  # another spelling is no other label
    Path(path, "more.csv").write_bytes(b"file_name,label\n0.png,sad\n")
    refused(path, data_root, "two labels for 'images/0.png'", importer=import_data)


def test_a_split_of_another_name_is_asked_for(tmp_path: Path, data_root: Path) -> None:
    text = lines((f"{number}.png" for number in range(28)), "file_name,label,split").decode().splitlines()
    rows = [f"{row},{'train' if place < 14 else 'holdout'}" for place, row in enumerate(text[1:])]
    files = numbered("images/", each=28) | {"labels.csv": "\n".join([text[0], *rows]).encode()}
    path = make_folder(tmp_path / "set", files)
    refused(path, data_root, "none of train, validation, test: 'holdout' (14)", "'holdout=test'", importer=import_data)
    assert import_data(path, data_root, mapping={"holdout": "test"}).images("test") == 14
    assert examine(path, {"holdout": "-"}).layout.left_out == {"skipped as asked": 14}


def test_a_mapping_of_labels_and_folders_beside_a_list(tmp_path: Path) -> None:
    files = numbered("a/", "held out/") | {"labels.csv": lines(f"{number}.png" for number in range(28))}
    path = make_folder(tmp_path / "set", files)
    found = examine(path, {"Held Out": "test", "a": "train", "sad": "-"}).layout
    assert {(split, count) for (_, split, _), count in found.folders.items()} == {("train", 2), ("test", 2)}
    assert (found.left_out, found.question) == ({"skipped as asked": 4}, "")
    assert examine(path, {"held out": "-"}).layout.left_out == {"skipped as asked": 14}
    with pytest.raises(DataError, match="No folder or label is called 'heldout'"):
        examine(path, {"heldout": "test"})


# --- how lists are written


def as_json_rows(rows: Sequence[tuple[str, str]]) -> bytes:
    return json.dumps([{"image": name, "emotion": label} for name, label in rows]).encode()


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("labels.csv", lambda text: text.replace(",", ";").encode()),
        ("labels.csv", lambda text: text.replace(",", "\t").encode("utf-16")),
        ("labels.csv", lambda text: text.replace("\n", "\r").encode()),
        ("labels.csv", lambda text: text.replace("\n", "\r\n").encode("utf-8-sig")),
        ("labels.tsv", lambda text: text.replace(",", "\t").encode()),
        ("labels.txt", lambda text: b"\xfe\xff" + text.replace(",", "\t").encode("utf-16-be")),
        ("labels.csv", lambda text: text.replace("file_name", "id").replace(".png", "").encode()),
        ("labels.csv", lambda text: text.replace("file_name", "Image Path").encode()),
        ("labels.json", lambda text: json.dumps(dict(row.split(",") for row in text.split("\n")[1:])).encode()),
        ("labels.json", lambda text: as_json_rows([tuple(row.split(",")) for row in text.split("\n")[1:]])),
        ("labels.csv", lambda text: _with_numbers(text)),
    ],
    ids="semicolons utf16 cr crlf tsv utf16be ids path json json-rows floats".split(),
)
def test_lists_as_spreadsheets_and_shells_write_them(
    tmp_path: Path, data_root: Path, file: str, change: Callable[[str], bytes]
) -> None:
    text = lines(f"{number}.png" for number in range(28)).decode()
    path = make_folder(tmp_path / "set", numbered("images/", each=28) | {file: change(text)})
    numbers = {str(number): label for number, label in enumerate(LABELS)}
    import_data(path, data_root, name="mine", mapping=numbers if b".0" in change(text) else None)
    assert {g: label for g, (_, label) in labels_by_gray(data_root, "mine").items()} == {
        number * 4: LABELS[number % 7] for number in range(28)
    }


def _with_numbers(text: str) -> bytes:
    for number, label in enumerate(LABELS):
        text = text.replace(f",{label}", f",{number}.0")
    return text.encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"x" * 200_000),
        ("notes.json", b"[" * 100_000),
        ("notes.jsonl", b"[" * 100_000),
        ("list_patition_label.txt", "a.png ²\nb.png ".encode() + b"9" * 5000),
        ("votes.csv", 'a.png,"(0, 0, 48, 48)",²,0,0,0,0,0,0,0,0,0'.encode()),
    ],
    ids=["one-line", "json", "jsonl", "raf", "votes"],
)
def test_other_texts_beside_a_list_disturb_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    files = numbered("images/", each=28) | {"labels.csv": lines(f"{n}.png" for n in range(28)), name: content}
    assert by_split(make_folder(tmp_path / "set", files)) == {"": 28}


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("labels.csv", b"file_name,label\n0.png,sad\n" + b"x" * 200_000, "field larger than field limit"),
        ("labels.jsonl", b'{"file_name": "0.png", "label": "sad"}\n\n{"file_na', "line 3 is not JSON"),
    ],
    ids=["csv", "jsonl"],
)
def test_a_list_that_breaks_off_is_not_taken_for_all(
    tmp_path: Path, data_root: Path, name: str, content: bytes, part: str
) -> None:
    path = make_folder(tmp_path / "set", numbered("images/") | {name: content})
    refused(path, data_root, f"'{name}' is not a readable table", part, importer=import_data)


def test_a_table_beside_images_that_says_no_labels_is_named(tmp_path: Path, data_root: Path) -> None:
    path = make_folder(tmp_path / "set", numbered("images/") | {"faces.tsv": b"face\temo\n0.png\tsad\n"})
    refused(path, data_root, "none in class folders", "'faces.tsv' would need a column file_name", importer=import_data)


def test_text_files_in_a_tar_archive_are_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = numbered("images/", each=28) | {"labels.csv": lines(f"{n}.png" for n in range(28))}
    files |= {f"labels/{number}.txt": b"3 0.5 0.5 1 1" for number in range(40)}
    files |= {f"tables/{number}.csv": b"a,b" for number in range(40)}
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    counted = Mock(side_effect=read_tar)
    monkeypatch.setattr(sources, "read_tar", counted)
    assert by_split(path) == {"": 28}
    assert counted.call_count < 6
