"""The one way in: containers, what is shown before an import, and what is said of what is no dataset."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.__main__ import app
from core.data.dataset import list_datasets, load_split
from core.data.importers.auto import examine, import_data
from core.data.importers.mapping import parse_mapping
from core.errors import DataError
from core.labels import LABELS
from core.splits import SPLITS
from tests.conftest import refused
from tests.core.data.importers.conftest import make_folder, make_zip, picture, small_files

pytestmark = pytest.mark.usefixtures("no_fsync")


def faces(*splits: str, each: int = 4, ending: str = "png") -> dict[str, bytes]:
    """Path to content: images of noise in class folders, each with a gray of its own."""
    rng = np.random.default_rng(0)
    return {
        f"{split}{label}/{number}.{ending}": picture(rng.integers(0, 256, (48, 48), np.uint8), kind="PNG")
        for split in splits or ("",)
        for label in LABELS
        for number in range(each)
    }


def make_tar(path: Path, files: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def make_powershell_zip(path: Path, files: dict[str, bytes]) -> Path:
    """As Compress-Archive of Windows PowerShell 5.1 writes them."""
    with zipfile.ZipFile(path, "w") as archive:
        folders = sorted({f"{name.rpartition('/')[0]}/" for name in files})
        for name, data in [*((folder, b"") for folder in folders), *files.items()]:
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            archive.writestr(info, data)
    return path


def test_every_container_gives_the_same_set(tmp_path: Path, data_root: Path) -> None:
    files = faces("train/", "test/")
    made = [
        make_folder(tmp_path / "folder", files),
        make_zip(tmp_path / "a.zip", files),
        make_powershell_zip(tmp_path / "b.zip", files | {"train/Thumbs.db": b"x", "desktop.ini": b"x"}),
        *(make_tar(tmp_path / f"a.tar{kind}", files, f"w:{kind}") for kind in ("", "gz", "bz2", "xz")),
    ]
    infos = [import_data(path, data_root, name=f"set-{number}") for number, path in enumerate(made)]
    assert len({info.fingerprint for info in infos}) == 1
    assert {info.ordered_fingerprint for info in infos} == {infos[0].ordered_fingerprint}
    assert [examine(path).container for path in made] == ["folder", *["zip file"] * 2, *["tar archive"] * 4]


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_tar_cut_short_or_changed_is_refused(tmp_path: Path, data_root: Path, kind: str) -> None:
    path = make_tar(tmp_path / "a.tar", faces(), f"w:{kind}")
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-12], whole[:5000] + bytes(40) + whole[5040:]):
        path.write_bytes(content)
        refused(path, data_root, "corrupt or truncated", importer=import_data)


def test_fer2013_of_powershell_and_in_three_folders(tmp_path: Path, data_root: Path) -> None:
    reference = import_data(make_zip(tmp_path / "r.zip", small_files()), data_root, name="r", accept_differences=True)
    path = make_powershell_zip(tmp_path / "a.zip", small_files())
    assert import_data(path, data_root, accept_differences=True).fingerprint == reference.fingerprint
    moved = {
        name.replace("test/", "valid/") if "Public" in name else name: data for name, data in small_files().items()
    }
    path = make_folder(tmp_path / "repo", {f"repo-main/data/{name}": data for name, data in moved.items()})
    (path / "repo-main" / "README.md").write_text("x")
    assert examine(path).form == "fer2013"
    info = import_data(path, data_root, accept_differences=True)
    assert (info.fingerprint, info.kind) == (reference.fingerprint, "fer2013")
    assert import_data(path, data_root, name="mine").kind == "own"


def test_a_name_is_made_but_nothing_is_replaced_unasked(tmp_path: Path, data_root: Path) -> None:
    path = make_folder(tmp_path / "My Faces (2)", faces())
    assert import_data(path, data_root).name == "my-faces-2"
    with pytest.raises(DataError, match=r"There is a dataset 'my-faces-2' already.*`--name my-faces-2-2`"):
        import_data(path, data_root)
    assert import_data(path, data_root, name="my-faces-2").name == "my-faces-2"
    with pytest.raises(DataError, match="'fer2013' is reserved"):
        import_data(path, data_root, name="fer2013")


def test_a_doubled_tree_is_one_set_and_another_copy_is_asked_about(tmp_path: Path, data_root: Path) -> None:
    files = faces("train/")
    path = make_folder(tmp_path / "set", files | {f"images/{name}": data for name, data in files.items()})
    info = import_data(path, data_root, name="mine")
    assert info.total == 28 and info.left_out == {"in a second copy of the folders": 28}
    other = make_folder(tmp_path / "other", files | {f"cropped/{name}": picture(9) for name in files})
    refused(other, tmp_path / "else", "twice, with the same file names but other images", importer=import_data)


def test_linked_folders_are_followed_inside_what_was_given(tmp_path: Path, data_root: Path) -> None:
    path = make_folder(tmp_path / "set", {f"store/{name}": data for name, data in faces("a/").items()})
    (path / "train").symlink_to(path / "store" / "a")
    (path / "store" / "a" / "happy" / "again").symlink_to(path)  # a circle
    names = [(each.split, each.where) for each in examine(path).layout.images]
    assert len(names) == 28 and {split for split, _ in names} == {"train"}
    assert import_data(path, data_root, name="mine").total == 28


def test_large_photos_in_a_zip_are_no_bombs(tmp_path: Path, data_root: Path) -> None:
    large = picture(np.random.default_rng(0).integers(0, 256, (1200, 1200), np.uint8), kind="PNG")
    assert len(large) > 1_000_000
    path = make_zip(tmp_path / "a.zip", faces("train/") | {"train/happy/large.png": large})
    assert import_data(path, data_root, name="mine").total == 29


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["an empty file", "Download or copy it again"]),
        (b"<html><body>Sign in", ["a web page", "sign in first"]),
        (b"version https://git-lfs.github.com/spec/v1", ["a Git LFS pointer", "`git lfs pull`"]),
        (b"Rar!\x1a\x07\x01\0", ["a RAR archive", "Unpack it and import the folder"]),
        (b"7z\xbc\xaf\x27\x1c", ["a 7z archive"]),
        (b"\x89HDF\r\n\x1a\n", ["Keras weights", "not a dataset"]),
        (b"PAR1 and nothing else", ["corrupt or truncated"]),
    ],
)
def test_a_wrong_file_is_named_for_what_it_is(
    tmp_path: Path, data_root: Path, content: bytes, parts: list[str]
) -> None:
    (tmp_path / "given.zip").write_bytes(content)
    refused(tmp_path / "given.zip", data_root, "'given.zip", *parts, importer=import_data)


def test_wrong_zip_files(tmp_path: Path, data_root: Path) -> None:
    path = make_zip(tmp_path / "weights.pth", {"archive/data.pkl": b"x"})
    refused(path, data_root, "it is PyTorch weights", "not a dataset", importer=import_data)
    path = make_zip(tmp_path / "outer.zip", {"readme.txt": b"x", "data/faces.zip": b"PK"})
    refused(path, data_root, "another archive, 'data/faces.zip'. Unpack it", importer=import_data)


def test_a_dry_run_shows_what_an_import_would_do(
    tmp_path: Path, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"neutral": None, "surprise": "Suprise"}
    files = {
        name.replace(label, names.get(label) or label): data
        for name, data in faces("train/", "vaild/").items()
        for label in [name.split("/")[1]]
        if names.get(label, label)
    }
    path = make_folder(tmp_path / "set", files | {"train/contempt/1.png": picture(3)})
    arguments = ["data", "import", str(path), "--data-root", str(data_root), "--dry-run"]
    app(arguments, standalone_mode=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert "set: images in class folders (folder)" in shown
    assert "vaild/Suprise validation surprise 4" in shown and "of the class contempt - left out 1" in shown
    assert "No images of neutral: metrics leave out these classes." in shown
    assert "A tenth of the training images of each class becomes test." in shown
    app([*arguments, "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["form"] == "folders" and sum(row["images"] for row in told["rows"]) == len(files) + 1
    assert list_datasets(data_root) == []
    app([*arguments[:-1], "--map", "vaild=test, contempt=angry"], standalone_mode=False)
    [info] = list_datasets(data_root)
    assert info.images("test") == 24 and info.counts["train"]["angry"] + info.counts["validation"]["angry"] == 5


def test_a_dry_run_ends_with_the_question(tmp_path: Path, data_root: Path) -> None:
    files = {f"{number}/{copy}.png": picture(9 * number + copy) for number in range(1, 8) for copy in range(4)}
    path = make_folder(tmp_path / "set", files)
    with pytest.raises(DataError, match=r"'set' has 7 folders .*as in RAF-DB, '(1=surprise.*7=neutral)'") as caught:
        app(["data", "import", str(path), "--data-root", str(data_root), "--dry-run"], standalone_mode=False)
    example = str(caught.value).split("RAF-DB, '")[1].split("'")[0]
    info = import_data(path, data_root, name="raf", mapping=parse_mapping([example]))
    labels = {split: load_split(data_root, "raf", split) for split in SPLITS}
    numbers = {
        int(id.split("/")[0]): LABELS[label]
        for data in labels.values()
        for id, label in zip(data.ids, data.labels, strict=True)
    }
    assert info.total == 28 and numbers[1] == "surprise" and numbers[7] == "neutral"


def test_colours_of_any_mode_are_read(tmp_path: Path, data_root: Path) -> None:
    files = faces()
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(buffer, "WEBP")
    info = import_data(make_folder(tmp_path / "set", files | {"sad/9.webp": buffer.getvalue()}), data_root)
    assert info.total == 29
