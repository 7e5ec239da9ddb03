"""The right side of the Train page: what will be started, how long it takes, and the button."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from core.config import TrainConfig, field_label
from core.data.dataset import DatasetInfo
from core.errors import ConfigError
from core.jobs.launchers import LOCAL, launcher_title
from core.jobs.slots import gpu_notice, list_slots
from core.runs.estimate import estimate_duration, estimate_wait
from core.runs.naming import MAX_NAME, suggest_clone_name, suggest_name, typed_setting
from core.runs.records import Run
from core.splits import SPLITS
from core.team import actions
from core.team.people import Actor
from core.team.rights import Action, why_not
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import duration, escape
from dashboard.ui.page import once
from dashboard.ui.runs import open_run
from dashboard.views.train import settings
from dashboard.views.train.command_line import command
from dashboard.views.train.launcher import choose_launcher, launcher_preview
from dashboard.views.train.settings import Base


def new_run(
    source: Run | str,
    base: Base,
    values: Mapping[str, Any],
    changed: Mapping[str, str],
    datasets: Sequence[DatasetInfo],
    runs: Sequence[Run],
) -> None:
    """What will be started, the estimated time, and the button."""
    st.header("New run", anchor=False)
    try:
        config, refused = settings.chosen_config(values), ""
    except ConfigError as error:
        config, refused = None, str(error)
    suggested = suggested_name(source, config, base, runs) if config else "Optional"
    typed = st.text_input("Name", max_chars=MAX_NAME, placeholder=suggested, key="run-name", persist_state="session")
    me, parent = actor(), source.id if isinstance(source, Run) else None
    author = me.name
    said_author(me)
    if changed:
        changed_list(base, changed)
    if config is None:
        st.error(escape(refused), icon=":material/error:")
    launcher, refusal = choose_launcher()
    if config is not None:
        estimate(config, datasets, runs, launcher)
    not_allowed = why_not(me, Action.CLONE if parent else Action.START)
    if not_allowed:
        st.caption(not_allowed)
    start = not not_allowed and st.button(
        "Start training",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        key="start",
        disabled=config is None or refusal is not None,
    )
    if config is None:
        return
    name, roots = typed.strip() or suggested, (runs_root(), data_root())
    if start:
        act = partial(actions.clone, me, *roots, parent) if parent else partial(actions.start, me, *roots)
        wish = partial(act, config, name=name, launcher=launcher)
        open_run(once((config, typed, author, parent, launcher), wish))
    launcher_preview(launcher)
    st.caption("Command line")
    st.code(command(source, config, name, author, launcher), language="bash", wrap_lines=True)


def said_author(me: Actor) -> None:
    """Whose run it will be."""
    st.caption(f"Author: {escape(me.name)}" if me.name else f"{visitor.ENTER_NAME} to start runs under it.")


def suggested_name(source: Run | str, config: TrainConfig, base: Base, runs: Sequence[Run]) -> str:
    """What the run is called unless somebody names it."""
    taken = {run.name for run in runs}
    if isinstance(source, Run):
        return suggest_clone_name(source.name, config, base.config, taken)
    return suggest_name(source, config, base.config, taken)


def changed_list(base: Base, changed: Mapping[str, str]) -> None:
    """All settings that differ from the preset or the parent, and the way back."""
    before = {name: typed_setting(getattr(base.config, name)) for name in changed}
    lines = [
        f"- {field_label(name)}: {escape(settings.in_words(before[name]))} → **{escape(settings.in_words(text))}**"
        for name, text in changed.items()
    ]
    with st.container(gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f"Changed from {escape(base.title)}", width="content")
            st.button(
                "Reset", type="tertiary", icon=":material/undo:", key="reset", on_click=settings.reset, args=(base,)
            )
        st.caption("\n".join(lines))


def estimate(config: TrainConfig, datasets: Sequence[DatasetInfo], runs: Sequence[Run], launcher: str = LOCAL) -> None:
    """How long it will take: in the queue and training. How long an engine's queue is, only the engine knows, and how
    fast its nodes are, the runs will tell."""
    if launcher != LOCAL:
        st.caption(f"{config.epochs} epoch{'' if config.epochs == 1 else 's'}, queued by {launcher_title(launcher)}.")
        return
    images = {info.name: {split: info.images(split) for split in SPLITS} for info in datasets}
    training = estimate_duration(config, images[config.dataset], runs)
    ahead = sum(run.state.is_live and run.status.launcher == LOCAL for run in runs)
    wait = estimate_wait(runs, images, len(list_slots(runs_root()))) if ahead else 0.0
    with st.container(gap="xxsmall"):  # no metric: it would cut the text in a narrow column
        st.caption("Estimated time")
        st.markdown(f"**About {duration((wait or 0) + training.seconds)}**")
    others = f"{ahead} run{'' if ahead == 1 else 's'} ahead"
    if wait is None:
        st.caption(f"Plus the time in the queue: {others}.")
    elif wait:
        st.caption(f"{duration(wait)} in the queue ({others}) and {duration(training.seconds)} of training.")
    epochs = f"{config.epochs} epoch{'' if config.epochs == 1 else 's'}"
    st.caption(f"{epochs} × {training.images_per_epoch:,} images and the evaluation: {escape(training.basis)}.")
    about_data_and_device({config.dataset}, datasets)


def about_data_and_device(names: Collection[str], datasets: Sequence[DatasetInfo]) -> None:
    """What to know before the start: that data are synthetic, or that a GPU is not used.

    Args:
        names: of the datasets that will be trained on.
        datasets: all there are.
    """
    if any(info.name in names and info.kind == "drawn" for info in datasets):
        st.caption(":orange[:material/draw:] Synthetic data: scores don't transfer to real faces.")
    if notice := gpu_notice(runs_root()):
        st.caption(f":orange[:material/memory:] {escape(notice)}")
