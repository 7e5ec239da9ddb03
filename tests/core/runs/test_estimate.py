"""How long a run will take."""

import json
import socket
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from core.config import TrainConfig
from core.machine import boot_id
from core.presets import make_config
from core.runs.create import create_run, write_status
from core.runs.estimate import (
    FINAL_SPEED,
    FINAL_VIEWS,
    FORWARD_SPEED,
    ROUGH_IMAGES_PER_SECOND,
    estimate_duration,
    estimate_runs,
    estimate_wait,
    seconds_until_done,
)
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import Run, RunState
from tests.conftest import PROJECT_ROOT

CONFIG = TrainConfig(epochs=10)
ROUGH = ROUGH_IMAGES_PER_SECOND[CONFIG.model]
IMAGES = {"train": 1000, "validation": 100, "test": 100}
FER2013 = {"train": 28_709, "validation": 3589, "test": 3589}
OTHER_VALUES = {
    "model": "cnn-model-1",
    "dataset": "demo",
    "teachers": ("a", "b"),
    "soft_labels": ("a",),
    "device": "cuda",
    "precision": "float32",
    "hold_out": "1/2",
}
"""Of settings, beside 3 for all others: estimates must not be mixed up where they differ."""
REFERENCE = RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2")


def finished(root: Path, speed: float | None, config: TrainConfig = CONFIG, **fields: object) -> Run:
    paths = create_run(root, config)
    status = {"state": "finished", "images_per_second": speed, "host": socket.gethostname(), **fields}
    write_status(paths, read_status(paths).model_copy(update=status))
    return read_run(root, paths.run_id)


def test_without_runs_the_estimate_is_rough_and_says_so() -> None:
    estimate = estimate_duration(CONFIG, IMAGES, [])
    assert estimate.images_per_second == ROUGH
    assert "rough" in estimate.basis
    small = estimate_duration(CONFIG.model_copy(update={"model": "cnn-model-1"}), IMAGES, [])
    assert small.seconds == pytest.approx(estimate.seconds * ROUGH / 2000)


def test_the_median_of_finished_runs_counts(tmp_path: Path) -> None:
    runs = [finished(tmp_path, speed) for speed in (100.0, 900.0, 200.0)]
    estimate = estimate_duration(CONFIG, IMAGES, runs)
    assert estimate.images_per_second == 200.0
    assert "3 finished runs" in estimate.basis


def test_runs_that_are_not_alike_do_not_count(tmp_path: Path) -> None:
    runs = [
        finished(tmp_path, 1.0, TrainConfig(model="cnn-model-1")),
        finished(tmp_path, 1.0, TrainConfig(precision="float32")),
        finished(tmp_path, 1.0, host="another-machine"),
        finished(tmp_path, 1.0, host=None),
        finished(tmp_path, 1.0, state="failed"),
        finished(tmp_path, None),
    ]
    assert estimate_duration(CONFIG, IMAGES, runs).images_per_second == ROUGH
    assert "1 finished run " in estimate_duration(CONFIG, IMAGES, [*runs, finished(tmp_path, 300.0)]).basis


def test_a_container_that_was_made_anew_knows_the_speed_of_its_machine(tmp_path: Path) -> None:
    runs = [finished(tmp_path, 300.0, host="a1b2c3d4e5f6", boot_id=boot_id())]
    assert estimate_duration(CONFIG, IMAGES, runs).images_per_second == 300.0


def test_the_shipped_run_was_not_trained_here() -> None:
    shipped = read_run(PROJECT_ROOT / "runs", "reference-cnn-model-2")
    assert shipped.config is not None and shipped.status.images_per_second
    estimate = estimate_duration(shipped.config, IMAGES, [shipped])
    assert "rough" in estimate.basis and estimate.images_per_second == ROUGH


def test_teachers_take_time_wherever_the_speed_was_measured(tmp_path: Path) -> None:
    taught = CONFIG.model_copy(update={"teachers": ("one", "two")})
    alone, slower = finished(tmp_path, 100.0), finished(tmp_path, 100.0 / (1 + 2 / FORWARD_SPEED), taught)
    estimates = [[estimate_duration(config, IMAGES, [run]) for run in (alone, slower)] for config in (CONFIG, taught)]
    for same in estimates:
        assert same[0].seconds == pytest.approx(same[1].seconds)
    assert estimates[1][0].images_per_second == slower.status.images_per_second
    more = estimates[1][0].seconds - estimates[0][0].seconds
    assert more == pytest.approx(CONFIG.epochs * IMAGES["train"] * 2 / FORWARD_SPEED / 100)


def test_fewer_images_per_epoch_take_less_time() -> None:
    short = estimate_duration(CONFIG.model_copy(update={"images_per_epoch": 100}), IMAGES, [])
    assert short.images_per_epoch == 100
    assert short.seconds == pytest.approx(estimate_duration(CONFIG, IMAGES | {"train": 100}, []).seconds)


def test_more_images_per_epoch_than_there_are_take_no_more_time() -> None:
    more = estimate_duration(CONFIG.model_copy(update={"images_per_epoch": 50_000}), IMAGES, [])
    assert more.images_per_epoch == 1000
    assert more.seconds == estimate_duration(CONFIG, IMAGES, []).seconds


def test_evaluation_is_nearly_half_of_a_short_run() -> None:
    """16,000 images trained on, 14,356 scored after the epochs, and two views of 7,178 at the end."""
    estimate = estimate_duration(make_config("original", {"epochs": 4, "images_per_epoch": 4000}), FER2013, [])
    training = 4 * 4000 / ROUGH
    assert estimate.seconds == pytest.approx(training + (4 * 3589 / 3.4 + 2 * 7178 / 1.65) / ROUGH)
    assert 1.7 < estimate.seconds / training < 2.0
    whole = estimate_duration(make_config("best"), FER2013, [])
    assert 1.03 < whole.seconds / (45 * 28_709 / ROUGH) < 1.06


def test_the_speeds_of_evaluation_are_those_of_the_shipped_run() -> None:
    epochs = read_rows(REFERENCE.epochs)[0]
    steps = {row["epoch"]: row for row in read_rows(REFERENCE.steps)[0]}  # the last one of each epoch
    ratios = [
        FER2013["validation"] / (row["elapsed_s"] - steps[row["epoch"]]["elapsed_s"]) / row["images_per_second"]
        for row in epochs
    ]
    assert median(ratios) == pytest.approx(FORWARD_SPEED, rel=0.05)
    summary, last = json.loads(REFERENCE.summary.read_text()), epochs[-1]
    scored = FINAL_VIEWS * (FER2013["validation"] + FER2013["test"])
    seconds = summary["elapsed_seconds"] - last["elapsed_s"]
    assert scored / seconds / last["images_per_second"] == pytest.approx(FINAL_SPEED, rel=0.05)


def test_in_float32_the_end_is_as_fast_as_the_rest() -> None:
    float32 = estimate_duration(CONFIG.model_copy(update={"precision": "float32"}), IMAGES, [])
    assert float32.seconds < estimate_duration(CONFIG, IMAGES, []).seconds


def live(root: Path, state: str, config: TrainConfig = CONFIG, **fields: object) -> Run:
    paths = create_run(root, config)
    write_status(paths, read_status(paths).model_copy(update={"state": state, **fields}))
    return replace(read_run(root, paths.run_id), state=RunState(state))  # nobody holds its lock


DATASETS = {CONFIG.dataset: IMAGES}


def test_nobody_ahead_is_no_wait(tmp_path: Path) -> None:
    assert estimate_wait([finished(tmp_path, 100.0)], DATASETS, slots=1) == 0


def test_a_run_waits_for_what_is_left_of_the_running_one_and_for_all_of_the_queued_ones(tmp_path: Path) -> None:
    done = finished(tmp_path, 100.0)
    runs = [done, live(tmp_path, "running", eta_seconds=40.0), live(tmp_path, "queued"), live(tmp_path, "queued")]
    whole = estimate_duration(CONFIG, IMAGES, [done]).seconds
    assert estimate_wait(runs, DATASETS, slots=1) == pytest.approx(40 + 2 * whole)


def test_runs_beside_each_other_are_waited_for_at_once(tmp_path: Path) -> None:
    queued = live(tmp_path, "queued")
    runs = [live(tmp_path, "running", eta_seconds=400.0), live(tmp_path, "running", eta_seconds=30.0), queued]
    whole = estimate_duration(CONFIG, IMAGES, []).seconds
    assert estimate_wait(runs, DATASETS, slots=2) == pytest.approx(min(400, 30 + whole))
    assert estimate_wait(runs, DATASETS, slots=3) == pytest.approx(min(30, whole))


def test_some_of_the_runs_in_line_are_done_before_the_others(tmp_path: Path) -> None:
    done = finished(tmp_path, 100.0)
    running = live(tmp_path, "running", eta_seconds=40.0)
    first, second, third = (live(tmp_path, "queued", queue_position=float(place)) for place in (1, 2, 3))
    last = live(tmp_path, "queued", CONFIG.model_copy(update={"dataset": "elsewhere"}), queue_position=4.0)
    runs = [last, third, first, done, second, running]
    whole = estimate_duration(CONFIG, IMAGES, [done]).seconds
    assert whole > 40
    for ids, one_slot, two_slots in (
        ([running.id], 40, 40),
        ([first.id], 40 + whole, whole),
        ([running.id, third.id], 40 + 3 * whole, 2 * whole),
        ([first.id, second.id], 40 + 2 * whole, 40 + whole),
    ):
        assert seconds_until_done(ids, runs, DATASETS, slots=1) == pytest.approx(one_slot)
        assert seconds_until_done(ids, runs, DATASETS, slots=2) == pytest.approx(two_slots)
    assert seconds_until_done([last.id], runs, DATASETS, slots=1) is None, "its dataset is not here"
    assert seconds_until_done([done.id], runs, DATASETS, slots=1) == 0


def test_a_resumed_run_counts_with_what_it_has_left(tmp_path: Path) -> None:
    whole = estimate_duration(CONFIG, IMAGES, []).seconds
    assert estimate_wait([live(tmp_path, "queued", progress=0.75)], DATASETS, slots=1) == pytest.approx(whole / 4)


def test_without_the_dataset_of_a_run_ahead_nobody_can_tell(tmp_path: Path) -> None:
    runs = [live(tmp_path, "queued", CONFIG.model_copy(update={"dataset": "elsewhere"}))]
    assert estimate_wait(runs, DATASETS, slots=1) is None


# --- several runs


def test_several_runs_take_as_long_as_the_slot_that_is_busy_longest() -> None:
    configs = [CONFIG.model_copy(update={"epochs": epochs}) for epochs in (10, 20, 10)]
    images = {"fer2013": IMAGES}
    ten, twenty = (estimate_duration(config, IMAGES, []).seconds for config in configs[:2])
    alone = estimate_runs(configs, images, [], slots=1)
    assert alone and alone.seconds == pytest.approx(2 * ten + twenty)
    assert (alone.shortest, alone.longest) == (ten, twenty)
    beside = estimate_runs(configs, images, [], slots=2)
    assert beside and beside.seconds == pytest.approx(max(2 * ten, twenty))
    plenty = estimate_runs(configs, images, [], slots=8)
    assert plenty and plenty.seconds == twenty
    assert estimate_runs(configs, {}, [], slots=1) is None, "the dataset is not on this server"


@pytest.mark.parametrize("field", TrainConfig.model_fields)
def test_runs_of_different_length_are_told_apart(field: str, tmp_path: Path) -> None:
    """An estimate that is made once for all runs that take as long must not be that of one that takes longer."""
    runs = [finished(tmp_path, 100.0), finished(tmp_path, 300.0, CONFIG.model_copy(update={"model": "cnn-model-1"}))]
    other = CONFIG.model_copy(update={field: OTHER_VALUES.get(field, 3)})
    images = {"fer2013": IMAGES, "demo": {split: 2 * count for split, count in IMAGES.items()}}
    both = estimate_runs([CONFIG, other], images, runs, slots=2)
    assert both
    alone = [estimate_duration(config, images[config.dataset], runs).seconds for config in (CONFIG, other)]
    assert (both.shortest, both.longest) == (min(alone), max(alone))


def test_a_fold_less_and_asam_count(tmp_path: Path) -> None:
    plain = estimate_duration(CONFIG, IMAGES, [])
    half = estimate_duration(CONFIG.model_copy(update={"hold_out": "1/2"}), IMAGES, [])
    fifth = estimate_duration(CONFIG.model_copy(update={"hold_out": "5/5"}), IMAGES, [])
    assert half.images_per_epoch == pytest.approx(IMAGES["train"] / 2, abs=1)
    assert fifth.images_per_epoch == pytest.approx(IMAGES["train"] * 4 / 5, abs=1)
    assert half.seconds < fifth.seconds < plain.seconds
    few = CONFIG.model_copy(update={"hold_out": "1/2", "images_per_epoch": 10})
    assert estimate_duration(few, IMAGES, []).images_per_epoch == 10
    twice = CONFIG.model_copy(update={"asam_rho": 0.5})
    assert estimate_duration(twice, IMAGES, []).images_per_second == plain.images_per_second / 2
    alike = [finished(tmp_path, 100.0, twice)]
    assert estimate_duration(CONFIG, IMAGES, alike).images_per_second == 200, "one with ASAM tells that of others"
