"""Custom datasets: images of any size and format, split the same way every time, rejected with counts."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data.audit import audit_dataset
from core.data.dataset import list_datasets, load_split, read_info
from core.data.importers.drawing import draw_face
from core.data.importers.mapping import parse_mapping
from core.data.importers.own import import_own
from core.errors import DataError
from core.evaluation.predictions import read_predictions
from core.labels import LABELS
from core.runs.paths import RunPaths
from core.splits import SPLITS
from dashboard.state import cache
from tests.conftest import PROJECT_ROOT, refused

KINDS = ("JPEG", "PNG", "WEBP", "BMP")


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def photo(label: int, seed: int) -> bytes:
    """A drawn face as a photo of some size, colour and format."""
    rng = np.random.default_rng([label, seed])
    face = Image.fromarray(draw_face(label, rng)).resize((int(rng.integers(40, 400)), int(rng.integers(40, 400))))
    kind = KINDS[seed % len(KINDS)]
    buffer = io.BytesIO()
    face.convert("RGB" if seed % 2 else "L").save(buffer, kind)
    return buffer.getvalue()


def photos(per_class: int = 10, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}{name}/{number}.img": photo(label, number)
        for label, name in enumerate(LABELS)
        for number in range(per_class)
    }


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def not_own(path: Path, root: Path, *parts: str, **options: object) -> None:
    refused(path, root, *parts, importer=partial(import_own, name="mine", **options))


def test_photos_of_any_size_are_divided_by_class(tmp_path: Path, root: Path) -> None:
    calls: list[tuple[int, int]] = []
    path = folder(tmp_path / "faces", photos(43))
    info = import_own(path, root, name="mine", progress=lambda *call: calls.append(call))
    assert (info.kind, info.title, info.source, info.skipped) == ("own", "mine", "faces", 0)
    assert info.counts == {
        "train": dict.fromkeys(LABELS, 35),
        "validation": dict.fromkeys(LABELS, 4),
        "test": dict.fromkeys(LABELS, 4),
    }
    assert (calls[0], calls[-1]) == ((0, 301), (301, 301))
    ids = [id for split in SPLITS for id in load_split(root, "mine", split).ids]
    assert sorted(ids) == sorted(photos(43))
    for split in SPLITS:
        data = load_split(root, "mine", split)
        assert [LABELS[label] for label in data.labels] == [id.split("/")[0] for id in data.ids]


def test_the_seed_decides_and_names_do_not(tmp_path: Path, root: Path) -> None:
    files = photos(20)
    path = folder(tmp_path / "a", files)
    first = import_own(path, root, name="a")
    assert import_own(path, root, name="b").fingerprint == first.fingerprint
    assert import_own(path, root, name="c", seed=1).fingerprint != first.fingerprint
    renamed = {f"{name.split('/')[0]}/x{hash(data) % 10**9}.jpg": data for name, data in files.items()}
    assert import_own(folder(tmp_path / "d", renamed), root, name="d").fingerprint == first.fingerprint


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("top", ["", "team/faces/"])
def test_folders_of_splits_are_kept(tmp_path: Path, root: Path, form: str, top: str) -> None:
    files = photos(3, "Train/") | photos(2, "val/") | photos(1, "test/")
    files = {f"{top}{name}": data for name, data in files.items()} | {f"{top}README.txt": b"hi", ".DS_Store": b""}
    path = tmp_path / "set"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        folder(path, files)
    info = import_own(path, root, name="mine")
    assert [info.images(split) for split in SPLITS] == [21, 14, 7]
    assert load_split(root, "mine", "validation").ids[0] == "val/angry/0.img"


def test_only_what_no_folder_names_is_taken_from_train(tmp_path: Path, root: Path) -> None:
    info = import_own(folder(tmp_path / "set", photos(20, "train/") | photos(3, "test/")), root, name="mine")
    assert [info.images(split) for split in SPLITS] == [7 * 18, 7 * 2, 7 * 3]


def test_names_in_capitals_and_mapped_names(tmp_path: Path, root: Path) -> None:
    files = photos(5)
    renamed = {name.replace("happy/", "Grin/").replace("sad/", "SAD/"): data for name, data in files.items()}
    renamed |= {"pouting/1.jpg": b"not even a picture", "Grin/5.jpg": photo(3, 5)}
    path = folder(tmp_path / "set", renamed)
    not_own(path, root, "2 folders that are not classes", "'Grin' (1)", "'pouting' (1)", "'Grin=-'")
    not_own(path, root, "'sat', which is not a class", mapping={"grin": "sat"})
    info = import_own(path, root, name="mine", mapping=parse_mapping(["grin=happy", "Pouting = -"]))
    assert info.total == 36 and info.left_out == {"skipped as asked": 1}


def test_classes_may_be_missing_or_none_of_the_seven(tmp_path: Path, root: Path) -> None:
    files = {name: data for name, data in photos(5).items() if not name.startswith("neutral/")}
    path = folder(tmp_path / "set", files | {f"contempt/{number}.jpg": photo(0, number) for number in range(3)})
    info = import_own(path, root, name="mine")
    assert info.total == 30 and info.missing_classes == ["neutral"] and info.left_out == {"of the class contempt": 3}


def test_copies_never_stand_on_both_sides(tmp_path: Path, root: Path) -> None:
    files = photos(12)
    for name, data in list(files.items()):
        files[name.replace(".img", "-copy.img")] = data
    files["fear/again.img"] = files["happy/3.img"]
    for seed in range(3):
        import_own(folder(tmp_path / "set", files), root, name=f"set-{seed}", seed=seed)
        audit = audit_dataset(root, f"set-{seed}")
        assert len(audit.duplicates) == 84
        assert audit.leaks == []
        assert len(audit.conflicts) == 1


def test_unreadable_pictures_are_counted_or_left_out(tmp_path: Path, root: Path) -> None:
    files = photos(5) | {
        "happy/notes.txt": b"hello",
        "happy/x.heic": b"\0\0\0\x18ftypheic",
        "sad/cut.png": photo(5, 1)[:99],
    }
    path = folder(tmp_path / "set", files)
    not_own(path, root, "2 of 37 images in 'set' are unreadable (first: 'happy/x.heic' is corrupt or incomplete)")
    info = import_own(path, root, name="mine", skip_unreadable=True)
    assert info.skipped == 2 and info.left_out == {"not an image": 1}
    assert list_datasets(root)[0].total == 35
    os.mkfifo(path / "happy" / "pipe.jpg")
    assert import_own(path, root, name="mine", skip_unreadable=True).skipped == 3


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        ({}, ["no class folders", "(0 other files)", "angry, disgust"]),
        ({"a.jpg": b"x"}, ["1 images, but none in class folders"]),
        (
            {name: data for name, data in photos(4).items() if name[:3] == "ang"},
            ["fewer than two of the seven classes (found: angry 4)"],
        ),
        (photos(2), ["too few unique images in 7 classes (angry 2,", "at least 3"]),
        (photos(4) | {"train/sad/x.jpg": b"x"}, ["1 images in train, validation or test and 28 outside"]),
        (photos(3, "Testing/"), ["no training images, only 'Testing'", "'Testing=train'"]),
        (photos(3, "train/") | photos(3, "holdout/"), ["'holdout'", "'holdout=validation'"]),
        (photos(3, "a/") | photos(3, "b/"), ["class folders in 2 places: 'a', 'b'"]),
        ({name: photo(0, 0) for name in photos(5)}, ["too few unique images in 7 classes"]),
    ],
)
def test_what_is_refused(tmp_path: Path, root: Path, files: dict[str, bytes], parts: list[str]) -> None:
    (tmp_path / "set").mkdir()
    not_own(folder(tmp_path / "set", files), root, *parts)


def test_names_and_paths_that_are_refused(tmp_path: Path, root: Path) -> None:
    path = folder(tmp_path / "set", photos(4))
    for name, part in (("fer2013", "is reserved"), ("../x", "Invalid dataset name")):
        with pytest.raises(DataError, match=part):
            import_own(path, root, name=name)
    not_own(tmp_path / "none", root, "File not found: ")
    not_own(path / "happy" / "0.img", root, "Can't import")
    with pytest.raises(DataError, match=r"Invalid mapping 'happy'\. Use folder=class"):
        parse_mapping(["happy"])


TINY = "dataset=team epochs=1 batch_size=16 images_per_epoch=48 model=cnn-model-1 threads=1 device=cpu".split()


def fer(*arguments: object) -> str:
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_set_without_a_class_is_trained_on_and_scored_on_the_others(
    tmp_path: Path, runs_root: Path, data_root: Path
) -> None:
    files = {name: data for name, data in photos(12).items() if not name.startswith("neutral/")}
    fer("data", "import", folder(tmp_path / "six", files), "--data-root", data_root, "--name", "team")
    roots = ("--runs-root", runs_root, "--data-root", data_root)
    run = json.loads(fer("train", *roots, *[part for text in TINY for part in ("--set", text)], "--wait", "--json"))
    assert run["state"] == "finished"
    scores = json.loads(RunPaths(runs_root, run["id"]).summary.read_text())["evaluation"]["test"]
    supported = [each for label, each in scores["per_class"].items() if label != "neutral"]
    assert scores["per_class"]["neutral"]["support"] == 0 and all(each["support"] == 1 for each in supported)
    assert scores["macro_f1"] == pytest.approx(sum(each["f1"] for each in supported) / 6)


def test_three_hundred_photos_are_trained_on_and_reviewed(
    tmp_path: Path, runs_root: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = photos(43) | {f"happy/Photo {number}.JPG": data for number, data in enumerate(photos(1).values())}
    assert len(files) > 300
    files["Sadness/1.img"] = files.pop("sad/1.img")
    files["angry/readme"] = b"not a picture"
    path = folder(tmp_path / "faces", files)
    options = ("--name", "team", "--mapping", "sadness=sad", "--skip-unreadable", "--seed", 3)
    info = json.loads(fer("data", "import", path, "--data-root", data_root, *options, "--json"))
    assert (info["kind"], info["skipped"]) == ("own", 1)
    assert sum(sum(counts.values()) for counts in info["counts"].values()) == len(files) - 1
    audit = json.loads(fer("data", "audit", "team", "--data-root", data_root, "--json"))
    assert sum(audit["sizes"].values()) == len(files) - 1

    roots = ("--runs-root", runs_root, "--data-root", data_root)
    settings = [part for text in TINY for part in ("--set", text)]
    run = json.loads(fer("train", *roots, *settings, "--wait", "--json"))
    assert run["state"] == "finished"
    paths = RunPaths(runs_root, run["id"])
    team = read_info(data_root, "team")
    for split in SPLITS[1:]:
        predictions = read_predictions(paths.predictions(split))
        assert len(predictions) == team.images(split)
        assert sorted({LABELS[label] for label in predictions["label"]}) == sorted(LABELS)
        assert predictions["image_id"].str.contains("/").all()

    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(data_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=120).run()
    app.switch_page("views/errors/page.py")
    app.query_params["run"] = run["id"]
    app.run()
    assert not app.exception and not app.error
    texts = " ".join(str(part.value) for part in [*app.markdown, *app.caption, *app.info, *app.warning])
    assert "not shown" not in texts, "its images are at hand"
    assert re.search(r"\d+ images", texts), "the gallery of mistakes"
