"""What is on disk while a run trains, and what a crash, a failure or a full disk leaves of it."""

import errno
import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import files
from core.config import TrainConfig
from core.errors import TrainingError
from core.files import read_json
from core.runs.best import describe_mismatch, weights_origin
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.training import checkpointer, loop
from core.training.checkpoint import HostCopy
from core.training.loop import Stopped
from core.training.writer import MOST_WAITING, BackgroundWriter
from core.worker import explain
from tests.conftest import wait_for
from tests.core.training.test_loop import TINY, assert_bit_equal, train_on

CONFIG = TrainConfig(**TINY)
BATCHES = 5


class Killed(BaseException):
    """As SIGKILL: nothing is done any more."""


@pytest.fixture(autouse=True)
def better_and_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_score", lambda row: row["epoch"])


def at_batch(number: int, what: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something before the batch of this number, from 0, is trained on."""
    step_seed = loop.step_seed

    def seed(seed: int, step: int) -> int:
        if step == number:
            what()
        return step_seed(seed, step)

    monkeypatch.setattr(loop, "step_seed", seed)


def killed() -> None:
    raise Killed


def full_disk(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that have been replaced, in this order."""
    names: list[str] = []
    replace = files.os.replace

    def note(source: str, target: Path) -> None:
        replace(source, target)
        names.append(Path(target).name)

    monkeypatch.setattr(files.os, "replace", note)
    return names


def test_short_epochs_have_no_checkpoint_of_their_own(tmp_path: Path, demo_root: Path, replaced: list[str]) -> None:
    paths = create_run(tmp_path, CONFIG.model_copy(update={"epochs": 5}), run_id="run")
    replaced.clear()
    train_on(paths, CONFIG.model_copy(update={"epochs": 5}), demo_root)
    counts = Counter(replaced)
    assert (counts["checkpoint.pt"], counts["fer2013_model_2.pth"]) == (2, 2), "the first epoch and the last"
    assert counts["summary.json"] == 6
    first = [name for name in replaced if name != "status.json"][:4]
    assert first == ["checkpoint.pt", "fer2013_model_2.pth", "predictions-validation.parquet", "summary.json"]


def test_training_goes_on_while_a_checkpoint_is_written(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    further, write = threading.Event(), checkpointer.write_checkpoint

    def slow(*arguments: Any) -> None:
        assert further.wait(60), "the next epoch waited for the disk"
        write(*arguments)

    whole = create_run(tmp_path / "whole", CONFIG, run_id="run")
    train_on(whole, CONFIG, demo_root)
    monkeypatch.setattr(checkpointer, "write_checkpoint", slow)
    at_batch(BATCHES + 3, further.set, monkeypatch)
    paths = create_run(tmp_path / "slow", CONFIG, run_id="run")
    train_on(paths, CONFIG, demo_root)
    assert_bit_equal(whole, paths)


def test_a_kill_costs_the_epochs_since_the_checkpoint_and_nothing_else(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, paths = (create_run(tmp_path / name, CONFIG, run_id="run") for name in ("whole", "killed"))
    train_on(whole, CONFIG, demo_root)
    with monkeypatch.context() as patch:
        at_batch(2 * BATCHES + 2, killed, patch)
        with pytest.raises(Killed):
            train_on(paths, CONFIG, demo_root)
    assert [row["epoch"] for row in read_rows(paths.epochs)[0]] == [1, 2]
    summary = read_json(paths.summary)
    assert (summary["best"]["epoch"], summary["checkpoint_step"], weights_origin(paths)["epoch"]) == (2, BATCHES, 1)
    said = describe_mismatch(paths)
    assert said and "Resume the run to make them match." in said
    with pytest.raises(Stopped):
        train_on(paths, CONFIG, demo_root, stop_after=0)
    assert describe_mismatch(paths) is None, "the resume has gone back to epoch 1"
    train_on(paths, CONFIG, demo_root)
    assert_bit_equal(whole, paths)
    assert weights_origin(paths) == weights_origin(whole)


def test_a_step_that_fails_costs_no_epoch(tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverges() -> None:
        raise TrainingError("Training loss is NaN.")

    whole, paths = (create_run(tmp_path / name, CONFIG, run_id="run") for name in ("whole", "failed"))
    train_on(whole, CONFIG, demo_root)
    with monkeypatch.context() as patch:
        at_batch(2 * BATCHES + 2, diverges, patch)
        with pytest.raises(TrainingError):
            train_on(paths, CONFIG, demo_root)
    assert torch.load(paths.checkpoint, weights_only=True)["progress"]["epoch"] == 2
    assert weights_origin(paths)["epoch"] == 2 and describe_mismatch(paths) is None
    train_on(paths, CONFIG, demo_root)
    assert_bit_equal(whole, paths)


@pytest.mark.parametrize("stop_after", [None, 2 * BATCHES + 2], ids=["at the end", "at a stop"])
def test_a_disk_that_is_full_fails_the_run_and_keeps_the_last_checkpoint(
    stop_after: int | None, tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, paths = (create_run(tmp_path / name, CONFIG, run_id="run") for name in ("whole", "full"))
    train_on(whole, CONFIG, demo_root)
    write = checkpointer.write_checkpoint
    writes = iter((write, full_disk))  # the disk fills up after the first epoch
    with monkeypatch.context() as patch:
        patch.setattr(checkpointer, "write_checkpoint", lambda *arguments: next(writes)(*arguments))
        with pytest.raises(OSError, match="No space left") as raised:
            train_on(paths, CONFIG, demo_root, stop_after)
    assert explain(raised.value).startswith("The disk is full. Free some space, then resume")
    assert torch.load(paths.checkpoint, weights_only=True)["progress"]["step"] == BATCHES
    assert weights_origin(paths)["epoch"] == 1
    train_on(paths, CONFIG, demo_root)
    assert_bit_equal(whole, paths)


def test_a_disk_that_is_full_is_noticed_within_the_epoch(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not only when the next checkpoint is due."""
    writers, steps = [], []
    start = BackgroundWriter.start

    def noted(self: BackgroundWriter) -> None:
        writers.append(self)
        start(self)

    monkeypatch.setattr(BackgroundWriter, "start", noted)
    monkeypatch.setattr(checkpointer, "write_checkpoint", full_disk)
    at_batch(BATCHES, lambda: wait_for(lambda: writers[0].error is not None, 60, "the failure"), monkeypatch)
    for number in range(BATCHES, 3 * BATCHES):
        at_batch(number, lambda number=number: steps.append(number), monkeypatch)  # type: ignore[misc]
    paths = create_run(tmp_path, CONFIG, run_id="run")
    with pytest.raises(OSError, match="No space left"):
        train_on(paths, CONFIG, demo_root)
    assert steps == [BATCHES]
    assert not paths.checkpoint.exists() and not paths.summary.exists(), "nothing that looks like a result"


def test_a_copy_stays_as_it_was() -> None:
    tensor = torch.ones(2, 3).T
    copy = HostCopy({"a": [tensor, 7], "b": (tensor[0], None)})
    tensor.zero_()
    held = copy.get()
    assert held["a"][0].equal(torch.ones(3, 2)) and held["a"][0].stride() == tensor.stride()
    assert held["b"][0].equal(torch.ones(2)) and (held["a"][1], held["b"][1]) == (7, None)


def test_the_end_of_an_epoch_is_on_the_host_before_a_gpu_may_fail(
    tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some errors a GPU answers nothing any more, not even whether a copy that ended long ago has ended."""
    failed, get, start = threading.Event(), HostCopy.get, BackgroundWriter.start
    writers: list[BackgroundWriter] = []

    def ask(self: HostCopy) -> Any:
        if failed.is_set() and not hasattr(self, "asked"):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        self.asked = True  # type: ignore[attr-defined]
        return get(self)

    def fail() -> None:
        writers[0].wait()
        failed.set()
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(BackgroundWriter, "start", lambda self: (writers.append(self), start(self)))
    monkeypatch.setattr(HostCopy, "get", ask)
    at_batch(2 * BATCHES + 1, fail, monkeypatch)
    paths = create_run(tmp_path, CONFIG, run_id="run")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        train_on(paths, CONFIG, demo_root)
    assert torch.load(paths.checkpoint, weights_only=True)["progress"]["epoch"] == 2, "which had none of its own"


@pytest.mark.gpu
def test_a_copy_from_a_gpu_is_in_turn_with_its_kernels() -> None:
    tensor = torch.zeros(1 << 24, device="cuda")
    copies = []
    for _ in range(20):
        tensor.add_(1)
        copies.append(HostCopy({"tensor": tensor}))
    for number, copy in enumerate(copies, 1):
        held = copy.get()["tensor"]
        assert held.device.type == "cpu" and held.is_pinned() and bool((held == number).all())


def test_what_is_written_is_written_in_order_and_not_after_a_failure() -> None:
    writer, done = BackgroundWriter(), []
    for number in range(MOST_WAITING):
        writer.put(lambda number=number: done.append(number) if number != 5 else full_disk())  # type: ignore[misc]
    writer.start()
    with pytest.raises(OSError, match="No space left"):
        writer.wait()
    assert done == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="No space left"):
        writer.put(lambda: done.append(6))
    writer.close()
    assert done == [0, 1, 2, 3, 4]


def test_rows_tell_the_weights_of_every_best_epoch_though_few_are_written(tmp_path: Path, demo_root: Path) -> None:
    paths = create_run(tmp_path, CONFIG, run_id="run")
    train_on(paths, CONFIG, demo_root)
    hashes = [json.loads(line)["weights_sha256"] for line in paths.epochs.read_text().splitlines()]
    assert len(set(hashes)) == 3
    assert weights_origin(paths) == {"epoch": 3, "weights_sha256": hashes[-1]}


def test_an_interrupted_thread_does_not_outlive_the_training(paths_of_a_stopped_run: RunPaths) -> None:
    assert not [thread for thread in threading.enumerate() if thread.name == "writer"]
    assert paths_of_a_stopped_run.checkpoint.exists()


@pytest.fixture
def paths_of_a_stopped_run(tmp_path: Path, demo_root: Path) -> RunPaths:
    paths = create_run(tmp_path, CONFIG, run_id="run")
    with pytest.raises(Stopped):
        train_on(paths, CONFIG, demo_root, stop_after=2)
    return paths
