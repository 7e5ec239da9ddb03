"""Expressions on pictures: a loaded network, and what it says about a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from core.data.decode import decode_image, to_face
from core.errors import RunError
from core.evaluation.inference import class_probabilities
from core.evaluation.metrics import LOW_CONFIDENCE, with_temperature
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.models.cnn import CnnModel1, CnnModel2
from core.models.state_dict import load_weights
from core.prediction.faces import cut_out, find_faces, is_face_crop
from core.prediction.pictures import read_picture
from core.runs.reader import find_run
from core.runs.records import Run


@dataclass(frozen=True)
class FacePrediction:
    """What the network says about one face."""

    box: tuple[int, int, int, int]
    """Left, top, width and height in the picture, in pixels; may reach over its edges."""
    crop: np.ndarray
    """uint8 (48, 48): exactly what the network saw."""
    probabilities: np.ndarray
    """(7,) in the order of `LABELS`, summing to 1; calibrated, if the predictor has a temperature."""
    uncalibrated: np.ndarray
    """The same as the network gave them."""

    @property
    def label(self) -> str:
        return LABELS[self.ranking[0]]

    @property
    def confidence(self) -> float:
        """Probability of the label, 0..1."""
        return float(self.probabilities.max())

    @property
    def runner_up(self) -> str:
        """The second most likely class."""
        return LABELS[self.ranking[1]]

    @property
    def unsure(self) -> bool:
        """Whether the label should not be relied on, see `LOW_CONFIDENCE`."""
        return self.confidence < LOW_CONFIDENCE

    @property
    def ranking(self) -> list[int]:
        """Class indices, the most likely first."""
        return [int(index) for index in np.argsort(-self.probabilities, kind="stable")]

    def as_json(self) -> dict[str, Any]:
        """Box, label and named probabilities, as `python -m core predict --json` prints them."""
        return {
            "box": list(self.box),
            "label": self.label,
            "confidence": self.confidence,
            "runner_up": self.runner_up,
            "unsure": self.unsure,
            "probabilities": dict(zip(LABELS, map(float, self.probabilities), strict=True)),
            "uncalibrated": dict(zip(LABELS, map(float, self.uncalibrated), strict=True)),
        }


class Taken(StrEnum):
    """What of a picture the network was shown."""

    FACES = "faces"
    WHOLE_AS_A_CROP = "already a face crop"
    WHOLE_WITHOUT_A_FACE = "no face found"
    WHOLE_AS_ASKED = "whole picture"


@dataclass(frozen=True)
class Framed:
    """A picture reduced to what a network is shown of it; a few kilobytes, whatever the picture had."""

    taken: Taken | None
    """None where it could not be read."""
    boxes: list[tuple[int, int, int, int]]
    """Of the faces, the largest first; or the one of the whole picture."""
    crops: np.ndarray
    """uint8 (faces, 48, 48)."""
    name: str = ""
    problem: str = ""
    """One sentence, where it could not be read; then it has no faces."""

    @classmethod
    def unreadable(cls, name: str, problem: str) -> "Framed":
        """What stands for a picture that could not be read."""
        return cls(None, [], np.empty((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8), name, problem)


@dataclass(frozen=True)
class PhotoPrediction:
    """What became of one picture: what the network says about its faces, or a sentence that says why nothing."""

    taken: Taken | None
    """None where it could not be read."""
    faces: list[FacePrediction]
    """The largest first; a single one with the picture as its box where the whole was taken."""
    name: str = ""
    """As the user gave it; may hold anything: only show it escaped."""
    problem: str = ""
    """One sentence, where it could not be read; then it has no faces."""


def frame(image: Image.Image, *, whole: bool = False, margin: float = 1.0, name: str = "") -> Framed:
    """Find the faces on a decoded picture and cut them out.

    Args:
        image: upright, mode "L" or "RGB", as `decode_image` gives it.
        whole: do not look for faces.
        margin: how wide to cut; 1 is FER2013's framing.
        name: of the picture, passed on.
    """
    faces = [] if whole else find_faces(image)
    if whole:
        taken = Taken.WHOLE_AS_ASKED
    elif is_face_crop(image, faces):
        taken = Taken.WHOLE_AS_A_CROP
    elif not faces:
        taken = Taken.WHOLE_WITHOUT_A_FACE
    else:
        taken = Taken.FACES
    boxes = [face.square(margin) for face in faces] if taken is Taken.FACES else [(0, 0, *image.size)]
    return Framed(taken, boxes, np.stack([to_face(cut_out(image, box)) for box in boxes]), name)


def limit_threads(threads: int) -> None:
    """Bound the CPU threads of this process's networks and of its face detector; by default each takes all cores."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


class Predictor:
    """A network ready to predict, in float32. Threads may share it."""

    labels = LABELS
    """Names of the classes, in the order of the probabilities."""

    def __init__(
        self, model: CnnModel1 | CnnModel2, device: torch.device | str = "cpu", temperature: float | None = None
    ) -> None:
        self.device = torch.device(device)
        model.to(self.device).to(memory_format=torch.channels_last)
        self.model = model.eval()
        self.temperature = temperature
        """Fitted on validation; None where it is not known, and probabilities are left as they are."""

    @classmethod
    def load(
        cls, weights: Path, model: str = "cnn-model-2", temperature: float | None = None, device: str = ""
    ) -> "Predictor":
        """From a run's `fer2013_model_2.pth`, on the GPU where there is one and no device is named.

        Raises:
            RunError: the file is missing, damaged, or holds other weights.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(load_weights(weights, model), device, temperature)

    @classmethod
    def of_run(cls, run: Run | str | Path, runs_root: Path = Path("runs")) -> "Predictor":
        """The best weights of a run, with its temperature once it has been evaluated.

        Args:
            run: as read, or its id, or its folder.
            runs_root: where a run given by its id is.

        Raises:
            RunError: there is no such run, or it has no usable weights.
        """
        if not isinstance(run, Run):
            run = find_run(runs_root, f"{run}/" if isinstance(run, Path) else run)
        if run.config is None:
            raise RunError(f"Run {run.id} cannot be used: {run.problem}")
        return cls.load(run.paths.weights, run.config.model, run.temperature)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Class probabilities of gray crops, uncalibrated: those of the evaluation.

        Args:
            images: uint8 (N, 48, 48).

        Returns:
            float32 (N, 7), rows summing to 1.
        """
        return class_probabilities(self.model, torch.tensor(images, device=self.device)).cpu().numpy()

    def read(self, pictures: Sequence[Framed]) -> list[PhotoPrediction]:
        """What the network says about pictures that were framed, all faces in one batch; in their order, those that
        could not be read too."""
        if not pictures:
            return []
        raw = self.probabilities(np.concatenate([picture.crops for picture in pictures]))
        calibrated = raw if self.temperature is None else with_temperature(raw, self.temperature)
        results, start = [], 0
        for picture in pictures:
            part = slice(start, start + len(picture.boxes))
            start = part.stop
            faces = zip(picture.boxes, picture.crops, calibrated[part], raw[part], strict=True)
            results.append(
                PhotoPrediction(picture.taken, [FacePrediction(*face) for face in faces], picture.name, picture.problem)
            )
        return results

    def predict(self, image: Image.Image, *, whole: bool = False, margin: float = 1.0) -> PhotoPrediction:
        """The expressions on a decoded picture: of each face on it, or of the picture as a whole.

        Args:
            image: upright, mode "L" or "RGB", as `decode_image` gives it.
            whole: do not look for faces.
            margin: how wide to cut; 1 is FER2013's framing.
        """
        return self.read([frame(image, whole=whole, margin=margin)])[0]

    def predict_file(self, path: Path | str, *, whole: bool = False) -> PhotoPrediction:
        """The expressions on a picture file, as `predict` finds them.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        path = Path(path)
        return self.predict(decode_image(read_picture(path), path.name), whole=whole)
