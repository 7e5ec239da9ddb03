"""Lists of corrections: what verdicts come to, that a list never changes, and that it fits one data set only."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.bench import synthetic_records
from core.config import TrainConfig
from core.data.dataset import load_split, read_identity, read_info
from core.errors import RunError
from core.files import write_json
from core.jobs.control import start
from core.labels import LABELS
from core.review.corrections import (
    Corrections,
    apply_corrections,
    check_fits,
    list_corrections,
    load_corrections,
    run_corrections,
    save_corrections,
)
from core.review.draft import make_corrections, same_data
from core.review.images import add_label_reviews
from core.runs.create import create_run
from core.runs.paths import CorrectionPaths, RunPaths
from core.runs.reader import list_runs, read_run
from core.runs.records import Run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def trained(root: Path, demo_root: Path, run_id: str = "parent") -> Run:
    """A run that says which data it was trained on."""
    paths = create_run(root, TrainConfig(dataset="demo"), run_id=run_id)
    data = read_identity(demo_root, "demo")
    summary = synthetic_records.summary(fingerprint=data.content, ordered_fingerprint=data.ordered)
    write_json(paths.summary, summary)
    return read_run(root, run_id)


def ids(demo_root: Path, label: str, split: str = "train") -> list[str]:
    return [str(each) for each in load_split(demo_root, "demo", split).ids if each.startswith(f"{label}/")]


def judged(root: Path, demo_root: Path) -> Run:
    """Eight verdicts that lead to five corrections."""
    run, fear = trained(root, demo_root), ids(demo_root, "fear")
    add_label_reviews(
        run.paths, "Ada", "train", fear[:2], "label is wrong", label="surprise", present=dict.fromkeys(fear, "fear")
    )
    add_label_reviews(run.paths, "Ada", "train", fear[2:3], "not a face")
    add_label_reviews(run.paths, "Ada", "train", fear[3:4], "hard but right")
    add_label_reviews(
        run.paths, "Ben", "train", fear[:1], "label is wrong", label="surprise", present=dict.fromkeys(fear, "fear")
    )
    sad = ids(demo_root, "sad", "validation")
    add_label_reviews(run.paths, "Ada", "validation", sad[:1], "ambiguous")
    relabelled = dict.fromkeys(sad, "sad")
    add_label_reviews(run.paths, "Ada", "validation", sad[1:2], "label is wrong", label="fear", present=relabelled)
    add_label_reviews(run.paths, "Ada", "test", ids(demo_root, "sad", "test")[:1], "not a face")
    return run


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
    assert found.in_words() == "1 excluded and 2 relabelled in train, 1 excluded and 1 relabelled in validation"
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
    with pytest.raises(RunError, match="never touches test"):
        make_corrections("list", [run], splits=["train", "test"])
    with pytest.raises(RunError, match=r"'\.\./x' is not a name for a list"):
        make_corrections("../x", [run])
    with pytest.raises(RunError, match="at least one run"):
        make_corrections("list", [])
    other = create_run(root, TrainConfig(dataset="other"), run_id="other")
    with pytest.raises(RunError, match="has not done an epoch"):
        make_corrections("list", [run, read_run(root, "other")])
    write_json(other.summary, synthetic_records.summary(fingerprint="another"))
    with pytest.raises(RunError, match="different data"):
        make_corrections("list", [run, read_run(root, "other")])
    with pytest.raises(RunError, match="judge some images of train or validation first"):
        make_corrections("list", [read_run(root, "other")])
    add_label_reviews(other, "Ada", "test", ["fear/1"], "not a face")
    with pytest.raises(RunError, match="1 images are of test, which is never changed"):
        make_corrections("list", [read_run(root, "other")])


def test_a_list_is_written_once_and_read_back(root: Path, demo_root: Path) -> None:
    found = make_corrections("round-1", [judged(root, demo_root)]).corrections
    assert list_corrections(root) == []
    save_corrections(root, found)
    assert load_corrections(root, "round-1") == found
    with pytest.raises(RunError, match="lists never change: choose another"):
        save_corrections(root, found)
    save_corrections(root, found.model_copy(update={"name": "round-2"}))
    assert {each.name for each in list_corrections(root)} == {"round-1", "round-2"}
    assert load_corrections(root, "round-2").fingerprint == found.fingerprint, "it trains alike"
    assert [run.id for run in list_runs(root)] == ["parent"], "the folder of lists is no run"
    with pytest.raises(RunError, match="no list of corrections 'round-3': there are round-"):
        load_corrections(root, "round-3")


def test_a_list_that_was_changed_is_refused(root: Path, demo_root: Path) -> None:
    save_corrections(root, make_corrections("list", [judged(root, demo_root)]).corrections)
    path = CorrectionPaths(root).file("list")
    values = json.loads(path.read_text())
    for entries, message in (
        (values["entries"][1:], "not those it was written with"),
        ([{**values["entries"][0], "split": "test"}], "train' or 'validation"),
        ([{**values["entries"][0], "label": None}], "needs a label"),
    ):
        path.write_text(json.dumps({**values, "entries": entries}))
        with pytest.raises(RunError, match=f"list.json is no list of corrections: .*{message}"):
            load_corrections(root, "list")
        assert list_corrections(root) == []


def test_it_changes_the_images_it_names_and_no_others(root: Path, demo_root: Path) -> None:
    found = make_corrections("list", [judged(root, demo_root)]).corrections
    split, fear = load_split(demo_root, "demo", "train"), ids(demo_root, "fear")
    labels, kept = apply_corrections(found, split)
    assert split.ids[~kept].tolist() == [fear[2]]
    changed = labels != split.labels
    assert split.ids[changed].tolist() == fear[:2]
    assert set(labels[changed]) == {LABELS.index("surprise")}
    test_labels, test_kept = apply_corrections(found, load_split(demo_root, "demo", "test"))
    assert test_kept.all()
    assert np.array_equal(test_labels, load_split(demo_root, "demo", "test").labels)


def test_a_start_that_cannot_work_is_refused_before_a_folder_is_made(
    root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.control.ensure_runner", lambda *_: None)
    found = make_corrections("list", [judged(root, demo_root)]).corrections
    config = TrainConfig(dataset="demo", corrections="list")
    with pytest.raises(RunError, match="no list of corrections 'list': there are none yet"):
        start(root, demo_root, config)
    strange = found.entries[0].model_copy(update={"image": "fear/nowhere"})
    refused: list[tuple[dict[str, Any], str]] = [
        ({"data_fingerprint": "0" * 64}, "made on other data"),
        ({"entries": (strange,), "fingerprint": ""}, "'fear/nowhere', which train does not have"),
    ]
    for number, (update, message) in enumerate(refused):
        name = f"bad-{number}"
        save_corrections(root, Corrections.model_validate({**found.model_dump(), **update, "name": name}))
        with pytest.raises(RunError, match=message):
            start(root, demo_root, config.model_copy(update={"corrections": name}))
    assert [run.id for run in list_runs(root)] == ["parent"]
    check_fits(found, demo_root, "demo")
    save_corrections(root, found)
    paths = RunPaths(root, start(root, demo_root, config, parent="parent"))
    assert run_corrections(paths) == found
    assert read_run(root, paths.run_id).meta.parent == "parent"
    assert run_corrections(RunPaths(root, "parent")) is None
