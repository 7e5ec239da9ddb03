"""The models that can be selected on the Predict page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import display_name
from core.runs.ensembles import Candidate, runs_of
from dashboard.state import cache, predictors

if TYPE_CHECKING:
    from core.prediction.predictor import FaceClassifier


@dataclass(frozen=True)
class Model:
    """A model selected on the page; loaded on use."""

    key: str
    """Changes with the weights, the views and the temperatures."""
    title: str
    load: Callable[[], "FaceClassifier"]
    temperatures: tuple[float | None, ...] = (None,)
    """Of each member; a single model is its only one. None where it is unknown."""
    candidate: Candidate | None = None
    """The run or ensemble; None for uploaded weights."""
    flip: bool = False
    """Flip TTA."""

    @property
    def id(self) -> str:
        """What files say it is."""
        return self.candidate.id if self.candidate else self.title


def model_of(candidate: Candidate, *, flip: bool) -> Model:
    """A run's best weights, or those of an ensemble's members."""
    runs = runs_of(candidate)
    temperatures = tuple(run.temperature_for(flip=flip) for run in runs)
    key = f"{[cache.file_key(run.paths.weights) for run in runs]} {temperatures} {flip}"
    return Model(
        key, candidate.name, lambda: predictors.classifier(candidate, flip=flip), temperatures, candidate, flip
    )


def model_of_upload(upload: Any, *, flip: bool) -> Model:
    """Uploaded weights, uncalibrated.

    Raises:
        WeightsError: they are not those of one of our models.
    """
    loaded, where = predictors.own_predictor(upload.file_id, upload.getvalue(), upload.name)
    name = display_name(upload.name)
    title = f"{name} ({display_name(where)})" if where else name
    return Model(
        f"{upload.file_id} {flip}", title, lambda: type(loaded)(loaded.model, loaded.device, flip=flip), flip=flip
    )
