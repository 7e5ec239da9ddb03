"""Letters on their way: what hangs or refuses delays nothing else, and is given up at last."""

import threading
import time
from collections.abc import Callable

import pytest

from core.errors import ConfigError
from core.jobs.notify.attempt import SendError
from core.jobs.notify.events import Message
from core.jobs.notify.outbox import Letter, Outbox
from core.jobs.notify.record import Delivery
from core.jobs.notify.settings import Destination
from tests.conftest import wait_for

ONE, OTHER = (Destination(name, "webhook", (f"https://{name}.example.org",)) for name in ("one", "other"))


class Records(list[tuple[str, int, str]]):
    """State, attempts and error, each time they are recorded."""

    def __call__(self, delivery: Delivery) -> None:
        self.append((delivery.state, delivery.attempts, delivery.error))


def letter(destination: Destination, text: str, record: Callable[[Delivery], None] = lambda _: None) -> Letter:
    return Letter(destination, Message(text, text), Delivery(), record)


def empty(outbox: Outbox) -> bool:
    outbox.start_due()
    return outbox.is_empty


def test_each_attempt_is_recorded_before_and_after() -> None:
    sent, records = [], Records()
    outbox = Outbox(lambda _, message: sent.append(message.text))
    outbox.put(letter(ONE, "hello", records))
    wait_for(lambda: empty(outbox))
    assert sent == ["hello"]
    assert records == [("sending", 1, ""), ("sent", 1, "")]


def test_what_is_refused_is_tried_again_later_and_given_up_at_last() -> None:
    begun, records = [], Records()

    def refuse(_: Destination, __: Message) -> None:
        begun.append(time.monotonic())
        raise SendError("one answered with status 500.", again=True)

    outbox = Outbox(refuse, pauses=(0.1, 0.3))
    outbox.put(letter(ONE, "hello", records))
    wait_for(lambda: empty(outbox))
    assert len(begun) == 3
    assert begun[1] - begun[0] >= 0.1 and begun[2] - begun[1] >= 0.3
    said = "one answered with status 500."
    assert records[1::2] == [("waiting", 1, said), ("waiting", 2, said), ("failed", 3, said)]


def test_what_will_never_be_taken_is_given_up_at_once() -> None:
    records = Records()

    def refuse(_: Destination, __: Message) -> None:
        raise SendError("gone", again=False)

    outbox = Outbox(refuse, pauses=(0.1,))
    outbox.put(letter(ONE, "hello", records))
    wait_for(lambda: empty(outbox))
    assert records[-1] == ("failed", 1, "gone")


def test_a_destination_that_hangs_keeps_no_other_waiting() -> None:
    let_go, sent = threading.Event(), []

    def send(destination: Destination, message: Message) -> None:
        if destination is ONE:
            let_go.wait(60)
        sent.append(message.text)

    outbox = Outbox(send)
    for each in (letter(ONE, "first"), letter(ONE, "second"), letter(OTHER, "third")):
        outbox.put(each)
    before = time.monotonic()
    outbox.start_due()
    assert time.monotonic() - before < 5, "it returns at once"
    wait_for(lambda: sent == ["third"])
    outbox.start_due()
    assert sent == ["third"], "one at a time to each destination"
    let_go.set()
    wait_for(lambda: empty(outbox))
    assert sent == ["third", "first", "second"]


@pytest.mark.parametrize("error", [ConfigError("disk full"), RuntimeError("bug")])
def test_what_cannot_be_recorded_is_not_sent(error: Exception) -> None:
    """Nobody would know that it was, and another runner would send it again."""

    def record(_: Delivery) -> None:
        raise error

    sent = []
    outbox = Outbox(lambda _, message: sent.append(message.text))
    outbox.put(letter(ONE, "hello", record))
    wait_for(lambda: empty(outbox))
    assert sent == []
