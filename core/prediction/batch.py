"""Predictions for any number of pictures, batch by batch, in constant memory; and how they are written down."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from core.data.decode import decode_image
from core.errors import ImageError
from core.labels import LABELS
from core.prediction.pictures import Picture
from core.prediction.predictor import Framed, PhotoPrediction, Predictor, frame
from core.runs.table import spreadsheet_safe

BATCH: Final = 32
"""Pictures whose faces go through the network together."""

CSV_COLUMNS: Final = [
    *("file", "face", "left", "top", "width", "height", "label", "confidence", "runner_up", "unsure", "taken"),
    *(f"p_{label}" for label in LABELS),
]


@dataclass(frozen=True)
class Outcome:
    """What became of one picture."""

    name: str
    photo: PhotoPrediction | None
    """None where it could not be read."""
    problem: str = ""
    """Then one sentence says why."""


def predict_pictures(
    predictor: Predictor, pictures: Iterable[Picture], *, whole: bool = False, margin: float = 1.0
) -> Iterator[Outcome]:
    """The expressions on pictures, in their order; what cannot be read is reported, and the others go on.

    A picture is decoded, its faces are cut out, and it is dropped: only the crops of one batch are kept.

    Args:
        predictor: the network.
        pictures: as `pictures_at` gives them.
        whole: do not look for faces.
        margin: how wide to cut; 1 is FER2013's framing.
    """
    waiting: list[tuple[str, Framed | str]] = []
    for picture in pictures:
        waiting.append((picture.name, _framed(picture, whole, margin)))
        if len(waiting) == BATCH:
            yield from _read(predictor, waiting)
            waiting = []
    yield from _read(predictor, waiting)


def _framed(picture: Picture, whole: bool, margin: float) -> Framed | str:
    try:
        return frame(decode_image(picture.read(), picture.name), whole=whole, margin=margin)
    except ImageError as error:
        return str(error)


def _read(predictor: Predictor, waiting: list[tuple[str, Framed | str]]) -> Iterator[Outcome]:
    photos = iter(predictor.read([framed for _, framed in waiting if isinstance(framed, Framed)]))
    for name, framed in waiting:
        yield Outcome(name, None, framed) if isinstance(framed, str) else Outcome(name, next(photos))


def as_json(name: str, photo: PhotoPrediction) -> dict[str, Any]:
    """A picture's predictions, as `python -m core predict --json` prints them, one line each."""
    return {"file": name, "taken": str(photo.taken), "faces": [face.as_json() for face in photo.faces]}


def as_rows(name: str, photo: PhotoPrediction) -> list[dict[str, Any]]:
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
