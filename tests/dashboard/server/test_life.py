"""What a server says at its start, and of what goes wrong beneath it."""

import asyncio
import errno
import gc
import logging
import sys
import types
from collections.abc import Callable

import pytest
from streamlit import config

from core.errors import ConfigError
from dashboard.server import life
from dashboard.server.life import middleware, on_loop_error, what_is_missing, where_it_is
from dashboard.state import seldom


@pytest.mark.parametrize(
    ("address", "names", "said", "doubt"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1"], "is at http://localhost:8501/fer, for this machine only.", ""),
        (
            "127.0.0.1",
            ["fer.lan"],
            "is at http://fer.lan:8501/fer. It listens on 127.0.0.1 and answers to",
            "",
        ),
        ("0.0.0.0", ["fer.lan", "localhost"], "It listens on 0.0.0.0 and answers to fer.lan, localhost, without a", ""),
        ("192.168.1.7", ["localhost"], "without a login.", "List the host names or addresses that people open"),
        (None, ["*"], "It listens on 0.0.0.0 and answers to *,", "accepts any host name"),
        ("127.0.0.1", [], "answers to any host name,", "accepts any host name"),
    ],
)
def test_a_server_says_who_can_open_it(
    monkeypatch: pytest.MonkeyPatch, address: str | None, names: list[str], said: str, doubt: str
) -> None:
    values = {
        "server.address": address,
        "server.allowedHosts": names,
        "server.port": 8501,
        "server.baseUrlPath": "/fer/",
        "server.sslCertFile": None,
    }
    monkeypatch.setattr(config, "get_option", values.__getitem__)
    monkeypatch.setattr(life, "login_settings", lambda: None)
    assert said in where_it_is()
    assert doubt in what_is_missing() and bool(doubt) is bool(what_is_missing())


def test_a_lack_of_descriptors_is_logged_once_and_other_errors_as_they_are(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seldom, "_last", {})
    loop = asyncio.new_event_loop()
    no_files, closed = OSError(errno.EMFILE, "Too many open files"), ValueError("Invalid file descriptor: -1")
    with caplog.at_level(logging.WARNING):
        for error in [no_files, closed] * 100:
            on_loop_error(loop, {"message": "socket.accept() out of system resource", "exception": error})
        on_loop_error(loop, {"message": "Task failed", "exception": ValueError("something else")})
    loop.close()
    first, second = caplog.messages
    assert first.startswith("Too many open files on the server") and second == "Task failed"


def test_a_setting_of_the_team_that_makes_no_sense_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_APPROVE_OWN_RUNS", "no")
    with pytest.raises(ConfigError, match=r"FER_APPROVE_OWN_RUNS must be 0 or 1 \(got 'no'\)\."):
        middleware()


def test_what_modules_hold_is_spared_once_they_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that more of them were loaded, and not again before."""
    monkeypatch.setattr(life, "MODULES_SECONDS", 0.001)
    collections: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda: collections.append(len(sys.modules)))

    async def look() -> None:
        spare = asyncio.create_task(life.spare_modules())
        await wait_until(lambda: len(collections) == 1)
        assert gc.get_freeze_count() > 0
        monkeypatch.setitem(sys.modules, "one-more", types.ModuleType("one-more"))
        await wait_until(lambda: len(collections) == 2)
        await asyncio.sleep(0.05)  # some fifty looks
        assert len(collections) == 2
        spare.cancel()

    try:
        asyncio.run(look())
    finally:
        gc.unfreeze()


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
