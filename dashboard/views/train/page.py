"""Train: select a preset and a dataset, see the estimated time, start the run."""

from functools import partial
from typing import Any

import streamlit as st

from core.data.dataset import DatasetInfo, list_datasets
from core.data.identity import same_images
from core.errors import ConfigError, RunError
from core.jobs import control
from core.jobs.slots import gpu_notice
from core.presets import PRESETS, get_preset
from core.review.corrections import list_corrections
from core.runs.estimate import estimate_duration
from core.runs.paths import is_shipped
from core.runs.records import Run
from core.splits import SPLITS
from dashboard.state import cache
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import duration, escape
from dashboard.ui.page import DATA_PAGE, RUN_PAGE, empty_state, once, page_title
from dashboard.ui.runs import open_run
from dashboard.views.train import form
from dashboard.views.train.command_line import command


def main() -> None:
    page_title("Train", "Pick a preset and a dataset. Training continues in the background if you close the browser.")
    datasets = list_datasets(data_root())
    if not datasets:
        empty_state(
            "No dataset yet",
            "Import FER2013 or generate the demo dataset, then pick a preset here.",
            DATA_PAGE,
            "Add data",
            ":material/database:",
        )
        return
    runs = cache.runs(runs_root())
    fields, summary = st.columns([5, 3], gap="medium")
    with fields:
        source = cloned_run() or choose_preset()
        values = form.config_fields([info.name for info in datasets], fitting_lists(datasets))
    with summary, st.container(border=True):
        estimate_and_start(source, values, datasets, runs)


def cloned_run() -> Run | None:
    """The run in the address whose settings fill the form, with the correction set in the address, if there is one."""
    wanted = st.query_params.get("clone")
    if not wanted:
        return None
    try:
        run = cache.run(runs_root(), wanted)
        if run.config is None:
            raise RunError(f"The config of {run.name} is unreadable: {run.problem}")
    except RunError as error:
        st.error(escape(str(error)), icon=":material/error:")
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/content_copy: New run based on **{escape(run.name)}**", width="content")
        st.page_link(RUN_PAGE, label="View run", icon=":material/show_chart:", query_params={"run": run.id})
        if st.button("Start from a preset", type="tertiary", key="no-clone"):
            st.query_params.clear()
            st.rerun()
    form.fill_from(run, corrections=st.query_params.get("corrections"))
    return run


def choose_preset() -> str:
    """A preset; selecting one fills the form. A link may select it once: then it is removed from the address."""
    if linked := st.query_params.pop("preset", None):
        try:
            st.session_state["preset"] = get_preset(linked).name
        except ConfigError as error:
            st.error(escape(str(error)), icon=":material/error:")
    name = st.radio(
        "Preset",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        captions=[preset.description for preset in PRESETS.values()],
        key="preset",
        persist_state="session",
    )
    preset = PRESETS[name]
    st.caption(f"{preset.cost}. {preset.expect[0].upper()}{preset.expect[1:]}.")
    form.fill(preset)
    return str(name)


def fitting_lists(datasets: list[DatasetInfo]) -> list[str]:
    """The correction sets that were made on the selected dataset; all, until one is selected."""
    datasets_by_name = {info.name: info for info in datasets}
    chosen = form.chosen_dataset(list(datasets_by_name))
    lists = list_corrections(runs_root())
    if chosen is None:
        return [each.name for each in lists]
    return [each.name for each in lists if same_images([each.data, datasets_by_name[chosen].identity])]


def estimate_and_start(source: str | Run, values: dict[str, Any], datasets: list[DatasetInfo], runs: list[Run]) -> None:
    """What will be started, the estimated time, and the button."""
    st.subheader("New run", anchor=False)
    name = st.text_input(
        "Name", max_chars=80, placeholder="Optional (generated if empty)", key="run-name", persist_state="session"
    )
    author = st.text_input(
        "Author",
        usual_author(runs),
        max_chars=40,
        placeholder="Your name",
        key="run-author",
        persist_state="session",
    )
    try:
        config = form.chosen_config(values)
    except ConfigError as error:
        st.error(escape(str(error)), icon=":material/error:")
        st.button("Start training", type="primary", icon=":material/play_arrow:", width="stretch", disabled=True)
        return
    info = next(info for info in datasets if info.name == config.dataset)
    estimate = estimate_duration(config, {split: info.images(split) for split in SPLITS}, runs)
    st.metric("Estimated time", f"About {duration(estimate.seconds)}")
    epochs = f"{config.epochs} epoch{'' if config.epochs == 1 else 's'}"
    st.caption(f"{epochs} × {estimate.images_per_epoch:,} images and the evaluation: {escape(estimate.basis)}")
    if info.kind == "drawn":
        st.caption(":orange[:material/draw:] Synthetic data: scores don't transfer to real faces.")
    if notice := gpu_notice(runs_root()):
        st.caption(f":orange[:material/memory:] {escape(notice)}")
    ahead = sum(run.state.is_live for run in runs)
    if ahead:
        st.caption(f":gray[:material/schedule:] {ahead} run{'' if ahead == 1 else 's'} ahead in the queue.")
    if st.button("Start training", type="primary", icon=":material/play_arrow:", width="stretch", key="start"):
        said, by, parent = (name or "").strip(), (author or "").strip(), source.id if isinstance(source, Run) else None
        start = partial(control.start, runs_root(), data_root(), config, name=said, author=by, parent=parent)
        open_run(once((config, said, by, parent), start))
    st.caption("Command line")
    st.code(command(source, config, name or "", author or ""), language="bash", wrap_lines=True)


def usual_author(runs: list[Run]) -> str:
    """The one person who has started runs here; empty as soon as there are several. Shipped runs were started
    elsewhere."""
    authors = {run.meta.author for run in runs if run.meta.author and not is_shipped(run.id)}
    return authors.pop() if len(authors) == 1 else ""


main()
