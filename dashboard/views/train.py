"""Train: choose what to train, see what it will cost, start it."""

import time
from typing import Any

import streamlit as st

from core.config import PRESETS, TrainConfig, field_group, parse_config
from core.data.fer2013 import DatasetInfo, list_datasets
from core.errors import ConfigError
from core.jobs import local
from core.runs.estimate import estimate_duration
from core.runs.store import Run, list_runs
from dashboard import train_form, widgets
from dashboard.widgets import escape

DOUBLE_CLICK_SECONDS = 3


def main() -> None:
    widgets.page_title("Train", "Choose a recipe and a data set; the run goes on when you leave or close the browser.")
    datasets = list_datasets(widgets.data_root())
    if not datasets:
        widgets.empty_state(
            "Nothing to train on yet",
            "Import FER2013, or make the drawn demo set in seconds; then choose a recipe here.",
            widgets.DATA,
            "Get data",
            ":material/database:",
        )
        return
    runs = list_runs(widgets.runs_root())
    form, summary = st.columns([5, 3], gap="medium")
    with form:
        preset = choose_preset()
        values = settings(preset, datasets)
    with summary, st.container(border=True):
        review(preset, values, datasets, runs)


def choose_preset() -> str:
    """A recipe; choosing one fills the form."""
    name = st.radio(
        "Recipe",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        captions=[preset.description for preset in PRESETS.values()],
        key="preset",
        persist_state="session",
    )
    preset = PRESETS[name]
    st.caption(f"Cost: {preset.cost}. Expect: {preset.expect}.")
    train_form.fill(preset)
    return str(name)


def settings(preset: str, datasets: list[DatasetInfo]) -> dict[str, Any]:
    """The form, made from the fields of `TrainConfig`."""
    fields = TrainConfig.model_fields
    groups = list(dict.fromkeys(field_group(field) for field in fields.values()))
    values: dict[str, Any] = {}
    for group, tab in zip(groups, st.tabs(groups), strict=True):
        with tab:
            grid = st.grid(3, min_column_width=190, vertical_alignment="bottom")
            for name, field in fields.items():
                if field_group(field) == group:
                    with grid.cell():
                        options = [info.name for info in datasets] if name == "dataset" else None
                        values[name] = train_form.widget(name, field, options)
    return values


def review(preset: str, values: dict[str, Any], datasets: list[DatasetInfo], runs: list[Run]) -> None:
    """What will be started, what it costs, and the button."""
    st.subheader("This run", anchor=False)
    name = st.text_input("Name", max_chars=80, placeholder="made up if empty", key="run-name", persist_state="session")
    author = st.text_input(
        "Author", usual_author(runs), max_chars=40, placeholder="who asks", key="author", persist_state="session"
    )
    try:
        config = parse_config(values)
    except ConfigError as error:
        st.error(escape(str(error)), icon=":material/error:")
        st.button("Start training", type="primary", icon=":material/play_arrow:", width="stretch", disabled=True)
        return
    info = next(info for info in datasets if info.name == config.dataset)
    estimate = estimate_duration(config, info.images("train"), runs)
    st.metric("Estimated time", f"about {widgets.duration(estimate.seconds)}")
    per_epoch = config.images_per_epoch or info.images("train")
    st.caption(f"{config.epochs} epochs of {per_epoch:,} images, at {escape(estimate.basis)}.")
    if info.kind == "drawn":
        st.caption(":orange[:material/draw:] A drawn data set: its scores say nothing about real faces.")
    waiting = sum(run.state.is_live for run in runs)
    if waiting:
        st.caption(f":gray[:material/schedule:] {waiting} before it in the queue.")
    if st.button("Start training", type="primary", icon=":material/play_arrow:", width="stretch", key="start"):
        widgets.open_run(start_once(config, (name or "").strip(), (author or "").strip()))
    st.caption("The same from a terminal")
    st.code(train_form.command(preset, config, name or "", author or ""), language="bash", wrap_lines=True)


def start_once(config: TrainConfig, name: str, author: str) -> str:
    """Start the run; a second click while the first one is still being answered gives the same run."""
    wish = (config, name, author)
    last = st.session_state.get("last-start")
    if last and last[0] == wish and time.monotonic() - last[2] < DOUBLE_CLICK_SECONDS:
        return str(last[1])
    run_id = local.start(widgets.runs_root(), widgets.data_root(), config, name=name, author=author)
    st.session_state["last-start"] = (wish, run_id, time.monotonic())
    return run_id


def usual_author(runs: list[Run]) -> str:
    """The one person who has started runs here; nobody, as soon as there are several."""
    authors = {run.meta.author for run in runs if run.meta.author}
    return authors.pop() if len(authors) == 1 else ""


main()
