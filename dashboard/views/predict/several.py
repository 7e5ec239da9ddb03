"""Several photos at once: thumbnails with their faces, or a table of all faces; and the one that is selected."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from core.labels import COLOURS
from dashboard.ui.components.thumbnails import Thumbnail, thumbnails
from dashboard.ui.format import percent
from dashboard.ui.pagination import choose_page
from dashboard.views.predict.draw import draw_photo
from dashboard.views.predict.memory import memory
from dashboard.views.predict.models import Model
from dashboard.views.predict.table import NO_FACE, draw_table
from dashboard.views.predict.work import Result

THUMBNAILS_PER_PAGE: Final = 24
_VIEWS: Final = ("Photos", "Table")


def draw_several(found: Sequence[Result], models: Sequence[Model]) -> None:
    """Photos as thumbnails or in a table, and the selected one in full.

    Args:
        found: of readable images.
        models: one or two, as in the results.
    """
    view = st.segmented_control(
        "View",
        _VIEWS,
        default=_VIEWS[0],
        key="view",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == _VIEWS[1]:
        chosen = draw_table(found, models)
        if chosen:
            draw_photo(chosen[0], models, chosen[1])
        return
    with_faces = sum(not result.no_face for result in found)
    without = len(found) - with_faces
    faces = sum(len(result.photos[0].faces) for result in found if not result.no_face)
    st.markdown(
        f"**{_count(faces, 'face')}** in {_count(with_faces, 'photo')}"
        + (f" · no face detected in {_count(without, 'photo')}" if without else "")
    )
    pages = -(-len(found) // THUMBNAILS_PER_PAGE)
    page = choose_page(pages, of=" ".join(result.key for result in found))
    shown = found[(page - 1) * THUMBNAILS_PER_PAGE : page * THUMBNAILS_PER_PAGE]
    key, face = memory().selected
    result = next((result for result in shown if result.key == key), shown[0])
    images = [_thumbnail(result) for result in shown]
    thumbnails(images, "Photos", "photos-shown", on_choose=_select, selected=result.key, height=110)
    draw_photo(result, models, face if result.key == key else 0)


def _select(key: str) -> None:
    memory().selected = (key, 0)


def _thumbnail(result: Result) -> Thumbnail:
    """With boxes in the colours of the classes."""
    image = memory().thumbnails[result.key]
    faces = result.photos[0].faces
    note = _count(len(faces), "face") if len(faces) > 1 else f"{faces[0].label} {percent(faces[0].confidence, 0)}"
    boxes = []
    if result.photos[0].detection == "faces":
        for face in faces:
            left, top, width, height = face.box
            place = left / image.width, top / image.height, width / image.width, height / image.height
            boxes.append((*place, COLOURS[face.label]))
    if result.no_face:
        note = NO_FACE
    return Thumbnail(result.key, image, result.name, note, result.no_face, tuple(boxes))


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
