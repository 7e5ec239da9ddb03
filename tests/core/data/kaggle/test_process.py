"""The process around Kaggle's client: silence, breaks and damage end in time, and the next try works."""

import signal
from pathlib import Path

import pytest

from core.data.kaggle import credentials
from core.data.kaggle.credentials import parse_credentials
from core.data.kaggle.download import forget
from tests.conftest import wait_for
from tests.core.data.kaggle.conftest import LEGACY, SHORT, downloads_of, failed, looked, slow_start, works
from tests.kaggle_stand_in import TOKEN, StandIn


def test_offline(data_root: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep(parse_credentials(LEGACY))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    failed(data_root, "Can't reach Kaggle", "Check network and proxy")
    monkeypatch.setenv("http_proxy", server.environment["http_proxy"])
    works(data_root)


def test_a_server_that_falls_silent(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    for byte, kept in ((-1, ""), (0, ""), (1_500_000, "1.0 MB kept.")):
        server.stalls_at = byte
        failed(data_root, "No data from Kaggle for 3 s", kept, silence=SHORT)
    server.stalls_at = None
    works(data_root)


def test_a_break_at_half_is_resumed(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    server.breaks_at = len(server.content) // 2
    failed(data_root, "No data from Kaggle for", "MB kept.", silence=SHORT)
    server.breaks_at = None
    server.asked.clear()
    works(data_root)
    path, place = server.asked[-1]
    assert path.endswith("archive.zip") and place == f"bytes={2**20}-"


def test_a_corrupt_zip_of_the_right_size_is_removed(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    whole = server.content
    place = whole.index(b"train/")  # in the first header of an image
    server.content = whole[: place + 100] + bytes(400) + whole[place + 500 :]
    failed(data_root, "was corrupt and has been removed")
    assert looked(data_root).kept_bytes == 0
    server.content = whole
    works(data_root)


def test_killed_it_is_interrupted_and_its_client_goes_too(data_root: Path, server: StandIn) -> None:
    whole = server.content
    slow_start(data_root, server)
    # The command line as it was when the process was found: of one that has just ended nobody can ask any more.
    [ours] = [each for each in downloads_of(data_root) if "core.data.kaggle.process" in each.info["cmdline"]]
    ours.send_signal(signal.SIGKILL)
    wait_for(lambda: looked(data_root).state == "interrupted", 60, "being interrupted")
    assert "Download interrupted." in looked(data_root).sentence
    wait_for(lambda: downloads_of(data_root) == [], 60, "the client's end")
    forget(data_root)
    server.content, server.bytes_per_second = whole, 0
    works(data_root)
