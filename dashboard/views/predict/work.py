"""What the Predict page computes: networks to choose from, pictures out of uploads, and what is said about them."""

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

MAX_PICTURES: Final = 500
"""Pictures the page takes at once; the command line takes any number."""
MAX_UPLOAD_BYTES: Final = 500_000_000
"""Bytes of all uploads together."""
SHOWN_SIDE: Final = 1000
"""Longest side at which a photo is shown, in pixels."""


@dataclass(frozen=True)
class Network:
    """A network of the page's choice; loaded on use."""

    key: str
    """Changes with the weights and the temperature."""
    title: str
    temperature: float | None
    load: Callable[[], "Predictor"]
    run: Run | None = None
    """None for weights that somebody brought."""


def network_of(run: Run) -> Network:
    """A run's best weights."""
    key = f"{cache.file_key(run.paths.weights)} {run.temperature}"
    return Network(key, run.name, run.temperature, lambda: cache.predictor(run), run)


def network_of_upload(upload: Any) -> Network:
    """Weights that somebody brought.

    Raises:
        WeightsError: they are not those of one of our networks.
    """
    loaded = cache.own_predictor(upload.file_id, upload.getvalue(), upload.name)
    return Network(upload.file_id, display_name(upload.name), None, lambda: loaded)


@dataclass
class Memory:
    """What one visitor's page keeps between its runs, by the picture's key, the network's and how it is cut; a picture
    costs a few kilobytes here."""

    framed: dict[tuple, "FaceCrops"] = field(default_factory=dict)
    said: dict[tuple, "PhotoPrediction"] = field(default_factory=dict)
    last: tuple[str, Image.Image, float] | None = None
    """The photo looked at: its key, itself at the size it is shown, and how many times smaller that is."""

    def forget_all_but(self, keys: set[str]) -> None:
        """Drop what is about pictures that are gone."""
        self.framed = {key: value for key, value in self.framed.items() if key[0] in keys}
        self.said = {key: value for key, value in self.said.items() if key[0] in keys}
        if self.last and self.last[0] not in keys:
            self.last = None


@dataclass(frozen=True)
class Result:
    """A picture, and what each network says about it."""

    picture: ImageFile
    photos: tuple["PhotoPrediction", ...]

    @property
    def name(self) -> str:
        """Safe to show, but for Markdown."""
        return display_name(self.picture.name)

    @property
    def problem(self) -> str:
        """Why it could not be read, the same for all networks."""
        return self.photos[0].problem


def memory() -> Memory:
    """This visitor's."""
    return cast(Memory, st.session_state.setdefault("predict-memory", Memory()))


def pictures_of(uploads: Sequence[Any]) -> list[ImageFile]:
    """The pictures of uploaded files, those inside zip files too, each with a key of its own; at most one more than
    `MAX_PICTURES`."""
    found: list[ImageFile] = []
    total = 0
    for upload in uploads:
        total += upload.size
        for number, picture in enumerate(_pictures_in(upload, total)):
            found.append(picture._replace(key=f"{upload.file_id}-{number}"))
            if len(found) > MAX_PICTURES:
                return found
    return found


def _pictures_in(upload: Any, total: int) -> Iterator[ImageFile]:
    if total > MAX_UPLOAD_BYTES:
        message = f"'{display_name(upload.name)}' was left out: all files together have more than 500 MB."
        yield ImageFile(upload.name, lambda: _refuse(message))
    elif is_zip(upload.getvalue()):
        yield from images_in_zip(cast(io.RawIOBase, io.BytesIO(upload.getvalue())), upload.name)
    else:
        yield ImageFile(upload.name, upload.getvalue)


def _refuse(message: str) -> bytes:
    raise ImageError(message)


def results(
    pictures: Sequence[ImageFile],
    networks: Sequence[Network],
    whole: bool,
    margin: float,
    progress: Callable[[float, str], object],
) -> list[Result]:
    """What each network says about each picture. Only what is new is computed: a visitor who adds a photo to a hundred
    waits for one, and one who interrupts the page loses nothing.

    Args:
        pictures: with their keys.
        networks: one or two; the faces are found once for all.
        whole: do not look for faces.
        margin: how wide to cut; 1 is FER2013's framing.
        progress: told the share that is done, and how far it is in words.
    """
    from core.prediction.batch import predict_images, read_and_crop

    kept, cut = memory(), (whole, 1.0 if whole else margin)
    places = {picture.key: place for place, picture in enumerate(pictures)}
    kept.forget_all_but(set(places))

    def framed(picture: ImageFile) -> "FaceCrops":
        key, place = (picture.key, *cut), places[picture.key]
        if key not in kept.framed:
            progress(place / len(pictures), f"{place + 1:,} of {len(pictures):,} pictures")
            kept.framed[key] = read_and_crop(picture, whole=whole, margin=margin)
        return kept.framed[key]

    for network in networks:
        new = [picture for picture in pictures if (picture.key, network.key, *cut) not in kept.said]
        for picture, photo in zip(new, predict_images(network.load(), new, framed), strict=True):
            kept.said[picture.key, network.key, *cut] = photo
    return [
        Result(picture, tuple(kept.said[picture.key, network.key, *cut] for network in networks))
        for picture in pictures
    ]


def photo_of(picture: ImageFile) -> tuple[Image.Image, float]:
    """A photo at the size it is shown, and how many times smaller that is; the last one is kept."""
    last = memory().last
    if last is None or last[0] != picture.key:
        last = (picture.key, *_shown(decode_image(picture.read(), picture.name)))
        memory().last = last
    return last[1], last[2]


def _shown(photo: Image.Image) -> tuple[Image.Image, float]:
    scale = min(1.0, SHOWN_SIDE / max(photo.size))
    width, height = (max(1, round(side * scale)) for side in photo.size)
    return photo.convert("RGB").resize((width, height)), scale


def face_table(found: Sequence[Result], networks: Sequence[Network]) -> pd.DataFrame:
    """One row per face: `result` and `face` (positions), `crop`, `label`, `confidence` (percent), `runner_up`, `unsure`
    and `file`; with two networks also `second`, the other one's label."""
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
                "unsure": first.low_confidence,
                "file": result.name,
            }
            rows.append(row | ({"second": faces[1].label} if len(networks) > 1 else {}))
    return pd.DataFrame(rows)


def inline_image(face: "FacePrediction") -> str:
    """The crop as an address that holds the picture itself, for a table cell."""
    import base64

    buffer = io.BytesIO()
    Image.fromarray(face.crop).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def downloads(found: Sequence[Result], networks: Sequence[Network], rows: pd.DataFrame) -> tuple[str, str]:
    """The faces of some rows of the table as CSV and as JSON, what every network says about each."""
    import json

    from core.prediction.batch import CSV_COLUMNS, prediction_rows
    from core.runs.table import spreadsheet_safe

    lines, objects = [], []
    for position, face in zip(rows["result"], rows["face"], strict=True):
        result = found[position]
        for network, photo in zip(networks, result.photos, strict=True):
            title = network.run.id if network.run else network.title
            lines.append({"network": spreadsheet_safe(title)} | prediction_rows(result.name, photo)[face])
            objects.append({"file": result.name, "network": title, **photo.faces[face].as_json()})
    csv = pd.DataFrame(lines, columns=["network", *CSV_COLUMNS]).to_csv(index=False)
    return csv, json.dumps(objects, indent=1)
