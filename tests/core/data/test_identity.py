"""The same pixels under other names are other data to whatever relies on ids or on the order of the images."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.__main__ import app
from core.comparison.baseline import against_baseline, seed_groups
from core.comparison.origins import compare_origins
from core.comparison.reproduction import ReproductionOutcome, assess_reproduction, check_reproducible
from core.config import TrainConfig
from core.data import dataset
from core.data.dataset import DatasetInfo, load_split, read_identity, read_info, write_dataset
from core.data.identity import DataIdentity, same_images
from core.errors import RunError
from core.files import read_json, write_json
from core.jobs.inputs import missing_inputs
from core.review.corrections import Correction, Corrections, check_fits, save_corrections
from core.review.draft import make_corrections, same_data
from core.review.images import add_label_reviews
from core.review.suspects import find_suspects
from core.runs.reader import read_run
from core.runs.records import Run
from core.splits import SPLITS
from core.training.checkpoint import Parts, TrainingProgress, load_checkpoint, write_checkpoint
from core.training.compute import choose_compute
from core.training.final_report import score_train
from core.training.train_data import load_data
from dashboard.ui import fixed_broken
from dashboard.ui.faces import images_of
from dashboard.views.errors.shown import shown_of
from tests.core.training.test_loop import TINY
from tests.dashboard_fixtures import write_run


@pytest.fixture
def data_root(tmp_path: Path, demo_root: Path) -> Path:
    """The demo set, to be changed."""
    shutil.copytree(demo_root, tmp_path / "data")
    return tmp_path / "data"


def renamed(data_root: Path) -> DatasetInfo:
    """Import the demo set again with the names of its images dealt anew within each class."""
    splits = {}
    for name in SPLITS:
        split = load_split(data_root, "demo", name)
        ids = np.array([f"row-{number}" for number in np.random.default_rng(1).permutation(len(split))])
        splits[name] = np.array(split.images), np.array(split.labels), ids
    return write_dataset(data_root, "demo", title="Demo", kind="drawn", source="demo.csv", splits=splits)


def dealt_anew(data_root: Path) -> None:
    """Import the demo set again with the same names on other images of the same class."""
    splits = {}
    for name in SPLITS:
        split = load_split(data_root, "demo", name)
        order = np.concatenate([np.roll(np.flatnonzero(split.labels == label), 1) for label in range(7)])
        splits[name] = np.array(split.images)[order], np.array(split.labels), np.array(split.ids)
    write_dataset(data_root, "demo", title="Demo", kind="drawn", source="x", splits=splits)


def as_imported_before(data_root: Path) -> None:
    """Take from `dataset.json` what older versions did not write."""
    path = data_root / "demo" / "dataset.json"
    values = read_json(path)
    del values["ordered_fingerprint"]
    write_json(path, values)


def finished_run(runs_root: Path, data_root: Path, name: str, *, recorded: bool = True) -> Run:
    """A finished run of the demo set as it is now; older versions did not record the second fingerprint."""
    paths = write_run(runs_root, data_root, "finished", name=name, seed=len(name)).paths
    paths.weights.unlink()  # not real ones
    if not recorded:
        summary, environment = read_json(paths.summary), read_json(paths.environment)
        del summary["dataset_ordered_fingerprint"], environment["dataset"]["ordered_fingerprint"]
        write_json(paths.summary, summary)
        write_json(paths.environment, environment)
    return read_run(runs_root, paths.run_id)


def test_names_and_order_have_a_fingerprint_of_their_own(data_root: Path) -> None:
    before = read_identity(data_root, "demo")
    again = renamed(data_root)
    assert again.fingerprint == before.content
    assert read_identity(data_root, "demo").ordered not in ("", before.ordered)
    assert not same_images([before, again.identity])
    assert again.edition != renamed(data_root).edition, "each import is one of its own, for caches"


def test_names_that_change_places_count(tmp_path: Path) -> None:
    images = np.arange(7 * 2, dtype=np.uint8).repeat(48 * 48).reshape(-1, 48, 48)
    labels, ids = np.arange(7).repeat(2), np.array([f"{number}" for number in range(10, 24)])
    found = []
    for order in (np.arange(14), np.arange(14) ^ 1):  # the two images of each class change their names
        splits = {"train": (images[order], labels[order], ids)}
        found.append(write_dataset(tmp_path, "a", title="A", kind="own", source="a.zip", splits=splits).identity)
    assert found[0].content == found[1].content and found[0].ordered != found[1].ordered


def test_of_an_old_import_it_is_found_out_once(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_identity(data_root, "demo")
    as_imported_before(data_root)
    assert read_info(data_root, "demo").identity == DataIdentity(expected.content)
    assert read_identity(data_root, "demo") == expected
    monkeypatch.setattr(dataset, "_fingerprints", lambda _: pytest.fail("the images were read again"))
    assert read_identity(data_root, "demo") == expected


def test_what_was_not_recorded_is_not_held_against_it() -> None:
    old, first, second = DataIdentity("a"), DataIdentity("a", "1"), DataIdentity("a", "2")
    assert same_images([]) and same_images([old, first]) and same_images([old, second])
    assert not same_images([first, second]) and not same_images([first, old, second])
    assert not same_images([old, DataIdentity("b")])


def test_a_resume_on_renamed_images_is_refused_and_old_checkpoints_go_on(data_root: Path, tmp_path: Path) -> None:
    config = TrainConfig(**TINY)
    model = torch.nn.Linear(2, 2)
    optimizers: list[torch.optim.Optimizer] = [torch.optim.SGD(model.parameters(), lr=0.1)]
    path = tmp_path / "checkpoint.pt"

    def load() -> TrainingProgress:
        data = load_data(config, data_root, choose_compute(config)).identity
        return load_checkpoint(path, Parts(model, optimizers, None, data), torch.device("cpu"))[0]

    data = load_data(config, data_root, choose_compute(config)).identity
    write_checkpoint(path, TrainingProgress(epoch=3), Parts(model, optimizers, None, data).copy(), None)
    as_imported_before(data_root)
    assert load().epoch == 3, "a set that an older version imported is the same set"
    renamed(data_root)
    with pytest.raises(RunError, match=r"under other names or in another order\. Import them again as they were then"):
        load()
    state = torch.load(path, weights_only=True)
    del state["ordered_fingerprint"]
    torch.save(state, path)
    assert load().epoch == 3, "nothing was recorded that speaks against it"


def test_a_reproduction_on_renamed_images_says_so(runs_root: Path, data_root: Path) -> None:
    first = finished_run(runs_root, data_root, "first")
    old = finished_run(runs_root, data_root, "old", recorded=False)
    assert check_reproducible(first, data_root) is None
    renamed(data_root)
    second = finished_run(runs_root, data_root, "second")
    assert check_reproducible(old, data_root) is None
    warning = check_reproducible(first, data_root)
    assert warning is not None and "under other names or in another order" in warning
    [data] = [check for check in compare_origins(first, second) if check.what == "data"]
    assert data.same is False and data.words.endswith("under other names or in another order")
    verdict = assess_reproduction(first, second, [])
    assert (
        verdict.outcome is ReproductionOutcome.NOT_COMPARABLE
        and "under other names or in another order" in verdict.words
    )


def test_runs_on_renamed_images_are_one_recipe_but_are_not_matched_image_by_image(
    runs_root: Path, data_root: Path
) -> None:
    first = finished_run(runs_root, data_root, "first")
    renamed(data_root)
    second = finished_run(runs_root, data_root, "second")
    row = against_baseline([first, second], first, "validation")[1]
    assert row.comparison is None and "0 in common" not in row.words
    assert "the same images under other names or in another order" in row.words
    assert row.reseeded, "the order is chance, as the seed is"
    [group] = seed_groups([first, second], "validation")
    assert group.runs == (first, second) and len(group.accuracies) == 2
    with pytest.raises(RunError, match="different data"):
        find_suspects([first, second], "validation")
    assert same_data(first, [first, second]) == [first]


def test_a_list_of_corrections_fits_no_renamed_images(runs_root: Path, data_root: Path) -> None:
    first = finished_run(runs_root, data_root, "first")
    old = finished_run(runs_root, data_root, "old", recorded=False)
    image = str(load_split(data_root, "demo", "train").ids[0])
    add_label_reviews(first.paths, "Ada", "train", [image], "ambiguous")
    listed = make_corrections("list", [first, old]).corrections
    assert listed.data == read_identity(data_root, "demo")
    check_fits(listed, data_root, "demo")
    renamed(data_root)
    entry: dict[str, Any] = {"split": "train", "image": "row-0", "action": "exclude"}
    named = Corrections.model_validate(
        listed.model_dump() | {"entries": (Correction.model_validate(entry),), "fingerprint": ""}
    )
    with pytest.raises(RunError, match="made for "):
        check_fits(named, data_root, "demo")
    config = TrainConfig(**TINY)
    with pytest.raises(RunError, match="made for "):
        load_data(config, data_root, choose_compute(config), named)
    second = finished_run(runs_root, data_root, "second")
    with pytest.raises(RunError, match="different data"):
        make_corrections("both", [first, second])
    unrecorded = json.loads(named.model_dump_json(exclude={"data_ordered_fingerprint"}))
    check_fits(Corrections.model_validate(unrecorded), data_root, "demo")


def test_predictions_that_would_name_other_images_are_not_kept_with_a_run(runs_root: Path, data_root: Path) -> None:
    run, config = finished_run(runs_root, data_root, "first"), TrainConfig(**TINY)
    with pytest.raises(
        RunError, match=r"No fer2013_model_2\.pth"
    ):  # the fake run has none; its data are the right ones
        score_train(run.paths, config, run.data, data_root, choose_compute(config))
    renamed(data_root)
    with pytest.raises(RunError, match="is not identical to the one that run"):
        score_train(run.paths, config, run.data, data_root, choose_compute(config))
    assert not run.paths.has_predictions("train")


def test_images_are_shown_with_the_run_that_was_trained_on_them(
    runs_root: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the new names are the old ones, dealt anew within each class."""
    monkeypatch.setenv("FER_DATA_ROOT", str(data_root))
    run = finished_run(runs_root, data_root, "first")
    before = shown_of(run, "validation")
    assert before is not None and before.info is not None
    assert images_of(run, "validation", len(before.table)) is not None
    dealt_anew(data_root)
    after = shown_of(run, "validation")
    assert after is not None and after.info is None and len(after.table) == len(before.table)
    assert images_of(run, "validation", len(before.table)) is None


def test_predictions_are_not_matched_where_a_name_stands_for_another_image(
    runs_root: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and labels agree: only the recorded identities tell that the pictures do not."""
    first = finished_run(runs_root, data_root, "first")
    dealt_anew(data_root)
    second = finished_run(runs_root, data_root, "second")
    said = "the same images under other names or in another order"
    row = against_baseline([first, second], first, "validation")[1]
    assert row.comparison is None and said in row.words
    assert assess_reproduction(first, second, []).outcome is ReproductionOutcome.NOT_COMPARABLE
    arguments = ["runs", "changes", second.id, "--against", first.id, "--runs-root", str(runs_root)]
    assert said in str(CliRunner().invoke(app, arguments).exception)
    with pytest.raises(RunError, match=said):
        fixed_broken.changes(first, second, "validation", "run")
    offered: list[Run] = []
    monkeypatch.setattr(fixed_broken, "choose_run", lambda runs, **_: offered.extend(runs) or second)
    monkeypatch.setattr(fixed_broken, "changes", lambda *_, **__: None)
    third = finished_run(runs_root, data_root, "the third")
    fixed_broken.compare_with_run(third, "validation", [first, second, third])
    assert offered == [second]


def test_a_correction_set_for_renamed_images_is_no_input_for_a_run(runs_root: Path, data_root: Path) -> None:
    """Also where the dataset was imported by a version that recorded one fingerprint."""
    first = finished_run(runs_root, data_root, "first")
    image = str(load_split(data_root, "demo", "train").ids[0])
    add_label_reviews(first.paths, "Ada", "train", [image], "ambiguous")
    save_corrections(runs_root, make_corrections("list", [first]).corrections)
    assert missing_inputs(runs_root, data_root, "demo", "list") == {}
    dealt_anew(data_root)
    for change in (lambda _: None, as_imported_before):
        change(data_root)
        said = missing_inputs(runs_root, data_root, "demo", "list")
        assert list(said) == ["corrections"] and "was made for other data than 'demo'" in said["corrections"]


def test_pages_see_the_names_of_a_new_import_at_once(data_root: Path) -> None:
    from dashboard.state import cache

    def ids() -> list[str]:
        return cache.split(read_info(data_root, "demo").ref(data_root), "train").ids.tolist()

    before = ids()
    renamed(data_root)
    assert ids() != before and ids()[0].startswith("row-")
