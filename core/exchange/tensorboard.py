"""A run as a TensorBoard event file: scalars of its epochs and steps, its settings as hyperparameters, and at its end
the metrics and confusion matrices of the evaluation.

The events follow from the other files of the run alone, times included. So a file that could not be written, or that
is older than a resume, is made again from the beginning.
"""

import io
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from core.config import TrainConfig
from core.exchange.confusion_image import draw_confusion
from core.exchange.export import is_finite_number, stream_rows
from core.files import read_regular
from core.runs.paths import RunPaths
from core.runs.reader import read_status
from core.runs.summary import Summary

if TYPE_CHECKING:
    from tensorboardX.proto.summary_pb2 import Summary as Values

MOST_STEPS: Final = 1000
"""Steps of a run that are written, evenly spaced; of more, TensorBoard shows a random choice."""
_IMAGE_SPLITS: Final = ("validation", "test")
_NOT_PLOTTED: Final = frozenset({"epoch", "step", "elapsed_s"})
_LARGEST_RECORD: Final = 16_000_000
_HEADER, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")


class RunEvents:
    """The events of a run as bytes of an event file, in the order in which its files grow.

    The x axis of `epochs/...` is the epoch, that of `steps/...` the step; the rest of a tag is the field in
    `epochs.jsonl` or `steps.jsonl`. Wall times are the run's creation plus the time it has trained.
    """

    def __init__(
        self, paths: RunPaths, total_steps: int = 0, settings: Callable[[], Mapping[str, Any]] | None = None
    ) -> None:
        """
        Args:
            paths: the run.
            total_steps: of the whole training, as far as it is planned; by default what `status.json` says.
            settings: gives those of the run, for whoever has read them; by default those in `config.json` that
                this version knows.

        Raises:
            RunError: its `status.json` cannot be read.
        """
        status = read_status(paths)
        total = total_steps or status.epochs * status.batches
        self._paths = paths
        self._settings = settings or partial(_recorded_settings, paths)
        self._began = status.created_at.timestamp()
        self._every = max(1, -(-total // MOST_STEPS))
        self._offsets = {paths.epochs: 0, paths.steps: 0}

    def first(self) -> bytes:
        """What the file begins with: its version, that it says everything anew, and the settings.

        Raises:
            OSError, ValueError: the settings cannot be read.
        """
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import hparams

        begin = (
            Event(wall_time=self._began, file_version="brain.Event:2"),
            # Whoever has read an earlier file of the run forgets it.
            Event(wall_time=self._began, session_log=SessionLog(status=SessionLog.START)),
        )
        _, started, _ = hparams(dict(_as_hparams(self._settings())), {})
        return b"".join(_record(event.SerializeToString()) for event in begin) + self._event(0, 0.0, started)

    def new(self) -> bytes:
        """What was appended to the histories since the last call; empty where that is nothing.

        Raises:
            OSError: a history cannot be read.
        """
        events = [
            self._event(row["epoch"], row["elapsed_s"], _scalars("epochs", row))
            for row in self._rows(self._paths.epochs)
            if _is_count(row.get("epoch")) and is_finite_number(row.get("elapsed_s"))
        ]
        events += [
            self._event(row["step"], row["elapsed_s"], _scalars("steps", {**row, "epoch": None}))
            for row in self._rows(self._paths.steps)
            if _is_count(row.get("step")) and row["step"] % self._every == 0 and is_finite_number(row.get("elapsed_s"))
        ]
        return b"".join(events)

    def last(self) -> bytes:
        """Metrics and confusion matrices of the evaluation, at the epoch that was kept; empty before it.

        Raises:
            OSError, ValueError: `summary.json` is there, but cannot be read.
        """
        from tensorboardX.summary import hparams

        try:
            summary = Summary.model_validate_json(read_regular(self._paths.summary))
        except FileNotFoundError:
            return b""
        if not summary.evaluation:
            return b""
        step, elapsed = summary.best.epoch if summary.best else summary.epochs_done, summary.elapsed_seconds or 0.0
        events = []
        for split, metrics in summary.evaluation.items():
            events.append(self._event(step, elapsed, _scalars(f"evaluation/{split}", metrics.as_json())))
            if metrics.tta:
                flipped = _scalars(f"evaluation/{split}-flip-tta", metrics.tta.as_json())
                events.append(self._event(step, elapsed, flipped))
            if metrics.confusion and split in _IMAGE_SPLITS:
                events.append(self._event(step, elapsed, _image(f"confusion/{split}", metrics.confusion)))
        _, _, ended = hparams({}, {})
        return b"".join(events) + self._event(step, elapsed, ended)

    def _rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """The rows of a history after those that were read."""
        try:
            for row, end in stream_rows(path, self._offsets[path]):
                self._offsets[path] = end
                yield row
        except FileNotFoundError:  # before the first one
            return

    def _event(self, step: int, elapsed: float, values: "Values") -> bytes:
        from tensorboardX.proto.event_pb2 import Event

        event = Event(wall_time=self._began + elapsed, step=step, summary=values)
        return _record(event.SerializeToString())


def write_events(paths: RunPaths, file: IO[bytes]) -> None:
    """The event file of a run as it is now.

    Args:
        paths: the run.
        file: where it goes.

    Raises:
        RunError: the run has no readable `status.json`.
        OSError, ValueError: another of its files cannot be read, or the disk is full.
    """
    events = RunEvents(paths)
    for part in (events.first, events.new, events.last):
        file.write(part())


def check_events(file: IO[bytes]) -> None:
    """Read an event file to its end, without decoding what is in it. The last record may be incomplete, as after a
    crash.

    Raises:
        ValueError: it is none, or damaged.
    """
    from tensorboardX.record_writer import masked_crc32c

    while header := file.read(_HEADER.size + _CHECKSUM.size):
        if len(header) < _HEADER.size + _CHECKSUM.size:
            return
        length = header[: _HEADER.size]
        if _CHECKSUM.unpack(header[_HEADER.size :])[0] != masked_crc32c(length):
            raise ValueError("it is not an event file of TensorBoard, or damaged")
        size = _HEADER.unpack(length)[0]
        if size > _LARGEST_RECORD:
            raise ValueError(f"it has a record of more than {_LARGEST_RECORD // 10**6} MB")
        content, checksum = file.read(size), file.read(_CHECKSUM.size)
        if len(checksum) < _CHECKSUM.size:
            return
        if _CHECKSUM.unpack(checksum)[0] != masked_crc32c(content):
            raise ValueError("it is damaged")


def _record(content: bytes) -> bytes:
    """One record of a TFRecord file: length, its checksum, content, its checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = _HEADER.pack(len(content))
    return b"".join((length, _CHECKSUM.pack(masked_crc32c(length)), content, _CHECKSUM.pack(masked_crc32c(content))))


def _scalars(group: str, row: Mapping[str, Any]) -> "Values":
    from tensorboardX.proto.summary_pb2 import Summary as Values

    return Values(
        value=[
            Values.Value(tag=f"{group}/{name}", simple_value=value)
            for name, value in row.items()
            if name not in _NOT_PLOTTED and is_finite_number(value)
        ]
    )


def _image(tag: str, confusion: tuple[tuple[int, ...], ...]) -> "Values":
    from tensorboardX.proto.summary_pb2 import Summary as Values

    drawn = draw_confusion(confusion)
    png = io.BytesIO()
    drawn.save(png, format="PNG", optimize=True)
    image = Values.Image(height=drawn.height, width=drawn.width, colorspace=3, encoded_image_string=png.getvalue())
    return Values(value=[Values.Value(tag=tag, image=image)])


def _recorded_settings(paths: RunPaths) -> dict[str, Any]:
    """What `config.json` says of settings that there are; of an imported run it may hold anything else, too."""
    config = TrainConfig.model_validate_json(read_regular(paths.config), extra="ignore")
    return config.model_dump(mode="json", exclude_unset=True)


def _as_hparams(settings: Mapping[str, Any]) -> Iterator[tuple[str, bool | float | str]]:
    """The settings as TensorBoard takes them: what is no switch, number or text, as JSON."""
    for name, value in settings.items():
        yield name, value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62
