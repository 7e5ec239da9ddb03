"""Parquet tables of the Hugging Face Hub: label names of the schema, splits of file names, numbers without names."""

import io
import json
import os
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.dataset import load_split
from core.data.decode import decode_image
from core.data.importers import parquet, parquet_rows
from core.data.importers.auto import examine, import_data
from core.data.importers.parquet import read_parquet, understand_parquet
from core.data.importers.sources import open_files
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


def test_a_label_of_megabytes_in_thousands_of_rows_takes_no_memory(tmp_path: Path) -> None:
    label = pa.DictionaryArray.from_arrays(pa.array([0] * 2000), pa.array(["x" * 1_000_000]))
    table = pa.table({"image": [b"x"] * 2000, "label": label})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "a.parquet").stat().st_size < 2000
    tracemalloc.start()
    try:
        question = examine(tmp_path / "a.parquet").layout.question
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert question.startswith("has 1 label that is not a class: 'xxx") and "(2,000)" in question
    assert len(question) < 600


def test_an_image_in_thousands_of_rows_is_decoded_once(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def count(data: bytes) -> Image.Image:
        decoded.append(data)
        return decode_image(data)

    monkeypatch.setattr(parquet, "decode_image", count)
    images = [{"bytes": picture(10 * label, kind="PNG"), "path": None} for label in range(7)] * 300
    pq.write_table(pa.table({"image": images, "label": OURS * 300}), tmp_path / "a.parquet", row_group_size=1050)
    with open_files(tmp_path, 1000) as files:
        tables, _ = understand_parquet(files, files.names, {})
        (images_read, labels, _), _, unreadable = read_parquet(files, tables, {})
    assert len(images_read) == 2100 and len(decoded) == 2 * 7 and not unreadable
    for image, label in zip(images_read, labels.tolist(), strict=True):
        assert OURS[int(np.median(image)) // 10] == LABELS[label]


@pytest.mark.parametrize("size", [10**9, 0], ids=["whole groups", "in parts"])
def test_groups_of_any_size_give_the_same(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(parquet_rows, "_MAX_WHOLE_BYTES", size)
    path = write(tmp_path / "train.parquet", OURS * 4, split=["test", None, "train", "train"] * 7)
    info = import_data(path, data_root, name="mine")
    assert [info.images(split) for split in SPLITS] == [14, 7, 7]
    data = load_split(data_root, "mine", "test")
    assert [OURS[int(np.median(image)) // 20] for image in data.images] == [LABELS[label] for label in data.labels]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("image", [[0] * 100_000] + [[0]] * 6),
        ("label", [[0] * 1000] + [[0]] * 6),
    ],
    ids=["image", "label"],
)
def test_lists_of_more_values_than_there_can_be_are_refused(
    tmp_path: Path, data_root: Path, column: str, values: list[list[int]]
) -> None:
    table = {"image": pa.array([[0] * 2304] * 7), "label": pa.array(OURS)} | {column: pa.array(values)}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    refused(
        tmp_path / "a.parquet", data_root, f"the column '{column}' has lists of too many values", importer=import_data
    )


def test_gray_values_as_lists_and_categories_as_labels(tmp_path: Path, data_root: Path) -> None:
    grays = [[20 * number + place] * 2304 for place in range(4) for number in range(7)]
    labels = pa.array([*range(7)] * 4).dictionary_encode()
    pq.write_table(pa.table({"image": grays, "label": labels}), tmp_path / "a.parquet")
    mapping = {str(number): label for number, label in enumerate(OURS)}
    info = import_data(tmp_path / "a.parquet", data_root, name="mine", mapping=mapping)
    data = load_split(data_root, "mine", "train")
    assert info.total == 28
    assert [OURS[int(image[0, 0]) // 20] for image in data.images] == [LABELS[label] for label in data.labels]


def test_what_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "_SMALL_BYTES", 1000)
    pq.write_table(pa.table({"image": [bytes(10**6)], "label": ["happy"]}), tmp_path / "a.parquet", compression="zstd")
    refused(tmp_path / "a.parquet", data_root, "has 1 rows and unpacks to 1,000,", importer=import_data)


def test_an_image_that_is_too_large_is_one_that_can_be_skipped(tmp_path: Path, data_root: Path) -> None:
    images = [picture(20 * number + place, kind="PNG") for place in range(4) for number in range(7)]
    images.append(bytes(20_000_001))
    pq.write_table(pa.table({"image": images, "label": [*OURS * 4, "happy"]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", data_root, "'a.parquet/000028' is too large (max 20 MB)", importer=import_data)
    assert import_data(tmp_path / "a.parquet", data_root, name="mine", skip_unreadable=True).skipped == 1


@pytest.mark.parametrize(
    ("value", "shown"), [("extra", "extra"), (None, "null"), ("valuation", "valuation")], ids=["other", "null", "near"]
)
def test_a_split_that_is_none_is_asked_about(tmp_path: Path, data_root: Path, value: str | None, shown: str) -> None:
    splits = (["train"] * 2 + ["test", value]) * 7
    path = write(tmp_path / "a.parquet", sorted(OURS * 4), split=splits)
    asked = f"has a column 'split' with what is no split: '{shown}' (7). Map each to one of train, validation, test, "
    refused(path, data_root, asked, f"or skip it with '{shown}=-'", importer=import_data)
    info = import_data(path, data_root, name="mine", mapping={shown: "validation"})
    assert [info.images(split) for split in SPLITS] == [14, 7, 7]
    info = import_data(path, data_root, name="mine", mapping={shown: "-"})
    assert info.total == 21 and info.left_out == {"skipped as asked": 7}


def test_the_split_of_the_file_counts_where_the_column_says_none(tmp_path: Path, data_root: Path) -> None:
    write(tmp_path / "set/train.parquet", OURS * 4, split=["fold 1"] * 28)
    write(tmp_path / "set/test.parquet", OURS, split=["fold 2"] * 7)
    info = import_data(tmp_path / "set", data_root, name="mine")
    assert (info.images("test"), info.total) == (7, 35)


def test_a_mapping_that_nothing_has_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", OURS * 4)
    with pytest.raises(DataError, match="No folder or label is called 'joy', which is mapped to 'happy'"):
        examine(path, {"joy": "happy"})


def test_what_is_no_file_any_more_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", OURS)
    with open_files(tmp_path, 1000) as files:
        (tmp_path / "a.parquet").unlink()
        os.mkfifo(tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"^'a\.parquet' is not a file\.$"):
            understand_parquet(files, files.names, {})


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
