"""What the browser is told of the address of a page that is opened, and when."""

from urllib.parse import parse_qs

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import Opener, Writer

Told = list[tuple[str, dict[str, list[str]]]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Kind of each message to the browser, and for addresses the parameters."""
    sent: Told = []
    enqueue = ScriptRunContext.enqueue

    def note(context: ScriptRunContext, message: ForwardMsg) -> None:
        sent.append((str(message.WhichOneof("type")), parse_qs(message.page_info_changed.query_string)))
        enqueue(context, message)

    monkeypatch.setattr(ScriptRunContext, "enqueue", note)
    return sent


def go(app: AppTest, page: str, **query: str) -> None:
    """As a link in the navigation does, which knows no parameters, or one with some."""
    app.switch_page(f"views/{page}/page.py")
    app.query_params.clear()
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception


def test_a_page_that_is_opened_begins_with_its_whole_address(open_page: Opener, write: Writer, told: Told) -> None:
    write("finished", epochs=1)
    app = open_page("errors", show="All", order="Least confident")
    told.clear()
    go(app, "runs")
    assert [each for each in told if each[0] == "page_info_changed"] == [("page_info_changed", {})]
    told.clear()
    go(app, "errors")
    kinds = [kind for kind, _ in told]
    first = kinds.index("delta")
    assert ("page_info_changed", {"show": ["All"], "order": ["Least confident"]}) in told[
        kinds.index("navigation") : first
    ]
    assert "page_info_changed" not in kinds[first:], "nothing that a click could overtake"
    assert app.selectbox(key="show").value == "all"


def test_a_link_counts_more_than_what_a_page_remembers(open_page: Opener, write: Writer) -> None:
    write("finished", epochs=1)
    app = open_page("errors", show="All", order="Least confident")
    go(app, "runs")
    go(app, "errors", show="Correct")
    assert app.query_params == {"show": "Correct", "order": "Least confident"}
    assert app.selectbox(key="show").value == "right"


def test_a_value_that_has_changed_since_is_not_written_as_it_was(open_page: Opener, write: Writer, told: Told) -> None:
    write("finished", epochs=1)
    app = open_page("errors", show="All")
    go(app, "runs")
    app.session_state["show"] = "right"
    told.clear()
    go(app, "errors")
    assert app.query_params == {"show": "Correct"}
    assert ("page_info_changed", {"show": ["All"]}) not in told
