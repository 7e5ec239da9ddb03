"""What the Predict page draws: one photo with its faces, what each network says about a face, and the table of many."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image, ImageDraw, ImageFont

from core.labels import COLOURS, LABELS
from dashboard.state import cache
from dashboard.state.roots import data_root
from dashboard.ui.charts.bars import probability_bars
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.components.photo import clickable_photo
from dashboard.ui.faces import dataset_of, enlarged, face_grid, images_of
from dashboard.ui.format import class_chip, escape, percent
from dashboard.views.predict.work import Network, Result, downloads, face_table, photo_of

if TYPE_CHECKING:
    from core.prediction.predictor import FacePrediction

SIMILAR_SHOWN: Final = 6
CROP_WIDTH: Final = 144
_DARK: Final = "#15181e"


# --- one photo


def draw_photo(result: Result, networks: Sequence[Network], preset: int = 0) -> None:
    """A photo with its faces in boxes, and the chosen one as the networks saw it and what they say.

    Args:
        result: of a picture that could be read.
        networks: one or two, as in the result.
        preset: the face chosen at first.
    """
    first = result.photos[0]
    several = len(first.faces) > 1
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.text(result.name)
        picture = st.container()
        face_key = f"face-{result.picture.key}-{preset}"
        chosen = _choose_face(first.faces, face_key, preset) if several else 0
        shown, scale = photo_of(result.picture)
        boxes = [face.box for face in first.faces]
        names = [f"{number} {face.label}" if several else face.label for number, face in enumerate(first.faces, 1)]
        if first.detection == "faces":
            shown = boxed(shown, scale, boxes, names, chosen)
        width = min(520, max(shown.width, 144))
        with picture:
            if several:
                places = [(left * scale, top * scale, wide * scale, high * scale) for left, top, wide, high in boxes]
                choose = partial(st.session_state.__setitem__, face_key)
                clickable_photo(shown, places, names, width=width, key=f"photo-{face_key}", on_choose=choose)
            else:
                st.image(shown, width=width, alt="the photo, 1 face")
        _say_what_was_taken(str(first.detection), len(first.faces))
    with right:
        columns = st.columns(len(networks), gap="medium")
        for column, network, photo in zip(columns, networks, result.photos, strict=True):
            with column:
                if len(networks) > 1:
                    st.markdown(f"**{escape(network.title)}**")
                _verdict(photo.faces[chosen], network, f"{result.picture.key}-{chosen}-{network.key}")
        _seen(result, networks, chosen)
    for network, photo in zip(networks, result.photos, strict=True):
        _nearest(photo.faces[chosen], network, named=len(networks) > 1)


def _choose_face(faces: Sequence["FacePrediction"], key: str, preset: int) -> int:
    def describe(number: int) -> str:
        face = faces[number]
        return f"{number + 1} {face.label} {percent(face.confidence, 0)}"

    st.session_state.setdefault(key, preset)  # no default: a click on the photo sets it too
    chosen = st.pills("Face", range(len(faces)), required=True, format_func=describe, key=key, wrap=True)
    return int(chosen or 0)


def _say_what_was_taken(taken: str, faces: int) -> None:
    if taken == "no face found":
        st.warning(
            "No face was found, so the whole photo was taken as one. If there is a face, a closer or sharper photo "
            "may help.",
            icon=":material/search_off:",
        )
    elif taken == "already a face crop":
        st.caption("The picture is a face already cut out, so all of it was used.")
    elif taken == "skipped":
        st.caption("The whole picture was taken as one face, as asked.")
    else:
        several = f"{faces} faces were found, the largest first. A click on one, here or on the photo, shows it."
        st.caption("1 face was found." if faces == 1 else several)


def _verdict(face: "FacePrediction", network: Network, key: str) -> None:
    """Label, confidence, runner-up, a warning where the network is unsure, and the seven bars."""
    second = float(np.sort(face.probabilities)[-2])
    st.markdown(f"### {class_chip(face.label)} {percent(face.confidence, 0)}")
    st.markdown(f"Next: {class_chip(face.runner_up)} {percent(second, 0)}")
    if face.low_confidence:
        st.warning(
            f"Unsure: by its own estimate it is more likely wrong than right.{_doubt(network)}", icon=":material/help:"
        )
    figure = probability_bars(face.probabilities.tolist())
    st.plotly_chart(figure, key=f"bars-{key}", config=CHART_CONFIG)
    if network.temperature is None:
        st.caption("Probabilities as the network gives them: it has not been calibrated on validation.")
    else:
        plain, shown = percent(float(face.uncalibrated.max()), 0), percent(face.confidence, 0)
        without = (
            "" if plain == shown else f" (temperature {network.temperature:.2f}; without it, {plain} for the first)"
        )
        st.caption(f"Probabilities calibrated on validation{without}.")


def _doubt(network: Network) -> str:
    """How often such an answer is right, if this run's predictions on validation are there."""
    if network.run is None or network.temperature is None:
        return ""
    predictions = network.run.paths.predictions("validation")
    if not predictions.exists():
        return ""
    _, below, above = cache.doubt(cache.file_key(predictions), network.temperature)
    return f" On validation, {percent(below, 0)} of such answers are right, and {percent(above, 0)} of the others."


def _seen(result: Result, networks: Sequence[Network], chosen: int) -> None:
    """The crop as the network saw it, and for each network a heat map over it."""
    from core.evaluation.grad_cam import grad_cam, heat_over

    first = result.photos[0].faces[chosen]
    order = [LABELS[index] for index in first.ranking]
    asked = st.selectbox(
        "Heat map of what speaks for",
        order,
        key=f"heat-{result.picture.key}-{chosen}-{first.label}",
        width=260,
        help="Grad-CAM: where the last convolution's maps raise this expression's score. Bright parts weigh most.",
    )
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=CROP_WIDTH):
            st.image(enlarged(first.crop), width=CROP_WIDTH, output_format="PNG", alt="what the network saw")
            st.caption("What the network saw, 48x48")
        for network in networks:
            heat = grad_cam(network.load().model, first.crop[None], np.array([LABELS.index(asked)]))[0]
            with st.container(width=CROP_WIDTH):
                over = enlarged(heat_over(first.crop, heat))
                st.image(over, width=CROP_WIDTH, output_format="PNG", alt=f"heat map for {asked}")
                title = f", {escape(network.title)}" if len(networks) > 1 else ""
                st.caption(f"For {asked}{title}" if heat.any() else f"No part speaks for {asked} by itself{title}")


def _nearest(face: "FacePrediction", network: Network, named: bool) -> None:
    """The validation images this network gets wrong and sees as most like the face."""
    title = f" by {escape(network.title)}" if named else ""
    st.markdown(f"**Mistakes on faces like this one{title}**")
    run = network.run
    predictions = run.paths.predictions("validation") if run else None
    if run is None or predictions is None or not predictions.exists():
        st.caption("Not known for these weights: there are no predictions of theirs on the validation images.")
        return
    info, table = dataset_of(run), cache.predictions(predictions)
    assert table is not None
    images = images_of(run, "validation", len(table))
    if info is None or images is None:
        return
    with st.spinner("Looking at this network's mistakes; the first time takes some seconds …"):
        from core.evaluation.nearest import features

        mistakes = cache.mistakes(run, info.ref(data_root()), "validation")
        rows, cosines = mistakes.nearest(features(network.load().model, face.crop[None])[0], SIMILAR_SHOWN)
    if not len(rows):
        st.caption("It made no mistake on validation.")
        return
    st.caption(
        "Validation images it gets wrong and sees as most like this face: true expression → what it said, and how "
        "alike they are to it (cosine of its last hidden layer, 1 is the same)."
    )
    true, said = (table[column].to_numpy()[rows] for column in ("label", "predicted"))
    captions = [
        f"{class_chip(LABELS[right])} → {class_chip(LABELS[wrong])} {cosine:.2f}"
        for right, wrong, cosine in zip(true, said, cosines, strict=True)
    ]
    names = [f"true {LABELS[right]}, predicted {LABELS[wrong]}" for right, wrong in zip(true, said, strict=True)]
    face_grid([np.array(images[row]) for row in rows], captions, size=120, names=names)


def boxed(
    photo: Image.Image, scale: float, boxes: Sequence[tuple[int, int, int, int]], names: Sequence[str], chosen: int
) -> Image.Image:
    """A photo with a box around each face in the colour of its class, the name on it; the chosen one thicker.

    Args:
        photo: RGB, as it is shown.
        scale: its size, as a share of the original's.
        boxes: left, top, width, height in pixels of the original.
        names: of the faces, ending with their label.
        chosen: position of the one that is looked at.
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


def draw_table(found: Sequence[Result], networks: Sequence[Network]) -> tuple[Result, int] | None:
    """The table of all faces with its filters and downloads. Returns the picture and face of the chosen row."""
    rows = face_table(found, networks)
    if rows.empty:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        labels = st.pills("Expression", LABELS, selection_mode="multi", key="only-labels", wrap=True)
        low, high = st.slider("Confidence, in %", 0, 100, (0, 100), key="only-confidence", width=260)
    kept = rows[rows["confidence"].between(low, high) & (rows["label"].isin(labels) if labels else True)]
    files = rows["result"].nunique()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{len(kept):,} of {len(rows):,} faces** on {files:,} pictures")
        with st.container(horizontal=True, width="content"):
            _download(found, networks, kept)
    if kept.empty:
        st.info("No face passes these filters.", icon=":material/filter_alt_off:")
        return None
    columns: dict[str, Any] = {
        "crop": st.column_config.ImageColumn("Crop", width="small", help="The 48x48 pixels the network saw"),
        "label": st.column_config.TextColumn("Expression", width="small"),
        "confidence": st.column_config.ProgressColumn("Confidence", format="%.0f %%", min_value=0, max_value=100),
        "runner_up": st.column_config.TextColumn("Next", width="small", help="The second most likely expression"),
        "unsure": st.column_config.CheckboxColumn("Unsure", width="small", help="Confidence below 50 %"),
        "second": st.column_config.TextColumn("Other network", width="small"),
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
        st.caption("Choose a row to look closer at a face.")
        return None
    row = kept.iloc[event["selection"]["rows"][0]]
    return found[int(row["result"])], int(row["face"])


def _download(found: Sequence[Result], networks: Sequence[Network], kept: pd.DataFrame) -> None:
    for position, kind in enumerate(("csv", "json")):
        st.download_button(
            kind.upper(),
            lambda position=position: downloads(found, networks, kept)[position],  # type: ignore[misc]
            file_name=f"predictions.{kind}",
            mime="text/csv" if kind == "csv" else "application/json",
            icon=":material/download:",
            on_click="ignore",
            disabled=kept.empty,
            key=f"faces-{kind}",
        )


def draw_problems(found: Sequence[Result]) -> None:
    """What could not be read, and why."""
    problems = [result for result in found if result.problem]
    if len(problems) == 1:
        st.error(escape(problems[0].problem), icon=":material/broken_image:")
    elif problems:
        title = f"{len(problems):,} of {len(found):,} files could not be read and were left out"
        with st.expander(title, icon=":material/broken_image:", expanded=len(problems) == len(found)):
            table = pd.DataFrame([{"File": result.name, "Why": result.problem} for result in problems])
            st.dataframe(table, hide_index=True, height="content" if len(problems) <= 8 else 300)
