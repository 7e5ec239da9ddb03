"""`predictions-<split>.parquet`: a model's predictions on every image of a split."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from core.errors import RunError, system_reason
from core.files import open_regular, read_regular, write_whole
from core.labels import LABELS

PROBABILITY_COLUMNS = [f"p_{label}" for label in LABELS]


def write_predictions(
    path: Path,
    ids: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write one row per image, in the order of the split.

    Args:
        path: the parquet file to replace.
        ids: (N,) image ids, strings.
        labels: (N,) true class indices.
        probabilities: (N, 7), rows summing to 1.
        origin: which weights made them, `epoch` and `weights_sha256`; kept in the file's metadata.
    """
    frame = predictions_frame(ids, labels, probabilities)
    frame.attrs.update(origin or {})
    write_whole(path, lambda file: frame.to_parquet(file, index=False))


def predictions_frame(ids: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """The columns of the file, `image_id`, `label`, `p_angry` ... `p_surprise` and `loss`; arguments as of
    `write_predictions`."""
    frame = pd.DataFrame(probabilities.astype(np.float32), columns=PROBABILITY_COLUMNS)
    frame.insert(0, "image_id", ids.astype(str))
    frame.insert(1, "label", labels.astype(np.int8))
    of_label = probabilities[np.arange(len(labels)), labels]
    frame["loss"] = -np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).astype(np.float32)
    return frame


def read_origin(path: Path) -> dict[str, Any]:
    """Which weights made these predictions, as given to `write_predictions`; empty if the file does not record it, as
    of older versions, or is missing."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            metadata = pq.read_schema(file).metadata or {}
        origin = json.loads(metadata.get(b"PANDAS_ATTRS", b"{}"))
    except (OSError, ValueError):
        return {}
    return origin if isinstance(origin, dict) else {}


def read_predictions(path: Path) -> pd.DataFrame:
    """The file's columns (`image_id`, `label`, `p_angry` ... `p_surprise`, `loss`) and, made from them, `index` (the
    row in the split), `predicted` (class index), `confidence` (the predicted class's probability, 0..1) and `correct`.

    Raises:
        RunError: the file is missing or no such table.
    """
    try:
        frame = _checked(pd.read_parquet(io.BytesIO(read_regular(path))))
    except FileNotFoundError:
        raise RunError(
            f"{path.name} doesn't exist yet. It is written when the run has been evaluated on that split."
        ) from None
    except OSError as error:
        raise RunError(f"Can't read {path.name}: {system_reason(error)}.") from error
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:  # pyarrow's own are ValueErrors or these
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise RunError(f"{path.name} is not a valid table of predictions: {reason}.") from error
    return with_outcomes(frame)


def with_outcomes(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of `predictions_frame`, and those that `read_predictions` makes from them."""
    probabilities = probabilities_of(frame)
    extra: dict[str, Any] = {
        "index": np.arange(len(frame)),
        "predicted": probabilities.argmax(axis=1),
        "confidence": probabilities.max(axis=1),
    }
    frame = frame.assign(**extra)
    return frame.assign(correct=frame["label"] == frame["predicted"])


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of a file, each of the type and range that pages compute with.

    Raises:
        ValueError: a column is missing or has other values.
    """
    missing = [name for name in ("image_id", "label", "loss", *PROBABILITY_COLUMNS) if name not in frame]
    if missing:
        raise ValueError(f"it has no column {missing[0]!r}")
    if not pd.api.types.is_integer_dtype(frame["label"]) or not frame["label"].between(0, len(LABELS) - 1).all():
        raise ValueError(f"its labels are not all of 0 to {len(LABELS) - 1}")
    if not all(isinstance(image, str) for image in frame["image_id"]):
        raise ValueError("its image ids are not all text")
    for name in PROBABILITY_COLUMNS:
        if not pd.api.types.is_float_dtype(frame[name]) or not frame[name].between(0, 1 + 1e-3).all():
            raise ValueError(f"its column {name!r} is not all of 0 to 1")
    if not pd.api.types.is_float_dtype(frame["loss"]) or not np.isfinite(frame["loss"].to_numpy()).all():
        raise ValueError("its losses are not all finite")
    return frame


def probabilities_of(frame: pd.DataFrame) -> np.ndarray:
    """(N, 7) probabilities out of a table of predictions."""
    return frame[PROBABILITY_COLUMNS].to_numpy()
