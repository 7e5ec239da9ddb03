"""From verdicts to a list: whose word counts, and what is refused."""

import json
from pathlib import Path

import pytest

from core.bench import synthetic_records
from core.config import TrainConfig
from core.data.dataset import read_info
from core.errors import RunError
from core.files import write_json
from core.review.draft import make_corrections, same_data
from core.review.images import add_label_reviews
from core.runs.create import create_run
from core.runs.reader import list_runs, read_run
from tests.core.review.conftest import ids, judged, trained


def test_verdicts_become_a_list(root: Path, demo_root: Path) -> None:
    draft = make_corrections("round-1", [judged(root, demo_root)])
    found, fear, sad = draft.corrections, ids(demo_root, "fear"), ids(demo_root, "sad", "validation")
    assert [(each.split, each.image, each.action, each.label, each.by) for each in found.entries] == [
        ("train", fear[0], "relabel", "surprise", "Ada, Ben"),
        ("train", fear[1], "relabel", "surprise", "Ada"),
        ("train", fear[2], "exclude", None, "Ada"),
        ("validation", sad[0], "exclude", None, "Ada"),
        ("validation", sad[1], "relabel", "fear", "Ada"),
    ]
    assert (draft.disputed, draft.on_test) == ((), 1)
    assert found.in_words() == "1 exclusion and 2 relabels in train, 1 exclusion and 1 relabel in validation"
    assert (found.dataset, found.data_fingerprint) == ("demo", read_info(demo_root, "demo").fingerprint)


def test_where_reviewers_want_different_things_somebody_must_choose(root: Path, demo_root: Path) -> None:
    run, fear = judged(root, demo_root), ids(demo_root, "fear")
    add_label_reviews(run.paths, "Ben", "train", fear[1:2], "ambiguous")
    add_label_reviews(run.paths, "Ben", "train", fear[2:3], "ambiguous")  # Ada says "not a face": excluded either way
    draft = make_corrections("list", [run])
    assert draft.disputed == (("train", fear[1]),)
    assert fear[1] not in draft.corrections.of("train")
    assert draft.corrections.of("train")[fear[2]].by == "Ada, Ben"
    followed = make_corrections("list", [run], follow="Ben")
    assert followed.disputed == ()
    assert followed.corrections.of("train")[fear[1]].action == "exclude"
    assert make_corrections("list", [run], follow="Cleo").disputed == draft.disputed


def test_the_one_followed_may_want_nothing_done(root: Path, demo_root: Path) -> None:
    run, fear = judged(root, demo_root), ids(demo_root, "fear")
    add_label_reviews(run.paths, "Ben", "train", fear[1:2], "hard but right")
    draft = make_corrections("list", [run], follow="Ben")
    assert fear[1] not in draft.corrections.of("train")
    assert draft.disputed == (), "Ben has decided it"


def test_several_runs_count_together_the_last_word_last(root: Path, demo_root: Path) -> None:
    first, second, fear = judged(root, demo_root), trained(root, demo_root, "second"), ids(demo_root, "fear")
    add_label_reviews(second.paths, "Ada", "train", fear[2:3], "model's fault")
    add_label_reviews(second.paths, "Ada", "train", fear[9:10], "ambiguous")
    found = make_corrections("both", [second, first], splits=["train"]).corrections
    assert list(found.of("train")) == [fear[0], fear[1], fear[9]]
    assert {run.id for run in same_data(first, list_runs(root))} == {"parent", "second"}


def test_what_is_refused(root: Path, demo_root: Path) -> None:
    run = judged(root, demo_root)
    with pytest.raises(RunError, match="never change test"):
        make_corrections("list", [run], splits=["train", "test"])
    with pytest.raises(RunError, match=r"Invalid name"):
        make_corrections("../x", [run])
    with pytest.raises(RunError, match="at least one run"):
        make_corrections("list", [])
    other = create_run(root, TrainConfig(dataset="other"), run_id="other")
    with pytest.raises(RunError, match="has not finished an epoch"):
        make_corrections("list", [run, read_run(root, "other")])
    write_json(other.summary, synthetic_records.summary(fingerprint="another"))
    with pytest.raises(RunError, match="different data"):
        make_corrections("list", [run, read_run(root, "other")])
    with pytest.raises(RunError, match="Review some train or validation images first"):
        make_corrections("list", [read_run(root, "other")])
    add_label_reviews(other, "Ada", "test", ["fear/1"], "not a face")
    with pytest.raises(RunError, match="1 images are from test, which is never changed"):
        make_corrections("list", [read_run(root, "other")])


def test_what_stands_last_in_the_file_counts_whatever_the_clock_said(root: Path, demo_root: Path) -> None:
    """The clock was set back between two reviews of one person."""
    run, fear = trained(root, demo_root), ids(demo_root, "fear")
    add_label_reviews(run.paths, "Ada", "train", fear[:3], "not a face")
    add_label_reviews(run.paths, "Ada", "train", fear[:1], "hard but right")
    add_label_reviews(run.paths, "Ada", "train", fear[1:2], None)
    rows = [json.loads(line) for line in run.paths.reviews.read_text().splitlines()]
    rows[0]["time"] = "2200-01-01T00:00:00Z"
    run.paths.reviews.write_text("".join(json.dumps(row) + "\n" for row in rows))
    entries = make_corrections("list", [run]).corrections.entries
    assert [(entry.image, entry.action) for entry in entries] == [(fear[2], "exclude")]
