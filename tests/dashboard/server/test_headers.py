"""Headers where a route fails; those of all other answers are asked of a real server."""

import asyncio
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message

from dashboard.server.headers import HEADERS, SecurityHeaders, policy, tell_failure


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


def test_the_policy_lets_no_script_run_that_is_not_a_file_of_ours() -> None:
    said = dict(each.split(" ", 1) for each in policy("fer.example.org:8501").split("; "))
    index = (Path(st.__file__).parent / "static" / "index.html").read_text()
    assert index.count("<script>") == said["script-src"].count("'sha256-") == 1
    assert said["script-src"].split()[:2] == ["'self'", "blob:"] and "unsafe" not in said["script-src"]
    assert "ws://fer.example.org:8501 wss://fer.example.org:8501" in said["connect-src"]
    assert said["default-src"] == said["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("host", ["", "a; script-src *", "a b", "a'unsafe-inline'", "a\r\nX: y"], ids=ascii)
def test_a_host_that_is_none_adds_nothing_to_the_policy(host: str) -> None:
    assert policy(host) == policy("")
