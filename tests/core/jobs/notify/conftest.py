"""Settings of a server that has people told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Configure = Callable[[str], Path]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Write `notifications.toml` of this test's server."""
    path = tmp_path / "notifications.toml"
    monkeypatch.setenv("FER_NOTIFICATIONS", str(path))

    def write(text: str) -> Path:
        path.write_text(text)
        os.chmod(path, 0o600)
        return path

    return write
