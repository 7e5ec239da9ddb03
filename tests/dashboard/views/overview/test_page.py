"""The Overview page: what is next, and what a restart interrupted."""

import json
import os
from pathlib import Path

import pytest

from core.jobs import control, slots
from core.jobs.queue import move_queued, queued_runs
from core.jobs.slots import Slot
from core.runs import liveness
from core.runs.create import write_status
from core.runs.reader import read_status
from tests.dashboard.conftest import Opener, Writer, words


def test_the_next_run_is_the_first_in_the_queue(open_page: Opener, write: Writer) -> None:
    write("queued", name="began to wait first")
    write("queued", name="second")
    third = write("queued", name="third")
    assert "Next: began to wait first" in words(open_page("overview"))
    move_queued(third.paths, "first")
    assert "Next: third" in words(open_page("overview"))


def test_interrupted_runs_are_put_back_in_line(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Path] = []
    monkeypatch.setattr(control, "ensure_runner", lambda root, _: wanted.append(root))
    assert "interrupted" not in words(open_page("overview"))
    runs = [write("crashed", done=1, epochs=2) for _ in range(2)]
    app = open_page("overview")
    assert "2 interrupted runs" in words(app)
    app.button(key="recover").click().run()
    assert {run.id for run in queued_runs(runs_root)} == {run.id for run in runs}
    assert wanted == [runs_root]
    assert "interrupted" not in words(app)


def test_a_running_run_shows_how_it_does_and_can_be_stopped(open_page: Opener, write: Writer) -> None:
    run = write("running", name="live one", done=3, epochs=12)
    app = open_page("overview")
    metrics = {metric.label: metric.value for metric in app.metric}
    last = json.loads(run.paths.epochs.read_text().splitlines()[-1])
    assert metrics["Val. loss"] == f"{last['validation_loss']:.3f}"
    assert metrics["Throughput"] not in ("–", "0 img/s") and metrics["ETA"] != "–"
    assert metrics["Val. accuracy (best)"].endswith("pp")
    assert "Epoch 4/12" in words(app)
    app.button(key=f"stop-{run.id}").click().run()
    assert run.paths.stop_request.exists()
    button = app.button(key=f"stop-{run.id}")
    assert button.label == "Stopping…" and button.disabled


def test_a_run_that_has_just_begun_leaves_no_hole(open_page: Opener, write: Writer) -> None:
    write("running", done=0)
    for metric in open_page("overview").metric:
        assert not metric.proto.chart_data


def test_a_loss_that_has_exploded_is_short_and_presses_no_line_flat(open_page: Opener, write: Writer) -> None:
    run = write("running", done=3, epochs=12)
    [before] = [metric.proto for metric in open_page("overview").metric if metric.label == "Val. loss"]
    assert len(before.chart_data) == 3
    run.add_epoch(4, validation_loss=179_213_702_345.0)
    [after] = [metric.proto for metric in open_page("overview").metric if metric.label == "Val. loss"]
    assert after.body == "1.79e+11" and not after.chart_data


def test_the_latest_runs_say_how_far_they_are(open_page: Opener, write: Writer) -> None:
    write("stopped", name="half", done=3, epochs=6)
    table = open_page("overview").dataframe[0]
    assert "epochs" in table.proto.column_order and table.value["epochs"].tolist() == ["3/6"]


def test_runs_of_another_machine_are_left_to_who_knows(
    open_page: Opener, write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write("crashed", done=1, epochs=2)
    elsewhere = {"host": "node-*7*", "boot_id": "another"}
    write_status(run.paths, read_status(run.paths).model_copy(update=elsewhere))
    os.utime(run.paths.status, (0, 0))
    monkeypatch.setattr(liveness, "is_local", lambda _: False)
    app = open_page("overview")
    assert "1 lost run: no sign of life from node-*7*" in words(app)
    assert "recover" not in [button.key for button in app.button]


@pytest.mark.parametrize("page", ["overview", "train"])
def test_gpus_that_cannot_be_used_are_told_with_the_reason(
    open_page: Opener, runs_root: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    assert "PyTorch can't use" not in words(open_page(page))
    monkeypatch.setattr(slots, "gpu_slots", lambda: (Slot("gpu-0", "NVIDIA *A*", "GPU-aaaa"),))
    monkeypatch.setattr("core.jobs.gpus._try", lambda uuid: "its driver is too old; update the driver")
    slots.check_slots(runs_root)
    shown = words(open_page(page))
    assert "PyTorch can't use NVIDIA *A*: its driver is too old; update the driver. Until then, runs train" in shown
    if page == "overview":
        assert "CPU, " in shown, "the device it trains on"
