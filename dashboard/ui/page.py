"""What frames every page: title, empty states, metrics, and what is shown when something goes wrong."""

import logging
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page

from core.data.dataset import list_datasets
from core.errors import FerError, explain_system_error, is_out_of_files
from core.files import file_size
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import data_root, for_visitors, runs_root
from dashboard.state.seldom import warn_seldom
from dashboard.ui.format import escape
from dashboard.ui.visitor_menu import visitor_menu

log = logging.getLogger(__name__)

OVERVIEW_PAGE: Final = "views/overview/page.py"
DATA_PAGE: Final = "views/data/page.py"
TRAIN_PAGE: Final = "views/train/page.py"
RUNS_PAGE: Final = "views/runs/page.py"
RUN_PAGE: Final = "views/run/page.py"
GROUP_PAGE: Final = "views/group/page.py"
COMPARE_PAGE: Final = "views/compare/page.py"
ERRORS_PAGE: Final = "views/errors/page.py"
PREDICT_PAGE: Final = "views/predict/page.py"
ACTIVITY_PAGE: Final = "views/activity/page.py"

UNEXPECTED: Final = "Something went wrong here. See the server log for details."
"""Shown in place of what failed for an unforeseen reason."""

DOUBLE_CLICK_SECONDS: Final = 3

THEME: Final = Path(__file__).with_name("theme.css")
"""What the theme needs beside its options."""


@contextmanager
def guarded() -> Iterator[None]:
    """Show what goes wrong inside as one sentence; an unforeseen error also goes to the server log, with traceback."""
    try:
        yield
    except FerError as error:
        st.error(escape(for_visitors(str(error))), icon=":material/error:")
    except Exception as error:
        if is_out_of_files(error):  # all open pages fail again and again then
            warn_seldom(log, "files", explain_system_error(error))
        else:
            log.exception("A page failed.")
        st.error(escape(for_visitors(explain_system_error(error))) or UNEXPECTED, icon=":material/error:")


def follow_address(key: str, value: object) -> None:
    """Before a widget is drawn whose choice stands in the address: it shows what the address says, not what it
    remembers, and stays the same widget, so that no click on it is lost. Its `on_change` writes to the address."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def say_unknown(parameter: str, choices: Collection[str]) -> None:
    """Before a widget is drawn whose choice stands in the address: say so if the address has one that is not there.
    Streamlit then drops it from the address and shows the first choice."""
    value = st.query_params.get(parameter)
    if value and value not in choices:
        said = f"{parameter.rpartition('-')[2].capitalize()} “{value}” isn't available here. Choose another one."
        st.warning(escape(said), icon=":material/link_off:")


def follow_renamed(page: str, renamed: Mapping[str, Mapping[str, str]]) -> None:
    """Before a page draws a widget: an address from before choices were renamed opens the same view under their new
    names. Streamlit would drop a value it does not know from the address.

    Args:
        page: the page itself, such as `ERRORS_PAGE`.
        renamed: parameter to older and present value.
    """
    query = st.query_params.to_dict()
    present = {parameter: renamed.get(parameter, {}).get(value, value) for parameter, value in query.items()}
    if present != query:
        go_to(page, **present)


# --- parts


def go_to(page: str | Page, /, **query: str | list[str]) -> NoReturn:
    """Leave for another page, with these parameters in its address.

    Without `query_params`, Streamlit 1.67 first has the present page clear its own and raises where one belongs to a
    widget: the click would be lost, and a filter with it.
    """
    st.switch_page(page, query_params=query)


def go_button(label: str, page: str, icon: str, /, **query: str) -> None:
    """A button that leads to another page: beside other buttons, a bare link does not look like something to press.

    Args:
        label: what it says.
        page: such as `ERRORS_PAGE`.
        icon: of the icon font.
        query: parameters of that page's address.
    """
    if st.button(label, icon=icon, key=f"go-{page}-{label}"):
        go_to(page, **query)


def page_title(title: str, sentence: str = "") -> DeltaGenerator:
    """The heading of a page, and the visitor's menu. Returns the container between them, for the primary action."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="medium"):
        st.title(title, anchor=False, width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            actions = st.container(horizontal=True, vertical_alignment="center", width="content")
            visitor_menu()
    if sentence:
        st.caption(sentence)
    return actions


def empty_state(title: str, text: str, page: str | None = None, label: str = "", icon: str = "") -> None:
    """What will appear here, and the one action that fills it: to get data, where a run has none to train on."""
    if page == TRAIN_PAGE and not list_datasets(data_root()):
        page, label, icon = DATA_PAGE, "Add data", ":material/database:"
        text = f"{text} Training needs a dataset first."
    with st.container(border=True):
        st.header(title, anchor=False)
        st.write(text)
        if page and st.button(label, icon=icon or None, type="primary", key=f"empty-{page}"):
            go_to(page)


def metric_card(
    where: DeltaGenerator,
    label: str,
    value: str,
    note: str = "",
    *,
    help: str | None = None,
) -> None:
    """A number in a frame, with what it is about beneath."""
    where.metric(
        label,
        value,
        note or None,
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        help=help,
    )


def is_dark() -> bool:
    """Whether this viewer sees the dark theme."""
    return st.context.theme.type == "dark"


def draw_live(draw: Callable[..., None], *, seconds: float | None, **arguments: Any) -> None:
    """Draw something, and again every so many seconds (None: once); what goes wrong stays inside."""

    def once() -> None:
        with guarded():
            if seconds is not None:
                cache.take_over(runs_root(), data_root())
            draw(**arguments)

    st.fragment(once, run_every=seconds)()


def once(wish: Hashable, start: Callable[[], str]) -> str:
    """Start a run; a second click while the first one is still being answered gives the same run."""
    last = st.session_state.get("last-start")
    if last and last[0] == wish and time.monotonic() - last[2] < DOUBLE_CLICK_SECONDS:
        return str(last[1])
    run_id = start()
    st.session_state["last-start"] = (wish, run_id, time.monotonic())
    return run_id


def download_file(run: Run, path: Path, label: str, primary: bool = False, of: str = "run") -> None:
    """A button that hands out one file of a run, read when it is clicked; `of` tells it from another for this file."""
    st.download_button(
        f"{label} ({file_size(path.stat().st_size)})",
        path.read_bytes,
        file_name=path.name,
        mime="application/octet-stream",
        icon=":material/download:",
        type="primary" if primary else "secondary",
        on_click="ignore",
        key=f"download-{of}-{path.name}-{run.id}",
    )
