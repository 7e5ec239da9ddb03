"""Bodies are limited in bytes, type and time, and leave nothing behind."""

import asyncio
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from starlette.types import Message

from dashboard.api import body
from dashboard.api.body import Incoming
from tests.conftest import wait_for
from tests.dashboard.api.conftest import Served, multipart, refusal

JSON = "application/json"


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/runs", None, "Send the body as application/json."),
        ("/runs", "text/plain", "Send the body as application/json (got 'text/plain')."),
        ("/predict", None, "Send the body as multipart/form-data."),
        ("/predict", "image/jpeg", "(got 'image/jpeg')"),
        ("/predict", "application/x-www-form-urlencoded", "multipart/form-data"),
    ],
)
def test_other_types_are_refused(served: Served, path: str, kind: str | None, said: str) -> None:
    headers = {"Content_Type": kind} if kind else {}
    assert said in refusal(served.ask("POST", path, "admin", b"{}", **headers), 415)


def test_a_packed_body_is_refused(served: Served) -> None:
    answer = served.ask("POST", "/runs", "admin", b"{}", Content_Type=JSON, Content_Encoding="gzip")
    refusal(answer, 415)


@pytest.mark.parametrize("with_length", [True, False], ids=["declared", "in chunks"])
@pytest.mark.parametrize("token", ["admin", "wrong"])
def test_a_body_that_is_too_large_is_refused(
    served: Served, with_length: bool, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MAX_BODY_BYTES", 10**6)
    content, kind = multipart(("a.jpg", bytes(3 * 10**6)))
    sent = content if with_length else (content[start : start + 10**5] for start in range(0, len(content), 10**5))
    answer = served.ask("POST", "/predict", token, sent, Content_Type=kind, Connection="close")
    refusal(answer, 413 if token == "admin" else 401)
    assert served.api.predictions.memory.held == served.api.predictions.turns.requests == 0
    refusal(served.ask("POST", "/runs", "admin", b" " * 64_001, Content_Type=JSON), 413)


def test_who_waits_to_be_asked_for_the_body_sends_none_in_vain(served: Served) -> None:
    with closing(socket.create_connection(("127.0.0.1", served.port), timeout=30)) as connection:
        connection.sendall(
            b"POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        )
        said = b"".join(iter(lambda: connection.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 401 ") and b"connection: close" in said.lower()


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"", "multipart/form-data", "Missing boundary"),
        (b"hello", "multipart/form-data; boundary=x", "not valid multipart/form-data"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", "holds no image"),
        (
            b'--x\r\nContent-Disposition: form-data; name="run"\r\n\r\nbest\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            "goes into the query",
        ),
        (b"--x\r\n\r\nbest\r\n--x--\r\n", "multipart/form-data; boundary=x", "not valid multipart/form-data"),
        (*multipart(*[(f"{number}.png", b"") for number in range(101)]), "at most 100 images"),
    ],
    ids=["no boundary", "no parts", "none", "field", "nameless", "many"],
)
def test_a_body_without_images_is_refused(served: Served, content: bytes, kind: str, said: str) -> None:
    assert said in refusal(served.ask("POST", "/predict", "viewer", content, Content_Type=kind), 422)


@pytest.mark.parametrize("charset", ["undefined", "punycode", "idna", "hex", "utf-16", "latin-1", "none-such"])
def test_names_of_files_are_utf_8_whatever_the_sender_says(served: Served, charset: str) -> None:
    """Some of the codecs fail in their own way, and others read something else."""
    content, kind = multipart(("gr\u00fc\u00df.png", b"not an image"))
    answer = served.ask("POST", "/predict", "viewer", content, Content_Type=f"{kind}; charset={charset}")
    assert refusal(answer, 422).startswith("'gr\u00fc\u00df.png' is not a supported image.")


def test_a_body_that_never_ends_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(body, "DRAIN_SECONDS", 0.1)
    with closing(begun(served)) as connection:
        said = b"".join(iter(lambda: connection.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 408 ") and b"connection: close" in said.lower()
    assert served.api.predictions.memory.held == served.api.predictions.turns.requests == 0


def test_all_bodies_together_are_limited(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = served.api.predictions.memory
    monkeypatch.setattr(memory, "most", 2_000_000)
    with closing(begun(served, size=1_500_000)):
        wait_for(lambda: memory.held > 1_000_000, what="the first body")
        answer = served.predict("viewer", ("b.jpg", bytes(1_200_000)))
        assert "Try again in a few seconds." in refusal(answer, 429) and answer.headers["retry-after"] == "5"
    wait_for(lambda: memory.held == 0, what="the end of the first one")


def test_a_killed_sender_leaves_nothing_behind(served: Served) -> None:
    """Neither a place among those who wait, nor memory, nor a file that has no name any more."""
    turns, memory = served.api.predictions.turns, served.api.predictions.memory
    before = nameless_files()
    senders = [begun(served, size=2_000_000) for _ in range(5)]
    wait_for(lambda: memory.held > 9_000_000 and turns.requests == 5, what="all bodies")
    assert nameless_files() == before
    for sender in senders:
        sender.close()
    wait_for(lambda: memory.held == turns.requests == 0, what="the end of all")


def begun(served: Served, size: int = 10) -> socket.socket:
    """A sender of an image that says there is more to come."""
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=30)
    head = (
        f"POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {served.tokens['viewer']}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {size + 10_000}\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    )
    connection.sendall(head.encode() + bytes(size))
    return connection


def nameless_files() -> set[str]:
    """What this process has open that is on disk and has no name any more; pytest has some."""
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(handle)
        except OSError:
            continue
        if target.startswith("/tmp") and target.endswith(" (deleted)"):
            found.add(target)
    return found


def test_a_drain_ends_with_a_sender_who_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "DRAIN_BYTES", 100)
    asked = []

    async def receive() -> Message:
        asked.append(1)
        return {"type": "http.request", "body": bytes(30), "more_body": True}

    incoming = Incoming({"type": "http", "headers": []}, receive)
    asyncio.run(incoming.drain())
    assert len(asked) == 4 and not incoming.is_complete
