"""The right side of the Train page while settings vary: which runs will be started, how long they take, the button."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import streamlit as st

from core.config import TrainConfig, field_label
from core.data.dataset import DatasetInfo
from core.errors import ConfigError
from core.jobs.launchers import LOCAL, launcher_title
from core.jobs.slots import list_slots
from core.jobs.sweep import Sweep
from core.runs.estimate import estimate_runs, estimate_wait
from core.runs.groups import list_groups
from core.runs.naming import MAX_NAME, free_name
from core.runs.records import Run
from core.splits import SPLITS
from core.team import actions
from core.team.rights import Action, why_not
from dashboard.state.actor import actor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import duration, escape
from dashboard.ui.page import GROUP_PAGE, go_to, once
from dashboard.views.train.command_line import sweep_command
from dashboard.views.train.launcher import choose_launcher, launcher_preview
from dashboard.views.train.new_run import about_data_and_device, changed_list, said_author
from dashboard.views.train.settings import Base
from dashboard.views.train.varied import Varied


def new_sweep(
    source: Run | str,
    base: Base,
    values: Mapping[str, Any],
    changed: Mapping[str, str],
    datasets: Sequence[DatasetInfo],
    runs: Sequence[Run],
    asked: Varied,
) -> None:
    """What will be started, the estimated time, and the button."""
    st.header("New sweep", anchor=False)
    configs: list[TrainConfig] = []
    try:
        sweep = asked.sweep(values)
        configs, refused = sweep.configs(), ""
    except ConfigError as error:
        sweep, refused = None, str(error)
    suggested = suggested_title(source, sweep, runs) if sweep else "Optional"
    typed = st.text_input("Name", max_chars=MAX_NAME, placeholder=suggested, key="run-name", persist_state="session")
    me = actor()
    said_author(me)
    if fixed := {name: text for name, text in changed.items() if name not in asked.fields}:
        changed_list(base, fixed)
    launcher, refusal = choose_launcher()
    if refused:
        st.error(escape(refused), icon=":material/error:")
    elif sweep:
        estimate_all(sweep, configs, datasets, runs, launcher)
    not_allowed = why_not(me, Action.START_SWEEP)
    if not_allowed:
        st.caption(not_allowed)
    start = not not_allowed and st.button(
        f"Start {len(configs)} run{'' if len(configs) == 1 else 's'}" if configs else "Start runs",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        key="start",
        disabled=not configs or refusal is not None,
    )
    if not sweep or not configs:
        return
    if start:
        keep = "best" if asked.keep_best else "all"
        parent = source.id if isinstance(source, Run) else None
        act = partial(actions.start_sweep, me, runs_root(), data_root(), sweep)
        wish = partial(act, title=typed.strip() or suggested, keep=keep, parent=parent, launcher=launcher)
        go_to(GROUP_PAGE, name=once((asked, sweep.base, typed, me.name, parent, launcher), lambda: wish().name))
    launcher_preview(launcher)
    st.caption("Command line")
    same = sweep_command(source, sweep, keep_best=asked.keep_best, name=typed, author=me.name, launcher=launcher)
    st.code(same, language="bash", wrap_lines=True)


def suggested_title(source: Run | str, sweep: Sweep, runs: Sequence[Run]) -> str:
    """What the sweep is called unless somebody names it: short, since what differs is added to it in the name of each
    of its runs."""
    what = "seeds" if sweep.kind == "seeds" else "sweep"
    begins = source.name if isinstance(source, Run) else f"{source} {sweep.base.dataset}"
    return free_name(f"{begins} {what}", {group.title for group in list_groups(runs_root())})


def estimate_all(
    sweep: Sweep,
    configs: Sequence[TrainConfig],
    datasets: Sequence[DatasetInfo],
    runs: Sequence[Run],
    launcher: str = LOCAL,
) -> None:
    """How many runs there will be and how long they take, in the queue and training; of an engine, how many."""
    if launcher != LOCAL:
        st.caption(f"{counted(sweep)}, queued by {launcher_title(launcher)}.")
        return
    images = {info.name: {split: info.images(split) for split in SPLITS} for info in datasets}
    slots = len(list_slots(runs_root()))
    total = estimate_runs(configs, images, runs, slots)
    ahead = sum(run.state.is_live and run.status.launcher == LOCAL for run in runs)
    wait = estimate_wait(runs, images, slots) if ahead else 0.0
    count = f"{len(configs):,} run{'' if len(configs) == 1 else 's'}"
    with st.container(gap="xxsmall"):
        st.caption("Estimated time")
        if total is None:
            st.markdown(f"**{count}**")
        else:
            each = duration(total.longest)
            if duration(total.shortest) != each:
                each = f"{duration(total.shortest)} to {each}"
            st.markdown(f"**{count}, about {duration((wait or 0) + total.seconds)}** ({each} each)")
    st.caption(escape(counted(sweep)))
    others = f"{ahead} run{'' if ahead == 1 else 's'} ahead"
    if wait is None:
        st.caption(f"Plus the time in the queue: {others}.")
    elif wait:
        st.caption(f"{duration(wait)} of it in the queue ({others}).")
    if slots > 1:
        st.caption(f"{slots} runs train at a time on this machine.")
    about_data_and_device({config.dataset for config in configs}, datasets)


def counted(sweep: Sweep) -> str:
    """How the number of runs comes about, such as `Learning rate (4) × Batch size (2) = 8 combinations`."""
    parts = [f"{field_label(name)} ({len(values)})" for name, values in sweep.fields.items()]
    total = prod(len(values) for values in sweep.fields.values())
    said = f"{' × '.join(parts)} = {total:,} combinations" if len(parts) > 1 else f"{parts[0]}: {total} values"
    return said if sweep.how == "grid" else f"{sweep.runs} drawn at random of {said}"
