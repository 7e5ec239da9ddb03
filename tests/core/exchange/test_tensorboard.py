"""Event files: what is in them, and what a real TensorBoard serves from them."""

import io
import json
import shutil
import struct
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboardX.record_writer import masked_crc32c

from core.bench.server import free_port
from core.config import TrainConfig
from core.exchange.tensorboard import MOST_STEPS, check_events, write_events
from core.runs.history import drop_rows_after, read_rows
from core.runs.paths import RunPaths
from core.training import event_file
from core.training.event_file import EventFile
from tests.conftest import PROJECT_ROOT, wait_for
from tests.dashboard_fixtures import STEPS_PER_EPOCH, FakeRun, write_run
from tests.events import expected, scalars_in, values_in

REFERENCE = RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2")
EPOCH_FIELDS = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds")


@pytest.fixture(scope="module")
def reference_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "reference" / "events.out.tfevents.0001"
    path.parent.mkdir()
    with path.open("wb") as file:
        write_events(REFERENCE, file)
    return path


def test_the_scalars_are_those_of_the_histories(reference_events: Path) -> None:
    found, rows = scalars_in(reference_events), read_rows(REFERENCE.epochs)[0]
    for field in EPOCH_FIELDS:
        assert found[f"epochs/{field}"] == expected(rows, field), field
    every = -(-len(rows) * 224 // MOST_STEPS)
    steps = [row for row in read_rows(REFERENCE.steps)[0] if row["step"] % every == 0]
    assert 900 < len(steps) <= MOST_STEPS
    assert found["steps/loss"] == expected(steps, "loss", "step")
    assert not {"epochs/epoch", "epochs/step", "steps/epoch", "steps/elapsed_s"} & found.keys()


def test_the_evaluation_is_at_the_epoch_that_was_kept(reference_events: Path) -> None:
    summary = json.loads(REFERENCE.summary.read_text())
    [(step, accuracy)] = scalars_in(reference_events)["evaluation/test/accuracy"]
    assert step == summary["best"]["epoch"]
    assert accuracy == pytest.approx(summary["evaluation"]["test"]["accuracy"], rel=1e-6)
    images = {value.tag: value.image for _, value in values_in(reference_events) if value.HasField("image")}
    assert images.keys() == {"confusion/validation", "confusion/test"}
    picture = Image.open(io.BytesIO(images["confusion/test"].encoded_image_string))
    assert picture.size == (images["confusion/test"].width, images["confusion/test"].height)


def test_the_same_run_gives_the_same_bytes(reference_events: Path) -> None:
    again = io.BytesIO()
    write_events(REFERENCE, again)
    assert again.getvalue() == reference_events.read_bytes()


def test_what_no_number_format_holds_is_left_out(runs_root: Path, tmp_path: Path) -> None:
    """An imported run may bring integers of any length."""
    run = write_run(runs_root, Path(), "queued")
    config = json.loads(run.paths.config.read_text())
    run.paths.config.write_text(json.dumps({**config, "unknown": 10**400}))
    huge = f'{{"epoch": 2, "elapsed_s": {10**400}, "loss": 3}}\n{{"epoch": {10**400}, "elapsed_s": 1, "loss": 3}}\n'
    run.paths.epochs.write_text(f'{{"epoch": 1, "elapsed_s": 1, "x": {10**400}, "y": -{2**53}, "loss": 2}}\n{huge}')
    path = tmp_path / "events.out.tfevents.0001"
    with path.open("wb") as file:
        write_events(run.paths, file)
    assert scalars_in(path) == {"epochs/loss": [(1, 2.0)]}
    assert hparams_in(path).keys() == config.keys()


@pytest.mark.parametrize("change", ["first byte", "content", "checksum"])
def test_a_damaged_event_file_is_noticed(reference_events: Path, change: str) -> None:
    content = bytearray(reference_events.read_bytes())
    check_events(io.BytesIO(content))
    check_events(io.BytesIO(content[:-7]))  # as a crash leaves it
    content[{"first byte": 0, "content": 20, "checksum": len(content) - 1}[change]] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        check_events(io.BytesIO(content))


def test_a_record_that_claims_to_be_huge_is_not_read() -> None:
    length = struct.pack("<Q", 1 << 40)
    file = io.BytesIO(length + struct.pack("<I", masked_crc32c(length)) + bytes(1000))
    with pytest.raises(ValueError, match="more than 16 MB"):
        check_events(file)


class TensorBoard:
    """A real one, asked as its page asks it."""

    def __init__(self, logdir: Path) -> None:
        self.port = free_port()
        options = ("--logdir", logdir, "--port", self.port, "--host", "127.0.0.1", "--reload_interval", "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", *map(str, options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, path: str, **query: Any) -> Any:
        """None until there is an answer."""
        address = f"http://127.0.0.1:{self.port}/data/plugin/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert self.process.poll() is None, "TensorBoard has ended"
            return None

    def scalars(self, run: str, tag: str) -> list[tuple[int, float]]:
        rows = self.ask("scalars/scalars", run=run, tag=tag) or []
        return [(step, value) for _, step, value in rows]


@pytest.fixture
def tensorboard(runs_root: Path) -> Iterator[TensorBoard]:
    board = TensorBoard(runs_root)
    yield board
    board.process.terminate()
    board.process.wait(20)


def test_tensorboard_serves_what_the_histories_say(
    runs_root: Path, reference_events: Path, tensorboard: TensorBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a finished run and of one that trains, is killed, and is resumed from an earlier epoch."""
    monkeypatch.setattr(event_file, "FOLLOW_SECONDS", 0.1)
    shutil.copytree(reference_events.parent, runs_root / "reference")
    live = write_run(runs_root, Path(), "queued", epochs=12)
    total = 12 * STEPS_PER_EPOCH

    def wait_until_served() -> None:
        rows = read_rows(live.paths.epochs)[0]
        for field in EPOCH_FIELDS:
            wanted = expected(rows, field)
            wait_for(lambda: tensorboard.scalars(live.id, f"epochs/{field}") == wanted, 60, f"{field} as in the file")  # noqa: B023

    with EventFile(live.paths, TrainConfig(), total):
        _train_epochs(live, range(1, 4))
        wait_until_served()
        _train_epochs(live, range(4, 7))
        wait_until_served()
    drop_rows_after(live.paths.epochs, "step", 4 * STEPS_PER_EPOCH)
    drop_rows_after(live.paths.steps, "step", 4 * STEPS_PER_EPOCH)
    with EventFile(live.paths, TrainConfig(), total):
        wait_until_served()
        _train_epochs(live, range(5, 6), seed=1)
        wait_until_served()
    for field in EPOCH_FIELDS:
        assert tensorboard.scalars("reference", f"epochs/{field}") == expected(read_rows(REFERENCE.epochs)[0], field)
    steps = tensorboard.scalars(live.id, "steps/loss")
    assert steps == expected(read_rows(live.paths.steps)[0], "loss", "step")
    images = tensorboard.ask("images/tags")
    assert images["reference"].keys() == {"confusion/validation", "confusion/test"}


def _train_epochs(run: FakeRun, epochs: range, seed: int = 0) -> None:
    for epoch in epochs:
        run.add_epoch(epoch, seed)


def hparams_in(path: Path) -> Any:
    """Setting to its value, as TensorBoard's tab of hyperparameters gets them, by the reader behind it."""
    from tensorboard.plugins.hparams import metadata

    [start] = [value for _, value in values_in(path) if value.tag == metadata.SESSION_START_INFO_TAG]
    return metadata.parse_session_start_info_plugin_data(start.metadata.plugin_data.content).hparams


def test_tensorboard_knows_the_settings(reference_events: Path) -> None:
    settings = hparams_in(reference_events)
    config = json.loads(REFERENCE.config.read_text())
    assert settings.keys() == config.keys()
    assert settings["optimizer"].string_value == config["optimizer"] and settings["flip"].bool_value is True
    assert settings["learning_rate"].number_value == config["learning_rate"]
