"""What the Predict page computes: models to choose from, images out of uploads, and their predictions."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import pandas as pd
import streamlit as st
from PIL import Image

from core.data.archives import is_zip
from core.data.decode import decode_image
from core.errors import ImageError, display_name
from core.prediction.pictures import ImageFile, images_in_zip
from core.runs.records import Run
from dashboard.state import cache

if TYPE_CHECKING:
    from core.prediction.predictor import FaceCrops, FacePrediction, PhotoPrediction, Predictor

MAX_IMAGES: Final = 500
"""Images the page processes at once; the command line processes any number."""
MAX_UPLOAD_BYTES: Final = 500_000_000
"""Bytes of all uploads together."""
SHOWN_SIDE: Final = 1000
"""Longest side at which a photo is shown, in pixels."""


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


@dataclass
class Memory:
    """What one visitor's page keeps between its script runs, by the keys of image and model and the crop; an image
    takes a few kilobytes here."""

    framed: dict[tuple, "FaceCrops"] = field(default_factory=dict)
    predicted: dict[tuple, "PhotoPrediction"] = field(default_factory=dict)
    last: tuple[str, Image.Image, float] | None = None
    """The photo on display: its key, itself at the size it is shown, and the scale of that."""

    def forget_all_but(self, keys: set[str]) -> None:
        """Drop what is about removed images."""
        self.framed = {key: value for key, value in self.framed.items() if key[0] in keys}
        self.predicted = {key: value for key, value in self.predicted.items() if key[0] in keys}
        if self.last and self.last[0] not in keys:
            self.last = None


@dataclass(frozen=True)
class Result:
    """An image, and the prediction of each model."""

    image_file: ImageFile
    photos: tuple["PhotoPrediction", ...]

    @property
    def name(self) -> str:
        """Safe to show, except as Markdown."""
        return display_name(self.image_file.name)

    @property
    def problem(self) -> str:
        """Why it is unreadable, the same for all models."""
        return self.photos[0].problem


def memory() -> Memory:
    """This visitor's."""
    return cast(Memory, st.session_state.setdefault("predict-memory", Memory()))


def uploaded_images(uploads: Sequence[Any]) -> list[ImageFile]:
    """The images of uploaded files, also inside zips, each with a key of its own; at most one more than
    `MAX_IMAGES`."""
    found: list[ImageFile] = []
    total = 0
    for upload in uploads:
        total += upload.size
        for number, image_file in enumerate(_files_in(upload, total)):
            found.append(image_file._replace(key=f"{upload.file_id}-{number}"))
            if len(found) > MAX_IMAGES:
                return found
    return found


def _files_in(upload: Any, total: int) -> Iterator[ImageFile]:
    if total > MAX_UPLOAD_BYTES:
        message = f"“{display_name(upload.name)}” skipped: total upload limit is 500 MB."
        yield ImageFile(upload.name, lambda: _refuse(message))
    elif is_zip(upload.getvalue()):
        yield from images_in_zip(cast(io.RawIOBase, io.BytesIO(upload.getvalue())), upload.name)
    else:
        yield ImageFile(upload.name, upload.getvalue)


def _refuse(message: str) -> bytes:
    raise ImageError(message)


def results(
    image_files: Sequence[ImageFile],
    models: Sequence[Model],
    whole: bool,
    margin: float,
    progress: Callable[[float, str], object],
) -> list[Result]:
    """The predictions of each model for each image. Only what is new is computed: a visitor who adds a photo to a
    hundred waits for one, and one who interrupts the page loses nothing.

    Args:
        image_files: with their keys.
        models: one or two; faces are detected once for all.
        whole: skip face detection.
        margin: crop margin; 1 is FER2013's framing.
        progress: called with the fraction that is done, and the progress in words.
    """
    from core.prediction.batch import predict_images, read_and_crop

    kept, cut = memory(), (whole, 1.0 if whole else margin)
    places = {image_file.key: place for place, image_file in enumerate(image_files)}
    kept.forget_all_but(set(places))

    def framed(image_file: ImageFile) -> "FaceCrops":
        key, place = (image_file.key, *cut), places[image_file.key]
        if key not in kept.framed:
            progress(place / len(image_files), f"{place + 1:,} of {len(image_files):,} images")
            kept.framed[key] = read_and_crop(image_file, whole=whole, margin=margin)
        return kept.framed[key]

    for model in models:
        new = [image_file for image_file in image_files if (image_file.key, model.key, *cut) not in kept.predicted]
        for image_file, photo in zip(new, predict_images(model.load(), new, framed), strict=True):
            kept.predicted[image_file.key, model.key, *cut] = photo
    return [
        Result(image_file, tuple(kept.predicted[image_file.key, model.key, *cut] for model in models))
        for image_file in image_files
    ]


def photo_of(image_file: ImageFile) -> tuple[Image.Image, float]:
    """A photo at the size it is shown, and the scale of that; the last one is cached."""
    last = memory().last
    if last is None or last[0] != image_file.key:
        last = (image_file.key, *_shown(decode_image(image_file.read(), image_file.name)))
        memory().last = last
    return last[1], last[2]


def _shown(photo: Image.Image) -> tuple[Image.Image, float]:
    scale = min(1.0, SHOWN_SIDE / max(photo.size))
    width, height = (max(1, round(side * scale)) for side in photo.size)
    return photo.convert("RGB").resize((width, height)), scale


def face_table(found: Sequence[Result], models: Sequence[Model]) -> pd.DataFrame:
    """One row per face: `result` and `face` (positions), `crop`, `label`, `confidence` (percent), `runner_up`,
    `low_confidence` and `file`; with two models also `second`, the label of the second one."""
    rows = []
    for position, result in enumerate(found):
        for number, faces in enumerate(zip(*(photo.faces for photo in result.photos), strict=True)):
            first: FacePrediction = faces[0]
            row = {
                "result": position,
                "face": number,
                "crop": inline_image(first),
                "label": first.label,
                "confidence": 100 * first.confidence,
                "runner_up": first.runner_up,
                "low_confidence": first.low_confidence,
                "file": result.name,
            }
            rows.append(row | ({"second": faces[1].label} if len(models) > 1 else {}))
    return pd.DataFrame(rows)


def inline_image(face: "FacePrediction") -> str:
    """The crop as a data URL, for a table cell."""
    import base64

    buffer = io.BytesIO()
    Image.fromarray(face.crop).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def downloads(found: Sequence[Result], models: Sequence[Model], rows: pd.DataFrame) -> tuple[str, str]:
    """The faces of some rows of the table as CSV and as JSON, with the prediction of every model."""
    import json

    from core.prediction.batch import CSV_COLUMNS, prediction_rows
    from core.runs.table import spreadsheet_safe

    lines, objects = [], []
    for position, face in zip(rows["result"], rows["face"], strict=True):
        result = found[position]
        for model, photo in zip(models, result.photos, strict=True):
            title = model.run.id if model.run else model.title
            lines.append({"model": spreadsheet_safe(title)} | prediction_rows(result.name, photo)[face])
            objects.append({"file": result.name, "model": title, **photo.faces[face].as_json()})
    csv = pd.DataFrame(lines, columns=["model", *CSV_COLUMNS]).to_csv(index=False)
    return csv, json.dumps(objects, indent=1)
