"""Names, tags, notes and whatever else people type: on every way in, and again when a file is read, without characters
that control a terminal or turn the direction of writing, and no longer than fits a page."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.config import TrainConfig
from core.data.dataset import read_info
from core.errors import RunError
from core.files import write_json
from core.jobs import control
from core.review.corrections import Correction
from core.review.images import add_label_reviews, read_label_reviews
from core.review.runs import annotate, read_changes
from core.runs.create import create_run, write_status
from core.runs.history import HistoryWriter
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import Run, RunMeta
from core.runs.values import MAX_TAGS, NAME_LENGTH, PERSON_LENGTH, TAG_LENGTH, TEXT_LENGTH
from tests.core.cli.conftest import SETTINGS

NASTY = "good\x1b[2J\x9b31m\u202e\u2066\ud800\x00\x07\r\n\tend"
ONE_LINE = "good[2J31m end"
LINES = "good[2J31m\n\tend"


def is_safe(text: str) -> bool:
    return all(unicodedata.category(char) not in ("Cc", "Cs") and char not in "\u202e\u2066" for char in text)


@pytest.fixture
def paths(runs_root: Path) -> RunPaths:
    return create_run(runs_root, TrainConfig(dataset="demo"), run_id="run")


@pytest.fixture
def terminal(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`python -m core`; what it prints, or the sentence of its error."""
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)

    def call(*words: str, data: bool = True) -> str:
        roots = ["--runs-root", str(runs_root), *(["--data-root", str(demo_root)] if data else [])]
        result = CliRunner().invoke(app, [*words, *roots])
        if isinstance(result.exception, RunError):
            return str(result.exception)
        assert result.exception is None, (result.exception, result.output)
        return result.stdout.strip()

    return call


def started(runs_root: Path, printed: str) -> Run:
    return read_run(runs_root, printed.splitlines()[-1])


WAYS = [
    ("train", *SETTINGS),
    ("runs", "clone", "run"),
]


@pytest.mark.parametrize("words", WAYS, ids=["train", "clone"])
def test_what_a_run_is_started_with(words: tuple[str, ...], paths: RunPaths, terminal: Callable[..., str]) -> None:
    run = started(paths.root, terminal(*words, "--name", NASTY, "--author", NASTY))
    assert (run.meta.name, run.meta.author) == (ONE_LINE, ONE_LINE)
    assert is_safe(run.paths.meta.read_text().replace("\n", ""))
    run = started(paths.root, terminal(*words, "--author", "x" * 1000))
    assert len(run.meta.author) == PERSON_LENGTH
    before = set(paths.root.iterdir())
    assert terminal(*words, "--name", "x" * 121) == "The name is too long: 121 characters (max 120)."
    assert set(paths.root.iterdir()) == before


def test_what_is_added_to_a_run(paths: RunPaths, terminal: Callable[..., str]) -> None:
    words = ("--name", NASTY, "--note", NASTY, "--tag", NASTY, "--comment", NASTY, "--by", NASTY)
    printed = terminal("runs", "annotate", "run", *words, data=False)
    assert is_safe(printed)
    meta = read_run(paths.root, "run").meta
    assert (meta.name, meta.notes, meta.tags) == (ONE_LINE, LINES, [ONE_LINE])
    assert {change.by for change in read_changes(paths)} == {ONE_LINE}
    for file in (paths.meta, paths.changes):
        kept = [json.loads(line) for line in file.read_text().splitlines()] if file.suffix == ".jsonl" else []
        for value in kept or [json.loads(file.read_text())]:
            assert all(is_safe(text.replace("\n", "").replace("\t", "")) for text in texts(value))
    for words, said in (
        (("--name", "x" * 121), "The name is too long: 121 characters (max 120)."),
        (("--note", "x" * 20_001), "The notes are too long"),
        (("--comment", "x" * 5_001), "The comment is too long: 5,001 characters (max 5,000)."),
        (("--tag", "x" * 41), "use 1–40 characters"),
    ):
        assert said in terminal("runs", "annotate", "run", *words, data=False)
        assert read_run(paths.root, "run").meta == meta


def test_what_is_said_of_an_image(paths: RunPaths) -> None:
    add_label_reviews(paths, NASTY, "test", ["a"], "ambiguous", comment=NASTY)
    [review] = read_label_reviews(paths)
    assert (review.by, review.comment) == (ONE_LINE, LINES)
    with pytest.raises(RunError, match="comment is too long"):
        add_label_reviews(paths, "Ada", "test", ["a"], "ambiguous", comment="x" * 2001)


def texts(value: Any) -> list[str]:
    """All strings in a value of JSON."""
    if isinstance(value, dict):
        return texts(list(value.values()))
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def test_what_stands_in_a_file_is_cut_and_cleaned_when_it_is_read(paths: RunPaths) -> None:
    """Folders come from anywhere."""
    dirty = NASTY.replace("\ud800", "") + "x" * 100_000
    with HistoryWriter(paths.changes) as history:
        change = {"time": "2026-01-01T00:00:00Z", "by": dirty, "field": "comment", "old": None, "new": dirty}
        history.append([change, {**change, "field": "tags", "new": [dirty[:2000]] * 1000}])
    with HistoryWriter(paths.reviews) as history:
        review = {"time": "2026-01-01T00:00:00Z", "by": dirty, "split": "test", "images": ["a"], "verdict": "ambiguous"}
        history.append([{**review, "comment": dirty}])
    write_status(paths, read_status(paths).model_copy(update={"slot": dirty, "host": dirty, "error": dirty}))
    words = dict.fromkeys(("name", "author", "notes", "reviewer", "parent", "reproduces"), dirty)
    write_json(paths.meta, {**words, "tags": [dirty, "\x1b", *map(str, range(1000))]})

    run = read_run(paths.root, "run")
    assert len(run.meta.name) == NAME_LENGTH and len(run.meta.notes) == TEXT_LENGTH
    assert len(run.meta.tags) == MAX_TAGS and "" not in run.meta.tags
    said = [run.meta.model_dump(mode="json"), run.status.model_dump(mode="json")]
    said += [change.model_dump(mode="json") for change in read_changes(paths)]
    said += [review.model_dump(mode="json") for review in read_label_reviews(paths)]
    assert all(is_safe(text.replace("\n", "").replace("\t", "")) for text in texts(said))
    assert max(map(len, texts(said))) == TEXT_LENGTH
    assert all(len(tag) <= TAG_LENGTH for tag in run.meta.tags)
    assert len(Correction(split="train", image="a", action="exclude", by=dirty).by) == 2000


def test_a_dataset_from_elsewhere_is_named_safely(demo_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    for file in (demo_root / "demo").iterdir():
        (folder / file.name).symlink_to(file)
    about = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").unlink()
    dirty = "good\x1b[2J\u202e" + "x" * 10_000
    write_json(folder / "dataset.json", {**about, "title": dirty, "source": dirty})
    info = read_info(tmp_path, "demo")
    for text in (info.title, info.source):
        assert is_safe(text) and len(text) == 200


def test_a_change_keeps_what_it_does_not_change(paths: RunPaths) -> None:
    """Also what is cut when it is read, and fields of a newer version."""
    long = "x" * 30_000
    write_json(paths.meta, {**RunMeta(notes="").model_dump(), "notes": long, "colour": "blue"})
    annotate(paths, "Ada", {"starred": True}, tag=["a"])
    kept = json.loads(paths.meta.read_text())
    assert (kept["notes"], kept["colour"], kept["starred"], kept["tags"]) == (long, "blue", True, ["a"])
    annotate(paths, "Ada", {"notes": "short"})
    assert json.loads(paths.meta.read_text())["notes"] == "short"
