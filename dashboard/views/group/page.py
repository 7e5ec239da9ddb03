"""Group: runs that were started together, live while one of them trains."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from core.data.dataset import list_datasets
from core.errors import RunError
from core.jobs.slots import list_slots
from core.runs.groups import KIND_LABELS, Group, Members, Progress, members_of, progress_of, read_group
from core.splits import SPLITS
from dashboard.state import cache
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.curves import curve_controls
from dashboard.ui.format import ago, escape, exact
from dashboard.ui.page import GROUP_PAGE, RUNS_PAGE, draw_live, go_button, go_to, guarded, page_title
from dashboard.views.group import actions, curves, effects, members, settings, summary
from dashboard.views.group.all_groups import all_groups, reader

GROUP_POLL_SECONDS = 3
GROUP_TABS: Final[dict[str, Callable[[Group, Members], None]]] = {
    "Results": effects.group_results,
    "Runs": members.member_table,
    "Curves": curves.member_curves,
    "Config": settings.settings_table,
}


def main() -> None:
    name = st.query_params.get("name")
    if not name:
        all_groups()
        return
    try:
        group = read_group(runs_root(), name)
    except RunError as error:
        page_title("Group")
        st.error(escape(str(error)), icon=":material/error:")
        go_button("All groups", GROUP_PAGE, ":material/workspaces:")
        return
    live = any(run.state.is_live for run in members_of(runs_root(), group, reader(cache.runs(runs_root()))).runs)
    draw_live(group_body, seconds=GROUP_POLL_SECONDS if live else None, name=name, watched=live)


def group_body(name: str, watched: bool) -> None:
    """The page of one group; redrawn by itself every few seconds for as long as one of its runs is `watched`."""
    runs = cache.runs(runs_root())
    group = read_group(runs_root(), name)
    found = members_of(runs_root(), group, reader(runs))
    if watched != any(run.state.is_live for run in found.runs):
        st.rerun()  # the last one has ended, or one was resumed: redrawing the page ends or begins the polling
    group_header(group, found)
    if group.problem:
        st.error(escape(group.problem), icon=":material/broken_image:")
        return
    with guarded():
        images = {info.name: {split: info.images(split) for split in SPLITS} for info in list_datasets(data_root())}
        progress = progress_of(group, found, runs, images, len(list_slots(runs_root())))
        name_tab(group, progress)
        summary.group_summary(group, found, progress)
    if not found.runs:
        return
    tabs = st.tabs(list(GROUP_TABS), key="group-tab", bind="query-params")
    with tabs[list(GROUP_TABS).index("Curves")]:
        curve_controls(0.0, curves.CURVES_PREFIX)
    for tab, draw in zip(tabs, GROUP_TABS.values(), strict=True):
        if tab.open:
            with tab, guarded():
                draw(group, found)


def name_tab(group: Group, progress: Progress) -> None:
    """The browser tab is called after the group, with its progress while it trains."""
    going = f"● {100 * progress.fraction:.0f}% · " if progress.is_live else ""
    st.set_page_config(page_title=f"{going}{group.title}")


def group_header(group: Group, found: Members) -> None:
    """Title, kind, and what can be done with all of its runs."""
    with page_title(escape(group.title)):
        actions.group_actions(group, found)
    record = group.record
    with st.container(horizontal=True, vertical_alignment="center"):
        if not group.problem:
            st.badge(KIND_LABELS[group.kind], icon=":material/workspaces:", color="blue")
            by = f" by {escape(record.author)}" if record.author else ""
            st.caption(
                f"{escape(group.name)} · Started {ago(record.created_at)}{by}",
                help=f"Started {exact(record.created_at)}",
                width="content",
            )
        if st.button("All groups", icon=":material/workspaces:", type="tertiary", key="all-groups-above"):
            go_to(GROUP_PAGE)
        query = {"in-group": group.name}
        st.page_link(RUNS_PAGE, label="Show in Runs", icon=":material/table_rows:", query_params=query)


main()
