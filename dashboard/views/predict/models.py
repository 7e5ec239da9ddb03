"""The models that can be selected on the Predict page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import display_name
from core.runs.records import Run
from dashboard.state import cache

if TYPE_CHECKING:
    from core.prediction.predictor import Predictor


@dataclass(frozen=True)
class Model:
    """A model selected on the page; loaded on use."""

    key: str
    """Changes with the weights and the temperature."""
    title: str
    temperature: float | None
    load: Callable[[], "Predictor"]
    run: Run | None = None
    """None for uploaded weights."""


def model_of(run: Run) -> Model:
    """A run's best weights."""
    key = f"{cache.file_key(run.paths.weights)} {run.temperature}"
    return Model(key, run.name, run.temperature, lambda: cache.predictor(run), run)


def model_of_upload(upload: Any) -> Model:
    """Uploaded weights.

    Raises:
        WeightsError: they are not those of one of our models.
    """
    loaded, where = cache.own_predictor(upload.file_id, upload.getvalue(), upload.name)
    name = display_name(upload.name)
    return Model(upload.file_id, f"{name} ({display_name(where)})" if where else name, None, lambda: loaded)
