"""The limits of uploads where a real server would take long: silence, settings, and visitors who come back."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace

import pytest
from starlette.types import Message, Receive, Scope, Send

from core.errors import ConfigError
from dashboard.server import uploads
from dashboard.server.uploads import SMALLEST, UploadLimits, UploadShare, close_left_sessions


class Runtime:
    """Streamlit's, as far as uploads go."""

    def __init__(self) -> None:
        self.connected: set[str] = set()
        self.files: dict[str, dict[str, SimpleNamespace]] = defaultdict(dict)
        self.uploaded_file_mgr = SimpleNamespace(
            file_storage=self.files, remove_session_files=lambda session: self.files.pop(session, None)
        )

    def keep(self, session: str, size: int) -> None:
        self.files[session][f"{len(self.files[session])}"] = SimpleNamespace(data=bytes(size))

    def is_active_session(self, session: str) -> bool:
        return session in self.connected

    def close_session(self, session: str) -> None:
        self.files.pop(session, None)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    fake = Runtime()
    monkeypatch.setattr(uploads.runtime, "get_instance", lambda: fake)
    return fake


async def put(app: UploadLimits, *parts: bytes, ends: bool = True) -> tuple[int, str]:
    """Upload to session `s` in parts without a length; status and text of the answer."""
    coming = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    coming += [{"type": "http.request", "body": b"", "more_body": False}] * ends
    sent: list[Message] = []

    async def receive() -> Message:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "PUT", "path": "/base/_stcore/upload_file/s/f", "headers": []}
    await app(scope, receive, send)
    assert not (coming and ends), "a browser reads no answer before it has sent all"
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


def store(runtime: Runtime) -> "object":
    """Streamlit's route: reads all and keeps it."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        runtime.keep("s", size)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return route


def test_unfinished_uploads_count_and_are_given_back(runtime: Runtime) -> None:
    app = UploadLimits(store(runtime), UploadShare(of_all=10**8, of_one=5 * 10**6))  # type: ignore[arg-type]

    async def several() -> list[tuple[int, str]]:
        return await asyncio.gather(put(app, bytes(3 * 10**6)), put(app, bytes(3 * 10**6)), put(app, bytes(10**6)))

    statuses = [status for status, _ in asyncio.run(several())]
    assert statuses == [204, 413, 204]
    assert sum(len(file.data) for file in runtime.files["s"].values()) == 4 * 10**6
    assert not app._taken


def test_an_upload_that_stands_still_holds_nothing_for_ever(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "STALLED_UPLOAD_SECONDS", 0.05)
    app = UploadLimits(store(runtime), UploadShare(10**7, 10**7))  # type: ignore[arg-type]
    assert asyncio.run(put(app, bytes(1000), ends=False))[0] == 408
    assert not app._taken and not runtime.files


def test_a_file_counts_something_however_small(runtime: Runtime) -> None:
    app = UploadLimits(store(runtime), UploadShare(of_all=10**8, of_one=10 * SMALLEST + 10**6))  # type: ignore[arg-type]
    statuses = [asyncio.run(put(app, b"x"))[0] for _ in range(15)]
    assert statuses == [204] * 11 + [413] * 4


def test_sessions_with_uploads_are_closed_once_their_visitor_is_away_long_enough(runtime: Runtime) -> None:
    runtime.keep("here", 1)
    runtime.keep("back", 1)
    runtime.keep("gone", 1)
    runtime.connected = {"here"}
    since: dict[str, float] = {}
    assert close_left_sessions(since, now=0, away=60) == []
    runtime.connected = {"here", "back"}
    assert close_left_sessions(since, now=59, away=60) == []
    runtime.connected = {"here"}
    assert close_left_sessions(since, now=60, away=60) == ["gone"]
    assert set(runtime.files) == {"here", "back"} and set(since) == {"back"}


@pytest.mark.parametrize(
    ("setting", "memory", "share"),
    [
        ("", 16 * 10**9, UploadShare(4 * 10**9, 10**9)),
        ("", 2 * 10**9, UploadShare(5 * 10**8, 25 * 10**7)),
        ("12", 16 * 10**9, UploadShare(12 * 10**6, 6 * 10**6)),
    ],
)
def test_the_share_follows_the_memory_or_the_setting(
    monkeypatch: pytest.MonkeyPatch, setting: str, memory: int, share: UploadShare
) -> None:
    monkeypatch.setenv("FER_UPLOADS_MB", setting)
    monkeypatch.setattr(uploads, "memory_bytes", lambda: memory)
    assert UploadShare.of_settings() == share


@pytest.mark.parametrize("setting", ["0", "-1", "many", "1.5", "1" * 8])
def test_a_share_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("FER_UPLOADS_MB", setting)
    with pytest.raises(ConfigError, match=r"FER_UPLOADS_MB must be a number of megabytes .* \(got '.*'\)\."):
        UploadShare.of_settings()
