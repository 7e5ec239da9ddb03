"""FER2013 from Kaggle: with which credentials it starts, one at a time, and how it is cancelled."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from core.data.dataset import list_datasets
from core.data.kaggle import credentials, process
from core.data.kaggle.credentials import parse_credentials
from core.data.kaggle.download import Download, DownloadPaths, cancel, forget, look, start_download
from core.errors import DataError
from core.files import make_folder, write_json
from tests.conftest import REAL_ZIP, wait_for
from tests.core.data.kaggle.conftest import LEGACY, download, downloads_of, looked, slow_start, wait, works
from tests.kaggle_stand_in import TOKEN, StandIn, serve

# --- the ways to success


@pytest.mark.parametrize("where", ["KAGGLE_API_TOKEN", "access_token", "kaggle.json"])
def test_a_download_with_what_the_machine_has(
    data_root: Path, server: StandIn, machine: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "KAGGLE_API_TOKEN":
        monkeypatch.setenv(where, TOKEN)
    else:
        (machine / ".kaggle").mkdir()
        (machine / ".kaggle" / where).write_text(LEGACY if where == "kaggle.json" else TOKEN)
    source = credentials.find_credentials()
    assert source is not None and where in source.where and not source.kept
    works(data_root)


def test_what_was_given_goes_before_what_the_machine_has(
    data_root: Path, server: StandIn, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "wrong-token-of-this-machine")
    (machine / ".kaggle").mkdir()
    (machine / ".kaggle" / "access_token").write_text("another-wrong-token-of-it")
    credentials.keep(parse_credentials(LEGACY))
    works(data_root)


@pytest.mark.real_data
def test_the_real_zip(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep(parse_credentials(TOKEN))
    with serve(StandIn(REAL_ZIP.read_bytes())) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        start_download(data_root)
        while (now := looked(data_root)).running:
            assert 0 <= now.done <= max(now.total, now.done)
            time.sleep(0.05)
    assert (now.state, now.as_known, now.error) == ("finished", True, "")
    assert list_datasets(data_root)[0].matches_published
    assert not (data_root / ".download" / "fer2013.zip").exists()


# --- mishaps


def test_without_credentials(data_root: Path, server: StandIn) -> None:
    with pytest.raises(
        DataError, match=r"^No Kaggle token on this machine\. Create one at .*kaggle\.com/settings/api "
    ):
        start_download(data_root)
    assert look(data_root) is None


def test_too_little_space(data_root: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep(parse_credentials(TOKEN))
    with monkeypatch.context() as small:
        small.setattr("core.data.kaggle.download._SPARE_BYTES", 10**15)
        with pytest.raises(DataError, match=r"Not enough disk space .* FER2013 needs .* MB are free\. Free some space"):
            start_download(data_root)


# --- cancelled, killed, twice


@pytest.mark.parametrize(
    ("error", "says"), [(OSError(28, "Disk full"), "Disk full"), (OSError("odd"), "odd"), (OSError(), "OSError")]
)
def test_a_refusal_without_a_reason_of_the_system_still_says_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, says: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    (tmp_path / ".download").mkdir()
    (tmp_path / ".download" / "fer2013.zip").touch()
    monkeypatch.setattr("core.data.kaggle.download.touch", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(DataError, match=f"Can't cancel the download: {says}\\.$"):
        cancel(tmp_path)
    with pytest.raises(DataError, match=f"Can't remove the partial download: {says}\\.$"):
        forget(tmp_path)


def test_one_at_a_time_and_cancel(data_root: Path, server: StandIn) -> None:
    slow_start(data_root, server)
    with pytest.raises(DataError, match="is already being downloaded"):
        start_download(data_root)
    with pytest.raises(DataError, match="Cancel the download first"):
        forget(data_root)
    cancel(data_root)
    ended = wait(data_root)
    assert (ended.state, ended.error) == ("cancelled", "")
    wait_for(lambda: downloads_of(data_root) == [], 60, "no process")
    forget(data_root)
    assert look(data_root) is None


def test_a_download_can_be_cancelled_as_soon_as_it_is_at_work(
    data_root: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lock:
        def acquire(self, timeout: float) -> None:
            cancel(data_root)

        def release(self) -> None: ...

    credentials.keep(parse_credentials(TOKEN))
    with monkeypatch.context() as patch:
        patch.setattr(process, "process_lock", lambda path: Lock())
        assert download(data_root).state == "cancelled"
    works(data_root)


def test_one_that_has_ended_but_still_holds_the_lock_is_waited_for(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    paths = DownloadPaths(data_root)
    make_folder(paths.folder, parents=True)
    write_json(paths.status, Download(state="cancelled").model_dump(mode="json"))
    held = os.open(paths.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    letting_go = threading.Timer(0.5, os.close, [held])
    letting_go.start()
    start_download(data_root, accept_differences=True)
    letting_go.join()
    assert wait(data_root).state == "finished"
