"""What several pages draw and say: headings, figures with their unit, faces, empty states, what went wrong. What they
draw of runs is in `run_widgets.py`."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data.dataset import DatasetInfo, list_datasets
from core.errors import FerError
from core.labels import COLOURS, LABELS
from core.machine import default_data_root, default_runs_root
from core.runs.records import Run
from core.runs.summary import SubsetMetrics
from dashboard import cache

log = logging.getLogger(__name__)

OVERVIEW: Final = "views/overview.py"
DATA: Final = "views/data.py"
TRAIN: Final = "views/train.py"
RUNS: Final = "views/runs.py"
RUN: Final = "views/run.py"
COMPARE: Final = "views/compare.py"
ERRORS: Final = "views/errors.py"
PREDICT: Final = "views/predict.py"

HAS_PREDICTED: Final = "has-predicted"
"""In the session state once this visitor has seen a prediction."""

UNEXPECTED: Final = "This part of the page failed unexpectedly; the server's log says why."
"""What stands where something failed that nobody foresaw."""

CHART_CONFIG: Final = {"displayModeBar": False, "scrollZoom": False}

Colour = Literal["gray", "blue", "green", "orange", "red", "violet"]


# --- where things are, and what happens when something is wrong


def runs_root() -> Path:
    """Where this server keeps its runs."""
    return default_runs_root()


def data_root() -> Path:
    """Where this server keeps its data sets."""
    return default_data_root()


@contextmanager
def guarded() -> Iterator[None]:
    """Show what goes wrong inside as one sentence; what nobody foresaw also goes to the server's log."""
    try:
        yield
    except FerError as error:
        st.error(escape(str(error)), icon=":material/error:")
    except Exception as error:
        log.exception("A page failed.")
        said = UNEXPECTED
        if isinstance(error, OSError) and error.filename and error.strerror:
            said = escape(f"{Path(str(error.filename)).name} cannot be used: {error.strerror}.")
        st.error(said, icon=":material/error:")


def follow(key: str, value: object) -> None:
    """Before a widget is drawn whose choice stands in the address: it shows what the address says, not what it
    remembers, and stays the same widget, so that no click on it is lost. Its `on_change` writes to the address."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


# --- text

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
_JOINER: Final = "\u2060"
"""A character of no width."""
_PATTERNS: Final = re.compile(r":(?=[\w+/-])|www(?=\.)|@|[-<>~](?=[-=>])", re.IGNORECASE)
"""Backslashes stop Markdown, but emoji and icon codes, bare addresses and arrows are looked for in the finished text:
the joiner breaks them without being seen. Run ids and most names hold none of these and can be copied as they are."""


def escape(text: str) -> str:
    """User text for an element that renders Markdown: shows exactly the same characters, on one line."""
    flat = " ".join(text.split())
    broken = _PATTERNS.sub(lambda match: match.group() + _JOINER, flat)
    return _PUNCTUATION.sub(r"\\\1", broken)


def percent(share: float | None, digits: int = 1) -> str:
    """`0.7041` as `70.4 %`, with a space that does not break."""
    return "–" if share is None else f"{100 * share:.{digits}f}\u00a0%"


def with_interval(accuracy: float | None, interval: tuple[float, float]) -> str:
    """Accuracy and half of its 95 % interval, as in `70.4 % ± 1.5`; a dash where there is none."""
    low, high = interval
    return "–" if accuracy is None else f"{percent(accuracy)} ± {100 * (high - low) / 2:.1f}"


def accuracy_in(metrics: SubsetMetrics | None) -> str:
    """The accuracy of a split or a part of one, as `with_interval` writes it; a dash where it was not scored."""
    return "–" if metrics is None else with_interval(metrics.accuracy, metrics.interval)


def size(count: int) -> str:
    """Bytes in the unit that fits."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 0.1):,.1f} kB"


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units that matter."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    for unit, length, part, smaller in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // smaller
            exactly = rest and (unit != "min" or whole < 600)  # nobody needs the seconds of 40 minutes
            return f"{whole // length} {unit} {rest} {part}" if exactly else f"{whole // length} {unit}"
    return f"{whole} s"


def ago(moment: datetime | None) -> str:
    """A time relative to now."""
    if moment is None:
        return "–"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "just now"


def exact(moment: datetime | None) -> str:
    """The same time in full, for a tooltip."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"


CLASS_COLOURS: Final = {label: [COLOURS[label], "#ffffff" if label == "sad" else "#15181e"] for label in LABELS}
"""Class to background and text of its chip; dark text reads on all but one."""


def class_chip(label: str) -> str:
    """A class name on its colour, as Markdown."""
    background, text = CLASS_COLOURS[label]
    return f':color[\u00a0{label}\u00a0]{{foreground="{text}" background="{background}"}}'


# --- parts


def go_to(page: str, **query: str) -> NoReturn:
    """Leave for another page, with these parameters in its address.

    Without `query_params`, Streamlit 1.67 first has the present page clear its own and raises where one belongs to a
    widget: the click would be lost, and a filter with it.
    """
    st.switch_page(page, query_params=query)


def page_title(title: str, sentence: str = "") -> DeltaGenerator:
    """The heading of a page. Returns the container at its right, for the primary action."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="medium"):
        st.title(title, anchor=False, width="content")
        actions = st.container(horizontal=True, vertical_alignment="center", width="content")
    if sentence:
        st.caption(sentence)
    return actions


def empty_state(title: str, text: str, page: str | None = None, label: str = "", icon: str = "") -> None:
    """What will be here, and the one action that fills it."""
    with st.container(border=True):
        st.subheader(title, anchor=False)
        st.write(text)
        if page and st.button(label, icon=icon or None, type="primary", key=f"empty-{page}"):
            go_to(page)


def figure(
    where: DeltaGenerator,
    label: str,
    value: str,
    note: str = "",
    *,
    trend: list[float] | None = None,
    help: str | None = None,
) -> None:
    """A number in a frame, with what it is about beneath, and its course."""
    where.metric(
        label,
        value,
        note or None,
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        chart_data=trend,
        help=help,
    )


def faces(
    images: Sequence[np.ndarray], captions: Sequence[str], *, size: int = 144, names: Sequence[str] | None = None
) -> None:
    """A wall of faces, every pixel a square, each with a line of our own Markdown beneath."""
    wall = st.grid("auto", min_column_width=size + 16, gap="xsmall")
    for position, (image, caption) in enumerate(zip(images, captions, strict=True)):
        with wall.cell():
            st.image(enlarged(image), width=size, output_format="PNG", alt=names[position] if names else "face")
            st.markdown(f":small[{caption}]")


def strip(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Faces (N, 48, 48) side by side, enlarged, as one image whose gaps are transparent."""
    pixels = np.zeros((48, len(images) * (48 + gap) - gap, 4), np.uint8)
    for position, image in enumerate(images):
        left = position * (48 + gap)
        pixels[:, left : left + 48, :3] = image[..., None]
        pixels[:, left : left + 48, 3] = 255
    return enlarged(pixels, 2)


def is_dark() -> bool:
    """Whether this viewer sees the dark theme."""
    return st.context.theme.type == "dark"


def enlarged(face: np.ndarray, factor: int = 4) -> np.ndarray:
    """A face with every pixel repeated, so that the browser shows squares instead of a blur."""
    return face.repeat(factor, axis=0).repeat(factor, axis=1)


def predicted_faces(images: np.ndarray, rows: pd.DataFrame) -> None:
    """Faces of some rows of a table of predictions: the class, or true → predicted, and the confidence."""
    captions, names = [], []
    for true, predicted, confidence in zip(rows["label"], rows["predicted"], rows["confidence"], strict=True):
        said = f"{class_chip(LABELS[predicted])} {percent(confidence, 0)}"
        right = true == predicted
        captions.append(f"{said} :green[:material/check:]" if right else f"{class_chip(LABELS[true])} → {said}")
        names.append(f"true {LABELS[true]}, predicted {LABELS[predicted]}")
    faces([images[index] for index in rows["index"]], captions, names=names)


# --- the data of a run


def dataset_of(run: Run) -> DatasetInfo | None:
    """The data set a run was trained on, if this machine still has it."""
    if run.config is None:
        return None
    return next((info for info in list_datasets(data_root()) if info.name == run.config.dataset), None)


def live(draw: Callable[..., None], *, seconds: float | None, **arguments: Any) -> None:
    """Draw something, and again every so many seconds (None: once); what goes wrong stays inside."""

    def once() -> None:
        with guarded():
            draw(**arguments)

    st.fragment(once, run_every=seconds)()


def images_of(run: Run, split: str, expected: int) -> np.ndarray | None:
    """The images a run's predictions are about; None, with an explanation shown, if they are not at hand."""
    info = dataset_of(run)
    name = run.config.dataset if run.config else "of this run"
    if info is None:
        st.info(
            f"The images are not shown: the data set {escape(name)} is not on this machine.", icon=":material/database:"
        )
        st.page_link(DATA, label="Import it on the Data page", icon=":material/arrow_forward:")
        return None
    images = cache.split(data_root(), info.name, split, info.edition).images
    if len(images) != expected:
        st.info(
            f"The images are not shown: the data set {escape(name)} has changed since this run.",
            icon=":material/database:",
        )
        return None
    return images
