"""What people are told about, and in which words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from core.runs.records import Run, RunState
from core.text import one_line

MESSAGE_LENGTH: Final = 1000
"""Characters of a message; chat services cut or refuse what is much longer."""


class Event(StrEnum):
    """What a message can be about; the values stand in the settings and in the folders of runs."""

    FINISHED = "finished"
    FAILED = "failed"
    CRASHED = "crashed"
    STALLED = "stalled"
    LOST = "lost"
    STOPPED = "stopped"
    QUEUE_EMPTY = "queue empty"


RUN_EVENTS: Final = frozenset(Event) - {Event.QUEUE_EMPTY}


@dataclass(frozen=True, slots=True)
class StateChange:
    """Something that happened once: a run that ends again after a resume is another change."""

    event: Event
    of: str
    """Tells it from other changes of the same event: when the run was queued for the attempt that ended, or the last
    heartbeat before it stalled, or renewal of its lease before it was lost."""
    time: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    subject: str
    """One line."""
    text: str
    """Plain text, the link included."""


def change_of(run: Run) -> StateChange | None:
    """The change that the present state of a run is the result of; None while it waits, trains, or cannot be read."""
    status = run.status
    if run.state is RunState.STALLED:
        return StateChange(Event.STALLED, f"heartbeat {status.heartbeat}", datetime.now(UTC))
    if run.state is RunState.LOST:
        return StateChange(Event.LOST, f"lease {status.lease_sequence}", datetime.now(UTC))
    if run.state.value not in RUN_EVENTS:
        return None
    of = status.queued_at or status.created_at
    return StateChange(Event(run.state.value), of.isoformat(), status.ended_at or _last_written(run))


def ended_elsewhere(run: Run) -> bool:
    """Whether a run is as it was imported: it ended on another server, which has told it there.

    A resume here writes the status anew, later than the record of the import. The times inside the status are those of
    the bundle, and may be any.
    """
    try:
        return run.paths.imports.stat().st_mtime_ns >= run.paths.status.stat().st_mtime_ns
    except OSError:  # nearly all were started here
        return False


def queue_change(runs: list[Run]) -> StateChange | None:
    """The change that an empty queue is the result of: the end of the run that was queued last; None while runs wait
    or train, or where none ever did here; of lost ones nobody knows."""
    if any(run.state.is_live and run.state is not RunState.LOST for run in runs):
        return None
    queued = sorted((run for run in runs if run.status.queued_at), key=_queued_at, reverse=True)
    last = next((run for run in queued if not ended_elsewhere(run)), None)
    if last is None:
        return None
    return StateChange(Event.QUEUE_EMPTY, _queued_at(last).isoformat(), last.status.ended_at or _last_written(last))


def _queued_at(run: Run) -> datetime:
    return run.status.queued_at or run.status.created_at


def _last_written(run: Run) -> datetime:
    """About when a run that could not say so ended: it writes its status every second."""
    try:
        return datetime.fromtimestamp(run.paths.status.stat().st_mtime, UTC)
    except OSError:  # deleted meanwhile
        return datetime.fromtimestamp(0, UTC)


def how_it_ended(run: Run) -> str:
    """How a run has ended, or that it has stalled or is lost, in a sentence."""
    said = f"{run.name}: {run.state.in_words()}"
    if run.problem:
        return f"{said}. {run.problem}"
    if run.validation_accuracy is None:
        return said
    low, high = run.validation_interval or (0.0, 0.0)
    half = f" ± {50 * (high - low):.1f} pp" if high else ""
    return f"{said}, {100 * run.validation_accuracy:.1f}%{half} val. accuracy"


def message_about(run: Run, address: str) -> Message:
    """What is said about a run.

    Args:
        run: in the state that is told.
        address: where the dashboard is opened; empty: the message has no link.
    """
    author = f" ({plain(run.meta.author)})" if run.meta.author else ""
    return _message(f"{plain(how_it_ended(run))}{author}", address and f"{address}/run?{urlencode({'run': run.id})}")


def message_about_queue(address: str) -> Message:
    """What is said when nothing is queued and nothing trains any more."""
    return _message("The queue is empty: no run is queued or training.", address)


def message_of_test(address: str) -> Message:
    """What `Send a test` sends."""
    return _message("Test: notifications of FER Dashboard arrive here.", address)


def _message(text: str, link: str) -> Message:
    cut = text if len(text) <= MESSAGE_LENGTH else f"{text[: MESSAGE_LENGTH - 1]}…"
    return Message(f"[FER] {cut[:150]}", f"{cut}\n{link}" if link else cut)


_PLAIN: Final = str.maketrans({"<": "‹", ">": "›", "&": "＆", "@": "＠", "`": "'", "*": "∗", "[": "(", "]": ")"})
"""Chat services read links, mentions of everybody and styles from these, each with another way to escape them."""


def plain(text: str) -> str:
    """User text on one line, in which no chat service finds anything but text."""
    return one_line(text).translate(_PLAIN)
