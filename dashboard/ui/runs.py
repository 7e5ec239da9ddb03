"""Runs as several pages show them: states, metrics, and boxes to select one."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import streamlit as st

from core.runs.best import describe_mismatch
from core.runs.delete import shipped_warning
from core.runs.ensembles import Candidate, Ensemble
from core.runs.paths import is_shipped
from core.runs.records import Run, RunState
from core.runs.summary import SplitMetrics
from core.splits import HELD_OUT
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.format import Colour, accuracy_in, escape, percent, with_interval
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
    RunState.LOST: Look("violet", ":material/help:", "?", "#a3559b"),
    RunState.DAMAGED: Look("red", ":material/broken_image:", "✗", "#d64545"),
}


def state_label(state: str) -> str:
    """The label of a run state."""
    return RunState(state).in_words().capitalize()


def scored_splits(run: Run) -> list[str]:
    """The splits this run has predictions for."""
    return [split for split in ("validation", "test", HELD_OUT, "train") if run.paths.has_predictions(split)]


# --- state


def state_chip(state: RunState) -> None:
    """Icon, label and colour of a state."""
    look = LOOKS[state]
    st.badge(state_label(state), icon=look.icon, color=look.colour)


def state_cell(state: RunState) -> str:
    """A state as a table cell, where there are no icons."""
    return f"{LOOKS[state].sign} {state_label(state)}"


_SHOWN: Final = {
    RunState.QUEUED: st.info,
    RunState.STALLED: st.warning,
    RunState.LOST: st.warning,
    RunState.STOPPED: st.warning,
}
"""How loudly it is said what is wrong with a run in a state; an error in all others."""


def problem(run: Run) -> None:
    """What is wrong with a run, if anything is."""
    if run.problem:
        show = _SHOWN.get(run.state, st.error)
        show(escape(run.problem), icon=LOOKS[run.state].icon)
    if run.state in (RunState.CRASHED, RunState.FAILED) and (mismatch := describe_mismatch(run.paths)):
        st.warning(escape(mismatch), icon=":material/difference:")


# --- metrics


def best_with_interval(run: Run) -> str:
    """Best validation accuracy so far, with the half-width of its 95% CI where the number of images is known."""
    interval = run.validation_interval
    return with_interval(run.validation_accuracy, interval) if interval else percent(run.validation_accuracy)


def why_default(run: Run) -> str:
    """Why predictions use this run, as Markdown; the one that `core.runs.selection.best_run` returns."""
    if run.meta.review == "approved":
        by = f" by {escape(run.meta.reviewer)}" if run.meta.reviewer else ""
        return f"Approved{by}. Used for predictions by default."
    with_flip = run.accuracy_with_flip("validation") is not None
    scored = "validation accuracy with flip TTA" if with_flip else "validation accuracy"
    return f"Used for predictions by default: best {scored}, no approved run yet."


def scored_split(run: Run) -> tuple[str, SplitMetrics] | None:
    """The split to report a run by, test or else validation, and its metrics; None before the run was evaluated."""
    found = ((split, run.metrics(split)) for split in ("test", "validation"))
    return next(((split, metrics) for split, metrics in found if metrics), None)


def test_without_duplicates(run: Run) -> str:
    """Test accuracy excluding train duplicates, as `accuracy_in` writes it."""
    test = run.metrics("test")
    return accuracy_in(test and test.without_train_duplicates)


# --- select boxes


def open_run(run_id: str) -> None:
    """Go to the page of a run."""
    go_to(RUN_PAGE, run=run_id)


def offered(runs: Sequence[Run], *parameters: str) -> list[Run]:
    """Those of some runs that are offered: archived ones where the address names them, or where there are no others.

    Args:
        runs: at least one.
        parameters: of the address.
    """
    wanted = [st.query_params.get(parameter) for parameter in parameters]
    return [run for run in runs if not run.meta.archived or run.id in wanted] or list(runs)


def choose_run(
    runs: Sequence[Run],
    default: Run | None = None,
    label: str = "Run",
    parameter: str = "run",
    *,
    may_change: bool = False,
) -> Run:
    """A select box of runs whose value is in the address, so that a link opens the same view; see `choose_id`.

    Args:
        runs: at least one; see `offered`.
        default: what is selected where the address names none; None: the first.
        label: of the box.
        parameter: of the address.
        may_change: as `choose_id` has it.
    """
    by_id = {run.id: run for run in offered(runs, parameter)}
    preset = default.id if default else next(iter(by_id))
    return by_id[
        choose_id(label, list(by_id), preset, lambda run_id: in_a_list(by_id[run_id]), parameter, may_change=may_change)
    ]


def choose_id(
    label: str,
    ids: Sequence[str],
    default: str,
    describe: Callable[[str], str],
    parameter: str,
    *,
    may_change: bool = False,
) -> str:
    """A select box whose value is in the address by its id: `bind` would write the label that is shown, and two runs
    may have the same name. Where the address names a run that is not among these, it says so and the page ends, instead
    of showing another one under that address.

    Args:
        label: of the box.
        ids: the choices.
        default: what is selected where the address names none.
        describe: gives the text of a choice.
        parameter: of the address.
        may_change: the default takes the place of a run that is there and no choice here. For what is compared with
            another choice: it may be that one, by now.
    """
    wanted = st.query_params.get(parameter)
    if wanted and wanted not in ids and may_change and _exists(wanted):
        del st.query_params[parameter]
        wanted = None
    unknown = bool(wanted) and wanted not in ids
    key = f"choose-{parameter}"
    follow_address(key, None if unknown else wanted or default)
    if wanted and unknown:
        why = "isn't available here" if _exists(wanted) else "not found"
        st.warning(escape(f"Run “{wanted}” {why}. Select another one."), icon=":material/link_off:")
    chosen: str | None = st.selectbox(
        label,
        ids,
        None if unknown else 0,
        format_func=describe,
        key=key,
        on_change=_chosen,
        args=(key, parameter),
        placeholder="Select a run",
    )
    if chosen is None:
        st.stop()
    return chosen


def _exists(name: str) -> bool:
    """Whether there is a run or an ensemble of this id."""
    runs, ensembles = cache.runs(runs_root()), cache.ensembles(runs_root())
    return name in [run.id for run in runs] or name in [each.id for each in ensembles]


def _chosen(key: str, parameter: str) -> None:
    if st.session_state[key] is not None:
        st.query_params[parameter] = st.session_state[key]


def in_a_list(candidate: Candidate) -> str:
    """A run or an ensemble as an entry of a select box."""
    if isinstance(candidate, Ensemble):
        return f"{candidate.name} · " + ("unusable" if candidate.problem else f"ensemble of {len(candidate.runs)}")
    accuracy = candidate.validation_accuracy
    return f"{candidate.name} · {candidate.state.in_words() if accuracy is None else f'{percent(accuracy)} val'}"


# --- deleting


def may_delete(runs: Sequence[Run]) -> bool:
    """Whether these may be deleted; asks for a second confirmation where one of them came with the project."""
    shipped = [run for run in runs if is_shipped(run.id)]
    if not shipped:
        return True
    st.warning(escape(" ".join(map(shipped_warning, shipped))), icon=":material/inventory_2:")
    return st.checkbox("Delete anyway", key="delete-shipped")
