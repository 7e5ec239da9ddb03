"""What a run learns from: who may teach, and what is recorded of it."""

import json
import shutil
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.errors import RunError
from core.jobs import control
from core.runs.best import hash_of
from core.runs.ensembles import create_ensemble
from core.runs.paths import RunPaths
from core.runs.reader import read_config, read_run
from core.runs.teachers import choose_teaching, read_teaching, teaching_of
from core.splits import HELD_OUT
from tests.core.training.test_loop import TINY
from tests.core.training.test_teachers import teach
from tests.members import write_members


@pytest.fixture
def root(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs to learn from: `teacher`, `fold-1` and `fold-two`; nothing is trained."""
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    teach(runs_root, demo_root, "teacher")
    teach(runs_root, demo_root, "fold-1", hold_out="1/2")
    teach(runs_root, demo_root, "fold-two", hold_out="2/2")
    return runs_root


def start(root: Path, data_root: Path, **settings: object) -> RunPaths:
    return RunPaths(root, control.start(root, data_root, TrainConfig(**TINY | settings)))


def test_a_start_records_the_hashes_and_the_whole_ids(root: Path, demo_root: Path) -> None:
    paths = start(root, demo_root, initial_weights="teac", teachers="teach", soft_labels="fold-1, fold-two")
    config = read_config(paths)
    assert (config.teachers, config.soft_labels) == (("teacher",), ("fold-1", "fold-two"))
    assert config.initial_weights == ("teacher",)
    assert json.loads(paths.teachers.read_text()) == {
        "initial_weights": [{"run": "teacher", "sha256": hash_of(RunPaths(root, "teacher").weights)}],
        "teachers": [{"run": "teacher", "sha256": hash_of(RunPaths(root, "teacher").weights)}],
        "soft_labels": [
            {"run": name, "sha256": hash_of(RunPaths(root, name).predictions(HELD_OUT))} for name in config.soft_labels
        ],
    }
    assert teaching_of(paths, config) == read_teaching(paths, config)


def test_an_ensemble_teaches_as_its_members(runs_root: Path, demo_root: Path) -> None:
    ids = [run.id for run in write_members(runs_root, demo_root)]
    create_ensemble(runs_root, "both", ids)
    teaching = choose_teaching(runs_root, demo_root, TrainConfig(**TINY, teachers=("both", ids[0])))
    assert teaching is not None and teaching.ids()["teachers"] == tuple(ids), "each once"
    teaching = choose_teaching(runs_root, demo_root, TrainConfig(**TINY, initial_weights=("both",)))
    assert teaching is not None and teaching.ids()["initial_weights"] == tuple(ids), "the mean of their weights"
    RunPaths(runs_root, ids[1]).weights.unlink()
    with pytest.raises(RunError, match=r"^Teacher not available: Can't use ensemble “both”: run"):
        choose_teaching(runs_root, demo_root, TrainConfig(**TINY, teachers=("both",)))


def test_a_run_without_teachers_has_no_such_file(root: Path, demo_root: Path) -> None:
    paths = start(root, demo_root)
    assert not paths.teachers.exists() and teaching_of(paths, read_config(paths)) is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"teachers": "nobody"}, r"^Teacher not available: Run “nobody” not found\."),
        ({"teachers": "queued"}, r"^Teacher queued is queued\. Select a finished run\.$"),
        (
            {"teachers": "bare"},
            r"^Teacher bare has no weights file\. Restore it from a backup, or select another run\.$",
        ),
        (
            {"teachers": "teacher", "hold_out": "1/2"},
            r"^Teacher teacher was trained on 84 images of",
        ),
        ({"initial_weights": "nobody"}, r"^Pretrained run not available: Run “nobody” not found\."),
        ({"initial_weights": "queued"}, r"^Pretrained run queued is queued\. Select a finished run\.$"),
        ({"initial_weights": "bare"}, r"^Pretrained run bare has no weights file\."),
        (
            {"initial_weights": "teacher", "hold_out": "1/2"},
            r"^Pretrained run teacher was trained on 84 images of the held-out fold 1/2 of 'demo'\.",
        ),
        (
            {"initial_weights": "teacher", "model": "cnn-model-2"},
            r"^Pretrained run teacher is a cnn-model-1, not a cnn-model-2\. Select another run or model\.$",
        ),
        ({"soft_labels": "teacher"}, r"^Soft-label run teacher held out no fold, so it has no soft labels\."),
        (
            {"soft_labels": "fold-1"},
            r"^84 of 168 training images have no soft label: the selected runs held out only 1/2",
        ),
        (
            {"soft_labels": "fold-1,fold-two", "hold_out": "1/2"},
            r"^Soft-label run fold-two was trained on 84",
        ),
    ],
)
def test_a_start_refuses_what_cannot_teach_in_a_sentence(
    root: Path, demo_root: Path, settings: dict[str, str], why: str
) -> None:
    queued = teach(root, demo_root, "queued")
    queued.status.write_text(queued.status.read_text().replace('"finished"', '"queued"'))
    teach(root, demo_root, "bare").weights.unlink()
    before = set(root.iterdir())
    with pytest.raises(RunError, match=why):
        start(root, demo_root, **settings)
    assert set(root.iterdir()) == before, "no run was made"


def test_soft_labels_of_other_data_are_refused(root: Path, demo_root: Path) -> None:
    paths = RunPaths(root, "fold-1")
    summary = json.loads(paths.summary.read_text()) | {"dataset_ordered_fingerprint": "0" * 64}
    paths.summary.write_text(json.dumps(summary))
    with pytest.raises(RunError, match=r"^Soft-label run fold-1 was trained on other data than 'demo'"):
        choose_teaching(root, demo_root, TrainConfig(**TINY, soft_labels=("fold-1", "fold-two")))


def test_a_record_of_an_older_version_has_no_initial_weights(root: Path, demo_root: Path) -> None:
    paths = start(root, demo_root, teachers="teacher")
    old = json.loads(paths.teachers.read_text())
    assert old.pop("initial_weights") == []
    paths.teachers.write_text(json.dumps(old))
    config = json.loads(paths.config.read_text())
    del config["initial_weights"]
    paths.config.write_text(json.dumps(config))
    teaching = teaching_of(paths, read_config(paths))
    assert teaching is not None and teaching.ids() == {
        "initial_weights": (),
        "teachers": ("teacher",),
        "soft_labels": (),
    }


def test_a_run_is_resumed_only_with_what_it_was_started_with(root: Path, demo_root: Path) -> None:
    paths = start(root, demo_root, teachers="teacher", soft_labels="fold-1,fold-two")
    control.stop(root, paths.run_id)
    control.resume(root, demo_root, paths.run_id)
    control.stop(root, paths.run_id)
    fold = RunPaths(root, "fold-1").predictions(HELD_OUT)
    fold.write_bytes(RunPaths(root, "fold-two").predictions(HELD_OUT).read_bytes())
    shutil.rmtree(root / "teacher")
    with pytest.raises(RunError) as refused:
        control.resume(root, demo_root, paths.run_id)
    assert str(refused.value) == (
        "Teacher teacher was deleted, or its weights were. Soft-label run fold-1 has other held-out predictions now "
        "than when the run was started. Restore it from a backup, or clone the run with another."
    )
    assert read_run(root, paths.run_id).state == "stopped"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, r"lacks its teachers\.json\. Clone the run\.$"),
        ("{", r"^Can't use teachers\.json of run .*: file is corrupt; restore it from a backup\.$"),
        ('{"teachers": []}', r"^teachers\.json of run .* does not fit its settings\. Clone the run\.$"),
    ],
    ids=["missing", "corrupt", "empty"],
)
def test_a_record_that_is_not_there_or_no_record_is_said(
    root: Path, demo_root: Path, content: str | None, why: str
) -> None:
    paths = start(root, demo_root, teachers="teacher")
    paths.teachers.unlink()
    if content is not None:
        paths.teachers.write_text(content)
    with pytest.raises(RunError, match=why):
        teaching_of(paths, read_config(paths))
