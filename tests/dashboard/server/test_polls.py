"""What a timer asks for, and what the visitor does: which of the two counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner, script_runner

from dashboard.server import polls
from dashboard.server.polls import Requests, believe_no_timer

OF_THE_PAGE_BEFORE = "selected=a-run"


@pytest.fixture(autouse=True)
def on_a_run_s_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has opened a run and has written its address."""

    @contextmanager
    def query_params() -> Iterator[Any]:
        yield SimpleNamespace(_query_params={"run": "a-run", "embed": ["true"]})

    state = SimpleNamespace(query_params=query_params)
    context = SimpleNamespace(page_script_hash="run", session_state=state)
    monkeypatch.setattr(polls, "get_script_run_ctx", lambda: context)


def poll() -> RerunData:
    """Of a browser that shows the page before."""
    return RerunData(OF_THE_PAGE_BEFORE, WidgetStates(), "runs", fragment_id="table", is_auto_rerun=True)


def test_a_timer_says_nothing_about_page_and_address() -> None:
    requests = Requests()
    assert requests.request_rerun(poll())
    taken = requests.on_scriptrunner_ready().rerun_data
    assert (taken.page_script_hash, taken.query_string) == ("run", "run=a-run&embed=true")
    assert taken.widget_states is None, "those of a page that was left"
    assert taken.fragment_id_queue == ["table"]


def test_what_is_chosen_on_a_page_that_is_open_stays() -> None:
    requests = Requests()
    assert requests.request_rerun(replace(poll(), page_script_hash="run"))
    taken = requests.on_scriptrunner_ready().rerun_data
    assert taken.query_string == "run=a-run&embed=true"
    assert taken.widget_states == WidgetStates()


@pytest.mark.parametrize("act", [RerunData("q=1", page_script_hash="data"), RerunData("q=1", fragment_id="table")])
def test_what_the_visitor_does_is_believed(act: RerunData) -> None:
    requests = Requests()
    assert requests.request_rerun(act)
    taken = requests.on_scriptrunner_ready().rerun_data
    assert (taken.page_script_hash, taken.query_string) == (act.page_script_hash, "q=1")


@pytest.mark.parametrize("is_back", [False, True])
def test_a_timer_that_joins_an_act_changes_nothing_of_it(is_back: bool) -> None:
    """Such as the opening of another page, which waits for the end of this one."""
    act = RerunData("run=other", page_script_hash="compare", page_name="compare", is_history_navigation=is_back)
    requests = Requests()
    assert requests.request_rerun(act)
    assert requests.request_rerun(poll())
    request = requests.on_scriptrunner_yield()
    assert request is not None
    taken = request.rerun_data
    assert (taken.page_script_hash, taken.page_name, taken.query_string) == ("compare", "compare", "run=other")
    assert taken.is_history_navigation is is_back
    assert not taken.is_auto_rerun
    assert taken.fragment_id_queue == [], "the whole page is drawn"


def test_an_act_that_joins_a_timer_counts() -> None:
    requests = Requests()
    assert requests.request_rerun(poll())
    assert requests.request_rerun(RerunData("q=1", page_script_hash="runs", fragment_id="table"))
    taken = requests.on_scriptrunner_ready().rerun_data
    assert (taken.page_script_hash, taken.query_string, taken.is_auto_rerun) == ("runs", "q=1", False)


def test_without_a_request_there_is_none() -> None:
    requests = Requests()
    assert requests.on_scriptrunner_yield() is None
    assert requests.on_scriptrunner_ready().type.value == "STOP"


def test_every_visitor_s_script_is_asked_in_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_runner, "ScriptRequests", script_runner.ScriptRequests)  # put back at the end
    believe_no_timer()
    nothing: Any = SimpleNamespace()
    runner = ScriptRunner("", "", nothing, nothing, nothing, RerunData(), {}, nothing, nothing, nothing)
    assert isinstance(runner._requests, Requests)
