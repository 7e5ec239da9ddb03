"""FER2013 from Kaggle: downloaded, verified and imported by a process of its own, which continues without the page.

Here that process (`process.py`) is started, watched and cancelled. The two share nothing but files, so that any
page can show a download.
"""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from filelock import Timeout
from pydantic import BaseModel, ConfigDict

from core.data.kaggle import credentials
from core.errors import DataError, system_reason
from core.files import lock_is_held, make_folder, process_lock, read_json, sweep_leftovers, touch
from core.processes import reap, start_module

ZIP_BYTES: Final = 61_814_611
"""Of the archive as it was last seen."""
IMPORTED_BYTES: Final = 85_000_000

_SPARE_BYTES: Final = 5_000_000
_START_SECONDS: Final = 60.0
_LET_GO_SECONDS: Final = 10.0

State = Literal["checking", "downloading", "verifying", "importing", "finished", "failed", "cancelled", "interrupted"]
_AT_WORK: Final = ("checking", "downloading", "verifying", "importing")


@dataclass(frozen=True)
class DownloadPaths:
    """The files of a download. Creating this object touches nothing on disk."""

    data_root: Path
    """The folder that holds all datasets."""

    @property
    def folder(self) -> Path:
        return self.data_root / ".download"

    @property
    def status(self) -> Path:
        """`Download`, renewed twice a second."""
        return self.folder / "status.json"

    @property
    def lock(self) -> Path:
        """Held by the process for as long as it lives: the only proof of life."""
        return self.folder / "lock"

    @property
    def cancel(self) -> Path:
        """Its being there asks the process to end."""
        return self.folder / "cancel"

    @property
    def zip(self) -> Path:
        """What has arrived; the next download resumes from there. The name is the one that Kaggle's client chooses."""
        return self.folder / "fer2013.zip"

    @property
    def partial(self) -> Path:
        """Where Kaggle's client notes what the beginning of a file belongs to."""
        return self.folder / "fer2013.zip.kaggle-partial"

    @property
    def kept_bytes(self) -> int:
        """How much has arrived."""
        try:
            return self.zip.stat().st_size
        except FileNotFoundError:
            return 0

    def discard(self) -> None:
        """Remove the partial download, so that the next one starts from the beginning."""
        for file in (self.partial, self.zip):
            file.unlink(missing_ok=True)


class Download(BaseModel):
    """How far a download is, or how it ended."""

    model_config = ConfigDict(extra="ignore")

    state: State = "checking"
    """`interrupted` is never written: the process has died without an outcome."""
    done: int = 0
    """Bytes while downloading, images while importing."""
    total: int = 0
    """The same in all; 0 while unknown."""
    seconds_left: float | None = None
    kept_bytes: int = 0
    """What has arrived, from which the next download can resume."""
    error: str = ""
    """Why it failed, for people."""
    rejected: bool = False
    """Kaggle rejected the credentials."""
    name: str = ""
    """The dataset, once it has been imported."""
    as_known: bool = False
    """Whether the archive's checksum was the known one."""

    @property
    def running(self) -> bool:
        """Whether a process is at work on it."""
        return self.state in _AT_WORK

    @property
    def sentence(self) -> str:
        """The same for people."""
        left = "" if self.seconds_left is None else f", {_in_words(self.seconds_left)} left"
        again = f"{self.kept_bytes / 1e6:.1f} MB kept. Start again to resume." if self.kept_bytes else "Start it again."
        checksum = (
            "The archive checksum matches."
            if self.as_known
            else "Archive checksum doesn't match the known one, but all images were readable."
        )
        return {
            "checking": "Contacting Kaggle…",
            "downloading": f"{self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB{left}",
            "verifying": "Verifying the checksum…",
            "importing": f"{self.done:,} of {self.total:,} images imported{left}",
            "finished": f"FER2013 downloaded and imported. {checksum}",
            "failed": self.error,
            "cancelled": f"Download cancelled. {again}",
            "interrupted": f"Download interrupted. {again}",
        }[self.state]


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def start_download(data_root: Path, *, accept_differences: bool = False) -> None:
    """Start or resume the download. Returns when the process is at work.

    Args:
        data_root: the folder of the datasets.
        accept_differences: import even if class counts differ from the published ones.

    Raises:
        DataError: one is in progress already, there are no credentials, too little space, or no process can be started.
    """
    if credentials.find_credentials() is None:
        raise DataError(
            f"No Kaggle token on this machine. Create one at {credentials.TOKEN_PAGE} and enter it on the Data page, "
            "or run `python -m core data download --kaggle-json FILE`."
        )
    paths = DownloadPaths(data_root)
    try:
        make_folder(paths.folder, parents=True)
        _wait_for_the_last_one(data_root)
        _check_space(paths)
        sweep_leftovers(paths.folder)
        for file in (paths.status, paths.cancel):
            file.unlink(missing_ok=True)
        process = start_module(
            "core.data.kaggle.process",
            *("--data-root", str(data_root.resolve())),
            *(["--accept-differences"] if accept_differences else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise DataError(f"Can't start the download in {data_root}: {system_reason(error)}.") from error
    reap(process)
    deadline = time.monotonic() + _START_SECONDS
    while not lock_is_held(paths.lock) and process.poll() is None:
        if time.monotonic() > deadline:
            raise DataError("The download did not start within a minute because this machine is too busy. Try again.")
        time.sleep(0.05)


def _wait_for_the_last_one(data_root: Path) -> None:
    """One that has said how it ended is about to let go of the lock.

    Raises:
        DataError: one is in progress.
    """
    deadline = time.monotonic() + _LET_GO_SECONDS
    while lock_is_held(DownloadPaths(data_root).lock):
        last = look(data_root)
        if last is None or last.running or time.monotonic() > deadline:
            raise DataError("FER2013 is already being downloaded. Wait for it to finish, or cancel it.")
        time.sleep(0.05)


def _check_space(paths: DownloadPaths) -> None:
    needed = ZIP_BYTES - min(paths.kept_bytes, ZIP_BYTES) + IMPORTED_BYTES + _SPARE_BYTES
    free = shutil.disk_usage(paths.folder).free
    if free < needed:
        raise DataError(
            f"Not enough disk space in {paths.data_root}: FER2013 needs {needed / 1e6:.0f} MB, but {free / 1e6:.0f} MB "
            "are free. Free some space and try again."
        )


def look(data_root: Path) -> Download | None:
    """The download in progress, or how the last one ended; None where there was none."""
    paths = DownloadPaths(data_root)
    if not paths.folder.is_dir():
        return None
    held = lock_is_held(paths.lock)  # asked first: what is written after that is newer
    try:
        download = Download.model_validate(read_json(paths.status))
    except (OSError, ValueError):  # not written yet, or by hand
        if not held and not paths.kept_bytes:
            return None
        download = Download()
    if download.running and not held:
        download = download.model_copy(update={"state": "interrupted", "seconds_left": None})
    return download.model_copy(update={"kept_bytes": 0 if download.running else paths.kept_bytes})


def cancel(data_root: Path) -> None:
    """Ask the download to end; harmless when there is none. What has arrived is kept.

    Raises:
        DataError: it cannot be asked.
    """
    paths = DownloadPaths(data_root)
    try:
        if paths.folder.is_dir():
            touch(paths.cancel)
    except OSError as error:
        raise DataError(f"Can't cancel the download: {system_reason(error)}.") from error


def forget(data_root: Path) -> None:
    """Remove what is left of a download that has ended: its outcome and what has arrived.

    Raises:
        DataError: it is still in progress.
    """
    paths = DownloadPaths(data_root)
    if not paths.folder.is_dir():
        return
    last = look(data_root)
    try:
        with process_lock(paths.lock, timeout=1 if last and last.running else _LET_GO_SECONDS):
            for file in paths.folder.iterdir():
                if file != paths.lock:
                    file.unlink(missing_ok=True)
    except Timeout:
        raise DataError("FER2013 is being downloaded. Cancel the download first.") from None
    except OSError as error:
        raise DataError(f"Can't remove the partial download: {system_reason(error)}.") from error
