"""The part of the runner that tells people: looks at the runs every few seconds, in a thread of its own.

Whoever holds `QueuePaths.notify_lock` looks and sends for all runs of a runs root; a runner that has nothing left to do
stays for the messages that are still on their way, without its other locks. What was told is in the folders of the
runs, so that the next one goes on where this one was killed. A message whose sending was cut off in the middle is not
sent again: it may have arrived.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from filelock import Timeout

from core.errors import ConfigError, FerError
from core.files import process_lock
from core.jobs.notify import channels
from core.jobs.notify.events import (
    RUN_EVENTS,
    Event,
    Message,
    StateChange,
    change_of,
    ended_elsewhere,
    message_about,
    message_about_queue,
    queue_change,
)
from core.jobs.notify.outbox import RETRY_SECONDS, Letter, Outbox
from core.jobs.notify.people import addresses_of, has_people, personal_destinations
from core.jobs.notify.record import Delivery, Notice, Notices, change_notices, read_notices
from core.jobs.notify.settings import Destination, NotifySettings, read_settings, server_destinations
from core.runs.paths import PeoplePaths, QueuePaths, RunPaths
from core.runs.reader import RunReader
from core.runs.records import Run

LOOK_PAUSE_SECONDS: Final = 2.0
TICK_SECONDS: Final = 0.2
TOLD_FOR: Final = timedelta(days=1)
"""What happened longer ago is not told any more, as when no runner was up."""

log = logging.getLogger("runner")


class Notifier:
    """Tells people about the runs of a runs root.

    Args:
        runs_root: the folder of all runs.
        pauses: see `Outbox`.
        look_seconds: pause between two looks at the runs.
    """

    def __init__(
        self, runs_root: Path, *, pauses: Sequence[float] = RETRY_SECONDS, look_seconds: float = LOOK_PAUSE_SECONDS
    ) -> None:
        self._reader = RunReader(runs_root)
        self._queue = QueuePaths(runs_root)
        self._people = PeoplePaths(runs_root)
        self._settings: NotifySettings | None = None
        self._outbox = Outbox(self._send, pauses)
        self._look_seconds = look_seconds
        self._lock = process_lock(self._queue.notify_lock)
        self._record_lock = threading.Lock()
        self._seen: set[tuple[str, Event, str]] = set()
        """Changes that are recorded, by run."""
        self._complaint = ""
        self._closing, self._hurry = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def finish(self, in_a_hurry: Callable[[], bool]) -> None:
        """Return when all that has happened so far was told or given up.

        Args:
            in_a_hurry: asked again and again: whether to wait only for attempts that have begun, and leave the rest to
                the next runner.
        """
        self._closing.set()
        while self._thread.is_alive():
            if in_a_hurry():
                self._hurry.set()
            self._thread.join(TICK_SECONDS)

    def _work(self) -> None:
        last_look = 0.0
        while not self._hurry.is_set():
            closing = self._closing.is_set()  # asked before the look, which then sees all that was to be told
            done = False
            if closing or time.monotonic() - last_look >= self._look_seconds:
                last_look = time.monotonic()
                done = self._try_to_look()
            self._outbox.start_due()
            if closing and done and self._outbox.is_empty:
                break
            self._hurry.wait(TICK_SECONDS)
        self._outbox.wait()
        self._lock.release()

    def _try_to_look(self) -> bool:
        """Look; whether there is nothing that a second look could still find."""
        try:
            return self.look()
        except Exception as error:  # one bad look must end neither the next one nor the runner
            said = str(error) if isinstance(error, FerError | OSError) else ""
            if said != self._complaint or not said:
                log.warning("No messages are sent: %s", said or error, exc_info=not said)
            self._complaint = said
            return True

    def look(self) -> bool:
        """Record what has changed since the last look, and put the messages about it into the outbox.

        Returns:
            False where another process is still at it.

        Raises:
            ConfigError: the settings or the record of the queue cannot be used.
            RunError: the folder of all runs cannot be read.
        """
        self._settings = settings = read_settings()
        if settings is None and not has_people(self._people):
            return True
        self._settings = settings = settings or NotifySettings()
        if not self._lock.is_locked:
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                return False
            self._seen.clear()
        since = self._begin()
        runs = self._reader.list()
        for run in runs:
            if (change := change_of(run)) and change.time >= since and not ended_elsewhere(run):
                self._tell(run.paths, change, partial(self._destinations_of, run), message_about(run, settings.address))
        if (change := queue_change(runs)) and change.time >= since:
            everybody = partial(self._server_destinations, Event.QUEUE_EMPTY)
            self._tell(self._queue, change, everybody, message_about_queue(settings.address))
        self._complaint = ""
        return True

    def _begin(self) -> datetime:
        """From when on changes are told: not from before messages were first asked for, and not from long ago."""
        began = read_notices(self._queue).since
        if began is None:
            began = datetime.now(UTC)
            self._change(self._queue, lambda notices: setattr(notices, "since", began))
        return max(began, datetime.now(UTC) - TOLD_FOR)

    def _tell(
        self,
        paths: RunPaths | QueuePaths,
        change: StateChange,
        destinations: Callable[[], list[Destination]],
        message: Message,
    ) -> None:
        """Record a change and put its messages into the outbox, or those that an earlier runner left waiting."""
        key = (paths.folder.name, change.event, change.of)
        if key in self._seen:
            return
        self._seen.add(key)
        try:
            found = destinations()
            notice = read_notices(paths).about(change)
            if notice is None:
                notice = Notice(
                    event=change.event.value,
                    of=change.of,
                    time=datetime.now(UTC),
                    to={each.label: Delivery() for each in found},
                )
                self._change(paths, lambda notices: notices.changes.append(notice))
        except ConfigError as error:  # what cannot be recorded is not told: it would be told for ever
            log.warning("%s", error)
            return
        for destination in found:
            delivery = notice.to.get(destination.label)
            if delivery and delivery.state == "waiting":
                record = partial(self._record, paths, change, destination.label)
                self._outbox.put(Letter(destination, message, delivery.model_copy(), record))

    def _destinations_of(self, run: Run) -> list[Destination]:
        """Who is told about a run: each address once."""
        assert self._settings is not None
        change = change_of(run)
        found = self._server_destinations(change.event) if change else []
        person = run.meta.started_by or run.meta.author
        if person and change and change.event in RUN_EVENTS:
            try:
                found += personal_destinations(addresses_of(self._people, person), self._settings)
            except ConfigError as error:
                log.warning("%s", error)
        return list({each.addresses: each for each in reversed(found)}.values())

    def _server_destinations(self, event: Event) -> list[Destination]:
        assert self._settings is not None
        return server_destinations(self._settings) if event in self._settings.events else []

    def _record(self, paths: RunPaths | QueuePaths, change: StateChange, label: str, delivery: Delivery) -> None:
        def enter(notices: Notices) -> None:
            if notice := notices.about(change):
                notice.to[label] = delivery

        self._change(paths, enter)

    def _change(self, paths: RunPaths | QueuePaths, change: Callable[[Notices], None]) -> None:
        with self._record_lock:
            change_notices(paths, change)

    def _send(self, destination: Destination, message: Message) -> None:
        assert self._settings is not None
        channels.send(destination, message, self._settings)
