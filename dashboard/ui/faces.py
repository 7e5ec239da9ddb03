"""Faces in rows and walls, and the images that a run's predictions are about."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.data.dataset import DatasetInfo, list_datasets
from core.data.identity import same_images
from core.labels import LABELS
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import data_root
from dashboard.ui.components.wall import Tile, static_wall
from dashboard.ui.format import escape
from dashboard.ui.page import DATA_PAGE, go_button


def face_grid(
    images: Sequence[np.ndarray], captions: Sequence[str], *, size: int = 144, names: Sequence[str] | None = None
) -> None:
    """A wall of faces, every pixel a square, each with a line of our own Markdown beneath."""
    wall = st.grid("auto", min_column_width=size + 16, gap="medium")
    for position, (image, caption) in enumerate(zip(images, captions, strict=True)):
        with wall.cell(), st.container(gap="xxsmall"):  # nearer to its own caption than to the next face
            st.image(enlarged(image), width=size, output_format="PNG", alt=names[position] if names else "face")
            st.markdown(f":small[{caption}]")


def face_strip(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Faces (N, 48, 48) side by side, enlarged, as one image whose gaps are transparent."""
    pixels = np.zeros((48, len(images) * (48 + gap) - gap, 4), np.uint8)
    for position, image in enumerate(images):
        left = position * (48 + gap)
        pixels[:, left : left + 48, :3] = image[..., None]
        pixels[:, left : left + 48, 3] = 255
    return enlarged(pixels, 2)


def enlarged(face: np.ndarray, factor: int = 4) -> np.ndarray:
    """A face with every pixel repeated, so that the browser shows squares instead of a blur."""
    return face.repeat(factor, axis=0).repeat(factor, axis=1)


def predicted_faces(images: np.ndarray, rows: pd.DataFrame, key: str) -> None:
    """Faces of some rows of a table of predictions: the class, or true → predicted, and the confidence.

    Args:
        images: uint8 (N, 48, 48), which the rows' `index` counts in.
        rows: of `core.evaluation.predictions.read_predictions`.
        key: of the wall.
    """
    tiles: list[Tile] = [
        {
            "id": row["image_id"],
            "true": LABELS[row["label"]],
            "predicted": LABELS[row["predicted"]],
            "right": row["label"] == row["predicted"],
            "confidence": round(row["confidence"], 4),
            "notes": [],
        }
        for row in rows.to_dict("records")
    ]
    static_wall(tiles, images[rows["index"].to_numpy()], key)


# --- the data of a run


def dataset_of(run: Run) -> DatasetInfo | None:
    """The dataset a run was trained on, if this machine still has it."""
    if run.config is None:
        return None
    return next((info for info in list_datasets(data_root()) if info.name == run.config.dataset), None)


def unchanged_dataset_of(run: Run) -> DatasetInfo | None:
    """The dataset a run was trained on, if this machine has it, image for image, as far as the run recorded it."""
    info = dataset_of(run)
    return info if info and (not run.data.content or same_images([run.data, info.identity])) else None


def images_of(run: Run, split: str, expected: int) -> np.ndarray | None:
    """The images a run's predictions are about; None, with an explanation shown, if they are unavailable."""
    info = unchanged_dataset_of(run)
    images = cache.split(info.ref(data_root()), split).images if info else None
    if images is None or len(images) != expected:
        say_why_no_images(run)
        return None
    return images


def say_why_no_images(run: Run) -> None:
    """Say why the images of a run's predictions are unavailable."""
    name = f"dataset “{escape(run.config.dataset)}”" if run.config else "the dataset of this run"
    if dataset_of(run) is None:
        st.info(f"Images unavailable: {name} isn't on this machine.", icon=":material/database:")
        go_button("Import dataset", DATA_PAGE, ":material/database:")
    else:
        st.info(f"Images unavailable: {name} has changed since this run was trained.", icon=":material/database:")
