"""Activity: what has been done with the runs and datasets of this server, newest first."""

import streamlit as st

from dashboard.state import cache
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.page import empty_state, page_title
from dashboard.views.activity import entries


def main() -> None:
    page_title("Activity", "Who did what, when and on what.")
    found = cache.activity(runs_root(), data_root())
    if not found:
        empty_state("No activity yet", "Everything that changes a run or a dataset will be listed here.")
        return
    names = {run.id: run.name for run in cache.runs(runs_root())}
    chosen = entries.filter_entries(found, names)
    if not chosen:
        st.info("No activity matches. Adjust the filters.", icon=":material/filter_alt_off:")
    else:
        entries.show(chosen, names)
    if len(found) == cache.MOST_ACTIVITY:
        st.caption(f"Only the latest {len(found):,} entries are searched. All of them: `python -m core log --limit 0`")


main()
