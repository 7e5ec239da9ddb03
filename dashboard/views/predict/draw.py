"""What the Predict page draws: one photo with its faces and their predictions, and the table of many."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image, ImageDraw, ImageFont

from core.evaluation.metrics import LOW_CONFIDENCE
from core.labels import COLOURS, LABELS
from dashboard.state import cache
from dashboard.state.roots import data_root
from dashboard.ui.charts.bars import probability_bars
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.components.photo import clickable_photo
from dashboard.ui.faces import dataset_of, enlarged, face_grid, images_of
from dashboard.ui.format import class_chip, escape, percent
from dashboard.views.predict.work import Model, Result, downloads, face_table, photo_of

if TYPE_CHECKING:
    from core.prediction.predictor import FacePrediction

SIMILAR_SHOWN: Final = 6
CROP_WIDTH: Final = 144
_DARK: Final = "#15181e"


# --- one photo


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
        face_key = f"face-{result.image_file.key}-{preset}"
        chosen = _choose_face(first.faces, face_key, preset) if several else 0
        shown, scale = photo_of(result.image_file)
        boxes = [face.box for face in first.faces]
        names = [f"{number} {face.label}" if several else face.label for number, face in enumerate(first.faces, 1)]
        if first.detection == "faces":
            shown = boxed(shown, scale, boxes, names, chosen)
        width = min(520, max(shown.width, 144))
        with place:
            if several:
                places = [(left * scale, top * scale, wide * scale, high * scale) for left, top, wide, high in boxes]
                choose = partial(st.session_state.__setitem__, face_key)
                clickable_photo(shown, places, names, width=width, key=f"photo-{face_key}", on_choose=choose)
            else:
                st.image(shown, width=width, alt="Uploaded photo with 1 face")
        _detection_note(str(first.detection), first.faces)
    with right:
        columns = st.columns(len(models), gap="medium")
        for column, model, photo in zip(columns, models, result.photos, strict=True):
            with column:
                if len(models) > 1:
                    st.markdown(f"**{escape(model.title)}**")
                _prediction(photo.faces[chosen], model, f"{result.image_file.key}-{chosen}-{model.key}")
        _seen(result, models, chosen)
    for model, photo in zip(models, result.photos, strict=True):
        _similar_errors(photo.faces[chosen], model, named=len(models) > 1)


def _choose_face(faces: Sequence["FacePrediction"], key: str, preset: int) -> int:
    def describe(number: int) -> str:
        face = faces[number]
        return f"{number + 1} {face.label} {percent(face.confidence, 0)}"

    st.session_state.setdefault(key, preset)  # no default: a click on the photo sets it too
    chosen = st.pills("Face", range(len(faces)), required=True, format_func=describe, key=key, wrap=True)
    return int(chosen or 0)


def _detection_note(taken: str, faces: Sequence["FacePrediction"]) -> None:
    if taken == "no face found":
        st.warning(
            "No face detected; the full image was classified instead. Try a closer or sharper photo.",
            icon=":material/search_off:",
        )
    elif taken == "already a face crop":
        st.caption("Looks like a cropped face; the full image was used.")
    elif taken == "skipped":
        st.caption("Face detection skipped; the full image was used.")
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


def _prediction(face: "FacePrediction", model: Model, key: str) -> None:
    """Label, confidence, runner-up, a warning on low confidence, and the class probabilities."""
    second = float(np.sort(face.probabilities)[-2])
    st.markdown(f"### {class_chip(face.label)} {percent(face.confidence, 0)}")
    st.markdown(f"2nd: {class_chip(face.runner_up)} {percent(second, 0)}")
    if face.no_face:
        st.warning("Low confidence: no face was detected.", icon=":material/help:")
    elif face.low_confidence:
        st.warning(
            f"Low confidence (< {percent(LOW_CONFIDENCE, 0)}).{_low_confidence_rates(model)}", icon=":material/help:"
        )
    figure = probability_bars(face.probabilities.tolist())
    st.plotly_chart(figure, key=f"bars-{key}", config=CHART_CONFIG)
    if model.temperature is None:
        st.caption("Uncalibrated probabilities.")
    else:
        plain, shown = percent(float(face.uncalibrated.max()), 0), percent(face.confidence, 0)
        before = "" if plain == shown else f"; {plain} before calibration"
        st.caption(f"Calibrated (T = {model.temperature:.2f}{before}).")


def _low_confidence_rates(model: Model) -> str:
    """How often such predictions are correct, where the run has validation predictions."""
    if model.run is None or model.temperature is None:
        return ""
    predictions = model.run.paths.predictions("validation")
    if not predictions.exists():
        return ""
    _, below, above = cache.low_confidence(cache.file_key(predictions), model.temperature)
    return (
        f" On validation, low-confidence predictions are {percent(below, 0)} correct, all others {percent(above, 0)}."
    )


def _seen(result: Result, models: Sequence[Model], chosen: int) -> None:
    """The model input, and the Grad-CAM heatmap of each model over it."""
    from core.evaluation.grad_cam import grad_cam, heat_over

    first = result.photos[0].faces[chosen]
    order = [LABELS[index] for index in first.ranking]
    asked = st.selectbox(
        "Grad-CAM for",
        order,
        key=f"heat-{result.image_file.key}-{chosen}-{first.label}",
        width=260,
        help="Regions of the last conv layer that increase this class's score. Brighter = stronger.",
    )
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=CROP_WIDTH):
            st.image(enlarged(first.crop), width=CROP_WIDTH, output_format="PNG", alt="Model input")
            st.caption("Model input (48×48)")
        for model in models:
            heat = grad_cam(model.load().model, first.crop[None], np.array([LABELS.index(asked)]))[0]
            with st.container(width=CROP_WIDTH):
                over = enlarged(heat_over(first.crop, heat))
                st.image(over, width=CROP_WIDTH, output_format="PNG", alt=f"Grad-CAM: {asked}")
                title = f", {escape(model.title)}" if len(models) > 1 else ""
                st.caption(f"Grad-CAM: {asked}{title}" if heat.any() else f"No positive evidence for {asked}{title}")


def _similar_errors(face: "FacePrediction", model: Model, named: bool) -> None:
    """The misclassified validation images nearest to the face in the model's feature space."""
    title = f": {escape(model.title)}" if named else ""
    st.markdown(f"**Similar misclassified images{title}**")
    run = model.run
    predictions = run.paths.predictions("validation") if run else None
    if run is None or predictions is None or not predictions.exists():
        st.caption(
            "Not available for uploaded weights (no validation predictions)."
            if run is None
            else "Needs validation predictions."
        )
        return
    info, table = dataset_of(run), cache.predictions(predictions)
    assert table is not None
    images = images_of(run, "validation", len(table))
    if info is None or images is None:
        return
    with st.spinner("Searching similar errors (about 10 s the first time)…"):
        from core.evaluation.nearest import features

        misclassified = cache.misclassified(run, info.ref(data_root()), "validation")
        rows, cosines = misclassified.nearest(features(model.load().model, face.crop[None])[0], SIMILAR_SHOWN)
    if not len(rows):
        st.caption("No validation errors.")
        return
    st.caption("Misclassified validation images closest in feature space: true → predicted, cosine similarity.")
    true, predicted = (table[column].to_numpy()[rows] for column in ("label", "predicted"))
    captions = [
        f"{class_chip(LABELS[right])} → {class_chip(LABELS[wrong])} {cosine:.2f}"
        for right, wrong, cosine in zip(true, predicted, cosines, strict=True)
    ]
    names = [f"True {LABELS[right]}, predicted {LABELS[wrong]}" for right, wrong in zip(true, predicted, strict=True)]
    face_grid([np.array(images[row]) for row in rows], captions, size=120, names=names)


def boxed(
    photo: Image.Image, scale: float, boxes: Sequence[tuple[int, int, int, int]], names: Sequence[str], chosen: int
) -> Image.Image:
    """A photo with a box around each face in the colour of its class, with its name; the selected one thicker.

    Args:
        photo: RGB, as it is shown.
        scale: its size, as a fraction of the original's.
        boxes: left, top, width, height in pixels of the original.
        names: of the faces, ending with their label.
        chosen: position of the selected one.
    """
    photo = photo.copy()
    draw = ImageDraw.Draw(photo)
    font = ImageFont.load_default(size=max(11, max(photo.size) / 36))
    thin = max(2, max(photo.size) // 250)
    for position in (*(each for each in range(len(boxes)) if each != chosen), chosen):  # the chosen one on top
        left, top, width, height = (round(value * scale) for value in boxes[position])
        colour = COLOURS[names[position].rsplit(" ", 1)[-1]]
        thick = thin * 2 if position == chosen and len(boxes) > 1 else thin
        draw.rectangle((left, top, left + width, top + height), outline=colour, width=thick)
        text = f" {names[position]} "
        _, _, wide, high = draw.textbbox((0, 0), text, font=font)
        x = min(max(0, left), max(0, photo.width - wide))
        y = top - high if top >= high else max(0, top)
        draw.rectangle((x, y, x + wide, y + high + thin), fill=colour)
        draw.text((x, y), text, fill="white" if colour == COLOURS["sad"] else _DARK, font=font)
    return photo


# --- many


def draw_table(found: Sequence[Result], models: Sequence[Model]) -> tuple[Result, int] | None:
    """The table of all faces with its filters and downloads. Returns the image and face of the selected row."""
    rows = face_table(found, models)
    if rows.empty:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        labels = st.pills("Expression", LABELS, selection_mode="multi", key="only-labels", wrap=True)
        low, high = st.slider("Confidence (%)", 0, 100, (0, 100), key="only-confidence", width=260)
    kept = rows[rows["confidence"].between(low, high) & (rows["label"].isin(labels) if labels else True)]
    files = rows["result"].nunique()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{len(kept):,} of {len(rows):,} faces** in {files:,} image{'' if files == 1 else 's'}")
        with st.container(horizontal=True, width="content"):
            _download(found, models, kept)
    if kept.empty:
        st.info("No faces match these filters.", icon=":material/filter_alt_off:")
        return None
    columns: dict[str, Any] = {
        "crop": st.column_config.ImageColumn("Crop", width="small", help="Model input (48×48)"),
        "label": st.column_config.TextColumn("Expression", width="small"),
        "confidence": st.column_config.ProgressColumn("Confidence", format="%.0f%%", min_value=0, max_value=100),
        "runner_up": st.column_config.TextColumn("2nd", width="small", help="The second most likely expression"),
        "low_confidence": st.column_config.CheckboxColumn(
            "Low confidence", width="small", help="Confidence below 50%, or no face detected"
        ),
        "second": st.column_config.TextColumn("Model B", width="small"),
        "file": st.column_config.TextColumn("File", width="medium"),
    }
    event = st.dataframe(
        kept,
        column_order=[name for name in columns if name in kept],
        column_config=columns,
        hide_index=True,
        row_height=52,
        height="content" if len(kept) <= 8 else 470,
        on_select="rerun",
        selection_mode="single-row",
        key=f"faces-{len(rows)}-{low}-{high}-{'-'.join(labels)}",
    )
    if not event["selection"]["rows"]:
        st.caption("Select a row for details.")
        return None
    row = kept.iloc[event["selection"]["rows"][0]]
    return found[int(row["result"])], int(row["face"])


def _download(found: Sequence[Result], models: Sequence[Model], kept: pd.DataFrame) -> None:
    for position, kind in enumerate(("csv", "json")):
        st.download_button(
            kind.upper(),
            lambda position=position: downloads(found, models, kept)[position],  # type: ignore[misc]
            file_name=f"predictions.{kind}",
            mime="text/csv" if kind == "csv" else "application/json",
            icon=":material/download:",
            on_click="ignore",
            disabled=kept.empty,
            key=f"faces-{kind}",
        )


def draw_problems(found: Sequence[Result]) -> None:
    """The unreadable files, and why."""
    problems = [result for result in found if result.problem]
    if len(problems) == 1:
        st.error(escape(problems[0].problem), icon=":material/broken_image:")
    elif problems:
        title = f"{len(problems):,} of {len(found):,} files skipped (unreadable)"
        with st.expander(title, icon=":material/broken_image:", expanded=len(problems) == len(found)):
            table = pd.DataFrame([{"File": result.name, "Reason": result.problem} for result in problems])
            st.dataframe(table, hide_index=True, height="content" if len(problems) <= 8 else 300)
