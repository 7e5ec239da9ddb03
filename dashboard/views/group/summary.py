"""At the top of the page of a group: how far it is, the best run so far, and what failed."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from core.evaluation.significance import mean_and_std
from core.runs.groups import Group, Members, Progress, best_member
from core.runs.records import Run, RunState
from dashboard.ui.format import duration, escape, percent
from dashboard.ui.page import RUN_PAGE, TRAIN_PAGE, empty_state
from dashboard.ui.runs import LOOKS, best_with_interval, state_label
from dashboard.views.group.names import values_in_words

MOST_NAMED: Final = 3
"""Failed or deleted runs that are named; the others are counted."""


def group_summary(group: Group, members: Members, progress: Progress) -> None:
    """Progress, best run, failures and gaps."""
    if not members.runs:
        nothing_left(group)
        return
    progress_bar(progress)
    figures(group, members, progress)
    failures(group, members.runs)
    gaps(group, members)


def nothing_left(group: Group) -> None:
    """A group without runs: all were deleted, or its start was interrupted before the first."""
    if group.record.complete:
        empty_state(
            "No runs left",
            "All runs of this group were deleted.",
            TRAIN_PAGE,
            "Start another sweep",
            ":material/play_arrow:",
        )
    else:
        empty_state("No runs yet", "The start of this group was interrupted. Resume starts its runs.")


def progress_bar(progress: Progress) -> None:
    """How much of the training is done, how many runs are in which state, and how long the others take."""
    left = ""
    if progress.is_live:
        left = f" · about {duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
    st.progress(progress.fraction, f"{progress.finished} of {progress.total} finished{left}")
    with st.container(horizontal=True, gap="small"):
        for state in RunState:
            if count := progress.counts.get(state):
                look = LOOKS[state]
                st.badge(f"{count} {state_label(state).lower()}", icon=look.icon, color=look.colour)
        if progress.missing:
            st.badge(f"{progress.missing} missing", icon=":material/delete:", color="gray")


def figures(group: Group, members: Members, progress: Progress) -> None:
    """The best run so far with its interval; of runs that differ in chance alone, mean and deviation, too."""
    best = best_member(members.runs)
    finished = [run.validation_accuracy for run in members.runs if run.state is RunState.FINISHED]
    known = [accuracy for accuracy in finished if accuracy is not None]
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        said = f"epoch {best.best.epoch}" if best and best.best else "available after the first epoch"
        st.metric(
            "Best val. acc. (95% CI)",
            best_with_interval(best) if best else "–",
            said,
            delta_color="off",
            delta_arrow="off",
            width="content",
            help="Best validation accuracy of any run so far, ± half-width of the 95% CI. The best of many runs is "
            "optimistic on validation; its test accuracy is not.",
        )
        if group.kind in ("seeds", "folds", "reproductions", "teachers") and known:
            mean, deviation = mean_and_std(known)
            spread = "one run" if deviation is None else f"Std {100 * deviation:.2f} pp, n = {len(known)}"
            st.metric(
                "Mean val. acc.", percent(mean), spread, delta_color="off", delta_arrow="off", width="content",
                help="Over the finished runs, at the best epoch of each, with the sample standard deviation.",
            )  # fmt: skip
        if best:
            st.page_link(
                RUN_PAGE,
                label=escape(values_in_words(group, best)),
                icon=":material/trophy:",
                query_params={"run": best.id},
                help=escape(f"The best run so far: {best.name}"),
            )
    if group.record.keep == "best":
        st.caption(
            ":material/inventory_2: Keeps the weights of the best run only: other finished runs lose weights and "
            "checkpoint, and keep metrics, curves and predictions."
        )


def failures(group: Group, runs: Sequence[Run]) -> None:
    """The runs that failed or crashed, each with its sentence. They do not stop the others."""
    failed = [run for run in runs if run.state in (RunState.FAILED, RunState.CRASHED, RunState.DAMAGED)]
    if not failed:
        return
    with st.container(border=True, gap="xsmall"):
        for run in failed[:MOST_NAMED]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.page_link(
                    RUN_PAGE,
                    label=escape(values_in_words(group, run)),
                    icon=LOOKS[run.state].icon,
                    query_params={"run": run.id},
                    width="content",
                )
                st.markdown(f":red[{escape(run.problem or state_label(run.state))}]")
        if more := len(failed) - MOST_NAMED:
            st.caption(f"and {more} more: see Runs") if more > 0 else None


def gaps(group: Group, members: Members) -> None:
    """The runs that are not there: deleted, or never started."""
    if not members.missing:
        return
    named = "; ".join(values_in_words(group, run_id) for run_id in members.missing[:MOST_NAMED])
    more = len(members.missing) - MOST_NAMED
    rest = f" and {more} more" if more > 0 else ""
    count = f"{len(members.missing)} run{'' if len(members.missing) == 1 else 's'}"
    said = f"{count} deleted" if group.record.complete else f"{count} not started yet, as the start was interrupted"
    st.caption(escape(f"{said}: {named}{rest}."))
