"""Images beside a file with their labels, as RAF-DB, AffectNet, FER+ and the Hugging Face Hub publish them."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import load_split
from core.data.importers.auto import examine, import_data
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
