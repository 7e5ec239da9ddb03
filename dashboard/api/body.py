"""What comes with a request: read within limits of bytes and time, and into memory only, so that nothing is left of it
when its sender goes."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from core.errors import quote
from core.files import file_size
from dashboard.api.answers import Refusal, busy

MAX_JSON_BYTES: Final = 64_000
MAX_BODY_BYTES: Final = 50_000_000
MOST_IMAGES: Final = 100
BODY_SECONDS: Final = 120.0
"""Within which a body has to be here as a whole: 50 MB at 3.3 Mbit/s."""
DRAIN_SECONDS: Final = 20.0
DRAIN_BYTES: Final = 200_000_000
"""So long, and so much, is let in for nothing. Who sends more finds the connection closed."""


class Incoming:
    """What a server is sent, and how much of it is still to come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.is_complete = False
        self._waits = Headers(scope=scope).get("expect", "").lower() == "100-continue"
        """Nothing comes before somebody asks for it."""

    async def __call__(self) -> Message:
        self._waits = False
        message = await self._receive()
        self.is_complete = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Let the rest come in and go, within reason: many programs read no answer before they have sent all."""
        left = DRAIN_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while left > 0 and not (self.is_complete or self._waits):
                    left -= len((await self()).get("body", b""))


@dataclass
class BodyMemory:
    """How many bytes of bodies are kept at once, for all requests together."""

    most: int
    held: int = 0

    @contextmanager
    def share(self) -> Iterator["MemoryShare"]:
        """What one request keeps, until its end."""
        share = MemoryShare(self)
        try:
            yield share
        finally:
            self.held -= share.bytes


@dataclass
class MemoryShare:
    """Of the memory for bodies, what one request has taken."""

    memory: BodyMemory
    bytes: int = 0

    def take(self, count: int) -> None:
        """Take more.

        Raises:
            Refusal: there is no more.
        """
        if self.memory.held + count > self.memory.most:
            raise busy("The server holds as many images as it can just now. Try again in a few seconds.", 5)
        self.bytes += count
        self.memory.held += count


async def read_json_body(request: Request) -> Any:
    """A body of JSON.

    Raises:
        Refusal: it is none, too large or too slow.
    """
    _check_type(request, "application/json")
    async with _in_time():
        content = b"".join([chunk async for chunk in _limited(request, MAX_JSON_BYTES)])
    try:
        value = json.loads(content)
        json.dumps(value, ensure_ascii=False).encode()  # no text has half a character in it, as JSON may
        return value
    except (ValueError, RecursionError):
        raise Refusal(422, "The body is not valid JSON.") from None


async def read_images(request: Request, share: MemoryShare) -> list[tuple[str, bytes]]:
    """The files of a multipart body: the name that the sender gave and the content of each.

    Raises:
        Refusal: there are none or too many, or the body is something else, too large or too slow.
    """
    _check_type(request, "multipart/form-data")
    parser = _InMemory(
        request.headers, _limited(request, MAX_BODY_BYTES, share), max_files=MOST_IMAGES, max_fields=0, max_part_size=0
    )
    try:
        async with _in_time():
            form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise Refusal(422, f"Send at most {MOST_IMAGES} images at once.") from None
        if error.message.startswith("Too many fields"):
            raise Refusal(422, "Send images as files only; what else there is to say goes into the query.") from None
        raise Refusal(422, f"The body is not valid multipart/form-data: {error.message.rstrip('.')}.") from None
    try:
        uploads = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
        files = [(each.filename or "image", each.file.read()) for each in uploads]
    finally:
        await form.close()
    if not files:
        raise Refusal(422, "The body holds no image. Send one or more files: curl -F image=@face.jpg")
    return files


class _InMemory(MultiPartParser):
    """One that puts nothing on the disk: what is too large was refused before."""

    spool_max_size = MAX_BODY_BYTES + 1

    def on_headers_finished(self) -> None:
        self._charset = "utf-8"  # names have no other (RFC 7578, 5.1), and some codecs fail in their own way
        super().on_headers_finished()


async def _limited(request: Request, most: int, share: MemoryShare | None = None) -> AsyncGenerator[bytes, None]:
    """The parts of a body, as long as they are few enough."""
    too_large = Refusal(413, f"The body is too large (max {file_size(most)}).")
    declared = request.headers.get("content-length", "")
    if re.fullmatch(r"[0-9]{1,18}", declared) and int(declared) > most:
        raise too_large
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > most:
            raise too_large
        if share:
            share.take(len(chunk))
        yield chunk


@asynccontextmanager
async def _in_time() -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            yield
    except TimeoutError:
        raise Refusal(408, f"The body has not arrived within {BODY_SECONDS:g} s. Send less, or try again.") from None


def _check_type(request: Request, expected: str) -> None:
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    if said != expected:
        got = f" (got {quote(said)})" if said else ""
        raise Refusal(415, f"Send the body as {expected}{got}.")
    if encoding != "identity":
        raise Refusal(415, "Send the body without a Content-Encoding.")
