"""FER+: other labels for the same images, joined by the row of the table and by nothing else."""

import csv
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import list_datasets, load_split, read_info
from core.data.importers.auto import examine, import_data
from core.data.importers.demo import import_demo
from core.data.importers.fer2013 import import_dataset
from core.data.importers.ferplus import import_ferplus, looks_like_ferplus
from core.errors import DataError
from core.labels import LABELS
from core.splits import SPLITS
from tests.conftest import refused
from tests.core.data.importers.conftest import make_folder, make_zip, small_files
from tests.core.data.importers.test_tables import lines_of, make_tar, write_lines

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF".split(",")
OURS = ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"]
REPOSITORY = {
    "FERPlus-master/README.md": b"x",
    "FERPlus-master/FER+vsFER.png": b"x",
    "FERPlus-master/data/FER2013Train/label.csv": b'fer0000000.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0',
}
"""What lies beside the table in FER+'s repository."""
VOTED = ["contempt", "unknown", "not a face"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small FER2013 as a table, its rows in a mixed order."""
    root = tmp_path_factory.mktemp("table")
    import_demo(root, train_per_class=4, validation_per_class=2, test_per_class=2)
    return write_lines(root / "fer2013.csv", lines_of(root, "demo"))


@pytest.fixture
def base(table: Path, data_root: Path) -> Path:
    import_dataset(table, data_root, accept_differences=True)
    return data_root


def votes_for(table: Path, seed: int = 0) -> list[list[str]]:
    """A row of votes per row of the table."""
    chance = np.random.default_rng(seed)
    usages = [line.rsplit(",", 1)[1] for line in table.read_text().splitlines()[1:]]
    rows = []
    for index, usage in enumerate(usages):
        votes = chance.multinomial(10, chance.dirichlet(np.full(10, 0.3)))
        name = "" if votes[9] == 10 else f"fer{index:07}.png"
        rows.append([usage, name, *map(str, votes.tolist())])
    return rows


def write_votes(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def test_the_majority_decides_and_what_it_does_not_decide_is_left_out(base: Path, table: Path, tmp_path: Path) -> None:
    rows = votes_for(table)
    info = import_ferplus(write_votes(tmp_path / "fer2013new.csv", rows), base)
    assert (info.name, info.kind, read_info(base, "fer2013-plus")) == ("fer2013-plus", "fer2013-plus", info)
    left_out = dict.fromkeys([*VOTED, "with no majority"], 0)
    expected: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for split in SPLITS:
        data = load_split(base, "fer2013", split)
        for id in data.ids:
            votes = np.array([int(vote) for vote in rows[int(id.removeprefix("csv/")) - 1][2:]])
            best = int(votes.argmax())
            if (votes == votes.max()).sum() > 1:
                left_out["with no majority"] += 1
            elif best >= 7:
                left_out[VOTED[best - 7]] += 1
            else:
                expected[split][id] = LABELS.index(OURS[best])
    assert info.left_out == {reason: count for reason, count in left_out.items() if count}
    assert info.total + sum(left_out.values()) == 56 and len(info.left_out) == 4
    for split in SPLITS:
        data, original = load_split(base, "fer2013-plus", split), load_split(base, "fer2013", split)
        assert dict(zip(data.ids.tolist(), data.labels.tolist(), strict=True)) == expected[split]
        images = dict(zip(original.ids.tolist(), original.images, strict=True))
        assert all((images[id] == image).all() for id, image in zip(data.ids.tolist(), data.images, strict=True))


def test_names_that_skip_numbers_are_joined_by_order(base: Path, table: Path, tmp_path: Path) -> None:
    """From its row 60 on, the real file does not count most rows without a name."""
    rows = votes_for(table)
    whole = import_ferplus(write_votes(tmp_path / "a.csv", rows), base)
    number = 0
    for place, row in enumerate(rows):
        nameless = place % 7 == 3
        row[1] = "" if nameless else f"fer{number:07}.png"
        number += not nameless
    assert import_ferplus(write_votes(tmp_path / "b.csv", rows), base).fingerprint == whole.fingerprint


@pytest.mark.parametrize(
    "pack",
    [
        lambda path, text: make_zip(path, REPOSITORY | {"FERPlus-master/fer2013new.csv": text}, zipfile.ZIP_STORED),
        lambda path, text: make_zip(path, REPOSITORY | {"FERPlus-master/fer2013new.csv": text}),
        lambda path, text: make_tar(path, REPOSITORY | {"fer2013new.csv": text}),
        lambda path, text: make_folder(path, REPOSITORY | {"fer2013new.csv": text}),
        lambda path, text: path.write_bytes(gzip.compress(text)),
        lambda path, text: path.write_bytes(text.replace(b",", b";")),
        lambda path, text: path.write_bytes(text.decode().replace(",", "\t").encode("utf-16")),
        lambda path, text: path.write_bytes(text.replace(b"\r\n", b"\r")),
    ],
    ids="stored zip tar folder gzip semicolons utf16 cr".split(),
)
def test_packed_or_saved_again(base: Path, table: Path, tmp_path: Path, pack: Callable[[Path, bytes], object]) -> None:
    plain = write_votes(tmp_path / "plain.csv", votes_for(table))
    expected = import_ferplus(plain, base, name="plain")
    path = tmp_path / "given"
    pack(path, plain.read_bytes())
    assert examine(path).form == "ferplus"
    info = import_data(path, base)
    assert (info.name, info.kind, info.fingerprint) == ("fer2013-plus", "fer2013-plus", expected.fingerprint)


def test_a_preview_of_votes_fails_where_an_import_would(tmp_path: Path) -> None:
    text = b"Image name,contempt,neutral\nfer0000000.png,0,1\n"
    (tmp_path / "a.csv").write_bytes(text)
    make_zip(tmp_path / "a.zip", {"votes.csv": text})
    for name in ("a.csv", "a.zip"):
        with pytest.raises(DataError, match="lacks the columns usage, happiness"):
            examine(tmp_path / name)


def test_the_command_recognises_it(base: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.__main__ import app

    path = write_votes(tmp_path / "any name.csv", votes_for(table))
    assert looks_like_ferplus(path) and not looks_like_ferplus(table) and not looks_like_ferplus(tmp_path)
    app(["data", "import", str(path), "--data-root", str(base)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "FER2013 with FER+ labels" in shown and "Excluded: " in shown and "not a face" in shown


def test_images_from_files_cannot_be_joined(tmp_path: Path, data_root: Path, table: Path) -> None:
    """Their names bear numbers up to 99,999,696 that say nothing about the row of the table."""
    import_dataset(make_zip(tmp_path / "a.zip", small_files()), data_root, accept_differences=True)
    path = write_votes(tmp_path / "fer2013new.csv", votes_for(table))
    with pytest.raises(DataError, match=r"need FER2013 imported from CSV .* because the file names in msambare"):
        import_ferplus(path, data_root)
    import_dataset(table, data_root, name="from-the-table", accept_differences=True)
    assert import_ferplus(path, data_root).total > 0
    assert [info.name for info in list_datasets(data_root)] == ["fer2013", "fer2013-plus", "from-the-table"]


def test_without_fer2013(tmp_path: Path, data_root: Path, table: Path) -> None:
    path = write_votes(tmp_path / "fer2013new.csv", votes_for(table))
    refused(path, data_root, "because FER+ has labels but no images", importer=import_ferplus)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda rows: rows[:-1], "has 55 rows, but 'fer2013' has 56 images"),
        (lambda rows: [*rows, [*rows[-1][:1], "", *rows[-1][2:]]], "has 57 rows"),
        (lambda rows: [], "has no rows"),
        (
            lambda rows: [rows[1], rows[0], *rows[2:]],
            "comes before 'fer0000001.png'. Use fer2013new.csv in its original order",
        ),
        (lambda rows: [["Testing", *rows[0][1:]], *rows[1:]], "Line 2 of"),
        (lambda rows: [[*rows[0][:2], "-1", *rows[0][3:]], *rows[1:]], "no valid Usage or number of votes"),
        (lambda rows: [rows[0][:5], *rows[1:]], "has 5 columns"),
        (lambda rows: [[row[0].replace("Public", "Private"), *row[1:]] for row in rows], "has another Usage"),
    ],
)
def test_what_does_not_belong_together(base: Path, table: Path, tmp_path: Path, change: object, part: str) -> None:
    rows = [[row[0], f"fer{index:07}.png", *row[2:]] for index, row in enumerate(votes_for(table))]
    path = write_votes(tmp_path / "fer2013new.csv", change(rows))  # type: ignore[operator]
    with pytest.raises(DataError, match=part) as caught:
        import_ferplus(path, base)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert [info.name for info in list_datasets(base)] == ["fer2013"]


def test_another_table_is_named(tmp_path: Path, base: Path, table: Path) -> None:
    with pytest.raises(DataError, match="lacks the columns image name, neutral"):
        import_ferplus(table, base)
    path = write_votes(tmp_path / "fer2013new.csv", votes_for(table))
    with pytest.raises(DataError, match="Choose another name"):
        import_ferplus(path, base, name="fer2013")


def test_a_mapping_of_numbers_that_have_one_meaning_is_not_ignored(base: Path, table: Path, tmp_path: Path) -> None:
    votes = write_votes(tmp_path / "fer2013new.csv", votes_for(table))
    packed = make_folder(tmp_path / "packed", {"fer2013new.csv": votes.read_bytes()})
    for path, kind in ((votes, "FER+"), (packed, "FER+"), (table, "FER2013")):
        with pytest.raises(DataError) as refused:
            import_data(path, base, mapping={"0": "happy"})
        assert str(refused.value) == (
            f"'{path.name}' is a {kind} table, whose numbers have one meaning. Import it without a mapping."
        )
