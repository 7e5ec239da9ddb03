"""Facial expressions in images: a loaded model, and its predictions for a file."""

from abc import ABC, abstractmethod
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
from core.evaluation.grad_cam import grad_cam, mean_heat
from core.evaluation.inference import FLIP, PLAIN, class_probabilities
from core.evaluation.metrics import LOW_CONFIDENCE, with_temperature
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.models.cnn import CnnModel1, CnnModel2
from core.models.device import choose_device
from core.models.state_dict import load_weights
from core.prediction.face_search import find_faces
from core.prediction.faces import Region, crop_region, is_face_crop, is_tiny
from core.prediction.pictures import read_image_file
from core.runs.reader import find_run
from core.runs.records import Run
from core.runs.removed import require_weights


@dataclass(frozen=True)
class FacePrediction:
    """The prediction for one face."""

    region: Region
    crop: np.ndarray
    """uint8 (48, 48): the model input."""
    probabilities: np.ndarray
    """(7,) in the order of `LABELS`, summing to 1; calibrated, if the predictor has a temperature."""
    uncalibrated: np.ndarray
    """The same before calibration: the softmax of the model."""
    no_face: bool = False
    """No face was detected, and the full image was classified instead."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height in the image, in pixels; may reach over its edges."""
        return self.region.box

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which the crop was rotated, so that the face is upright: 0, 90, 180 or 270."""
        return self.region.rotation

    @property
    def detection_score(self) -> float | None:
        """0..1, confidence of the face detector; None where no face was searched for or found."""
        return self.region.score

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
    def low_confidence(self) -> bool:
        """Whether the label should not be relied on: see `LOW_CONFIDENCE`; or no face was detected, when the
        probabilities mean nothing, however high one is."""
        return self.no_face or self.confidence < LOW_CONFIDENCE

    @property
    def ranking(self) -> list[int]:
        """Class indices, the most likely first."""
        return [int(index) for index in np.argsort(-self.probabilities, kind="stable")]

    def as_json(self) -> dict[str, Any]:
        """Box, label and named probabilities, as `python -m core predict --json` prints them."""
        return {
            "box": list(self.box),
            "rotation": self.rotation,
            "detection_score": self.detection_score,
            "label": self.label,
            "confidence": self.confidence,
            "runner_up": self.runner_up,
            "low_confidence": self.low_confidence,
            "probabilities": dict(zip(LABELS, map(float, self.probabilities), strict=True)),
            "uncalibrated": dict(zip(LABELS, map(float, self.uncalibrated), strict=True)),
        }


class Detection(StrEnum):
    """How the faces of an image were found; but for `FACES`, the full image is classified."""

    FACES = "faces"
    FACE_CROP = "already a face crop"
    NO_FACE = "no face found"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class FaceCrops:
    """An image reduced to the crops that a model classifies: a few kilobytes, however large the image."""

    detection: Detection | None
    """None where it is unreadable."""
    regions: list[Region]
    """The faces, the largest first; or the full image."""
    crops: np.ndarray
    """uint8 (faces, 48, 48)."""
    name: str = ""
    problem: str = ""
    """Why it is unreadable, for people; then it has no faces."""

    @classmethod
    def unreadable(cls, name: str, problem: str) -> "FaceCrops":
        """For an image that could not be read."""
        return cls(None, [], np.empty((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8), name, problem)


@dataclass(frozen=True)
class PhotoPrediction:
    """The predictions for the faces in one image, or why there are none."""

    detection: Detection | None
    """None where it is unreadable."""
    faces: list[FacePrediction]
    """The largest first; a single one with the image as its box where the full image was classified."""
    name: str = ""
    """As the user named it; may hold anything: only show it escaped."""
    problem: str = ""
    """Why it is unreadable, for people; then it has no faces."""


def crop_faces(image: Image.Image, *, whole: bool = False, margin: float = 1.0, name: str = "") -> FaceCrops:
    """Detect the faces in a decoded image and crop them.

    Args:
        image: mode "L" or "RGB", as `decode_image` returns it.
        whole: skip face detection (use the full image).
        margin: crop margin; 1 matches FER2013 framing.
        name: of the image, passed on.
    """
    faces = [] if whole or is_tiny(image) else find_faces(image)
    if whole:
        detection = Detection.SKIPPED
    elif is_face_crop(image, faces):
        detection = Detection.FACE_CROP
    elif not faces:
        detection = Detection.NO_FACE
    else:
        detection = Detection.FACES
    if detection is Detection.FACES:
        regions = [Region(face.square(margin), face.rotation, face.score) for face in faces]
    else:
        full = (0, 0, *image.size)
        regions = [Region(full, face.rotation, face.score) for face in faces] or [Region(full)]
    return FaceCrops(detection, regions, np.stack([to_face(crop_region(image, region)) for region in regions]), name)


def limit_threads(threads: int) -> None:
    """Bound the CPU threads of this process's models and of its face detector; by default each uses all cores."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


class FaceClassifier(ABC):
    """What classifies faces: a model, or several that answer together. Threads may share it."""

    labels = LABELS
    """Names of the classes, in the order of the probabilities."""
    device: torch.device

    @property
    @abstractmethod
    def models(self) -> tuple[CnnModel1 | CnnModel2, ...]:
        """The networks behind it."""

    @abstractmethod
    def scores(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities of gray crops.

        Args:
            images: uint8 (N, 48, 48).

        Returns:
            (N, 7) uncalibrated and (N, 7) calibrated, rows summing to 1. Both are the same where no temperature is
            known.
        """

    @abstractmethod
    def grad_cam(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Grad-CAM of what is answered, over all views and models; as `core.evaluation.grad_cam.grad_cam`.

        Args:
            images: uint8 (N, 48, 48).
            classes: (N,) class indices, one asked about per image.
        """

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The uncalibrated ones of `scores`."""
        return self.scores(images)[0]

    def classify(self, images: Sequence[FaceCrops]) -> list[PhotoPrediction]:
        """The predictions for images whose faces were cropped, all faces in one batch; in their order, unreadable ones
        included."""
        if not images:
            return []
        raw, calibrated = self.scores(np.concatenate([image.crops for image in images]))
        results, start = [], 0
        for image in images:
            part = slice(start, start + len(image.regions))
            start = part.stop
            no_face = image.detection is Detection.NO_FACE
            parts = zip(image.regions, image.crops, calibrated[part], raw[part], strict=True)
            faces = [FacePrediction(*face, no_face=no_face) for face in parts]
            results.append(PhotoPrediction(image.detection, faces, image.name, image.problem))
        return results

    def predict(self, image: Image.Image, *, whole: bool = False, margin: float = 1.0) -> PhotoPrediction:
        """The expressions in a decoded image: of each face in it, or of the full image.

        Args:
            image: mode "L" or "RGB", as `decode_image` returns it.
            whole: skip face detection (use the full image).
            margin: crop margin; 1 matches FER2013 framing.
        """
        return self.classify([crop_faces(image, whole=whole, margin=margin)])[0]

    def predict_file(self, path: Path | str, *, whole: bool = False) -> PhotoPrediction:
        """The expressions in an image file, as `predict` finds them.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        path = Path(path)
        return self.predict(decode_image(read_image_file(path), path.name), whole=whole)


class Predictor(FaceClassifier):
    """A model ready to predict, in float32."""

    def __init__(
        self,
        model: CnnModel1 | CnnModel2,
        device: torch.device | str = "cpu",
        temperature: float | None = None,
        *,
        flip: bool = False,
    ) -> None:
        self.device = torch.device(device)
        model.to(self.device).to(memory_format=torch.channels_last)
        self.model = model.eval()
        self.temperature = temperature
        """Fitted on validation, on the views that are averaged; None where it is unknown, and probabilities are
        uncalibrated."""
        self.flip = flip
        """Flip TTA: the answer is the average over an image and its horizontal flip."""

    @classmethod
    def load(
        cls,
        weights: Path,
        model: str = "cnn-model-2",
        temperature: float | None = None,
        device: str = "",
        *,
        flip: bool = False,
    ) -> "Predictor":
        """From a run's `fer2013_model_2.pth`, on the GPU where PyTorch can use one and no device is named.

        Raises:
            RunError: the file is missing, corrupt, or has other weights.
        """
        return cls(load_weights(weights, model), device or choose_device(), temperature, flip=flip)

    @classmethod
    def of_run(cls, run: Run | str | Path, runs_root: Path = Path("runs"), *, flip: bool = True) -> "Predictor":
        """The best weights of a run, with the temperature of these views once it has been evaluated.

        Args:
            run: as read, or its id, or its folder.
            runs_root: where a run given by its id is.
            flip: average over each image and its horizontal flip, as the pages and the command line do.

        Raises:
            RunError: there is no such run, or it has no usable weights.
        """
        if not isinstance(run, Run):
            run = find_run(runs_root, f"{run}/" if isinstance(run, Path) else run)
        if run.config is None:
            raise RunError(f"Can't use run {run.id}: {run.problem}")
        require_weights(run)
        return cls.load(run.paths.weights, run.config.model, run.temperature_for(flip=flip), flip=flip)

    @property
    def models(self) -> tuple[CnnModel1 | CnnModel2, ...]:
        """The one network."""
        return (self.model,)

    def scores(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities of the evaluation, single view or flip TTA, as they are and calibrated."""
        views = FLIP if self.flip else PLAIN
        raw = class_probabilities(self.model, torch.tensor(images, device=self.device), views=views).cpu().numpy()
        return raw, raw if self.temperature is None else with_temperature(raw, self.temperature)

    def grad_cam(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Of the model; with flip TTA, the mean of the heatmaps of the image and of its flip, turned back."""
        if not self.flip:
            return grad_cam(self.model, images, classes)
        both = grad_cam(self.model, np.concatenate([images, images[:, :, ::-1]]), np.concatenate([classes, classes]))
        return mean_heat([both[: len(images)], both[len(images) :, :, ::-1]])
