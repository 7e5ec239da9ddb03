"""How much visitors may upload, each and all together: counted while it comes in, before it fills the memory.

Streamlit keeps uploads in memory until their visitor leaves, and limits the size of each file alone.
"""

import asyncio
import gc
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, runtime

from core.errors import ConfigError
from core.files import file_size
from core.machine import memory_bytes
from dashboard.state.seldom import warn_seldom

UPLOADS_MB: Final = "FER_UPLOADS_MB"
MOST_OF_ONE_VISITOR: Final = 1_000_000_000
"""Bytes."""
STEP: Final = 1_000_000
"""Bytes that an upload takes of its visitor's share at a time."""
SMALLEST: Final = 200_000
"""Bytes that a file counts at least, so that the number of files is limited, too."""
STALLED_UPLOAD_SECONDS: Final = 60.0
"""An upload of which nothing comes for so long is given up."""
AWAY_SECONDS: Final = 60.0
"""A visitor whose connection is gone for so long has left."""

_UPLOAD: Final = re.compile(r"/_stcore/upload_file/([^/]+)/[^/]+")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UploadShare:
    """How many bytes of uploads this server keeps."""

    of_all: int
    of_one: int
    """Of one visitor."""

    @classmethod
    def of_settings(cls) -> "UploadShare":
        """`FER_UPLOADS_MB`, else a quarter of the memory; half of it at most for one visitor.

        Raises:
            ConfigError: it is not a number from 1 to 9,999,999.
        """
        text = os.environ.get(UPLOADS_MB, "")
        if text and (not re.fullmatch(r"[0-9]{1,7}", text) or int(text) < 1):
            raise ConfigError(f"{UPLOADS_MB} must be a number of megabytes from 1 to 9,999,999 (got {text!r}).")
        of_all = int(text) * 10**6 if text else memory_bytes() // 4
        return cls(of_all, min(MOST_OF_ONE_VISITOR, of_all // 2))

    def __str__(self) -> str:
        return (
            f"One visitor may upload {file_size(self.of_one)} in all, everybody together {file_size(self.of_all)} "
            f"({UPLOADS_MB}). Reload the page to drop earlier uploads."
        )


class RefusedUploadError(Exception):
    """An upload is not taken: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class UploadLimits:
    """ASGI middleware in front of Streamlit's route of uploads, whoever asks it: a widget, or a visitor's own program.

    Args:
        app: what is behind it.
        share: the limits.
    """

    def __init__(self, app: ASGIApp, share: UploadShare) -> None:
        self._app = app
        self._share = share
        self._taken: Counter[str] = Counter()
        """Bytes set aside for unfinished uploads, by session."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = _UPLOAD.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if place is None:
            await self._app(scope, receive, send)
            return
        session = place[1]
        upload = _Upload(receive, partial(self._take, session))

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":  # the file is among those that are kept, or dropped
                self._give_back(session, upload)
                if message["status"] == 403:  # by Streamlit, which does not say so
                    warn_seldom(log, "uploads-token", "An upload came without the token of its page.")
            await send(message)

        try:
            upload.take(_declared_bytes(scope) or STEP)
            await self._app(scope, upload.receive, watched_send)
        except RefusedUploadError as refused:
            self._give_back(session, upload)
            warn_seldom(log, "uploads", f"Refused an upload. {refused}")
            await upload.drain()
            await PlainTextResponse(str(refused), refused.status)(scope, receive, send)
        finally:
            self._give_back(session, upload)

    def _take(self, session: str, size: int) -> None:
        kept = kept_bytes()
        of_one = self._share.of_one - kept[session] - self._taken[session]
        if size > min(of_one, self._share.of_all - kept.total() - self._taken.total()):
            raise RefusedUploadError(413, str(self._share))
        self._taken[session] += size

    def _give_back(self, session: str, upload: "_Upload") -> None:
        self._taken[session] -= upload.taken
        upload.taken = 0
        self._taken += Counter()  # leaves out zeros


class _Upload:
    """The body of one request, counted while it comes in."""

    def __init__(self, receive: Receive, take: Callable[[int], None]) -> None:
        self._receive = receive
        self._take = take
        self._received = 0
        self._is_complete = False
        self.taken = 0
        """Bytes of its visitor's share."""

    def take(self, size: int) -> None:
        """Have so many bytes more of the share.

        Raises:
            RefusedUploadError: there are not so many.
        """
        self._take(size)
        self.taken += size

    async def receive(self) -> Message:
        """What comes next.

        Raises:
            RefusedUploadError: the share is used up, or nothing comes any more.
        """
        message = await self._next()
        self._received += len(message.get("body", b""))
        if self._received > self.taken:
            self.take(max(STEP, self._received - self.taken))
        return message

    async def drain(self) -> None:
        """Let the rest come in and go, within reason: a browser reads no answer before it has sent all."""
        left = int(config.get_option("server.maxUploadSize")) * 10**6
        with suppress(RefusedUploadError):
            while left > 0 and not self._is_complete:
                left -= len((await self._next()).get("body", b""))

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(STALLED_UPLOAD_SECONDS):
                message = await self._receive()
        except TimeoutError:
            self._is_complete = True  # as far as we are concerned
            raise RefusedUploadError(408, "Nothing more of the upload came. Try again.") from None
        self._is_complete = not message.get("more_body", False)
        return message


def _declared_bytes(scope: Scope) -> int:
    """What the header says; zero where it says nothing, as of a chunked body, or nonsense, which Streamlit refuses."""
    text = Headers(scope=scope).get("content-length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def kept_bytes() -> "Counter[str]":
    """Bytes of the uploads that Streamlit keeps in memory, by session."""
    kept = list(_storage().items())
    return Counter({name: sum(max(len(file.data), SMALLEST) for file in list(files.values())) for name, files in kept})


def _storage() -> dict[str, dict[str, Any]]:
    """Streamlit's uploads: by session and id of the file."""
    return runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]  # of the only kind


async def free_uploads() -> None:
    """For as long as the server runs: close the sessions of visitors who have left uploads behind. Streamlit keeps them
    for a reconnection, and forgets those that took too long when the next visitor leaves, which may be never."""
    away = min(AWAY_SECONDS, config.get_option("server.disconnectedSessionTTL") / 2)  # Streamlit finds no older ones
    since: dict[str, float] = {}
    while True:
        await asyncio.sleep(away / 4)
        if close_left_sessions(since, time.monotonic(), away):
            gc.collect()  # sessions refer to themselves, and hold the files


def close_left_sessions(since: dict[str, float], now: float, away: float) -> list[str]:
    """Close the sessions with uploads that have been without a connection for long enough.

    Args:
        since: when such a session was first found without a connection; kept up to date.
        now: the present time, in seconds.
        away: how long is enough, in seconds.

    Returns:
        Those that were closed.
    """
    server = runtime.get_instance()
    left = {session for session in list(_storage()) if not server.is_active_session(session)}
    for session in since.keys() - left:
        del since[session]
    closed = [session for session in left if now - since.setdefault(session, now) >= away]
    for session in closed:
        server.close_session(session)
        server.uploaded_file_mgr.remove_session_files(session)  # of one that was forgotten already
        del since[session]
    return closed
