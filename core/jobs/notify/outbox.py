"""Messages on their way: each destination on its own, so that one that hangs or refuses keeps no other waiting."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import FerError
from core.jobs.notify.attempt import ATTEMPT_SECONDS, SendError
from core.jobs.notify.events import Message
from core.jobs.notify.record import Delivery
from core.jobs.notify.settings import Destination

RETRY_SECONDS: Final = (5.0, 30.0, 120.0, 600.0)
"""Pauses before the second attempt and those after it; then a message is given up."""

log = logging.getLogger("runner")

Sender = Callable[[Destination, Message], None]
"""Raises a SendError where the message is not taken."""


@dataclass
class Letter:
    """One message to one destination."""

    destination: Destination
    message: Message
    delivery: Delivery
    record: Callable[[Delivery], None]
    """Writes how far it is. Raises a FerError where it cannot: then it is not sent, since nobody would know."""
    due: float = 0.0
    """By the monotonic clock."""


class Outbox:
    """Sends letters in threads, at most one at a time to each destination, in the order in which they are due.

    Args:
        send: sends one message.
        pauses: seconds before each further attempt.
    """

    def __init__(self, send: Sender, pauses: Sequence[float] = RETRY_SECONDS) -> None:
        self._send = send
        self._pauses = pauses
        self._letters: list[Letter] = []
        self._at_work: dict[tuple[str, ...], threading.Thread] = {}
        """By the addresses of the destination."""
        self._lock = threading.Lock()

    def put(self, letter: Letter) -> None:
        """Send a letter, or what is left of its attempts, with the next `start_due`."""
        with self._lock:
            self._letters.append(letter)

    @property
    def is_empty(self) -> bool:
        """Whether everything was sent or given up."""
        with self._lock:
            return not self._letters

    def start_due(self) -> None:
        """Begin what is due. Returns at once."""
        with self._lock:
            for letter in sorted(self._letters, key=lambda each: each.due):
                place = letter.destination.addresses
                if letter.due <= time.monotonic() and place not in self._at_work:
                    thread = threading.Thread(target=self._attempt, args=(letter,), name="notify", daemon=True)
                    self._at_work[place] = thread
                    thread.start()

    def wait(self) -> None:
        """Until the attempts that have begun are over, or have had their time."""
        end = time.monotonic() + ATTEMPT_SECONDS + 5
        with self._lock:
            threads = list(self._at_work.values())
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _attempt(self, letter: Letter) -> None:
        try:
            done = self._is_done(letter)
        except FerError as error:  # it cannot be recorded
            log.warning("%s", error)
            done = True
        except Exception:  # whatever it is, the other letters must not wait for it
            log.exception("unexpected")
            done = True
        with self._lock:
            del self._at_work[letter.destination.addresses]
            if done:
                self._letters.remove(letter)

    def _is_done(self, letter: Letter) -> bool:
        """One attempt; whether there is none to follow."""
        delivery, label = letter.delivery, letter.destination.label
        delivery.state, delivery.attempts = "sending", delivery.attempts + 1
        letter.record(delivery)
        try:
            self._send(letter.destination, letter.message)
            delivery.state, delivery.error = "sent", ""
        except SendError as error:
            again = error.again and delivery.attempts <= len(self._pauses)
            delivery.state, delivery.error = "waiting" if again else "failed", str(error)
            log.warning("%s: attempt %d%s. %s", label, delivery.attempts, "" if again else ", the last", error)
        letter.record(delivery)
        if delivery.state != "waiting":
            return True
        letter.due = time.monotonic() + self._pauses[delivery.attempts - 1]
        return False
