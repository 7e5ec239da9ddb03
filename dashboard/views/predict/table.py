"""Many photos at once: the table of all their faces, its downloads, and the files that were skipped."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import streamlit as st
from PIL import Image

from core.labels import LABELS
from dashboard.ui.downloads import spreadsheet_csv
from dashboard.ui.format import escape
from dashboard.ui.table import show_table
from dashboard.views.predict.memory import start_again
from dashboard.views.predict.models import Model
from dashboard.views.predict.work import Result

if TYPE_CHECKING:
    from core.prediction.predictor import FacePrediction

NO_FACE: Final = "No face detected"
TABLE: Final = "faces"
"""Key of the table."""


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
        st.markdown(f"**{_faces(kept):,} of {_faces(rows):,} faces** in {files:,} image{'' if files == 1 else 's'}")
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
        "note": st.column_config.TextColumn(
            "Note", help="Low confidence: below 50%. If no face was detected, the expression means little."
        ),
        "second": st.column_config.TextColumn("Model B", width="small"),
        "file": st.column_config.TextColumn("File", width="medium"),
    }
    rows_about = ([result.key for result in found], low, high, labels)
    start_again(TABLE, rows_about, {"selection": {"rows": [], "columns": [], "cells": []}})
    event = show_table(
        kept,
        column_order=[name for name in columns if name in kept],
        column_config=columns,
        hide_index=True,
        row_height=52,
        height="content" if len(kept) <= 6 else 380,
        on_select="rerun",
        selection_mode="single-row",
        key=TABLE,
    )
    if not event["selection"]["rows"]:
        st.caption("Select a row for details.")
        return None
    row = kept.iloc[event["selection"]["rows"][0]]
    return found[int(row["result"])], int(row["face"])


def _faces(rows: pd.DataFrame) -> int:
    """How many rows are about a face, and not about an image in which none was detected."""
    return int((rows["note"] != NO_FACE).sum())


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
            show_table(table, hide_index=True, height="content" if len(problems) <= 8 else 300)


def face_table(found: Sequence[Result], models: Sequence[Model]) -> pd.DataFrame:
    """One row per face: `result` and `face` (positions), `crop`, `label`, `confidence` (percent), `runner_up`,
    `note` (what is wrong) and `file`; with two models also `second`, the label of the second one."""
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
                "note": NO_FACE if first.no_face else "Low confidence" if first.low_confidence else "",
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


def downloads(found: Sequence[Result], models: Sequence[Model], rows: pd.DataFrame) -> tuple[bytes, str]:
    """The faces of some rows of the table as CSV and as JSON, with the prediction of every model."""
    import json

    from core.prediction.batch import CSV_COLUMNS, prediction_rows
    from core.runs.table import spreadsheet_safe

    lines, objects = [], []
    for position, face in zip(rows["result"], rows["face"], strict=True):
        result = found[position]
        for model, photo in zip(models, result.photos, strict=True):
            lines.append({"model": spreadsheet_safe(model.id)} | prediction_rows(result.name, photo)[face])
            objects.append({"file": result.name, "model": model.id, **photo.faces[face].as_json()})
    csv = pd.DataFrame(lines, columns=["model", *CSV_COLUMNS]).to_csv(index=False)
    return spreadsheet_csv(csv), json.dumps(objects, indent=1)
