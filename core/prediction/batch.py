"""Predictions for any number of images, batch by batch, in constant memory; and their JSON and CSV forms."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from PIL import Image

from core.data.decode import decode_image
from core.errors import ImageError
from core.labels import LABELS
from core.prediction.pictures import ImageFile
from core.prediction.predictor import FaceClassifier, FaceCrops, PhotoPrediction, crop_faces
from core.runs.table import spreadsheet_safe

IMAGES_PER_BATCH: Final = 32
"""Images whose faces go through the model together."""

CSV_COLUMNS: Final = [
    *(
        "file",
        "face",
        "left",
        "top",
        "width",
        "height",
        "rotation",
        "detection_score",
        "label",
        "confidence",
        "runner_up",
        "low_confidence",
        "detection",
    ),
    *(f"p_{label}" for label in LABELS),
]


def read_and_crop(
    image: ImageFile,
    *,
    whole: bool = False,
    margin: float = 1.0,
    look: Callable[[Image.Image], object] | None = None,
) -> FaceCrops:
    """Read and decode an image, detect its faces and crop them; the result of an unreadable image says what is wrong.

    Args:
        image: as `images_at` yields it.
        whole: skip face detection (use the full image).
        margin: crop margin; 1 matches FER2013 framing.
        look: called with the decoded image, which is dropped afterwards.
    """
    try:
        pixels = decode_image(image.read(), image.name)
    except ImageError as error:
        return FaceCrops.unreadable(image.name, str(error))
    if look:
        look(pixels)
    return crop_faces(pixels, whole=whole, margin=margin, name=image.name)


def predict_images(
    predictor: FaceClassifier, images: Iterable[ImageFile], cropped: Callable[[ImageFile], FaceCrops] = read_and_crop
) -> Iterator[PhotoPrediction]:
    """The one way from images to predictions: one for each, in their order; an unreadable image has a `problem` instead
    of faces, and the others are processed.

    An image is decoded, its faces are cropped, and it is dropped: only the crops of one batch are kept.

    Args:
        predictor: the model.
        images: as `images_at` yields them.
        cropped: `read_and_crop` with its options set, or what caches its results.
    """
    one_by_one = map(cropped, images)  # each before the next is asked for: a zip file may be closed by then
    while part := list(islice(one_by_one, IMAGES_PER_BATCH)):
        yield from predictor.classify(part)


def photo_as_json(name: str, photo: PhotoPrediction) -> dict[str, Any]:
    """An image's predictions, as `python -m core predict --json` prints them, one line each."""
    return {"file": name, "detection": str(photo.detection), "faces": [face.as_json() for face in photo.faces]}


def prediction_rows(name: str, photo: PhotoPrediction) -> list[dict[str, Any]]:
    """One row per face, with the columns `CSV_COLUMNS`.

    A name that a spreadsheet would treat as a formula gets an apostrophe before it.
    """
    return [
        {
            "file": spreadsheet_safe(name),
            "face": number,
            **dict(zip(("left", "top", "width", "height"), face.box, strict=True)),
            "rotation": face.rotation,
            "detection_score": None if face.detection_score is None else round(face.detection_score, 6),
            "label": face.label,
            "confidence": round(face.confidence, 6),
            "runner_up": face.runner_up,
            "low_confidence": face.low_confidence,
            "detection": str(photo.detection),
            **{f"p_{label}": round(float(p), 6) for label, p in zip(LABELS, face.probabilities, strict=True)},
        }
        for number, face in enumerate(photo.faces, start=1)
    ]
