"""Parquet tables of the Hugging Face Hub: label names of the schema, splits of file names, numbers without names."""

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.dataset import load_split
from core.data.importers.auto import examine, import_data
from core.errors import DataError
from core.labels import LABELS
from core.splits import SPLITS
from tests.conftest import refused
from tests.core.data.importers.conftest import make_zip, picture

pytestmark = pytest.mark.usefixtures("no_fsync")

NAMES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt"]
OURS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def write(path: Path, labels: list[Any], names: list[str] | None = None, column: str = "label", **more: Any) -> Path:
    """One image per label; the gray of an image is 10 times its label, plus its place."""
    numbers = [labels[: index + 1].count(label) for index, label in enumerate(labels)]
    grays = [
        20 * list(dict.fromkeys(labels)).index(label) + number for label, number in zip(labels, numbers, strict=True)
    ]
    images = [{"bytes": picture(gray, kind="PNG"), "path": None} for gray in grays]
    table = pa.table({"image": pa.array(images), column: pa.array(labels), **more})
    if names:
        info = {"info": {"features": {column: {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def test_names_of_the_schema_and_splits_of_the_files(tmp_path: Path, data_root: Path) -> None:
    for split in ("train", "validation", "test"):
        write(tmp_path / f"hf/data/{split}-00000-of-00001.parquet", list(range(8)) * 2, NAMES)
    found = examine(tmp_path / "hf")
    assert (
        found.form == "parquet" and not found.layout.question and found.layout.left_out == {"of the class contempt": 6}
    )
    info = import_data(tmp_path / "hf", data_root, name="hub")
    assert info.kind == "own" and [info.images(split) for split in SPLITS] == [14, 14, 14]
    data = load_split(data_root, "hub", "test")
    for image, label in zip(data.images, data.labels.tolist(), strict=True):
        assert OURS[int(np.median(image)) // 20] == LABELS[label]
    files = {path.name: path.read_bytes() for path in (tmp_path / "hf/data").iterdir()}
    assert import_data(make_zip(tmp_path / "a.zip", files), data_root, name="zip").fingerprint == info.fingerprint


def test_one_table_alone_is_divided(tmp_path: Path, data_root: Path) -> None:
    path = write(tmp_path / "faces.parquet", OURS * 6)
    info = import_data(path, data_root)
    assert info.name == "faces" and [info.images(split) for split in SPLITS] == [28, 7, 7]


def test_numbers_without_names_are_asked_about(tmp_path: Path, data_root: Path) -> None:
    path = write(tmp_path / "train-00000-of-00001.parquet", list(range(7)) * 5)
    refused(
        path, data_root, "7 labels that are not classes", "as in FER2013, '0=angry, 1=disgust", importer=import_data
    )
    mapping = {str(number): label for number, label in enumerate(OURS)}
    assert import_data(path, data_root, name="mine", mapping=mapping).total == 35


def test_pixels_and_usage_as_in_fer2013s_own_table(tmp_path: Path, data_root: Path) -> None:
    rows = [(number, usage) for usage in ("Training", "PublicTest", "PrivateTest") for number in range(7)]
    texts = [" ".join([str(20 * number + place)] * 2304) for place, (number, _) in enumerate(rows)]
    table = {"emotion": [number for number, _ in rows], "pixels": texts, "Usage": [usage for _, usage in rows]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    info = import_data(tmp_path / "a.parquet", data_root, name="mine")
    assert info.counts == {split: dict.fromkeys(LABELS, 1) for split in SPLITS}
    data = load_split(data_root, "mine", "train")
    assert [OURS[int(image[0, 0]) // 20] for image in data.images] == [LABELS[label] for label in data.labels]


def test_what_is_refused(tmp_path: Path, data_root: Path) -> None:
    path = write(tmp_path / "a.parquet", OURS * 4)
    content = bytearray(path.read_bytes())
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "cut.parquet", data_root, "corrupt or truncated", importer=import_data)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "b.parquet")
    refused(tmp_path / "b.parquet", data_root, "no columns of images and labels; it has 'text'", importer=import_data)
    table = pa.table({"image": [b"", picture(3)] * 4, "label": ["happy", "sad"] * 4})
    pq.write_table(table, tmp_path / "c.parquet")
    refused(
        tmp_path / "c.parquet",
        data_root,
        "4 images",
        "unreadable (first: 'c.parquet/000000' is empty)",
        importer=import_data,
    )
    write(tmp_path / "d/train.parquet", OURS)
    write(tmp_path / "d/other.parquet", OURS)
    refused(tmp_path / "d", data_root, "'other.parquet', whose name says no split", importer=import_data)


def test_hostile_bytes_never_raise_anything_else(tmp_path: Path, data_root: Path) -> None:
    whole = write(tmp_path / "a.parquet", OURS * 4).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.integers(4, len(whole), 4):
            content[place] = int(rng.integers(0, 256))
        path = tmp_path / "b.parquet"
        path.write_bytes(io.BytesIO(content).getvalue())
        with suppress(DataError):
            import_data(path, data_root, name="mine")
