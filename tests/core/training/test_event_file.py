"""The event file that a worker writes while it trains."""

import errno
import logging
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.exchange.tensorboard import check_events
from core.runs.history import HistoryWriter, read_rows
from core.runs.paths import RunPaths
from core.training import event_file
from core.training.event_file import EventFile
from core.training.loop import Stopped
from tests.conftest import wait_for
from tests.core.training.test_loop import STEPS, TINY, run_training, train_on
from tests.dashboard_fixtures import FakeRun, write_run
from tests.events import expected, newest_events, scalars_in


@pytest.fixture
def run(runs_root: Path) -> FakeRun:
    return write_run(runs_root, Path(), "queued", epochs=12)


def holds_what_the_histories_say(paths: RunPaths) -> bool:
    if not paths.event_numbers():  # not yet
        return False
    found = scalars_in(newest_events(paths))
    epochs, steps = read_rows(paths.epochs)[0], read_rows(paths.steps)[0]
    return (
        found.get("epochs/validation_accuracy", []) == expected(epochs, "validation_accuracy")
        and found.get("epochs/train_loss", []) == expected(epochs, "train_loss")
        and found.get("steps/loss", []) == expected(steps, "loss", "step")
    )


def test_training_stopping_and_resuming_leave_each_step_once(runs_root: Path, demo_root: Path) -> None:
    with pytest.raises(Stopped):
        run_training(runs_root, demo_root, TINY, stop_after=8)
    paths = RunPaths(runs_root, "run")
    done = len(read_rows(paths.steps)[0])
    assert holds_what_the_histories_say(paths) and 5 < done < 10
    assert "evaluation/test/accuracy" not in scalars_in(newest_events(paths))
    # as a crash leaves it: rows of steps that were not yet in the checkpoint
    with HistoryWriter(paths.steps) as steps:
        steps.append([{"step": step, "elapsed_s": 9.0, "loss": 99.0} for step in (done + 1, done + 2)])
    train_on(paths, TrainConfig(**TINY), demo_root)
    assert holds_what_the_histories_say(paths)
    found = scalars_in(newest_events(paths))
    assert [step for step, _ in found["steps/loss"]] == list(range(1, STEPS + 1))
    assert [step for step, _ in found["epochs/train_loss"]] == [1, 2, 3]
    assert len(found["evaluation/test/accuracy"]) == 1


def test_it_follows_and_starts_anew_at_a_resume(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "FOLLOW_SECONDS", 0.05)
    foreign = run.paths.folder / "events.out.tfevents.1700000000.elsewhere"
    foreign.write_bytes(b"of another program")
    for start in range(1, 4):
        with EventFile(run.paths, TrainConfig(), 960):
            run.add_epoch(start)
            wait_for(lambda: holds_what_the_histories_say(run.paths), 20, "the epoch in the file")
        assert run.paths.event_numbers() == [start - 1, start][-start:]
    assert run.paths.events(2).stat().st_size == 0, "kept empty, for who is reading it"
    assert foreign.read_bytes() == b"of another program"


def test_a_full_disk_is_said_once_and_made_up_for(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(event_file, "FOLLOW_SECONDS", 0.05)
    write, full, tried = EventFile._write, [True], []

    def write_a_part(self: EventFile, content: bytes) -> None:
        if full:
            tried.append(content)
            write(self, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, content)

    monkeypatch.setattr(EventFile, "_write", write_a_part)
    run.add_epoch(1)
    with caplog.at_level(logging.WARNING, "train"), EventFile(run.paths, TrainConfig(), 960):
        wait_for(lambda: len(tried) > 2, 20, "several attempts")
        full.clear()
        wait_for(lambda: holds_what_the_histories_say(run.paths), 20, "a whole file")
        run.add_epoch(2)
    assert holds_what_the_histories_say(run.paths)
    assert [record.message for record in caplog.records] == [
        "no events for TensorBoard are written for now: OSError: [Errno 28] No space left on device"
    ]
    whole = [number for number in run.paths.event_numbers() if run.paths.events(number).stat().st_size]
    assert len(whole) == 1
    with newest_events(run.paths).open("rb") as file:
        check_events(file)


def test_without_its_folder_nothing_is_raised(run: FakeRun, caplog: pytest.LogCaptureFixture) -> None:
    run.paths.status.unlink()
    with EventFile(run.paths, TrainConfig(), 960):
        pass
    assert "no events for TensorBoard" in caplog.text
