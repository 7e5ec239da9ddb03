"""The messages as bytes, beside those of the Streamlit that is installed: equal in both directions, so that a new
Streamlit with other field numbers is noticed here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.bench.streamlit_wire import ServerMessage, read_message, rerun_fragment, rerun_script

FORMATS = list(Alert.Format.keys())
Status = ForwardMsg.ScriptFinishedStatus
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def asked(page: str, query: str) -> BackMsg:
    message = BackMsg()
    message.rerun_script.page_name, message.rerun_script.query_string = page, query
    return message


@given(page=TEXTS, query=TEXTS)
def test_a_page_is_asked_for_as_streamlit_itself_would(page: str, query: str) -> None:
    assert rerun_script(page, query) == asked(page, query).SerializeToString()
    assert BackMsg.FromString(rerun_script(page, query)) == asked(page, query)


@given(fragment=TEXTS, page=TEXTS, query=TEXTS)
def test_a_part_of_a_page_is_asked_for_as_the_browser_does_by_itself(fragment: str, page: str, query: str) -> None:
    message = BackMsg()
    asked_for = message.rerun_script
    asked_for.fragment_id, asked_for.page_script_hash, asked_for.query_string = fragment, page, query
    asked_for.is_auto_rerun = True
    assert rerun_fragment(fragment, page, query) == message.SerializeToString()


@given(fragment=TEXTS, interval=st.floats(0, 1000, width=32))
def test_how_often_a_part_is_to_be_asked_for_is_read(fragment: str, interval: float) -> None:
    message = ForwardMsg(hash="x")
    message.auto_rerun.fragment_id, message.auto_rerun.interval = fragment, interval
    assert read_message(message.SerializeToString()) == ServerMessage(fragment=fragment, interval=interval)


@given(page=TEXTS)
def test_which_page_is_open_is_read(page: str) -> None:
    message = ForwardMsg()
    message.navigation.page_script_hash = page
    message.navigation.sections.append("section")
    assert read_message(message.SerializeToString()) == ServerMessage(page=page)


def drawn(kind: str, text: str) -> ForwardMsg:
    """A message that draws an element, with fields around the one that is read."""
    message = ForwardMsg(hash="abc")
    message.metadata.delta_path.extend([0, 300, 70_000])
    message.metadata.cacheable = True
    message.delta.fragment_id = "fragment"
    element = message.delta.new_element
    element.width_config.pixel_width = 2**31
    if kind in FORMATS:
        element.alert.icon, element.alert.body, element.alert.format = "!", text, Alert.Format.Value(kind)
    elif kind == "exception":
        element.exception.type, element.exception.message = "ValueError", text
        element.exception.stack_trace.extend(["line one", "line two"])
    elif kind == "markdown":
        element.markdown.body = text
    else:
        element.slider.min, element.slider.step, element.slider.label = 0.5, 1e-3, text
    return message


@given(kind=st.sampled_from([*FORMATS, "exception", "markdown", "slider"]), text=TEXTS)
def test_errors_and_warnings_are_problems_and_info_boxes_are_not(kind: str, text: str) -> None:
    problem = text if kind in ("ERROR", "WARNING", "exception") else None
    assert read_message(drawn(kind, text).SerializeToString()) == ServerMessage(problem=problem, fragment="fragment")


@pytest.mark.parametrize("name", Status.keys())
def test_the_end_of_a_script_reads_as_streamlit_reads_it(name: str) -> None:
    data = ForwardMsg(hash="x", script_finished=Status.Value(name)).SerializeToString()
    assert ForwardMsg.FromString(data).WhichOneof("type") == "script_finished"
    said = read_message(data)
    assert said == ServerMessage(script_finished=Status.Value(name))
    assert said.page_is_complete == (name != "FINISHED_EARLY_FOR_RERUN")


@pytest.mark.parametrize("field", [each.name for each in ForwardMsg.DESCRIPTOR.oneofs_by_name["type"].fields])
def test_no_other_message_passes_for_an_end_or_a_problem(field: str) -> None:
    message = ForwardMsg(ref_hash="11" if field == "ref_hash" else "")
    kind = ForwardMsg.DESCRIPTOR.fields_by_name[field]
    if kind.message_type:
        getattr(message, field).SetInParent()
    else:
        setattr(message, field, "x" if kind.type == kind.TYPE_STRING else 1)
    assert message.WhichOneof("type") == field
    said = read_message(message.SerializeToString())
    assert said.page_is_complete == (field == "script_finished")
    assert said.problem is None


@given(kind=st.sampled_from(["ERROR", "slider"]), text=TEXTS, share=st.floats(0, 1, exclude_max=True))
def test_a_message_cut_short_is_refused_as_streamlit_refuses_it(kind: str, text: str, share: float) -> None:
    data = drawn(kind, text).SerializeToString()
    cut = data[: int(share * len(data))]
    try:
        ForwardMsg.FromString(cut)
    except Exception:
        with pytest.raises(ValueError, match=r"cut short|ends after"):
            read_message(cut)
    else:
        read_message(cut)


def test_fields_that_do_not_exist_are_passed_over_or_refused() -> None:
    end = ForwardMsg(script_finished=Status.FINISHED_SUCCESSFULLY).SerializeToString()
    assert read_message(b"\xfd\x3f1234" + b"\xf9\x3f12345678" + end).page_is_complete, "fixed 32 and 64 bits"
    with pytest.raises(ValueError, match="Wire type 7"):
        read_message(b"\x0f" + end)
    with pytest.raises(ValueError, match="longer than 64 bits"):
        read_message(b"\xff" * 11)
