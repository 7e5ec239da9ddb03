"""One photo of the Predict page, with its faces and their predictions."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import streamlit as st

from dashboard.ui.components.photo import clickable_photo
from dashboard.ui.format import percent
from dashboard.views.predict.boxes import boxed
from dashboard.views.predict.classes import draw_predictions
from dashboard.views.predict.explanations import grad_cam_of_face, similar_to_face
from dashboard.views.predict.memory import start_again
from dashboard.views.predict.models import Model
from dashboard.views.predict.work import Result, photo_of

if TYPE_CHECKING:
    from core.prediction.predictor import FacePrediction


FACE: Final = "face"
"""Key of the choice of a face."""


def draw_photo(result: Result, models: Sequence[Model], preset: int = 0) -> None:
    """A photo with its faces in boxes, and the selected face with its predictions.

    Args:
        result: of a readable image.
        models: one or two, as in the result.
        preset: the face selected at first.
    """
    first = result.photos[0]
    several = len(first.faces) > 1
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.text(result.name)
        place = st.container()
        chosen = _choose_face(first.faces, result.key, preset) if several else 0
        shown, scale = photo_of(result.image_file)
        boxes = [face.box for face in first.faces]
        names = [f"{number} {face.label}" if several else face.label for number, face in enumerate(first.faces, 1)]
        if first.detection == "faces":
            shown = boxed(shown, scale, boxes, names, chosen)
        width = min(520, max(shown.width, 144))
        with place:
            if several:
                places = [(left * scale, top * scale, wide * scale, high * scale) for left, top, wide, high in boxes]
                choose = partial(st.session_state.__setitem__, FACE)
                clickable_photo(shown, places, names, width=width, key="photo", on_choose=choose)
            else:
                alt = "Photo without a detected face" if result.no_face else "Photo with 1 face"
                st.image(shown, width=width, alt=alt)
        _detection_note(str(first.detection), first.faces)
    with right:
        draw_predictions([photo.faces[chosen] for photo in result.photos], models)
        grad_cam_of_face(result, models, chosen)
    for model, photo in () if result.no_face else zip(models, result.photos, strict=True):
        similar_to_face(photo.faces[chosen], model, named=len(models) > 1)


def _choose_face(faces: Sequence["FacePrediction"], image: str, preset: int) -> int:
    """One of several faces: with pills, or with a click on the photo, which sets them."""

    def describe(number: int) -> str:
        face = faces[number]
        return f"{number + 1} {face.label} {percent(face.confidence, 0)}"

    start_again(FACE, (image, preset), preset)
    chosen = st.pills("Face", range(len(faces)), required=True, format_func=describe, key=FACE, wrap=True)
    return int(chosen or 0)


def _detection_note(taken: str, faces: Sequence["FacePrediction"]) -> None:
    _, _, width, height = faces[0].box
    squeezed = "" if width == height else f" Its {width}×{height} pixels are squeezed into the model's square."
    if taken == "no face found":
        st.caption(f"The full image was used.{squeezed} Try a closer or sharper photo.")
    elif taken == "already a face crop":
        st.caption(f"Looks like a cropped face; the full image was used.{squeezed}")
    elif taken == "skipped":
        st.caption(f"Face detection skipped; the full image was used.{squeezed}")
    else:
        several = f"{len(faces)} faces detected, largest first. Click one here or in the photo."
        st.caption("1 face detected." if len(faces) == 1 else several)
    if note := rotation_note([face.rotation for face in faces]):
        st.caption(note)


def rotation_note(rotations: Sequence[int]) -> str:
    """Which faces were rotated before they were classified, as a sentence; empty if none was.

    Args:
        rotations: of all faces of the photo, in degrees clockwise.
    """
    numbers = [str(number) for number, rotation in enumerate(rotations, 1) if rotation]
    if not numbers:
        return ""
    if len(numbers) == len(rotations):
        which = "The face was" if len(rotations) == 1 else "All faces were"
    else:
        which = f"Face {numbers[0]} was" if len(numbers) == 1 else f"Faces {', '.join(numbers)} were"
    return f"{which} rotated to be upright."
