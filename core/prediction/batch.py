"""Predictions for any number of pictures, batch by batch, in constant memory; and how they are written down."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from core.data.decode import decode_image
from core.errors import ImageError
from core.labels import LABELS
from core.prediction.pictures import Picture
from core.prediction.predictor import Framed, PhotoPrediction, Predictor, frame
from core.runs.table import spreadsheet_safe

IMAGES_PER_BATCH: Final = 32
"""Pictures whose faces go through the network together."""

CSV_COLUMNS: Final = [
    *("file", "face", "left", "top", "width", "height", "label", "confidence", "runner_up", "unsure", "taken"),
    *(f"p_{label}" for label in LABELS),
]


def frame_picture(picture: Picture, *, whole: bool = False, margin: float = 1.0) -> Framed:
    """Read and decode a picture, find its faces and cut them out; what cannot be read is said in what is returned.

    Args:
        picture: as `pictures_at` gives it.
        whole: do not look for faces.
        margin: how wide to cut; 1 is FER2013's framing.
    """
    try:
        image = decode_image(picture.read(), picture.name)
    except ImageError as error:
        return Framed.unreadable(picture.name, str(error))
    return frame(image, whole=whole, margin=margin, name=picture.name)


def predict_pictures(
    predictor: Predictor, pictures: Iterable[Picture], framed: Callable[[Picture], Framed] = frame_picture
) -> Iterator[PhotoPrediction]:
    """The one way from pictures to predictions: one for each, in their order; what cannot be read has a `problem`
    instead of faces, and the others go on.

    A picture is decoded, its faces are cut out, and it is dropped: only the crops of one batch are kept.

    Args:
        predictor: the network.
        pictures: as `pictures_at` gives them.
        framed: `frame_picture` with its options set, or what remembers its results.
    """
    one_by_one = map(framed, pictures)  # each before the next is asked for: a zip file may be closed by then
    while part := list(islice(one_by_one, IMAGES_PER_BATCH)):
        yield from predictor.read(part)


def photo_as_json(name: str, photo: PhotoPrediction) -> dict[str, Any]:
    """A picture's predictions, as `python -m core predict --json` prints them, one line each."""
    return {"file": name, "taken": str(photo.taken), "faces": [face.as_json() for face in photo.faces]}


def prediction_rows(name: str, photo: PhotoPrediction) -> list[dict[str, Any]]:
    """One row per face, with the columns `CSV_COLUMNS`.

    A name that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    return [
        {
            "file": spreadsheet_safe(name),
            "face": number,
            **dict(zip(("left", "top", "width", "height"), face.box, strict=True)),
            "label": face.label,
            "confidence": round(face.confidence, 6),
            "runner_up": face.runner_up,
            "unsure": face.unsure,
            "taken": str(photo.taken),
            **{f"p_{label}": round(float(p), 6) for label, p in zip(LABELS, face.probabilities, strict=True)},
        }
        for number, face in enumerate(photo.faces, start=1)
    ]
