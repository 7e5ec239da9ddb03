"""FER2013 as a table: the same set as from its images, and every mistake in it with a sentence and a line number."""

import gzip
import io
import itertools
import re
import resource
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import DatasetInfo, load_split, read_info
from core.data.importers import sources, tables
from core.data.importers.auto import examine
from core.data.importers.demo import import_demo
from core.data.importers.fer2013 import import_dataset
from core.data.importers.tables import TABLE_LABELS
from core.errors import CountsDifferError, DataError
from core.labels import LABELS
from core.splits import SPLITS
from tests.conftest import REAL_ZIP, refused
from tests.core.data.importers.conftest import make_folder, make_zip, picture

USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
BOTH_ORDERS = [("fer2013.csv", "{0},{1},{2}"), ("icml_face_data.csv", "{0}, {2}, {1}")]


def lines_of(root: Path, name: str, order: str = "{0},{1},{2}") -> Iterator[str]:
    """A table of a dataset, in an order that is not ours."""
    yield order.format("emotion", "pixels", "Usage")
    for split in SPLITS:
        data = load_split(root, name, split)
        for index in np.random.default_rng(0).permutation(len(data)):
            label = TABLE_LABELS.index(LABELS[data.labels[index]])
            yield order.format(label, " ".join(map(str, data.images[index].ravel().tolist())), USAGE[split])


def write_lines(path: Path, lines: Iterator[str]) -> Path:
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetInfo]:
    root = tmp_path_factory.mktemp("small")
    return root, import_demo(root, train_per_class=4, validation_per_class=1, test_per_class=2)


@pytest.fixture(scope="module")
def table(small: tuple[Path, DatasetInfo]) -> list[str]:
    return list(lines_of(small[0], "demo"))


# --- the same set


@pytest.mark.parametrize(("name", "order"), BOTH_ORDERS)
@pytest.mark.parametrize("form", ["csv", "csv.gz", "tar.gz", "tar"])
def test_every_form_gives_the_same_set(
    tmp_path: Path, data_root: Path, small: tuple[Path, DatasetInfo], name: str, order: str, form: str
) -> None:
    root, expected = small
    text = "\n".join(lines_of(root, "demo", order)).encode()
    path = tmp_path / f"set.{form}"
    if form == "csv":
        path.write_bytes(text)
    elif form == "csv.gz":
        path.write_bytes(gzip.compress(text))
    else:
        members = {"fer2013/README": b"hello", f"fer2013/{name}": text, "fer2013/fer2013.bib": b"@x"}
        make_tar(path, members, "w:gz" if form == "tar.gz" else "w")
    info = import_dataset(path, data_root, accept_differences=True)
    assert (info.fingerprint, info.counts, info.kind) == (expected.fingerprint, expected.counts, "fer2013")
    train = load_split(data_root, "fer2013", "train")
    assert all(id.startswith("csv/0000") for id in train.ids)
    rows = text.decode().split("\n")
    for index in (0, 13, 27):
        cells = [cell.strip() for cell in rows[int(train.ids[index].removeprefix("csv/"))].split(",")]
        emotion, pixels = cells[0], max(cells, key=len)
        assert TABLE_LABELS[int(emotion)] == LABELS[train.labels[index]]
        np.testing.assert_array_equal(train.images[index].ravel(), np.array(pixels.split(), int))


@pytest.mark.parametrize("form", ["zip", "folder"])
@pytest.mark.parametrize("inside", ["fer2013.csv", "fer2013/FER2013.CSV", "icml_face_data.csv", "data/fer2013.tar.gz"])
def test_a_table_in_a_zip_file_or_folder(
    tmp_path: Path, data_root: Path, small: tuple[Path, DatasetInfo], table: list[str], form: str, inside: str
) -> None:
    """As Kaggle packs the competition's files, whose train.csv and test.csv are not the whole set."""
    text = "\n".join(table).encode()
    others = {"train.csv": b"emotion,pixels\n0,1", "test.csv": b"pixels\n1", "__MACOSX/fer2013.csv": b"x"}
    if inside.endswith("tar.gz"):
        text = make_tar(tmp_path / "inner.tar.gz", {"fer2013/fer2013.csv": text}).read_bytes()
    files = {**others, inside: text}
    path = make_zip(tmp_path / "a.zip", files) if form == "zip" else make_folder(tmp_path / "a", files)
    assert examine(path).form == "table"
    info = import_dataset(path, data_root, name="c", accept_differences=True)
    assert (info.fingerprint, info.counts, info.kind) == (small[1].fingerprint, small[1].counts, "fer2013")


@pytest.mark.parametrize("name", ["fer2013 (1).csv", "data/fer2013_original.csv"])
def test_a_table_by_another_name(tmp_path: Path, data_root: Path, table: list[str], small: tuple, name: str) -> None:
    text = "\n".join(table).encode()
    for path in (make_zip(tmp_path / "a.zip", {name: text}), make_tar(tmp_path / "a.tar.gz", {"b": b"b", name: text})):
        info = import_dataset(path, data_root, accept_differences=True)
        assert info.fingerprint == small[1].fingerprint
    path = make_zip(tmp_path / "b.zip", {name: text, "other.csv": text})
    with pytest.raises(DataError, match="2 tables with images"):
        import_dataset(path, data_root, accept_differences=True)


def test_the_competitions_halves_say_what_is_needed(tmp_path: Path, data_root: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"train.csv": b"emotion,pixels\n0,1", "test.csv": b"pixels\n1"})
    refused(path, data_root, "'train.csv' without the column Usage", "no labels", "Use icml_face_data.csv")


def test_a_damaged_table_in_a_zip_file(tmp_path: Path, data_root: Path, table: list[str]) -> None:
    path = make_zip(tmp_path / "a.zip", {"fer2013.csv": "\n".join(table).encode()}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"Training") - 3] ^= 1  # another digit: only the checksum tells
    path.write_bytes(content)
    refused(path, data_root, "'fer2013.csv' is corrupt or truncated")
    make_zip(path, {"fer2013.csv": b"emotion,pixels,Usage"})
    refused(path, data_root, "'fer2013.csv' has no rows")


def test_quotes_byte_order_mark_blank_lines_and_windows_line_ends(
    tmp_path: Path, data_root: Path, small: tuple[Path, DatasetInfo], table: list[str]
) -> None:
    quoted = [",".join(f'"{cell}"' for cell in line.split(",")) for line in table]
    (tmp_path / "a.csv").write_bytes(("\ufeff" + "\r\n\r\n".join(quoted)).encode())
    assert import_dataset(tmp_path / "a.csv", data_root, accept_differences=True).fingerprint == small[1].fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: re.sub(r"^(\d),", r"\1.0,", text, flags=re.MULTILINE).encode(),
        lambda text: gzip.compress(text.replace(",", ";").encode("utf-16")),
    ],
    ids="semicolons utf16 cr floats gzip".split(),
)
def test_tables_as_spreadsheets_and_shells_write_them(
    tmp_path: Path,
    data_root: Path,
    small: tuple[Path, DatasetInfo],
    table: list[str],
    change: Callable[[str], bytes],
) -> None:
    (tmp_path / "a.csv").write_bytes(change("\n".join(table)))
    assert examine(tmp_path / "a.csv").form == "table"
    assert import_dataset(tmp_path / "a.csv", data_root, accept_differences=True).fingerprint == small[1].fingerprint


def test_a_table_that_is_longer_than_a_buffer_in_a_tar_archive(
    tmp_path: Path, data_root: Path, small: tuple[Path, DatasetInfo], table: list[str]
) -> None:
    """Beside what else people put there, in any order, and without images before it."""
    path = make_tar(
        tmp_path / "a.tar.gz", {"about.csv": b"a,b\n1,2", "n/faces.tsv": "\n".join(table).encode(), "z": b""}
    )
    assert (examine(path).form, examine(path).container) == ("table", "tar archive")
    assert import_dataset(path, data_root, accept_differences=True).fingerprint == small[1].fingerprint


def test_a_tar_archive_of_something_else_is_no_table(tmp_path: Path) -> None:
    """What comes first in it says nothing, and a preview fails where the import would."""
    images = {f"{label}/{copy}.png": picture(copy) for label in ("happy", "sad") for copy in range(3)}
    path = make_tar(tmp_path / "a.tgz", {"about.csv": b"a,b\n1,2"} | images)
    assert (examine(path).form, len(examine(path).layout.images)) == ("folders", 6)
    assert examine(make_tar(tmp_path / "b.tgz", {"x.py": b"x"})).layout.question.startswith("has no class folders")
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"hello"))
    with pytest.raises(DataError, match=r"Can't import 'c\.gz': it is a gzip file"):
        examine(tmp_path / "c.gz")


@pytest.mark.parametrize("form", ["csv", "csv.gz", "zip", "tar", "folder"])
def test_a_preview_of_a_table_fails_where_an_import_would(tmp_path: Path, form: str) -> None:
    text, path = b"emotion,pixels\n0,1 2\n", tmp_path / "a"
    {
        "csv": lambda: path.write_bytes(text),
        "csv.gz": lambda: path.write_bytes(gzip.compress(text)),
        "zip": lambda: make_zip(path, {"fer2013.csv": text}),
        "tar": lambda: make_tar(path, {"fer2013.csv": text}),
        "folder": lambda: make_folder(path, {"fer2013.csv": text}),
    }[form]()
    with pytest.raises(DataError, match="lacks 1 of the columns emotion, pixels and Usage"):
        examine(path)


def test_a_damaged_text_beside_images_is_no_traceback(tmp_path: Path) -> None:
    notes = "a,b\n" + "".join(f"{row},{row * 7919 % 1000}\n" for row in range(2000))
    path = make_zip(tmp_path / "a.zip", {"notes.csv": notes.encode(), "images/1.png": picture(3)})
    content = bytearray(path.read_bytes())
    content[80:140] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"'a\.zip' is corrupt or truncated"):
        examine(path)


def test_other_numbers_must_be_accepted(tmp_path: Path, data_root: Path, table: list[str]) -> None:
    with pytest.raises(CountsDifferError, match=r"train/angry has 4 images instead of 3,995"):
        import_dataset(write_lines(tmp_path / "a.csv", iter(table)), data_root)
    assert not data_root.exists()


def test_progress_ends_with_all(tmp_path: Path, data_root: Path, table: list[str]) -> None:
    calls: list[tuple[int, int]] = []
    path = write_lines(tmp_path / "a.csv", itertools.chain(table, table[1:] * 20))
    import_dataset(path, data_root, accept_differences=True, progress=lambda *call: calls.append(call))
    assert calls[0][0] == 0
    assert calls[-1] == (49 * 21, 49 * 21)
    assert all(0 <= done <= total for done, total in calls)


@pytest.mark.real_data
@pytest.mark.slow
def test_the_real_set_as_a_table(tmp_path: Path, real_root: Path) -> None:
    """Written from the zip's pixels, since nobody may hand out the original; the zip, the folder it unpacks to, the CSV
    and the tar.gz give the same set."""
    root = tmp_path / "data"
    shutil.copytree(real_root, root)
    expected = read_info(root, "fer2013")
    with zipfile.ZipFile(REAL_ZIP) as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = import_dataset(tmp_path / "unpacked", root, name="from-folder")
    assert (folder.fingerprint, folder.counts) == (expected.fingerprint, expected.counts)
    for split in SPLITS:
        one, other = load_split(root, "fer2013", split), load_split(root, "from-folder", split)
        assert (one.ids == other.ids).all() and (one.labels == other.labels).all()
    path = write_lines(tmp_path / "fer2013.csv", lines_of(root, "fer2013"))
    assert path.stat().st_size > 270_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    info = import_dataset(path, root, name="from-csv")
    seconds = time.monotonic() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"CSV {seconds:.1f} s, {grown / 1000:.0f} MB more than the zip")
    assert (info.fingerprint, info.counts) == (expected.fingerprint, expected.counts)
    assert info.matches_published
    assert seconds < 60
    assert grown < 400_000  # KiB
    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(path, "fer2013/fer2013.csv")
    start = time.monotonic()
    assert import_dataset(tmp_path / "fer2013.tar.gz", root, name="from-tar").fingerprint == expected.fingerprint
    print(f"tar.gz {time.monotonic() - start:.1f} s")


# --- refusals


def pixels(count: int = 2304, **changed: str) -> str:
    words = ["7"] * count
    for place, word in changed.items():
        words[int(place[1:])] = word
    return " ".join(words)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"0,{pixels(2303)},Training", "2,303 pixels instead of 2,304"),
        (f"0,{pixels(2305)},Training", "2,305 pixels instead of 2,304"),
        ("0,,Training", "0 pixels instead of 2,304"),
        (f"0,{pixels(_5='256')},Training", "pixel '256' instead of 0 to 255"),
        (f"0,{pixels(_5='-1')},Training", "pixel '-1' instead of 0 to 255"),
        (f"0,{pixels(_5='1.5')},Training", "pixel '1.5' instead of 0 to 255"),
        (f"0,{pixels(_5='nan')},Training", "pixel 'nan' instead of 0 to 255"),
        (f"0,{pixels(_5='٣')},Training", "instead of 0 to 255"),
        (f"0,{pixels(_5='9' * 30)},Training", "instead of 0 to 255"),
        (f"0,{pixels(_5='9' * 6000)},Training", "instead of 0 to 255"),
        (f"0,{pixels(_5='18446744073709551617')},Training", "instead of 0 to 255"),
        (f"0,{pixels()[:-1]}\t7,Training", "instead of 0 to 255"),
        (f"7,{pixels()},Training", "emotion '7' instead of 0 to 6"),
        (f",{pixels()},Training", "emotion '' instead of 0 to 6"),
        (f"happy,{pixels()},Training", "emotion 'happy' instead of 0 to 6"),
        (f"0,{pixels()},Test", "Usage 'Test' instead of Training, PublicTest or PrivateTest"),
        (f"0,{pixels()}", "2 columns"),
        ("x", "1 columns"),
    ],
)
def test_bad_rows_are_counted_and_the_first_is_named(
    tmp_path: Path, data_root: Path, table: list[str], row: str, reason: str
) -> None:
    path = write_lines(tmp_path / "a.csv", iter([*table[:10], row, *table[10:], row]))
    refused(path, data_root, "2 of 51 rows of 'a.csv' are invalid", "first: line 11, ", reason)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("emotion,pixels\n0,1 2\n", ["lacks 1 of the columns", "(usage)", "'emotion', 'pixels'"]),
        ("pixels\n1 2\n", ["lacks 2 of the columns", "(emotion, usage)", "line 1"]),
        ("emotion|pixels|Usage\n0|1|Training\n", ["Can't import 'a.csv'"]),
        ("emotion;pixels\n0;1\n", ["lacks 1 of the columns", "(usage)", "'emotion', 'pixels'"]),
        ("emotion,pixels,Usage\n", ["has no rows"]),
        ("emotion,pixels,Usage", ["has no rows"]),
        ('emotion,pixels,Usage\n0,"' + "1 \n" * 60_000, ["line", "field larger than field limit"]),
        ("emotion,pixels,Usage\n" + "1" * 100_000, ["line 2 is longer than any image"]),
        ("emotion,pixels,Usage\n" + "\0" * 1000, ["1 of 1 rows of 'a.csv' are invalid"]),
    ],
)
def test_what_is_no_table(tmp_path: Path, data_root: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "a.csv").write_text(text)
    refused(tmp_path / "a.csv", data_root, *parts)


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        ("Training", "no train images (Usage Training)"),
        ("PublicTest", "no validation images (Usage PublicTest)"),
        ("PrivateTest", "no test images (Usage PrivateTest)"),
    ],
)
def test_missing_split(tmp_path: Path, data_root: Path, table: list[str], usage: str, text: str) -> None:
    refused(
        write_lines(tmp_path / "a.csv", (line for line in table if not line.endswith(usage))), data_root, text, usage
    )


@pytest.mark.parametrize("share", [0.0005, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("form", ["csv.gz", "tar.gz"])
def test_cut_short(tmp_path: Path, data_root: Path, table: list[str], form: str, share: float) -> None:
    text, path = "\n".join(table).encode(), tmp_path / "a"
    whole = gzip.compress(text) if form == "csv.gz" else make_tar(path, {"fer2013.csv": text}).read_bytes()
    path.write_bytes(whole[: max(3, int(len(whole) * share))])
    refused(path, data_root, "'a' is corrupt or truncated")


def test_a_changed_byte_in_an_archive_is_noticed(tmp_path: Path, data_root: Path, table: list[str]) -> None:
    path = make_tar(tmp_path / "a.tar.gz", {"fer2013.csv": "\n".join(table).encode(), "b": b"b"})
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # of the checksum
    path.write_bytes(content)
    refused(path, data_root, "corrupt or truncated")


def _with_link(path: Path, table: bytes) -> None:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("fer2013.csv")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


def _nested(path: Path, members: dict[str, bytes]) -> None:
    """As `fer2013.tar.gz` lies in the zip file of the competition."""
    make_zip(path, {"fer2013.tar.gz": make_tar(path.with_name("inner.tar.gz"), members).read_bytes()})


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (_with_link, "Rejected: 'fer2013.csv' in 'a.tar.gz' is a link or a special file"),
        (lambda path, table: make_tar(path, {"../fer2013.csv": table}), "points outside the archive"),
        (lambda path, table: make_tar(path, {"/fer2013.csv": table}), "points outside the archive"),
        (lambda path, table: make_tar(path, {"other.csv": table[9:]}), "has no folders train/<class>"),
        (lambda path, table: _nested(path, {"other.csv": table[9:]}), "contains no fer2013.csv"),
        (lambda path, table: _nested(path, {f"f{i}": b"" for i in range(1001)}), "more than 1,000 entries"),
    ],
)
def test_archives_that_are_refused(
    tmp_path: Path, data_root: Path, table: list[str], make: Callable[[Path, bytes], object], part: str
) -> None:
    make(tmp_path / "a.tar.gz", "\n".join(table).encode())
    refused(tmp_path / "a.tar.gz", data_root, part)


def test_bombs_take_neither_memory_nor_long(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    make_tar(tmp_path / "before.tar.gz", {"zeros": bytes(80_000_000), "fer2013.csv": b"x"})
    make_zip(tmp_path / "outer.zip", {"fer2013.tar.gz": (tmp_path / "before.tar.gz").read_bytes()})
    made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    refused(tmp_path / "outer.zip", data_root, "unpacks to more than 64 MB")
    monkeypatch.setattr(sources, "_MAX_TOTAL_BYTES", 70_000_000)
    refused(tmp_path / "before.tar.gz", data_root, "unpacks to more than 70 MB")
    with gzip.open(tmp_path / "lines.gz", "wb", 1) as file:
        file.write(b"emotion,pixels,Usage\n")
        for _ in range(40):
            file.write(b"0,1,Training\n" * 6000)
    monkeypatch.setattr(tables, "_MAX_ROWS", 100_000)
    refused(tmp_path / "lines.gz", data_root, "more than 100,000 rows")
    monkeypatch.setattr(tables, "_MAX_BYTES", 1_000_000)
    refused(tmp_path / "lines.gz", data_root, "unpacks to more than 1 MB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before - made < 100_000  # KiB
