"""Lists of corrections: what verdicts come to, that a list never changes, and that it fits one data set only."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import TrainConfig
from core.data.dataset import load_split
from core.errors import RunError
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
from core.review.draft import make_corrections
from core.runs.create import create_run
from core.runs.paths import CorrectionPaths, RunPaths
from core.runs.reader import list_runs, read_run
from tests.core.review.conftest import ids, judged


def test_a_list_is_written_once_and_read_back(root: Path, demo_root: Path) -> None:
    found = make_corrections("round-1", [judged(root, demo_root)]).corrections
    assert list_corrections(root) == []
    save_corrections(root, found)
    assert load_corrections(root, "round-1") == found
    with pytest.raises(RunError, match=r"already exists\. Choose another name"):
        save_corrections(root, found)
    save_corrections(root, found.model_copy(update={"name": "round-2"}))
    assert {each.name for each in list_corrections(root)} == {"round-1", "round-2"}
    assert load_corrections(root, "round-2").fingerprint == found.fingerprint, "it trains alike"
    assert [run.id for run in list_runs(root)] == ["parent"], "the folder of lists is no run"
    with pytest.raises(RunError, match=r"Correction set “round-3” not found\. Available: round-"):
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
        with pytest.raises(RunError, match=f"list.json is not a valid correction set: .*{message}"):
            load_corrections(root, "list")
        assert list_corrections(root) == []


def test_a_copy_under_a_second_name_is_no_second_list(root: Path, demo_root: Path) -> None:
    save_corrections(root, make_corrections("list", [judged(root, demo_root)]).corrections)
    path = CorrectionPaths(root).file("list")
    path.with_name("copy.json").write_bytes(path.read_bytes())
    assert [each.name for each in list_corrections(root)] == ["list"]
    with pytest.raises(RunError, match=r"^copy\.json holds the correction set “list”\. Rename or remove it\.$"):
        load_corrections(root, "copy")


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
    with pytest.raises(RunError, match=r"Correction set “list” not found\. Available: none yet"):
        start(root, demo_root, config)
    strange = found.entries[0].model_copy(update={"image": "fear/nowhere"})
    refused: list[tuple[dict[str, Any], str]] = [
        ({"data_fingerprint": "0" * 64}, "made for other data"),
        ({"entries": (strange,), "fingerprint": ""}, "'fear/nowhere', which train lacks"),
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


def test_folders_from_before_there_were_lists_are_readable(runs_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig(), run_id="old")
    config = json.loads(paths.config.read_text())
    del config["corrections"], config["hold_out"]
    paths.config.write_text(json.dumps(config))
    run = read_run(runs_root, "old")
    assert run.config is not None and (run.config.corrections, run.config.hold_out) == ("", "")
    assert run_corrections(paths) is None
