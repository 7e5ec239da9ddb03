"""The few messages of Streamlit's websocket that a visitor needs, as bytes in protobuf's wire format: the engine does
without Streamlit, whose own classes for them come with all of it.

The numbers are those of the fields in `streamlit/proto/*.proto`. A test compares every byte and every reading with the
classes of the Streamlit that is installed. The format: https://protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types: how the value of a field is written."""

RERUN_SCRIPT: Final = 11
"""BackMsg.rerun_script, a ClientState."""
QUERY_STRING, PAGE_SCRIPT_HASH, PAGE_NAME, FRAGMENT_ID, IS_AUTO_RERUN = 1, 3, 4, 5, 6
"""Of ClientState."""

SCRIPT_FINISHED, DELTA, AUTO_RERUN, NAVIGATION = 6, 5, 21, 23
"""Of ForwardMsg."""
FINISHED_EARLY_FOR_RERUN, FINISHED_FRAGMENT = 2, 3
"""ForwardMsg.ScriptFinishedStatus: the script begins again at once; a fragment has been drawn again."""
NEW_ELEMENT, DELTA_FRAGMENT = 3, 8
"""Of Delta: new_element, an Element, and fragment_id."""
INTERVAL, AUTO_RERUN_FRAGMENT = 1, 2
"""Of AutoRerun."""
NAVIGATION_PAGE: Final = 4
"""Navigation.page_script_hash: which page is open."""
ALERT, EXCEPTION = 30, 8
"""Of Element."""
ALERT_BODY, ALERT_FORMAT = 1, 2
ERROR, WARNING = 1, 2
"""Of Alert.Format: an info box is part of a page that works."""
EXCEPTION_MESSAGE: Final = 2


@dataclass(frozen=True)
class ServerMessage:
    """What a visitor wants to know of a ForwardMsg."""

    script_finished: int | None = None
    """The ScriptFinishedStatus; None unless that is what the message says."""
    problem: str | None = None
    """Text of the error, warning or exception that the message draws; None if it draws none of them."""
    fragment: str = ""
    """The fragment that the message draws a part of, or that is to be asked for again and again."""
    interval: float | None = None
    """Seconds between two requests for that fragment; None unless that is what the message says."""
    page: str = ""
    """The hash of the page that is open; empty unless that is what the message says."""

    @property
    def page_is_complete(self) -> bool:
        """Whether nothing more will come by itself."""
        return self.script_finished not in (None, FINISHED_EARLY_FOR_RERUN)


def rerun_script(page_name: str, query_string: str) -> bytes:
    """A BackMsg that asks for a page.

    Args:
        page_name: the page's address below the root, such as `runs`; empty for the first page.
        query_string: as in a URL, without the question mark.
    """
    return _length_delimited(RERUN_SCRIPT, _texts({QUERY_STRING: query_string, PAGE_NAME: page_name}))


def rerun_fragment(fragment: str, page: str, query_string: str) -> bytes:
    """A BackMsg that asks for a part of the open page, as the browser does by itself every so many seconds.

    Args:
        fragment: its id.
        page: the hash of the open page.
        query_string: as in a URL, without the question mark.
    """
    state = _texts({QUERY_STRING: query_string, PAGE_SCRIPT_HASH: page, FRAGMENT_ID: fragment})
    return _length_delimited(RERUN_SCRIPT, state + _varint(IS_AUTO_RERUN << 3 | VARINT) + _varint(1))


def read_message(data: bytes) -> ServerMessage:
    """Read a ForwardMsg; fields that it has besides are passed over.

    Raises:
        ValueError: these bytes are no protobuf message.
    """
    message = _fields(memoryview(data))
    finished = message.get(SCRIPT_FINISHED)
    if isinstance(finished, int):
        return ServerMessage(script_finished=finished)
    if AUTO_RERUN in message:
        rerun = _fields(_part(message, AUTO_RERUN))
        [interval] = struct.unpack("<f", _part(rerun, INTERVAL) or bytes(4))
        return ServerMessage(fragment=_text(rerun, AUTO_RERUN_FRAGMENT), interval=interval)
    if NAVIGATION in message:
        return ServerMessage(page=_text(_fields(_part(message, NAVIGATION)), NAVIGATION_PAGE))
    delta = _fields(_part(message, DELTA))
    return ServerMessage(problem=_problem(_part(delta, NEW_ELEMENT)), fragment=_text(delta, DELTA_FRAGMENT))


def _problem(data: memoryview) -> str | None:
    element = _fields(data)
    if EXCEPTION in element:
        return _text(_fields(_part(element, EXCEPTION)), EXCEPTION_MESSAGE)
    alert = _fields(_part(element, ALERT))
    return _text(alert, ALERT_BODY) if alert.get(ALERT_FORMAT) in (ERROR, WARNING) else None


def _texts(fields: Mapping[int, str]) -> bytes:
    """Those that are not empty: an empty string is the default, which is not written."""
    return b"".join(_length_delimited(number, text.encode()) for number, text in fields.items() if text)


def _length_delimited(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; the eighth says that more follow."""
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def _part(fields: dict[int, int | memoryview], number: int) -> memoryview:
    """A string or message among the fields; empty, as its default is, where it is missing."""
    value = fields.get(number)
    return value if isinstance(value, memoryview) else memoryview(b"")


def _text(fields: dict[int, int | memoryview], number: int) -> str:
    return str(_part(fields, number), "utf-8")


def _fields(data: memoryview) -> dict[int, int | memoryview]:
    """Number to value of the fields of a message; of one that comes again the last, as protobuf has it for scalars."""
    return dict(_each_field(data))


def _each_field(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire_type == LENGTH_DELIMITED:
            length, at = _read_varint(data, at)
        elif wire_type in (FIXED64, FIXED32):
            length = 8 if wire_type == FIXED64 else 4
        else:
            raise ValueError(f"Wire type {wire_type} of field {number} is not known.")
        if at + length > len(data):
            raise ValueError(f"Field {number} ends after its message.")
        yield number, data[at : at + length]
        at += length


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at an offset, and the offset after it."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("A number is cut short or longer than 64 bits.")
