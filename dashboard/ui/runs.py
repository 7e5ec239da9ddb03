"""Runs as several pages show them: states, metrics, tables, and boxes to select one."""

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


class Look(NamedTuple):
    """How a state is shown beside its label: colour, icon of the icon font, and a character for table cells."""

    colour: Colour
    icon: str
    sign: str
    hex: str


LOOKS: Final[dict[RunState, Look]] = {
    RunState.QUEUED: Look("gray", ":material/schedule:", "○", "#8d93a1"),
    RunState.RUNNING: Look("blue", ":material/play_circle:", "▸", "#3b7ddd"),
    RunState.FINISHED: Look("green", ":material/check_circle:", "✓", "#1f9d61"),
    RunState.STOPPED: Look("orange", ":material/stop_circle:", "■", "#d08700"),
    RunState.FAILED: Look("red", ":material/error:", "✗", "#d64545"),
    RunState.CRASHED: Look("red", ":material/bolt:", "✗", "#d64545"),
    RunState.STALLED: Look("violet", ":material/hourglass_bottom:", "…", "#8a5cd6"),
    RunState.DAMAGED: Look("red", ":material/broken_image:", "✗", "#d64545"),
}


def state_label(state: str) -> str:
    """The label of a run state."""
    return RunState(state).in_words().capitalize()


def scored_splits(run: Run) -> list[str]:
    """The splits this run has predictions for."""
    return [split for split in ("validation", "test", HELD_OUT, "train") if run.paths.has_predictions(split)]


# --- state


def run_tab_title(run: Run) -> str:
    """What the browser tab of a run's page is called, such as `● 45% · NAME`: its progress shows in every other tab."""
    if run.state in (RunState.RUNNING, RunState.STALLED):
        return f"● {100 * run.status.progress:.0f}% · {run.name}"
    return f"{LOOKS[run.state].sign} {run.name}"


def state_chip(state: RunState) -> None:
    """Icon, label and colour of a state."""
    look = LOOKS[state]
    st.badge(state_label(state), icon=look.icon, color=look.colour)


def problem(run: Run) -> None:
    """What is wrong with a run, if anything is."""
    if run.problem:
        show = st.warning if run.state in (RunState.STALLED, RunState.STOPPED) else st.error
        show(escape(run.problem), icon=LOOKS[run.state].icon)
    if run.state in (RunState.CRASHED, RunState.FAILED) and (mismatch := describe_mismatch(run.paths)):
        st.warning(escape(mismatch), icon=":material/difference:")


# --- metrics


def best_with_interval(run: Run) -> str:
    """Best validation accuracy so far, with the half-width of its 95% CI where the number of images is known."""
    accuracy, images = run.validation_accuracy, run.summary.validation_images
    if accuracy is None or images is None:
        return percent(accuracy)
    return with_interval(accuracy, accuracy_interval(round(accuracy * images), images))


def why_default(run: Run) -> str:
    """Why predictions use this run, as Markdown; the one that `core.runs.selection.best_run` returns."""
    if run.meta.review == "approved":
        by = f" by {escape(run.meta.reviewer)}" if run.meta.reviewer else ""
        return f"Approved{by}. Used for predictions by default."
    return "Used for predictions by default: best validation accuracy, no approved run yet."


def scored_split(run: Run) -> tuple[str, SplitMetrics] | None:
    """The split to report a run by, test or else validation, and its metrics; None before the run was evaluated."""
    found = ((split, run.metrics(split)) for split in ("test", "validation"))
    return next(((split, metrics) for split, metrics in found if metrics), None)


def test_without_duplicates(run: Run) -> str:
    """Test accuracy excluding train duplicates, as `accuracy_in` writes it."""
    test = run.metrics("test")
    return accuracy_in(test and test.without_train_duplicates)


# --- tables and select boxes


def run_table(runs: Sequence[Run], key: str, columns: Sequence[str], *, select: bool = False) -> list[Run]:
    """A table of runs; the button at the left of each row opens its page. Returns the selected runs."""
    if select:  # rows are selected by position: a table of other runs starts with no selection
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
            "Val. accuracy (best)",
            width=150,
            format="%.1f%%",
            min_value=0,
            max_value=100,
            help="Best validation accuracy",
        ),
        "test": st.column_config.TextColumn(
            "Test acc. (95% CI)", width=132, help="Test accuracy ± half-width of the 95% confidence interval"
        ),
        "unseen": st.column_config.TextColumn(
            "Test acc., no train dupes (95% CI)",
            width=226,
            help="Same, excluding test images with a pixel-identical copy in the training set",
        ),
        "loss": st.column_config.NumberColumn(
            "Val. loss", width=80, format="%.3f", help="Validation loss at the best epoch (cross-entropy)"
        ),
        "curve": st.column_config.LineChartColumn(
            "Val. accuracy", width=120, y_min=0, y_max=100, help="Validation accuracy after each epoch"
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
        "unseen": test_without_duplicates(run),
        "loss": run.best.validation_loss if run.best else None,
        "curve": cache.accuracy_curve(run) if curve else None,
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
    return f"{LOOKS[state].sign} {state_label(state)}"


def open_run(run_id: str) -> None:
    """Go to the page of a run."""
    go_to(RUN_PAGE, run=run_id)


def choose_run(runs: Sequence[Run], default: Run | None = None, label: str = "Run", parameter: str = "run") -> Run:
    """A select box of runs whose value is in the address, so that a link opens the same view.

    Archived ones are offered where the address names them, or where there are no others.

    Args:
        runs: at least one.
        default: what is selected where the address names none; None: the first.
        label: of the box.
        parameter: of the address.
    """
    wanted = st.query_params.get(parameter)
    listed = [run for run in runs if not run.meta.archived or run.id == wanted] or runs
    by_id = {run.id: run for run in listed}
    preset = (default or listed[0]).id
    chosen = choose_id(label, list(by_id), preset, lambda run_id: _in_a_list(by_id[run_id]), parameter)
    if wanted and chosen != wanted:
        st.warning(escape(f"Run “{wanted}” not found. Showing {by_id[chosen].name} instead."))
    return by_id[chosen]


def choose_id(label: str, ids: Sequence[str], default: str, describe: Callable[[str], str], parameter: str) -> str:
    """A select box whose value is in the address by its id: `bind` would write the label that is shown, and two runs
    may have the same name."""
    wanted = st.query_params.get(parameter)
    preset = wanted if wanted in ids else default
    key = f"choose-{parameter}"
    follow_address(key, preset)
    return st.selectbox(label, ids, format_func=describe, key=key, on_change=_chosen, args=(key, parameter))


def _chosen(key: str, parameter: str) -> None:
    st.query_params[parameter] = st.session_state[key]


def _in_a_list(run: Run) -> str:
    accuracy = run.validation_accuracy
    return f"{run.name} · {run.state.in_words() if accuracy is None else f'{percent(accuracy)} val'}"


# --- deleting


def may_delete(runs: Sequence[Run]) -> bool:
    """Whether these may be deleted; asks for a second confirmation where one of them came with the project."""
    shipped = [run for run in runs if is_shipped(run.id)]
    if not shipped:
        return True
    st.warning(escape(" ".join(map(shipped_warning, shipped))), icon=":material/inventory_2:")
    return st.checkbox("Delete anyway", key="delete-shipped")
