"""Verdicts on single images: what everybody said last stands, and a file cut anywhere still reads."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import TrainConfig
from core.errors import RunError
from core.review.images import (
    DECISION_LABELS,
    DECISIONS,
    LabelReview,
    add_label_reviews,
    current_label_reviews,
    disagreements,
    label_review_rows,
    own_review,
    read_label_reviews,
)
from core.runs.create import create_run
from core.runs.paths import RunPaths

FEAR = {"fear/1": "fear", "fear/2": "fear"}
"""What the images are labelled with."""


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return create_run(tmp_path / "runs", TrainConfig(dataset="demo"), run_id="a-run")


def said(paths: RunPaths, split: str = "train") -> dict[str, dict[str, str]]:
    """Image to author to what they say."""
    standing = current_label_reviews(read_label_reviews(paths), split)
    return {image: {by: each.in_words() for by, each in authors.items()} for image, authors in standing.items()}


def test_the_last_word_of_everybody_stands(paths: RunPaths) -> None:
    given = add_label_reviews(
        paths, "Ada", "train", ["fear/1", "fear/2"], "label is wrong", label="sad", comment="tears", present=FEAR
    )
    assert [(each.image, each.label, each.comment) for each in given] == [
        ("fear/1", "sad", "tears"),
        ("fear/2", "sad", "tears"),
    ]
    add_label_reviews(paths, " Ben  B ", "train", ["fear/1"], "hard but right")
    add_label_reviews(paths, "Ada", "train", ["fear/2"], "not a face")
    add_label_reviews(paths, "Ada", "validation", ["fear/1"], "ambiguous")
    assert said(paths) == {
        "fear/1": {"Ada": "Wrong label: sad", "Ben B": "Hard, label correct"},
        "fear/2": {"Ada": "Not a face"},
    }
    assert said(paths, "validation") == {"fear/1": {"Ada": "Ambiguous"}}
    assert read_label_reviews(paths)[:2] == given, "nothing is ever lost"
    assert len(read_label_reviews(paths)) == 5


def test_a_verdict_can_be_taken_back_by_its_author_only(paths: RunPaths) -> None:
    for by in ("Ada", "Ben"):
        add_label_reviews(paths, by, "train", ["fear/1"], "ambiguous")
    add_label_reviews(paths, "Ada", "train", ["fear/1", "never/judged"], None)
    assert said(paths) == {"fear/1": {"Ben": "Ambiguous"}}
    rows = label_review_rows(read_label_reviews(paths))
    assert [(row["by"], row["verdict"], row["stands"]) for row in rows] == [
        ("Ada", "ambiguous", False),
        ("Ben", "ambiguous", True),
        ("Ada", None, False),
        ("Ada", None, False),
    ]


def test_the_file_keeps_its_keys_and_every_decision_has_a_label(paths: RunPaths) -> None:
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "label is wrong", label="sad", present=FEAR)
    row = json.loads(paths.reviews.read_text())
    assert (row["verdict"], row["label"], row["images"]) == ("label is wrong", "sad", ["fear/1"])
    assert "decision" not in row, "folders of older and newer versions are read alike"
    assert set(DECISION_LABELS) == set(DECISIONS)


def test_it_shows_where_reviewers_disagree(paths: RunPaths) -> None:
    for by, label in (("Ada", "sad"), ("Ben", "happy")):
        add_label_reviews(paths, by, "train", ["fear/1"], "label is wrong", label=label, present=FEAR)
        add_label_reviews(paths, by, "train", ["fear/2"], "ambiguous")
    assert set(disagreements(current_label_reviews(read_label_reviews(paths), "train"))) == {"fear/1"}
    assert [row["disagreed"] for row in label_review_rows(read_label_reviews(paths))] == [True, False, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": "  "}, "Enter your name"),
        ({"split": "seed-test"}, "Unknown split 'seed-test'"),
        ({"decision": "nonsense"}, "Unknown review 'nonsense'. Use one of label is wrong,"),
        ({"decision": "label is wrong"}, "A correct label is required"),
        ({"label": "sad"}, "A correct label is required"),
        ({"decision": "label is wrong", "label": "angst"}, "Unknown label 'angst'. Use one of angry,"),
        ({"decision": "label is wrong", "label": "fear"}, "“fear” is the current label of fear/1"),
        ({"decision": "label is wrong", "label": "sad", "present": {"happy/1": "fear"}}, "Unknown image fear/1"),
        ({"decision": "label is wrong", "label": "sad", "present": None}, "Unknown image happy/1"),
        ({"images": []}, "at least one image"),
        ({"images": ["happy/1", ""]}, "Invalid image ID ''"),
        ({"comment": "x" * 2001}, "2,001 characters"),
    ],
)
def test_what_is_refused_leaves_no_trace(paths: RunPaths, change: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"by": "Ada", "split": "train", "images": ["happy/1", "fear/1"], "decision": "ambiguous"}
    values["present"] = {"happy/1": "happy", "fear/1": "fear"}
    with pytest.raises(RunError, match=message):
        add_label_reviews(paths, **{**values, **change})
    assert not paths.reviews.exists()


def test_it_is_the_real_label_that_counts_not_how_an_id_begins(paths: RunPaths) -> None:
    present = {"fear/1": "sad", "row-000001": "fear"}
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "label is wrong", label="fear", present=present)
    with pytest.raises(RunError, match="“fear” is the current label of row-000001"):
        add_label_reviews(paths, "Ada", "train", ["row-000001"], "label is wrong", label="fear", present=present)
    assert set(said(paths)) == {"fear/1"}


def test_a_run_that_is_gone_is_not_made_anew(paths: RunPaths) -> None:
    shutil.rmtree(paths.folder)
    with pytest.raises(RunError, match="Can't save the review"):
        add_label_reviews(paths, "Ada", "train", ["fear/1"], "ambiguous")
    assert not paths.folder.exists()


def test_lines_that_make_no_sense_are_passed_over(paths: RunPaths) -> None:
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "ambiguous")
    good = json.loads(paths.reviews.read_text())
    bad: list[Any] = [{}, {**good, "images": "fear/1"}, {**good, "verdict": "?"}, {**good, "images": [3]}, 7]
    paths.reviews.write_text("".join(json.dumps(row) + "\n" for row in [*bad, {**good, "more": 1}]))
    assert said(paths) == {"fear/1": {"Ada": "Ambiguous"}}


_CALLS = st.lists(
    st.tuples(
        st.sampled_from(["Ada", "Ben", "Çağla"]),
        st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True),
        st.sampled_from([*(verdict for verdict in DECISIONS if verdict != "label is wrong"), None]),
    ),
    min_size=1,
    max_size=4,
)


@given(calls=_CALLS, cut=st.floats(0, 1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_at_any_byte_whole_calls_are_left_and_more_can_be_said(paths: RunPaths, calls: Any, cut: float) -> None:
    paths.reviews.unlink(missing_ok=True)
    whole: list[list[LabelReview]] = [[]]
    for by, images, verdict in calls:
        whole.append(whole[-1] + add_label_reviews(paths, by, "train", images, verdict))
    data = paths.reviews.read_bytes()
    paths.reviews.write_bytes(data[: int(cut * len(data))])
    left = read_label_reviews(paths)
    assert left in whole, "a call is there as a whole or not at all"
    new = add_label_reviews(paths, "Ada", "train", ["fear/1"], "ambiguous")
    assert read_label_reviews(paths) == left + new


def test_nothing_is_lost_when_many_speak_at_once(paths: RunPaths) -> None:
    def speak(by: str) -> None:
        for number in range(10):
            add_label_reviews(paths, by, "train", [f"fear/{number}", f"sad/{number}"], "ambiguous")

    threads = [threading.Thread(target=speak, args=(f"reviewer {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_label_reviews(paths)) == 4 * 10 * 2
    assert all(len(authors) == 4 for authors in said(paths).values())


def test_two_people_of_one_name_do_not_replace_each_others_reviews(paths: RunPaths) -> None:
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "ambiguous", by_id="ada@example.org")
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "not a face", by_id="ada@example.com")
    current = current_label_reviews(read_label_reviews(paths), "train")
    assert list(current["fear/1"]) == ["ada@example.org", "ada@example.com"] and set(disagreements(current)) == {
        "fear/1"
    }
    own = own_review(current["fear/1"], "Ada", "ada@example.org")
    assert own and own.decision == "ambiguous" and own_review(current["fear/1"], "Ben", "ben@example.org") is None
    add_label_reviews(paths, "Ada", "train", ["fear/1"], None, by_id="ada@example.org")
    assert list(current_label_reviews(read_label_reviews(paths), "train")["fear/1"]) == ["ada@example.com"]
    assert all("by_id" not in row for row in label_review_rows(read_label_reviews(paths))), "nobody's address in tables"


def test_a_review_from_before_there_was_a_login_is_of_who_has_that_name(paths: RunPaths) -> None:
    add_label_reviews(paths, "Ada", "train", ["fear/1", "fear/2"], "ambiguous")
    assert "by_id" not in json.loads(paths.reviews.read_text()), "as older versions wrote it"
    current = current_label_reviews(read_label_reviews(paths), "train")
    assert own_review(current["fear/1"], "Ada", "ada@example.org") is current["fear/1"]["Ada"]
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "not a face", by_id="ada@example.org")
    assert said(paths) == {"fear/1": {"ada@example.org": "Not a face"}, "fear/2": {"Ada": "Ambiguous"}}


@pytest.mark.parametrize("change", [{"label": None}, {"verdict": "ambiguous"}], ids=["none", "another decision"])
def test_a_line_whose_label_does_not_fit_its_decision_is_skipped(
    paths: RunPaths, change: dict[str, str | None]
) -> None:
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "label is wrong", label="sad", present=FEAR)
    row = json.loads(paths.reviews.read_text())
    with paths.reviews.open("a") as file:
        file.write(json.dumps(row | change) + "\n")
    assert said(paths) == {"fear/1": {"Ada": "Wrong label: sad"}}
