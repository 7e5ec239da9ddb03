"""Expressions on pictures: a loaded network, and what it says about a file."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.errors import ImageError
from core.evaluation.inference import class_probabilities
from core.labels import LABELS
from core.models import CnnModel1, CnnModel2, load_weights
from core.prediction.faces import cut_out, find_faces, is_face_crop
from core.prediction.uploads import MAX_BYTES, decode_image, to_face


@dataclass(frozen=True)
class FacePrediction:
    """What the network says about one face."""

    box: tuple[int, int, int, int]
    """Left, top, width and height in the picture, in pixels; may reach over its edges."""
    crop: np.ndarray
    """uint8 (48, 48): exactly what the network saw."""
    probabilities: np.ndarray
    """(7,) in the order of `LABELS`, summing to 1."""

    @property
    def label(self) -> str:
        return LABELS[int(self.probabilities.argmax())]

    def as_json(self) -> dict[str, Any]:
        """Box, label and named probabilities, as `python -m core predict --json` prints them."""
        probabilities = dict(zip(LABELS, map(float, self.probabilities), strict=True))
        return {"box": list(self.box), "label": self.label, "probabilities": probabilities}


class Taken(StrEnum):
    """What of a picture the network was shown."""

    FACES = "faces"
    WHOLE_AS_A_CROP = "already a face crop"
    WHOLE_WITHOUT_A_FACE = "no face found"
    WHOLE_AS_ASKED = "whole picture"


@dataclass(frozen=True)
class PhotoPrediction:
    """What the network says about one picture."""

    taken: Taken
    faces: list[FacePrediction]
    """The largest first; a single one with the picture as its box where the whole was taken."""


class Predictor:
    """A network ready to predict, in float32."""

    def __init__(self, model: CnnModel1 | CnnModel2, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        model.to(self.device).to(memory_format=torch.channels_last)
        self.model = model.eval()

    @classmethod
    def load(cls, weights: Path, model: str = "cnn-model-2") -> "Predictor":
        """From a run's `fer2013_model_2.pth`, on the GPU where there is one.

        Raises:
            RunError: the file is missing, damaged, or holds other weights.
        """
        return cls(load_weights(weights, model), "cuda" if torch.cuda.is_available() else "cpu")

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Class probabilities of gray crops.

        Args:
            images: uint8 (N, 48, 48).

        Returns:
            float32 (N, 7), rows summing to 1.
        """
        return class_probabilities(self.model, torch.tensor(images, device=self.device)).cpu().numpy()

    def predict(self, image: Image.Image, *, whole: bool = False, margin: float = 1.0) -> PhotoPrediction:
        """The expressions on a decoded picture: of each face on it, or of the picture as a whole.

        Args:
            image: upright, mode "L" or "RGB", as `decode_image` gives it.
            whole: do not look for faces.
            margin: how wide to cut; 1 is FER2013's framing.
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
        crops = np.stack([to_face(cut_out(image, box)) for box in boxes])
        probabilities = self.probabilities(crops)
        return PhotoPrediction(
            taken, [FacePrediction(*parts) for parts in zip(boxes, crops, probabilities, strict=True)]
        )

    def predict_file(self, path: Path, *, whole: bool = False) -> PhotoPrediction:
        """The expressions on a picture file, as `predict` finds them.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # one more than allowed, so that the decoder refuses what is too large
        except OSError as error:
            raise ImageError(f"Cannot read {path.name}: {error.strerror or error}.") from None
        return self.predict(decode_image(data, path.name), whole=whole)
