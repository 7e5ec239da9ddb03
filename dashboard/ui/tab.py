"""The browser tab: its title and its icon tell the page, and the state of the run that is open."""

from functools import cache
from pathlib import Path
from typing import Final

import streamlit as st

from core.runs.records import Run, RunState
from dashboard.ui.runs import LOOKS

ICON: Final = Path(__file__).parent.parent / "icon.svg"


def run_tab_title(run: Run) -> str:
    """What the browser tab of a run's page is called, such as `● 45% · NAME`: its progress shows in every other tab."""
    if run.state in (RunState.RUNNING, RunState.STALLED):
        return f"● {100 * run.status.progress:.0f}% · {run.name}"
    return f"{LOOKS[run.state].sign} {run.name}"


@cache
def state_icon(state: RunState) -> str:
    """The icon of the dashboard with a dot in the colour of a state, as SVG."""
    dot = f'<circle cx="36" cy="36" r="11" fill="{LOOKS[state].hex}" stroke="#fff" stroke-width="3"/>'
    return ICON.read_text("utf-8").replace("</svg>", f"  {dot}\n</svg>")


def show_in_tab(run: Run) -> None:
    """Name the browser tab after a run; in a part of a page that draws itself again, title and icon follow the run."""
    st.set_page_config(page_title=run_tab_title(run), page_icon=state_icon(run.state))
