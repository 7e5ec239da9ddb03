"""Several models that answer together: an ensemble, ready to predict."""

from collections.abc import Sequence

import numpy as np

from core.evaluation.averaging import average_calibrated
from core.evaluation.grad_cam import mean_heat
from core.models.cnn import CnnModel1, CnnModel2
from core.prediction.predictor import FaceClassifier, Predictor
from core.runs.ensembles import check_together
from core.runs.records import Run


class EnsemblePredictor(FaceClassifier):
    """The mean of the calibrated probabilities of its members.

    Args:
        members: at least one, all with the same views.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        self.members = tuple(members)
        self.device = self.members[0].device

    @property
    def models(self) -> tuple[CnnModel1 | CnnModel2, ...]:
        """The network of each member."""
        return tuple(member.model for member in self.members)

    def scores(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of the members' probabilities, and the mean of their calibrated ones."""
        raw = [member.probabilities(images) for member in self.members]
        return np.mean(raw, axis=0), average_calibrated(raw, [member.temperature for member in self.members])

    def grad_cam(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """The mean of the members' heatmaps."""
        return mean_heat([member.grad_cam(images, classes) for member in self.members])


def predictor_of(runs: Sequence[Run], *, flip: bool = True) -> FaceClassifier:
    """The model of a run, or those of several runs together.

    Args:
        runs: at least one.
        flip: as for `Predictor.of_run`.

    Raises:
        RunError: a run has no usable weights, or they cannot answer together.
    """
    if len(runs) == 1:
        return Predictor.of_run(runs[0], flip=flip)
    check_together(runs)
    return EnsemblePredictor([Predictor.of_run(run, flip=flip) for run in runs])
