"""What the files of an imported run may hold. Nothing in them is run, and nothing that later readers take is larger
than they can bear."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from core.config import TrainConfig
from core.errors import RunError
from core.exchange.tensorboard import check_events
from core.files import read_regular
from core.models.weights_format import MAX_WEIGHTS_BYTES, Foreign, identify
from core.runs.paths import RunPaths
from core.runs.records import RunMeta, RunStatus, reason_of
from core.runs.summary import Summary

_MB: Final = 1_000_000
_LONGEST_LINE: Final = 16 * _MB
"""Bytes. A label review of all images of a dataset is one line."""
_MOST_ROWS: Final = 200_000
"""Of a table of predictions; FER2013 has 35,887 images."""
_MOST_COLUMNS: Final = 50
_LONGEST_ID: Final = 1000
"""Bytes of the id of an image."""
_PLAIN_TYPES: Final = frozenset({"BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE", "BYTE_ARRAY"})


@dataclass(frozen=True)
class FileKind:
    """A kind of file in a run folder."""

    pattern: str
    """What its name matches."""
    most_bytes: int
    check: Callable[[RunPaths, Path], None]
    """Raises a ValueError, which says what is wrong as the end of a sentence, or a RunError with a whole one."""


def kind_of_file(name: str) -> FileKind | None:
    """The kind of a file by its name in the run folder; None where it is of no kind that is imported."""
    return next((kind for kind in _KINDS if re.fullmatch(kind.pattern, name)), None)


def check_contents(paths: RunPaths, name: str, kind: FileKind) -> None:
    """Whether a file that was unpacked into a run folder holds what its name promises.

    Args:
        paths: the folder; all files have been unpacked, and those of kinds before this one checked.
        name: of the file.
        kind: what `kind_of_file` gave for it.

    Raises:
        RunError: it does not.
    """
    try:
        kind.check(paths, paths.folder / name)
    except RunError as error:
        raise RunError(f"The bundle can't be imported. {error}") from error
    except ValueError as error:
        raise RunError(f"The bundle can't be imported: {name} is not usable ({reason_of(error)}).") from error


def _as_model(model: type[BaseModel], **options: Any) -> Callable[[RunPaths, Path], None]:
    def check(paths: RunPaths, path: Path) -> None:
        _json_object(paths, path)
        model.model_validate_json(read_regular(path), **options)

    return check


def _json_object(_: RunPaths, path: Path) -> None:
    _parse_object(read_regular(path))


def _json_lines(_: RunPaths, path: Path) -> None:
    """The last line may be incomplete, as in a run that was exported while it trained."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == _LONGEST_LINE:
                    raise ValueError(f"line {number} is too long")
                return
            try:
                _parse_object(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _parse_object(content: bytes) -> None:
    """
    Raises:
        ValueError: it is no JSON object, or holds NaN or Infinity, which no other JSON reader takes.
    """
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError("it is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it contains {name}")


def _weights(paths: RunPaths, path: Path) -> None:
    from core.models.state_dict import load_weights

    _tensors(paths, path)
    config = TrainConfig.model_validate_json(read_regular(paths.config), extra="ignore")
    load_weights(path, config.model)


def _tensors(_: RunPaths, path: Path) -> None:
    """A file of tensors and plain values; PyTorch refuses to run anything from it."""
    from core.models.state_dict import load_tensors

    data = read_regular(path)
    found = identify(data)
    if isinstance(found, Foreign):
        raise ValueError(f"it {found.what}")
    if found != "torch":
        raise ValueError("it was not written by torch.save")
    try:
        load_tensors(io.BytesIO(data))
    except RunError as error:
        raise ValueError("it is corrupt, or holds more than tensors, which may run code") from error


def _predictions(_: RunPaths, path: Path) -> None:
    """A table is looked at before it is read: a few bytes of Parquet may say a text a million times."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from core.evaluation.predictions import read_predictions

    try:
        about = pq.read_metadata(path)
        columns = [about.schema.column(index) for index in range(about.num_columns)]
        texts = [column.name for column in columns if column.physical_type == "BYTE_ARRAY"]
        if about.num_rows > _MOST_ROWS or about.num_columns > _MOST_COLUMNS or not _is_plain(about, columns):
            raise ValueError("it is not a table of predictions")
        table = pq.read_table(path, columns=texts, read_dictionary=texts)  # each text once
        for column in table.columns:
            lengths = [pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0 for chunk in column.chunks]
            if max(lengths, default=0) > _LONGEST_ID:
                raise ValueError("it has image ids that are too long")
    except (pa.ArrowException, OSError, AttributeError) as error:
        raise ValueError("it is not a table of predictions") from error
    read_predictions(path)


def _is_plain(about: Any, columns: list[Any]) -> bool:
    """Whether all columns have one value per row, of a fixed size or a text, and are packed as we pack them, which is
    at most some twenty times smaller."""
    packed = {
        about.row_group(group).column(index).compression
        for group in range(about.num_row_groups)
        for index in range(about.num_columns)
    }
    flat = all(column.max_repetition_level == 0 and column.physical_type in _PLAIN_TYPES for column in columns)
    return flat and packed <= {"SNAPPY", "UNCOMPRESSED"}


def _events(_: RunPaths, path: Path) -> None:
    with path.open("rb") as file:
        check_events(file)


def _anything(_: RunPaths, __: Path) -> None:
    """Text that is only ever shown or downloaded."""


_KINDS: Final = (
    FileKind(r"config\.json", _MB, _as_model(TrainConfig, extra="ignore")),
    FileKind(r"status\.json", _MB, _as_model(RunStatus)),
    FileKind(r"meta\.json", 5 * _MB, _as_model(RunMeta)),
    FileKind(r"summary\.json", 5 * _MB, _as_model(Summary)),
    FileKind(r"[a-z][a-z0-9-]{0,60}\.json", 50 * _MB, _json_object),
    FileKind(r"[a-z][a-z0-9-]{0,60}\.jsonl", 2_000 * _MB, _json_lines),
    FileKind(r"fer2013_model_2\.pth", MAX_WEIGHTS_BYTES, _weights),
    FileKind(r"checkpoint\.pt", MAX_WEIGHTS_BYTES, _tensors),
    FileKind(r"predictions-[a-z-]{1,40}\.parquet", 20 * _MB, _predictions),
    FileKind(r"events\.out\.tfevents\.[0-9]{4,8}", 50 * _MB, _events),
    FileKind(r"train\.log", 500 * _MB, _anything),
    FileKind(r"uncommitted(-resume-[0-9]{1,6})?\.diff", 500 * _MB, _anything),
)
"""Files of other kinds are left out of an import. `config.json` comes first: what else is checked may depend on it."""
