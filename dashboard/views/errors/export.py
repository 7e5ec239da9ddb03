"""The filtered images as CSV, Parquet, and as a zip; each is written on request."""

import zipfile
from functools import partial
from io import BytesIO
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st
from PIL import Image

from core.evaluation.predictions import PROBABILITY_COLUMNS
from core.labels import LABELS
from core.review.images import CurrentReviews
from core.runs.table import spreadsheet_safe
from dashboard.ui.downloads import spreadsheet_csv
from dashboard.views.errors.shown import Shown


def button(shown: Shown, chosen: pd.DataFrame) -> None:
    """A menu with the three formats."""
    name = f"{shown.run.id}-{shown.split}"
    with st.popover("Export", icon=":material/download:"):
        st.caption(f"Exports the {len(chosen):,} filtered images in the current order.")
        kinds = [
            ("CSV", "csv", "text/csv", selection_as_csv),
            ("Parquet", "parquet", "application/octet-stream", as_parquet),
        ]
        if shown.images is not None:
            kinds.append(("Images (ZIP)", "zip", "application/zip", selection_as_zip))
        for label, suffix, mime, make in kinds:
            st.download_button(
                label,
                partial(make, shown, chosen),
                file_name=f"{name}.{suffix}",
                mime=mime,
                on_click="ignore",
                width="stretch",
                key=f"export-{suffix}",
            )


def rows(chosen: pd.DataFrame, reviews: CurrentReviews) -> pd.DataFrame:
    """The rows of both tables: names instead of class indices, and the current reviews of each image."""
    words = [
        "; ".join(f"{review.by}: {review.in_words()}" for review in reviews.get(image, {}).values())
        for image in chosen["image_id"]
    ]
    plain = chosen[["image_id", "label", "predicted", "correct", "confidence", "margin", "loss", *PROBABILITY_COLUMNS]]
    names = {column: [LABELS[index] for index in chosen[column]] for column in ("label", "predicted")}
    return plain.assign(**names, reviews=words)


def selection_as_csv(shown: Shown, chosen: pd.DataFrame) -> bytes:
    """UTF-8, a row per image; no spreadsheet reads text in it as a formula."""
    table = rows(chosen, shown.current_reviews)
    safe = {column: table[column].map(spreadsheet_safe) for column in ("image_id", "reviews")}
    return spreadsheet_csv(table.assign(**safe).to_csv(index=False))


def as_parquet(shown: Shown, chosen: pd.DataFrame) -> bytes:
    """The same as Parquet."""
    buffer = BytesIO()
    rows(chosen, shown.current_reviews).to_parquet(buffer, index=False)
    return buffer.getvalue()


def selection_as_zip(shown: Shown, chosen: pd.DataFrame) -> bytes:
    """PNG files in a folder per predicted class within one per true class, and the CSV beside them."""
    images, buffer = shown.images, BytesIO()
    assert images is not None
    with zipfile.ZipFile(buffer, "w") as archive:  # PNG is compressed already
        archive.writestr("images.csv", selection_as_csv(shown, chosen))
        places = zip(chosen["index"], chosen["label"], chosen["predicted"], chosen["image_id"], strict=True)
        for index, true, predicted, image in places:
            file = BytesIO()
            Image.fromarray(images[index]).save(file, "PNG", compress_level=1)
            stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in PurePosixPath(image).stem)
            name = f"true-{LABELS[true]}/predicted-{LABELS[predicted]}/{index:05d}-{stem}.png"
            archive.writestr(name, file.getvalue())
    return buffer.getvalue()
