"""Groups that keep the weights of their best run only."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from core.config import TrainConfig
from core.files import read_json, write_json
from core.jobs.keep_best import after_end, keep_best
from core.review.runs import annotate
from core.runs import group_changes
from core.runs.create import create_run, write_meta, write_status
from core.runs.group_changes import add_group, group_lock
from core.runs.groups import GroupMember, GroupRecord
from core.runs.paths import EnsemblePaths, GroupPaths
from core.runs.reader import read_run, read_status
from core.runs.records import Run
from core.runs.removed import why_removed
from core.worker import StopFlag, work
from tests.core.runs.conftest import make_finished, set_status

ACCURACIES = {"a": 0.4, "b": 0.6, "c": 0.5}


def swept(root: Path, accuracies: dict[str, float], keep: str = "best") -> dict[str, Run]:
    """Finished runs of a group, with checkpoints."""
    for run_id, accuracy in accuracies.items():
        run = make_finished(root, run_id, accuracy, evaluated=False)
        run.paths.checkpoint.touch()
        write_meta(run.paths, lambda meta: meta.model_copy(update={"group": "a-sweep"}))
    members = tuple(GroupMember.of(run_id, {}) for run_id in accuracies)
    record = GroupRecord(created_at=datetime.now(UTC), title="My sweep", keep=keep, members=members)
    with group_lock(root, make_root=True):
        add_group(root, record, "a-sweep")
    return {run_id: read_run(root, run_id) for run_id in accuracies}


def with_weights(root: Path, *ids: str) -> list[str]:
    return [run_id for run_id in ids or ACCURACIES if read_run(root, run_id).has_weights]


def test_the_best_by_validation_keeps_its_weights_and_the_others_say_why_not(runs_root: Path) -> None:
    runs = swept(runs_root, ACCURACIES)
    runs["a"].paths.predictions("validation").touch()
    before = {path.name for path in runs["a"].paths.folder.iterdir()}
    assert keep_best(runs["a"].paths) == ["a", "c"]
    assert with_weights(runs_root) == ["b"] and runs["b"].paths.checkpoint.exists()
    after = {path.name for path in runs["a"].paths.folder.iterdir()}
    assert before - after == {"fer2013_model_2.pth", "checkpoint.pt"} and after - before == {"removed.json"}
    assert why_removed(runs["a"].paths.weights) == (
        "Weights removed: group “My sweep” keeps only those of its best run, then b."
    )
    assert read_run(runs_root, "a").validation_accuracy == runs["a"].validation_accuracy
    assert keep_best(runs["c"].paths) == [], "it is done once"


def test_a_better_one_that_comes_later_takes_over(runs_root: Path) -> None:
    runs = swept(runs_root, ACCURACIES)
    set_status(runs["b"].paths, state="running")
    assert keep_best(runs["c"].paths) == ["a"]
    assert with_weights(runs_root) == ["b", "c"], "what has not finished may have to be resumed"
    set_status(runs["b"].paths, state="finished")
    assert keep_best(runs["b"].paths) == ["c"] and with_weights(runs_root) == ["b"]


def test_of_equals_the_first_is_kept(runs_root: Path) -> None:
    runs = swept(runs_root, {"a": 0.5, "b": 0.5})
    assert keep_best(runs["b"].paths) == ["b"]


def test_where_the_best_was_deleted_the_next_one_with_weights_is_the_best(runs_root: Path) -> None:
    runs = swept(runs_root, {"a": 0.4, "b": 0.6, "c": 0.5})
    runs["b"].paths.weights.unlink()
    assert keep_best(runs["a"].paths) == ["a", "b"] and with_weights(runs_root) == ["c"], (
        "the checkpoint of b has no use"
    )


def test_runs_that_failed_or_stopped_keep_what_they_have(runs_root: Path) -> None:
    runs = swept(runs_root, ACCURACIES)
    set_status(runs["a"].paths, state="stopped")
    set_status(runs["c"].paths, state="failed")
    assert keep_best(runs["b"].paths) == [] and with_weights(runs_root) == ["a", "b", "c"]


def teach(run: Run) -> None:
    create_run(run.paths.root, TrainConfig(dataset="demo", teachers=(run.id,)), run_id="student")


def fine_tune(run: Run) -> None:
    create_run(run.paths.root, TrainConfig(dataset="demo", initial_weights=(run.id,)), run_id="fine-tuned")


def reproduce(run: Run) -> None:
    create_run(run.paths.root, TrainConfig(dataset="demo"), run_id="again", reproduces=run.id)


NEEDED: dict[str, Callable[[Run], Any]] = {
    "starred": lambda run: annotate(run.paths, "Ada", {"starred": True}),
    "in review": lambda run: annotate(run.paths, "Ada", {"review": "in review"}),
    "approved": lambda run: annotate(run.paths, "Ada", {"review": "approved"}),
    "teacher": teach,
    "pretrained": fine_tune,
    "reproduced": reproduce,
}


@pytest.mark.parametrize("why", NEEDED)
def test_what_others_need_or_somebody_has_marked_is_kept(runs_root: Path, why: str) -> None:
    runs = swept(runs_root, ACCURACIES)
    NEEDED[why](runs["a"])
    assert keep_best(runs["c"].paths) == ["c"] and with_weights(runs_root) == ["a", "b"]


def test_an_imported_run_neither_wins_nor_loses(runs_root: Path) -> None:
    """What a bundle says it has reached, nobody here has measured."""
    runs = swept(runs_root, {"a": 0.4, "b": 0.6, "c": 0.5, "d": 0.1})
    for run_id in ("b", "d"):
        runs[run_id].paths.imports.write_text("{}\n")
    assert keep_best(runs["a"].paths) == ["a"] and with_weights(runs_root, *runs) == ["b", "c", "d"]


def test_a_member_of_an_ensemble_is_kept(runs_root: Path) -> None:
    runs = swept(runs_root, ACCURACIES)
    paths = EnsemblePaths(runs_root)
    paths.folder.mkdir()
    write_json(paths.file("pair"), {"members": ["a", "b"], "created_at": "2026-01-02T03:04:05Z"})
    assert keep_best(runs["c"].paths) == ["c"] and with_weights(runs_root) == ["a", "b"]


@pytest.mark.parametrize("keep", ["all", "best"])
def test_a_group_that_keeps_all_loses_none(runs_root: Path, keep: str) -> None:
    runs = swept(runs_root, ACCURACIES, keep)
    keep_best(runs["a"].paths)
    assert with_weights(runs_root) == (["a", "b", "c"] if keep == "all" else ["b"])


def test_a_run_that_its_group_does_not_list_loses_nothing_to_it(runs_root: Path) -> None:
    swept(runs_root, ACCURACIES)
    stranger = make_finished(runs_root, "stranger", 0.1, evaluated=False)
    write_meta(stranger.paths, lambda meta: meta.model_copy(update={"group": "a-sweep"}))
    assert keep_best(stranger.paths) == []
    assert with_weights(runs_root, "a", "b", "c", "stranger") == ["a", "b", "c", "stranger"]


def test_the_worker_does_it_when_its_run_has_finished(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the test's process stays as it is
    runs = swept(runs_root, ACCURACIES)
    paths = runs["b"].paths
    for state, left in (("stopped", ["a", "b", "c"]), ("failed", ["a", "b", "c"]), ("finished", ["b"])):
        write_status(paths, read_status(paths).model_copy(update={"state": "queued"}))
        paths.stop_request.touch()  # a stop by a person, not an interruption
        work(paths, runs_root, "cpu", StopFlag(paths), lambda *_, state=state: {"state": state})
        assert (read_run(runs_root, "b").state.value, with_weights(runs_root)) == (state, left)


def test_what_goes_wrong_does_not_harm_the_run_that_has_finished(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runs = swept(runs_root, ACCURACIES)
    monkeypatch.setattr(group_changes, "GROUP_LOCK_SECONDS", 0.05)
    with FileLock(GroupPaths(runs_root).lock):
        after_end(runs["b"].paths)
    assert "can't be thinned out: Another group is being changed" in caplog.text
    assert with_weights(runs_root) == ["a", "b", "c"]


@pytest.mark.parametrize("change", [{"review": "rejected"}, {"archived": True}], ids=["rejected", "archived"])
def test_what_somebody_has_put_aside_is_not_the_best(runs_root: Path, change: dict[str, Any]) -> None:
    runs = swept(runs_root, ACCURACIES)
    annotate(runs["b"].paths, "Ada", change)
    assert keep_best(runs["a"].paths) == ["a", "b"] and with_weights(runs_root) == ["c"]


def test_runs_on_different_data_are_not_compared(runs_root: Path) -> None:
    runs = swept(runs_root, {"a": 0.4, "b": 0.6, "c": 0.9, "d": 0.8})
    for run_id in ("c", "d"):
        summary = read_json(runs[run_id].paths.summary)
        write_json(runs[run_id].paths.summary, summary | {"dataset_fingerprint": "another"})
    assert keep_best(runs["a"].paths) == ["a", "d"] and with_weights(runs_root, "a", "b", "c", "d") == ["b", "c"]
