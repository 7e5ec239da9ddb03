"""What the Errors page is about: one run, one split, and everything known about its images."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

import pandas as pd
import streamlit as st

from core.evaluation.metrics import accuracy_interval
from core.runs.best import describe_mismatch
from core.runs.delete import shipped_warning
from core.runs.paths import is_shipped
from core.runs.records import Run, RunState
from core.runs.summary import SplitMetrics
from core.splits import HELD_OUT
from dashboard.state import cache
from dashboard.ui.format import Colour, accuracy_in, duration, escape, percent, with_interval
from dashboard.ui.page import RUN_PAGE, follow_address, go_to


def scored_splits(run: Run) -> list[str]:
    """The splits this run has predictions for."""
    return [split for split in ("validation", "test", HELD_OUT, "train") if run.paths.has_predictions(split)]


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


# --- state


def state_chip(state: RunState) -> None:
    """Icon, word and colour of a state."""
    look = LOOKS[state]
    st.badge(state.value, icon=look.icon, color=look.colour)


def problem(run: Run) -> None:
    """Why a run is not well, if it is not."""
    if run.problem:
        show = st.warning if run.state in (RunState.STALLED, RunState.STOPPED) else st.error
        show(escape(run.problem), icon=LOOKS[run.state].icon)
    if run.state in (RunState.CRASHED, RunState.FAILED) and (mismatch := describe_mismatch(run.paths)):
        st.warning(escape(mismatch), icon=":material/difference:")


# --- figures


def best_with_interval(run: Run) -> str:
    """Best validation accuracy so far, with half of its 95 % interval where the number of images is known."""
    accuracy, images = run.validation_accuracy, run.summary.validation_images
    if accuracy is None or images is None:
        return percent(accuracy)
    return with_interval(accuracy, accuracy_interval(round(accuracy * images), images))


def why_default(run: Run) -> str:
    """Why predictions use this run, as Markdown; of the one that `core.runs.selection.best_run` gives."""
    if run.meta.review == "approved":
        by = f" by {escape(run.meta.reviewer)}" if run.meta.reviewer else ""
        return f"Approved{by}, so predictions use this run by default."
    return "No run is approved yet, so predictions use this one by default: it is the best on validation."


def scored_split(run: Run) -> tuple[str, SplitMetrics] | None:
    """The split whose metrics say most of a run, test or else validation, with them; None before it was scored."""
    found = ((split, run.metrics(split)) for split in ("test", "validation"))
    return next(((split, metrics) for split, metrics in found if metrics), None)


def unseen_with_interval(run: Run) -> str:
    """Accuracy on those test images that do not also stand in train, as `accuracy_in` writes it."""
    test = run.metrics("test")
    return accuracy_in(test and test.without_train_duplicates)


# --- tables and choosers


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
    accuracy = run.validation_accuracy
    done = run.summary.epochs_done or max(0, run.status.epoch - 1)
    return {
        "open": ":material/open_in_new:",
        "star": "★" if run.meta.starred else "",
        "state": [_state_cell(run.state)],
        "name": run.name,
        "validation": None if accuracy is None else 100 * accuracy,
        "test": accuracy_in(run.metrics("test")),
        "unseen": unseen_with_interval(run),
        "loss": run.best.validation_loss if run.best else None,
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
    go_to(RUN_PAGE, run=run_id)


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
    key = f"choose-{parameter}"
    follow_address(key, preset)
    return st.selectbox(label, ids, format_func=describe, key=key, on_change=_chosen, args=(key, parameter))


def _chosen(key: str, parameter: str) -> None:
    st.query_params[parameter] = st.session_state[key]


def _in_a_list(run: Run) -> str:
    accuracy = run.validation_accuracy
    figures = "" if accuracy is None else f" · validation {best_with_interval(run)}"
    return f"{run.name} · {run.state}{figures}"


# --- deleting


def may_delete(runs: Sequence[Run]) -> bool:
    """Whether these may be deleted; asks once more, with a box to tick, where one of them came with the project."""
    shipped = [run for run in runs if is_shipped(run.id)]
    if not shipped:
        return True
    st.warning(escape(" ".join(map(shipped_warning, shipped))), icon=":material/inventory_2:")
    return st.checkbox("Delete it anyway", key="delete-shipped")
