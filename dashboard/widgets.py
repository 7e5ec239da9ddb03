"""What several pages draw: state chips, figures with their unit, face galleries, empty states."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config import default_data_root, default_runs_root
from core.data.fer2013 import DatasetInfo, list_datasets
from core.errors import FerError
from core.evaluation.metrics import accuracy_interval
from core.labels import COLOURS, LABELS
from core.runs.store import Run, RunState
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

CHART_CONFIG: Final = {"displayModeBar": False, "scrollZoom": False}

Colour = Literal["gray", "blue", "green", "orange", "red", "violet"]


class Look(NamedTuple):
    """How a state is shown: colour, icon of the icon font, and a character for table cells."""

    colour: Colour
    icon: str
    sign: str
    hex: str


LOOKS: Final[dict[RunState, Look]] = {
    RunState.QUEUED: Look("gray", ":material/schedule:", "○", "#8d93a1"),
    RunState.RUNNING: Look("blue", ":material/play_circle:", "▸", "#3b7ddd"),
    RunState.FINISHED: Look("green", ":material/check_circle:", "✓", "#1f9d61"),
    RunState.STOPPED: Look("orange", ":material/stop_circle:", "■", "#d08700"),
    RunState.FAILED: Look("red", ":material/error:", "✕", "#d64545"),
    RunState.CRASHED: Look("red", ":material/bolt:", "✕", "#d64545"),
    RunState.STALLED: Look("violet", ":material/hourglass_bottom:", "…", "#8a5cd6"),
    RunState.DAMAGED: Look("red", ":material/broken_image:", "✕", "#d64545"),
}


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
        said = "This part of the page failed unexpectedly; the server's log says why."
        if isinstance(error, OSError) and error.filename and error.strerror:
            said = escape(f"{Path(str(error.filename)).name} cannot be used: {error.strerror}.")
        st.error(said, icon=":material/error:")


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


def with_interval(result: dict[str, Any] | None) -> str:
    """Accuracy and half of its 95 % interval, as in `70.4 % ± 1.5`."""
    if not result or result.get("accuracy") is None:
        return "–"
    low, high = result.get("interval") or (None, None)
    half = "" if low is None or high is None else f" ± {100 * (high - low) / 2:.1f}"
    return percent(result["accuracy"]) + half


def unseen_with_interval(run: Run) -> str:
    """The same on those test images that do not also stand in train."""
    return with_interval((evaluation_of(run, "test") or {}).get("without_train_duplicates"))


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
            st.switch_page(page)


def state_chip(state: RunState) -> None:
    """Icon, word and colour of a state."""
    look = LOOKS[state]
    st.badge(state.value, icon=look.icon, color=look.colour)


def problem(run: Run) -> None:
    """Why a run is not well, if it is not."""
    if run.problem:
        show = st.warning if run.state in (RunState.STALLED, RunState.STOPPED) else st.error
        show(escape(run.problem), icon=LOOKS[run.state].icon)


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


# --- runs


def accuracy_of(run: Run) -> float | None:
    """Best validation accuracy so far."""
    value = run.summary.get("best", {}).get("validation_accuracy")
    return float(value) if value is not None else None


def best_with_interval(run: Run) -> str:
    """The same with half of its 95 % interval, where the run says on how many images it was measured."""
    accuracy, images = accuracy_of(run), run.summary.get("validation_images")
    if accuracy is None or not isinstance(images, int):
        return percent(accuracy)
    return with_interval({"accuracy": accuracy, "interval": accuracy_interval(round(accuracy * images), images)})


def why_default(run: Run) -> str:
    """Why predictions use this run, as Markdown; of the one that `core.runs.selection.best_run` gives."""
    if run.meta.review == "approved":
        by = f" by {escape(run.meta.reviewer)}" if run.meta.reviewer else ""
        return f"Approved{by}, so predictions use this run by default."
    return "No run is approved yet, so predictions use this one by default: it is the best on validation."


def evaluation_of(run: Run, split: str) -> dict[str, Any] | None:
    """What the summary says about a split, once it has been scored."""
    value = run.summary.get("evaluation", {}).get(split)
    return value if isinstance(value, dict) else None


def run_table(runs: Sequence[Run], key: str, columns: Sequence[str], *, select: bool = False) -> list[Run]:
    """A table of runs; the button at the left of each row opens its page. Returns the selected runs."""
    if select:  # rows are selected by position: when other runs stand there, the selection starts anew
        key = f"{key}-{crc32(' '.join(run.id for run in runs).encode()):08x}"
    frame = pd.DataFrame([_row(run, "curve" in columns) for run in runs])
    config: dict[str, Any] = {
        "open": st.column_config.ButtonColumn("", width=40, type="tertiary", key=f"{key}-open", help="Open this run"),
        "star": st.column_config.TextColumn("★", width=32, help="Starred"),
        "state": st.column_config.MultiselectColumn(
            "State",
            width=104,
            options=[_state_cell(state) for state in RunState],
            color=[LOOKS[state].hex for state in RunState],
        ),
        "name": st.column_config.TextColumn("Name", width=188),
        "validation": st.column_config.ProgressColumn(
            "Validation",
            width=124,
            format="%.1f %%",
            min_value=0,
            max_value=100,
            help="Best accuracy on validation, in %",
        ),
        "test": st.column_config.TextColumn(
            "Test ± 95 %", width=92, help="Accuracy on test with half its 95 % interval"
        ),
        "unseen": st.column_config.TextColumn(
            "Unseen ± 95 %",
            width=100,
            help="The same on those test images that do not also stand in train, pixel for pixel",
        ),
        "loss": st.column_config.NumberColumn(
            "Loss", width=72, format="%.3f", help="Loss on validation at the best epoch, in nats"
        ),
        "curve": st.column_config.LineChartColumn(
            "Curve", width=120, y_min=0, y_max=100, help="Accuracy on validation after each epoch, in %"
        ),
        "epochs": st.column_config.TextColumn("Epochs", width=72),
        "duration": st.column_config.TextColumn("Duration", width=80),
        "device": st.column_config.TextColumn("Device"),
        "author": st.column_config.TextColumn("Author", width=104),
        "created": st.column_config.DatetimeColumn("Created", format="distance"),
        "error": st.column_config.TextColumn("Error", width="medium"),
        "review": st.column_config.TextColumn("Review", width="small"),
        "tags": st.column_config.ListColumn("Tags", width="small"),
    }
    more: dict[str, Any] = {"on_select": "rerun", "selection_mode": "multi-row"} if select else {}
    event = st.dataframe(
        frame,
        column_order=["open", *columns],
        column_config=config,
        hide_index=True,
        placeholder="",
        key=key,
        height="content" if len(runs) <= 15 else 560,
        **more,
    )
    click = st.session_state.get(f"{key}-open")
    if click is not None:
        open_run(runs[click["row"]].id)
    return [runs[row] for row in event["selection"]["rows"]] if select else []


def _row(run: Run, curve: bool) -> dict[str, Any]:
    best = run.summary.get("best", {})
    accuracy = accuracy_of(run)
    done = run.summary.get("epochs_done", max(0, run.status.epoch - 1))
    return {
        "open": ":material/open_in_new:",
        "star": "★" if run.meta.starred else "",
        "state": [_state_cell(run.state)],
        "name": run.name,
        "validation": None if accuracy is None else 100 * accuracy,
        "test": with_interval(evaluation_of(run, "test")),
        "unseen": unseen_with_interval(run),
        "loss": best.get("validation_loss"),
        "curve": cache.accuracy_curve(run.paths.epochs) if curve else None,
        "epochs": f"{done}/{run.status.epochs}" if run.status.epochs else "–",
        "duration": duration(run.status.elapsed_seconds or None),
        "device": run.status.device or "–",
        "author": run.meta.author,
        "created": run.status.created_at,
        "error": run.problem or "",
        "review": "" if run.meta.review == "unreviewed" else run.meta.review,
        "tags": run.meta.tags,
    }


def _state_cell(state: RunState) -> str:
    return f"{LOOKS[state].sign} {state.value}"


def open_run(run_id: str) -> None:
    """Go to the page of a run."""
    st.switch_page(RUN, query_params={"run": run_id})


def choose_run(runs: Sequence[Run], default: Run | None = None, label: str = "Run", parameter: str = "run") -> Run:
    """A select box of runs whose choice stands in the address, so that a link brings back the same view.

    Archived ones are offered where the address names them, or where there are no others.

    Args:
        runs: at least one.
        default: what is chosen where the address says nothing; None: the first.
        label: of the box.
        parameter: of the address.
    """
    wanted = st.query_params.get(parameter)
    listed = [run for run in runs if not run.meta.archived or run.id == wanted] or runs
    by_id = {run.id: run for run in listed}
    preset = (default or listed[0]).id
    chosen = choose_id(label, list(by_id), preset, lambda run_id: _in_a_list(by_id[run_id]), parameter)
    if wanted and chosen != wanted:
        st.warning(f"There is no run {escape(wanted)} to show here; this is another one.")
    return by_id[chosen]


def choose_id(label: str, ids: Sequence[str], default: str, describe: Callable[[str], str], parameter: str) -> str:
    """A select box whose choice stands in the address by its id; `bind` would write the words that are shown, and two
    runs may have the same name."""
    wanted = st.query_params.get(parameter)
    preset = wanted if wanted in ids else default
    # The key holds the address's choice: after a click on a link the box must follow the address, not its own memory.
    chosen = st.selectbox(label, ids, ids.index(preset), describe, key=f"{parameter}-of-{preset}")
    if chosen != preset:
        st.query_params[parameter] = chosen
        st.rerun()
    return chosen


def _in_a_list(run: Run) -> str:
    accuracy = accuracy_of(run)
    figures = "" if accuracy is None else f" · validation {best_with_interval(run)}"
    return f"{run.name} · {run.state}{figures}"


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
    images = cache.split(data_root(), info.name, split, info.fingerprint).images
    if len(images) != expected:
        st.info(
            f"The images are not shown: the data set {escape(name)} has changed since this run.",
            icon=":material/database:",
        )
        return None
    return images


def download_file(run: Run, path: Path, label: str, primary: bool = False) -> None:
    """A button that hands out one file of a run, read when it is clicked."""
    st.download_button(
        f"{label}: {path.name} ({size(path.stat().st_size)})",
        path.read_bytes,
        file_name=path.name,
        mime="application/octet-stream",
        icon=":material/download:",
        type="primary" if primary else "secondary",
        on_click="ignore",
        key=f"download-{path.name}-{run.id}",
    )
