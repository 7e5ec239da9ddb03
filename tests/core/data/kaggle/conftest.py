"""The real client against a stand-in for Kaggle's server, in a home folder without credentials."""

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.data.dataset import list_datasets
from core.data.kaggle import credentials
from core.data.kaggle.credentials import parse_credentials
from core.data.kaggle.download import Download, forget, look, start_download
from core.data.kaggle.process import download_and_import
from tests.conftest import wait_for
from tests.core.data.importers.conftest import small_files
from tests.kaggle_stand_in import KEY, TOKEN, USER, StandIn, serve

SHORT, LONG = 3.0, 30.0
"""Seconds without a byte after which a download is ended: where that is expected, and where not."""

LEGACY = json.dumps({"username": USER, "key": KEY})

FILLING = 2_500_000
"""Bytes in the small zip that no one reads: the client writes blocks of 1 MiB."""


@pytest.fixture(scope="session")
def small_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("README", os.urandom(FILLING))
        for name, data in small_files().items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder without credentials; what still downloads at the end of the test is killed."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("KAGGLE_")] + ["XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    yield home
    for process in downloads_of(tmp_path):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture
def server(small_zip: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with serve(StandIn(small_zip)) as stand_in:
        for name, value in stand_in.environment.items():
            monkeypatch.setenv(name, value)
        yield stand_in


def downloads_of(folder: Path) -> list[psutil.Process]:
    """Our own process and Kaggle's client, for data below a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "-m" in command and any(part.startswith(str(folder)) for part in command):
            found.append(process)
    return found


def download(data_root: Path, silence: float = LONG) -> Download:
    """One from beginning to end, without a process of our own around Kaggle's client."""
    download_and_import(data_root, silence_seconds=silence, accept_differences=True)
    return looked(data_root)


def wait(data_root: Path) -> Download:
    wait_for(lambda: not looked(data_root).running, 60, "the end of the download")
    return looked(data_root)


def looked(data_root: Path) -> Download:
    found = look(data_root)
    assert found is not None
    return found


def works(data_root: Path) -> None:
    """The next try downloads and imports the set, and leaves nothing behind."""
    ended = download(data_root)
    assert (ended.state, ended.error, ended.name) == ("finished", "", "fer2013")
    assert [info.total for info in list_datasets(data_root)] == [28]
    forget(data_root)
    assert look(data_root) is None
    assert [file.name for file in (data_root / ".download").iterdir()] == ["lock"]


def failed(data_root: Path, *parts: str, silence: float = LONG) -> Download:
    """It failed with a message that says what to do."""
    ended = download(data_root, silence)
    assert ended.state == "failed"
    assert all(part in ended.error for part in parts), ended.error
    assert "\n" not in ended.error and ended.error.endswith(".") and len(ended.error) < 250
    assert list_datasets(data_root) == []
    return ended


def slow_start(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    server.bytes_per_second = 100_000
    server.content += bytes(1_500_000)  # a comment after the archive's end would do, too
    start_download(data_root, accept_differences=True)
    wait_for(lambda: (data_root / ".download" / "fer2013.zip").exists(), 60, "the first bytes")
