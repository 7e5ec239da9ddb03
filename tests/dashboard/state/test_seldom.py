"""What happens again and again is logged now and then."""

import logging

import pytest

from dashboard.state import seldom
from dashboard.state.seldom import PAUSE_SECONDS, warn_seldom


def test_each_kind_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(seldom.time, "monotonic", lambda: now)
    monkeypatch.setattr(seldom, "_last", {})
    for _ in range(1000):
        warn_seldom(logging.getLogger("x"), "files", "No more files.")
    warn_seldom(logging.getLogger("x"), "uploads", "100% full.")
    assert caplog.messages == ["No more files.", "100% full."]
    now = PAUSE_SECONDS
    warn_seldom(logging.getLogger("x"), "files", "Still none.")
    assert caplog.messages[2:] == ["Still none."]
