"""The error analysis: what it counts, filters and shows; label reviews, correction sets, and what another run fixed."""

import json
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.data.audit import audit_dataset
from core.data.dataset import load_split
from core.evaluation.predictions import read_predictions, write_predictions
from core.files import read_json, write_json
from core.labels import LABELS
from core.review.corrections import save_corrections
from core.review.draft import make_corrections
from core.review.gallery import (
    DUPLICATE_FILTERS,
    ImageFilter,
    duplicate_flags,
    filter_images,
    notes_of,
    ordered,
    with_margin,
)
from core.review.images import DECISIONS, add_label_reviews, current_label_reviews, read_label_reviews
from core.runs.reader import read_run
from dashboard.state import cache
from dashboard.state.background import Scoring, Scorings
from dashboard.views.errors import export, image, label_review
from dashboard.views.errors.shown import Shown
from tests.dashboard.conftest import HOSTILE, Opener, Writer, words
from tests.dashboard_fixtures import FakeRun


@pytest.fixture
def run(write: Writer) -> FakeRun:
    return write("finished", name="my run", epochs=1)


def part(app: AppTest, name: str) -> dict[str, Any]:
    """What one of our own parts, `matrix` or `wall`, was given to show."""
    [found] = [each.proto for each in app.get("bidi_component") if each.proto.component_name == f"fer_{name}"]
    return json.loads(found.json)


def table_of(run: FakeRun, split: str = "validation") -> pd.DataFrame:
    return with_margin(read_predictions(run.paths.predictions(split)))


# --- what it shows


@pytest.mark.parametrize("split", ["validation", "test"])
def test_matrix_and_gallery_are_those_of_the_predictions(open_page: Opener, run: FakeRun, split: str) -> None:
    from sklearn.metrics import confusion_matrix

    app = open_page("errors", run=run.id, split=split)
    assert f"{split.capitalize()} accuracy" in words(app) and "No train duplicates" in words(app)
    table = table_of(run, split)
    expected = confusion_matrix(table["label"], table["predicted"], labels=range(7))
    assert [[int(cell["text"]) for cell in row] for row in part(app, "matrix")["cells"]] == expected.tolist()
    wrong = table[~table["correct"]].sort_values("loss", ascending=False, kind="stable")
    assert [tile["id"] for tile in part(app, "wall")["tiles"]] == wrong["image_id"].tolist()[:60]


def test_every_decision_and_every_class_has_a_key_of_its_own() -> None:
    assert {*label_review.KEYS.values(), "label is wrong"} == set(DECISIONS)
    keys = [key for _, group in label_review.LEGEND for key, _ in group]
    assert len(set(keys)) == len(DECISIONS) - 1 + len(LABELS) + 1


def test_the_address_holds_filters_and_order(open_page: Opener, run: FakeRun) -> None:
    table = table_of(run)
    app = open_page("errors", run=run.id, show="All", true="sad", order="Least confident", unit="Rows (recall)")
    expected = table[table["label"] == LABELS.index("sad")].sort_values("confidence", kind="stable")
    assert [tile["id"] for tile in part(app, "wall")["tiles"]] == expected["image_id"].tolist()
    assert part(app, "matrix")["chosen"] == [LABELS.index("sad"), None]
    app.slider(key="confidence").set_value((100, 100)).run()
    assert "No images match these filters" in words(app)


@pytest.mark.parametrize(
    ("older", "present"),
    [
        ({"tab": "Verdicts and lists"}, {"tab": "Label corrections"}),
        ({"show": "all", "order": "least confident"}, {"show": "All", "order": "Least confident"}),
        ({"show": "right", "verdict": "none yet"}, {"show": "Correct", "verdict": "Not reviewed"}),
        ({"copies": "flat", "unit": "By column"}, {"copies": "Blank", "unit": "Columns (precision)"}),
    ],
)
def test_addresses_of_older_versions_open_the_same_view(
    open_page: Opener, run: FakeRun, older: dict[str, str], present: dict[str, str]
) -> None:
    apps = [open_page("errors", run=run.id, **query) for query in (older, present)]
    addresses = [{key: "".join(value) for key, value in app.query_params.items()} for app in apps]
    assert addresses[0] == addresses[1] == {"run": run.id, **present}
    shown = [
        [each.proto.json for each in app.get("bidi_component") if each.proto.component_name.startswith("fer_wall")]
        for app in apps
    ]
    assert shown[0] == shown[1]


def test_pages_of_sixty_and_a_new_filter_starts_at_the_first(open_page: Opener, run: FakeRun, demo_root: Path) -> None:
    split = load_split(demo_root, "demo", "train")
    flat = np.full((len(split), 7), 1 / 7, np.float32)
    write_predictions(run.paths.predictions("train"), split.ids, split.labels, flat)
    app = open_page("errors", run=run.id, split="train", show="All")
    assert "These are training images" in words(app)
    app.pagination[0].set_value(3).run()
    assert len(part(app, "wall")["tiles"]) == len(split) - 120
    again = open_page("errors", run=run.id, split="train", show="All", page=str(app.query_params["page"]))
    assert part(again, "wall")["tiles"] == part(app, "wall")["tiles"]
    app.selectbox(key="show").set_value("wrong").run()
    first = part(app, "wall")["tiles"]
    assert len(first) == 60 and not any(tile["right"] for tile in first)


def test_train_is_scored_when_somebody_asks(open_page: Opener, run: FakeRun) -> None:
    text = words(open_page("errors", run=run.id, split="train"))
    assert "No predictions on train yet" in text and f"python -m core evaluate {run.id} --split train" in text


def test_a_scoring_that_is_queued_says_how_many_come_first(
    open_page: Opener, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scorings, "look", lambda *_: Scoring(ahead=2))
    app = open_page("errors", run=run.id, split="train")
    assert "Queued (2 ahead)" in words(app)
    assert not [button for button in app.button if button.key == "score"]


def test_without_the_images(open_page: Opener, run: FakeRun, tmp_path: Path) -> None:
    app = open_page("errors", data_root=tmp_path / "no-data", run=run.id)
    assert "isn't on this machine" in words(app)
    assert len(part(app, "matrix")["cells"]) == 7


@pytest.mark.parametrize(
    ("tab", "says"),
    [
        ("Calibration", "Expected calibration error (ECE)"),
        ("Compare with run", "No other run"),
        ("Label corrections", "No reviews"),
    ],
)
def test_each_tab(open_page: Opener, run: FakeRun, tab: str, says: str) -> None:
    app = open_page("errors", run=run.id, tab=tab)
    assert says in words(app) and not app.error
    assert len(app.get("plotly_chart")) == (2 if tab == "Calibration" else 0)


# --- choosing


def test_each_filter_leaves_what_it_says(run: FakeRun, demo_root: Path) -> None:
    table = table_of(run)
    images = table["image_id"].tolist()
    add_label_reviews(run.paths, "Mara", "validation", images[:3], "ambiguous")
    add_label_reviews(run.paths, "Ben", "validation", images[2:4], "not a face")
    reviews = current_label_reviews(read_label_reviews(run.paths), "validation")
    flags = duplicate_flags(audit_dataset(demo_root, "demo"), "validation")
    flags["flat"][5] = True

    def left(**wanted: Any) -> list[str]:
        return filter_images(table, ImageFilter(**{"shown": "all", **wanted}), reviews, flags)["image_id"].tolist()

    assert left() == images
    assert left(shown="right") == table[table["correct"]]["image_id"].tolist()
    assert (
        left(true="fear", predicted="sad")
        == table[(table["label"] == 2) & (table["predicted"] == 5)]["image_id"].tolist()
    )
    assert left(review="some") == images[:4] and left(review="none yet") == images[4:]
    assert left(review="disagreement") == images[2:3] and left(review="not a face") == images[2:4]
    assert left(by="Ben") == images[2:4] and left(review="ambiguous", by="Ben") == []
    assert left(review="none yet", by="Ben") == images[:2] + images[4:]
    assert left(copies="flat") == [images[5]]
    assert all(table[table["image_id"].isin(left(confidence=(40, 60)))]["confidence"].between(0.4, 0.6))
    assert notes_of(images[0], reviews) == ["Ambiguous"]
    assert notes_of(images[2], reviews) == ["2 reviewers disagree"]
    assert ordered(table, "Smallest margin")["margin"].is_monotonic_increasing


def test_copies_are_those_of_the_audit(demo_root: Path) -> None:
    audit = audit_dataset(demo_root, "demo")
    first = audit.sizes["train"]  # the first image of validation
    audit = audit.model_copy(
        update={
            "duplicates": [[0, first], [1, 2]],
            "leaks": [[0, first]],
            "conflicts": [],
            "near": [],
            "nearly_flat": [first + 1],
        }
    )
    found = {
        split: {kind: np.flatnonzero(flags).tolist() for kind, flags in duplicate_flags(audit, split).items()}
        for split in audit.sizes
    }
    assert set(found["train"]) == set(DUPLICATE_FILTERS)
    assert found["train"] == {"train": [0], "repeated": [0, 1, 2], "conflict": [], "near": [], "flat": []}
    assert found["validation"] == {"train": [0], "repeated": [0], "conflict": [], "near": [], "flat": [1]}


def test_the_shown_selection_can_be_taken_away(run: FakeRun, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    from core.data.dataset import read_info

    table = table_of(run)
    chosen = table[~table["correct"]].iloc[:5]
    add_label_reviews(run.paths, "=Mara()", "validation", [chosen["image_id"].iloc[0]], "ambiguous")
    shown = Shown(read_run(run.paths.root, run.id), "validation", table, read_info(demo_root, "demo"))
    csv = pd.read_csv(BytesIO(export.selection_as_csv(shown, chosen)))
    parquet = pd.read_parquet(BytesIO(export.as_parquet(shown, chosen)))
    assert csv["image_id"].tolist() == parquet["image_id"].tolist() == chosen["image_id"].tolist()
    assert csv["predicted"].tolist() == [LABELS[index] for index in chosen["predicted"]]
    assert parquet["reviews"].tolist() == ["=Mara(): Ambiguous", "", "", "", ""]
    assert csv["reviews"][0] == "'=Mara(): Ambiguous", "a spreadsheet would run what begins with ="
    from PIL import Image

    images = load_split(demo_root, "demo", "validation").images
    with ZipFile(BytesIO(export.selection_as_zip(shown, chosen))) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        assert len(names) == 5 and "images.csv" in archive.namelist()
        for name, index in zip(names, chosen["index"], strict=True):
            assert (np.array(Image.open(BytesIO(archive.read(name)))) == images[index]).all()


# --- many images, reviews and runs


def shown(run: FakeRun, table: pd.DataFrame | None = None) -> Shown:
    found = read_run(run.paths.root, run.id)
    return Shown(found, "validation", table_of(run) if table is None else table, None)


def test_a_label_that_an_image_has_already_is_refused_whatever_its_id(run: FakeRun) -> None:
    table = table_of(run)
    table["image_id"] = [f"row-{number}" for number in range(len(table))]
    label = LABELS[table["label"].iloc[0]]
    label_review.save_reviews(shown(run, table), "Ada", ["row-0"], "label is wrong", label, "", "bar")
    assert f"“{label}” is the current label of row-0" in st.session_state.pop("bar-refused")
    assert read_label_reviews(run.paths) == []
    other = next(each for each in LABELS if each != label)
    label_review.save_reviews(shown(run, table), "Ada", ["row-0"], "label is wrong", other, "", "bar")
    assert [each.label for each in read_label_reviews(run.paths)] == [other]


def test_current_reviews_are_computed_once_however_many_images_are_reviewed(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, found, looks = table_of(run)["image_id"].tolist(), shown(run), []
    monkeypatch.setattr(cache, "current_label_reviews", lambda *of: looks.append(1) or current_label_reviews(*of))
    for given in (1, 2):
        add_label_reviews(run.paths, "Ada", "validation", images[given : given + 5], "ambiguous")
        label_review.form(found, images, "bar")
        assert len(found.current_reviews) == given + 4, "a new review is seen at once, also by an older look at the run"
        assert len(looks) == given, "not once per image"


def test_few_of_many_runs_are_asked_about_an_image(
    write: Writer, monkeypatch: pytest.MonkeyPatch, runs_root: Path
) -> None:
    runs = [write("finished", name=f"run {number}", epochs=1, seed=number) for number in range(image.OTHER_RUNS)]
    elsewhere, own, unscored = (write("finished", epochs=1, seed=20 + number) for number in range(3))
    summary = read_json(elsewhere.paths.summary)
    write_json(elsewhere.paths.summary, summary | {"dataset_fingerprint": "0", "dataset_ordered_fingerprint": "0"})
    unscored.paths.predictions("validation").unlink()
    expected = {run.id for run in runs}
    for number in range(3):
        write("finished", name="older", epochs=1, seed=number, age=timedelta(days=3))
    asked: list[Path] = []
    predictions = cache.predictions
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setattr(cache, "predictions", lambda path: asked.append(path) or predictions(path))
    assert {each.id for each in image.comparable_runs(shown(own))} == expected
    image.other_runs(shown(own), table_of(own)["image_id"].iloc[0])
    assert {path.parent.name for path in asked} == expected and len(asked) == image.OTHER_RUNS


# --- the loop


def test_reviews_become_a_correction_set_and_open_the_form(open_page: Opener, write: Writer, runs_root: Path) -> None:
    run = write("finished", name="my run", epochs=1)
    images = table_of(run)["image_id"].tolist()
    add_label_reviews(run.paths, HOSTILE[:60], "validation", images[:1], "ambiguous", comment=HOSTILE)
    add_label_reviews(run.paths, "Ben", "validation", images[:2], "not a face")
    app = open_page("errors", run=run.id, tab="Label corrections")
    assert "3 reviews on 2 images, 1 with conflicting reviews." in words(app)
    app.button(key="create-set").click().run()
    assert "Contains: 2 exclusions in validation" in words(app)
    save_corrections(runs_root, make_corrections("first-look", [read_run(runs_root, run.id)]).corrections)
    app = open_page("errors", run=run.id, tab="Label corrections")
    app.button(key="train-first-look").click().run()
    assert "Cloned from **my run**" in words(app) and not app.exception
    assert app.selectbox(key="field-corrections").value == "first-look"


def test_what_another_run_fixed_and_broke(open_page: Opener, write: Writer) -> None:
    before, after = write("finished", name="first", epochs=1), write("finished", name="second", epochs=1, seed=3)
    one, two = table_of(before), table_of(after)
    fixed = int((~one["correct"] & two["correct"]).sum())
    broken = int((one["correct"] & ~two["correct"]).sum())
    assert fixed and broken
    app = open_page("errors", run=after.id, tab="Compare with run")
    assert f"{fixed} fixed" in words(app) and f"{broken} regressed" in words(app)
    assert len(part(app, "wall")["tiles"]) == min(30, fixed)
    app = open_page("compare", runs=f"{before.id},{after.id}", baseline=before.id)
    assert "Changes vs baseline" in words(app) and f"{fixed} fixed" in words(app)
