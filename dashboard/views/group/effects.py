"""What the settings of a group do: each run in parallel coordinates, and the effect of each setting on its own."""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from core.comparison.effects import FieldEffect, ValueEffect, effects_of
from core.config import field_label
from core.runs.fields import setting_text
from core.runs.groups import Group, Members, best_member
from core.runs.records import Run, RunState
from dashboard.ui.charts.sweeps import ScoredRun, Tried, effect_chart, parallel_settings, span_of
from dashboard.ui.format import escape
from dashboard.ui.page import is_dark
from dashboard.views.group.names import values_in_words

RESULT: Final = "Val. accuracy (%)"
ENOUGH: Final = 2
"""Runs with a validation accuracy, for a chart."""


def group_results(group: Group, members: Members) -> None:
    """Both charts; a sentence where there is too little to draw."""
    runs = list(members.runs)
    scored = [run for run in runs if run.validation_accuracy is not None and run.state is not RunState.DAMAGED]
    if not group.record.fields:
        st.caption("The runs of this group have the same settings.")
        return
    if len(scored) < ENOUGH:
        waiting = any(run.state.is_live for run in runs)
        st.caption(
            f"Charts appear once {ENOUGH} runs have ended their first epoch."
            if waiting
            else f"Charts need {ENOUGH} runs with a validation accuracy; {len(scored) or 'none'} has one."
        )
        return
    if len(group.record.fields) > 1:
        parallel_chart(group, scored)
    found = [effect for effect in effects_of(group, runs) if any(each.accuracies for each in effect.values)]
    if found:
        effect_charts(group, found, {run.id: values_in_words(group, run) for run in runs})
    else:
        st.caption("The effect of each setting is shown once a run has finished.")


def parallel_chart(group: Group, scored: Sequence[Run]) -> None:
    """Each run as a line through its settings to its accuracy."""
    st.header("Parallel coordinates", anchor=False)
    values = [group.values_of(run.id) for run in scored]
    columns = {
        field_label(field): [setting if (setting := each.get(field)) is not None else "?" for each in values]
        for field in group.record.fields
    }
    results = [round(100 * (run.validation_accuracy or 0.0), 2) for run in scored]
    best = best_member(scored)
    option = parallel_settings(
        [values_in_words(group, run) for run in scored],
        columns,
        RESULT,
        results,
        best=scored.index(best) if best else -1,
        dark=is_dark(),
    )
    st.echarts_chart(
        option,
        height=340,
        key="group-parallel",
        alt=f"Parallel coordinates of {', '.join(columns)} and {RESULT} of {len(scored)} runs. The table under Runs "
        "has the same numbers.",
    )
    going = sum(run.state.is_live for run in scored)
    live = f" {going} still training: at their best so far." if going else ""
    st.caption(f"Colour: validation accuracy, blue (lowest) to orange (highest). Thick: the best run.{live}")


def effect_charts(group: Group, effects: Sequence[FieldEffect], names: Mapping[str, str]) -> None:
    """The accuracy of the finished runs by the value of each setting, the one that matters most first."""
    by_chance = group.kind != "sweep"
    st.header("Accuracy of each run" if by_chance else "Effect of each setting", anchor=False)
    tried = [[in_percent(each, names) for each in effect.values if each.accuracies] for effect in effects]
    span = span_of(tried)
    grid = st.grid(min(len(effects), 2), min_column_width=320)
    for effect, values in zip(effects, tried, strict=True):
        label = field_label(effect.field)
        with grid.cell():
            st.markdown(f"**{escape(label)}** {'' if by_chance else how_much(effect)}")
            st.echarts_chart(
                effect_chart(values, label, RESULT, span),
                height=300,
                key=f"group-effect-{effect.field}",
                alt=f"{RESULT} by {label}: {told(values)}",
            )
    points = "Points: best validation accuracy of each finished run."
    bars = " Bars: mean ± 1 sample standard deviation over the runs with that value, whatever their other settings."
    st.caption(points if by_chance else points + bars)


def in_percent(effect: ValueEffect, names: Mapping[str, str]) -> Tried:
    """The runs with one value of a setting as a chart shows them.

    Args:
        effect: with at least one run.
        names: of runs, by their ids.
    """
    scored = zip(effect.run_ids, effect.accuracies, strict=True)
    points = [ScoredRun(names[run_id], 100 * accuracy) for run_id, accuracy in scored]
    deviation = None if effect.deviation is None else 100 * effect.deviation
    return Tried(effect.value, points, 100 * (effect.mean or 0.0), deviation)


def how_much(effect: FieldEffect) -> str:
    """How much a setting matters, as Markdown: the best value, and how far the means lie apart."""
    if effect.best is None or effect.spread is None:
        return ""
    return f":gray[best {escape(setting_text(effect.best.value))}, means {100 * effect.spread:.1f} pp apart]"


def told(tried: Sequence[Tried]) -> str:
    """The chart for those who cannot see it."""
    return "; ".join(
        f"{setting_text(each.value)}: mean {each.mean:.1f}"
        + (f", std {each.deviation:.1f} pp" if each.deviation is not None else "")
        + f", n = {len(each.points)}"
        for each in tried
    )
