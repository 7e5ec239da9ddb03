"""Headers where a route fails; those of all other answers are asked of a real server."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message

from dashboard.server.headers import HEADERS, SecurityHeaders, tell_failure


def test_a_failure_has_the_headers_and_no_traceback() -> None:
    async def route(_request: Request) -> None:
        raise KeyError("secret")

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    sent: list[Message] = []
    app = Starlette(
        routes=[Route("/", route)],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={Exception: tell_failure},
    )
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(KeyError):  # for the log
        asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 500 and b"secret" not in sent[1]["body"]
    assert {name.decode(): value.decode() for name, value in sent[0]["headers"]}.items() >= {
        name.lower(): value for name, value in HEADERS.items()
    }.items()
