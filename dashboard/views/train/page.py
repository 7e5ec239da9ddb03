"""Train: select a preset and a dataset; what is then started is in `new_run`."""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from core.data.dataset import DatasetInfo, list_datasets
from core.data.identity import same_images
from core.errors import ConfigError, RunError
from core.presets import PRESETS, get_preset
from core.review.corrections import list_corrections
from core.runs.naming import MAX_NAME
from core.runs.paths import is_shipped
from core.runs.records import Run
from dashboard.state import cache, visitor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.datasets import dataset_titles
from dashboard.ui.format import escape
from dashboard.ui.page import DATA_PAGE, RUN_PAGE, empty_state, page_title
from dashboard.views.train import address, form, settings
from dashboard.views.train.new_run import new_run
from dashboard.views.train.new_sweep import new_sweep
from dashboard.views.train.settings import Base
from dashboard.views.train.sweep import sweep_section
from dashboard.views.train.teachers import learnable_runs
from dashboard.views.train.varied import fill_sweep, varied

FIRST_PRESET: Final = "quick"
"""What somebody without a run of their own is offered."""


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
    link = address.followed_link()
    if link is not None:
        st.session_state["run-name"] = link.get("name", "")[:MAX_NAME]
    fields, summary = st.columns([5, 3], gap="medium")
    with fields:
        source = cloned_run() or choose_preset(datasets, runs, link)
        base = base_of(source)
        settings.fill(base, link)
        fill_sweep(link)
        selected = settings.chosen_dataset([info.name for info in datasets])
        dataset = next((info for info in datasets if info.name == selected), None)
        learnable = learnable_runs(runs, cache.ensembles(runs_root()), dataset)
        titles, lists = dataset_titles(datasets), fitting_lists(datasets)
        values = form.config_fields(base, titles, lists, learnable)
        sweep_section({"dataset": titles, "corrections": {name: name for name in lists}})
    changed = settings.changed_fields(base, values)
    asked = varied()
    usual = usual_preset(runs), settings.usual_dataset([info.name for info in datasets])
    address.write(address.of_form(source, changed, values, usual) | (asked.address() if asked else {}))
    with summary, st.container(border=True):
        if asked:
            new_sweep(source, base, values, changed, datasets, runs, asked)
        else:
            new_run(source, base, values, changed, datasets, runs)


def cloned_run() -> Run | None:
    """The run in the address whose settings fill the form."""
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
    return run


def choose_preset(datasets: Sequence[DatasetInfo], runs: Sequence[Run], link: Mapping[str, str] | None) -> str:
    """A preset; selecting one fills the form."""
    if link and (linked := link.get("preset")):
        try:
            st.session_state["preset"] = get_preset(linked).name
        except ConfigError as error:
            st.error(escape(str(error)), icon=":material/error:")
    st.session_state.setdefault("preset", usual_preset(runs))
    name = st.radio(
        "Preset",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        captions=[preset.description for preset in PRESETS.values()],
        key="preset",
        persist_state="session",
    )
    preset = PRESETS[name]
    chosen = settings.chosen_dataset([info.name for info in datasets])
    of_fer2013 = any(info.name == chosen and info.kind == "fer2013" for info in datasets)
    st.caption(f"{preset.cost}. On FER2013: {preset.expect}." if of_fer2013 else f"{preset.cost}.")
    return str(name)


def usual_preset(runs: Sequence[Run]) -> str:
    """What is selected at a first visit: something that ends soon for somebody without a run of their own."""
    me = visitor.who()
    has_one = any(run.meta.author == me and not is_shipped(run.id) for run in runs)
    return next(iter(PRESETS)) if has_one else FIRST_PRESET


def base_of(source: Run | str) -> Base:
    """What the form starts from; of a run, its settings can be read."""
    if isinstance(source, str):
        preset = PRESETS[source]
        fields = tuple(name for name in settings.FIELDS if name != "dataset")
        return Base(source, "preset", preset.title, preset.config, fields)
    assert source.config is not None
    return Base(source.id, "parent", source.name, source.config, tuple(settings.FIELDS))


def fitting_lists(datasets: Sequence[DatasetInfo]) -> list[str]:
    """The correction sets that were made on the selected dataset; all, until one is selected."""
    datasets_by_name = {info.name: info for info in datasets}
    chosen = settings.chosen_dataset(list(datasets_by_name))
    lists = list_corrections(runs_root())
    if chosen is None:
        return [each.name for each in lists]
    return [each.name for each in lists if same_images([each.data, datasets_by_name[chosen].identity])]


main()
