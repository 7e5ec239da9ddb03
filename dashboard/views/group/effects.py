"""What the settings of a group do: each run in parallel coordinates, and the effect of each setting on its own."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from core.comparison.effects import FieldEffect, effects_of
from core.config import field_label
from core.runs.fields import setting_text
from core.runs.groups import Group, Members, best_member
from core.runs.records import Run, RunState
from dashboard.ui.charts.sweeps import Point, Tried, effect_chart, parallel_settings
from dashboard.ui.format import escape

RESULT: Final = "Val. accuracy (%)"
ENOUGH: Final = 2
"""Runs with a validation accuracy, for a chart."""


def results(group: Group, members: Members) -> None:
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
    parallel(group, scored)
    found = [effect for effect in effects_of(group, runs) if any(each.accuracies for each in effect.values)]
    if found:
        effect_charts(found, {run.id: run.name for run in runs})


def parallel(group: Group, scored: Sequence[Run]) -> None:
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
        [run.name for run in scored], columns, RESULT, results, scored.index(best) if best else -1
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


def effect_charts(effects: Sequence[FieldEffect], names: dict[str, str]) -> None:
    """The accuracy of the finished runs by the value of each setting, the one that matters most first."""
    st.header("Effect of each setting", anchor=False)
    accuracies = [100 * accuracy for effect in effects for each in effect.values for accuracy in each.accuracies]
    span = min(accuracies), max(accuracies)
    grid = st.grid(min(len(effects), 2), min_column_width=320)
    for effect in effects:
        tried = [
            Tried(
                each.value,
                [
                    Point(names[run_id], 100 * accuracy)
                    for run_id, accuracy in zip(each.run_ids, each.accuracies, strict=True)
                ],
                100 * (each.mean or 0.0),
                None if each.deviation is None else 100 * each.deviation,
            )
            for each in effect.values
            if each.accuracies
        ]
        with grid.cell():
            st.markdown(f"**{escape(field_label(effect.field))}** {in_words(effect)}")
            st.echarts_chart(
                effect_chart(tried, field_label(effect.field), RESULT, span),
                height=300,
                key=f"group-effect-{effect.field}",
                alt=f"{RESULT} by {field_label(effect.field)}: {told(tried)}",
            )
    st.caption(
        "Points: best validation accuracy of each finished run. Bars: mean ± 1 sample standard deviation over the runs "
        "with that value, whatever their other settings."
    )


def in_words(effect: FieldEffect) -> str:
    """How much a setting matters, as Markdown: the best value, and how far the means lie apart."""
    if effect.best is None or effect.spread is None:
        return ""
    return f":gray[best {escape(setting_text(effect.best.value))}, means {100 * effect.spread:.1f} pp apart]"


def told(tried: Sequence[Tried]) -> str:
    """The chart for those who cannot see it."""
    return "; ".join(
        f"{setting_text(each.value)}: mean {each.mean:.1f}"
        + (f", SD {each.deviation:.1f} pp" if each.deviation is not None else "")
        + f", n = {len(each.points)}"
        for each in tried
    )
