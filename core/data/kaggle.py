"""FER2013 from Kaggle: downloaded, verified and imported by a process of its own, which goes on without the page.

    data_root/.download/status.json     Download, renewed twice a second
    data_root/.download/lock            held by that process for as long as it lives: the only proof of life
    data_root/.download/cancel          its being there asks the process to end
    data_root/.download/fer2013.zip     what has arrived; the next try goes on from there

`python -m core.data.kaggle --data-root DIR` is that process. It runs Kaggle's client as a child (`kaggle_client.py`),
ends it when nothing arrives any more, and removes a damaged file, which the client itself would take for complete.
"""

import argparse
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final, Literal

import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from core.data import credentials
from core.data.fer2013 import KAGGLE_NAME, KAGGLE_URL
from core.errors import CountsDifferError, DataError
from core.files import lock_is_held, read_json, sweep_leftovers, write_json

ZIP_BYTES: Final = 61_814_611
ZIP_SHA256: Final = "f9e170be34a546df7328720a5ea97d90237f3349001dbd4b0c9cfd57671da633"
"""Of the archive as it was last seen. Another one is read all the same: every image has a checksum in the zip file, and
the numbers per class are compared."""

SILENCE_SECONDS: Final = 60.0
"""After so long without a byte, a download is ended."""

_IMPORTED_BYTES: Final = 85_000_000
_SPARE_BYTES: Final = 5_000_000
_FULL_BYTES: Final = 1_000_000
"""A disk with less free space is full: it is better to stop while the outcome can still be written."""
_POLL_SECONDS: Final = 0.1
_SHOW_SECONDS: Final = 0.5
_CPU_SECONDS: Final = 0.03
"""A client that has computed for so long since its last sign of life is at work and does not wait for Kaggle."""
_START_SECONDS: Final = 60.0

State = Literal["checking", "downloading", "verifying", "importing", "finished", "failed", "cancelled", "interrupted"]
_AT_WORK: Final = ("checking", "downloading", "verifying", "importing")


class Download(BaseModel):
    """How far a download is, or how it ended."""

    model_config = ConfigDict(extra="ignore")

    state: State = "checking"
    """`interrupted` is never written: the process is gone without having said how it ended."""
    done: int = 0
    """Bytes while downloading, images while importing."""
    total: int = 0
    """The same in all; 0 while unknown."""
    seconds_left: float | None = None
    kept_bytes: int = 0
    """What has arrived and the next try can go on from."""
    error: str = ""
    """One sentence for people, where it failed."""
    rejected: bool = False
    """Kaggle refused the credentials."""
    name: str = ""
    """The data set, once it has been imported."""
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
        kept = f"; the {self.kept_bytes / 1e6:.1f} MB that arrived are kept" if self.kept_bytes else ""
        checksum = "the known one" if self.as_known else "another one than we know; every image could be read"
        return {
            "checking": "Asking Kaggle …",
            "downloading": f"{self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB{left}",
            "verifying": "Verifying the checksum …",
            "importing": f"{self.done:,} of {self.total:,} images imported{left}",
            "finished": f"FER2013 was downloaded and imported; the checksum of the archive is {checksum}.",
            "failed": self.error,
            "cancelled": f"The download was cancelled{kept}: start it again to go on.",
            "interrupted": f"The download was interrupted{kept}: start it again to go on.",
        }[self.state]


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def start(data_root: Path, *, accept_differences: bool = False, silence_seconds: float | None = None) -> None:
    """Begin, or go on with what has arrived before. Returns when the process is at work.

    Args:
        data_root: where data sets are kept.
        accept_differences: import it where the numbers per class are not the published ones.
        silence_seconds: end it when nothing arrives for so long.

    Raises:
        DataError: one is going on already, there are no credentials, too little space, or no process can be started.
    """
    if credentials.find() is None:
        raise DataError(
            "There is no Kaggle token on this machine: give one on the Data page, or with "
            f"`python -m core data download --kaggle-json FILE`; make one at {credentials.TOKEN_PAGE}."
        )
    folder = _folder(data_root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if lock_is_held(_lock(folder)):
            raise DataError("FER2013 is being downloaded already: wait until that has ended, or cancel it.")
        _check_space(folder)
        sweep_leftovers(folder)
        for file in (_status(folder), _cancel(folder)):
            file.unlink(missing_ok=True)
        process = _spawn(
            "core.data.kaggle",
            *("--data-root", str(data_root.resolve())),
            *("--silence", str(SILENCE_SECONDS if silence_seconds is None else silence_seconds)),
            *(["--accept-differences"] if accept_differences else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise DataError(f"The download cannot be started under {data_root}: {error.strerror or error}.") from error
    # When it ends, it must not stay behind as a zombie for as long as this server lives.
    threading.Thread(target=process.wait, name="wait-for-download", daemon=True).start()
    deadline = time.monotonic() + _START_SECONDS
    while not lock_is_held(_lock(folder)) and process.poll() is None:
        if time.monotonic() > deadline:
            raise DataError("The download did not start within a minute, since this machine is too busy: try again.")
        time.sleep(0.05)


def look(data_root: Path) -> Download | None:
    """The download that is going on, or how the last one ended; None where there was none."""
    folder = _folder(data_root)
    if not folder.is_dir():
        return None
    held = lock_is_held(_lock(folder))  # asked first: what is written after that is newer
    try:
        download = Download.model_validate(read_json(_status(folder)))
    except (OSError, ValueError):  # not written yet, or by hand
        if not held and not _kept(folder):
            return None
        download = Download()
    if download.running and not held:
        download = download.model_copy(update={"state": "interrupted", "seconds_left": None})
    return download.model_copy(update={"kept_bytes": 0 if download.running else _kept(folder)})


def cancel(data_root: Path) -> None:
    """Ask the download to end; harmless when there is none. What has arrived is kept.

    Raises:
        DataError: it cannot be asked.
    """
    try:
        if _folder(data_root).is_dir():
            _cancel(_folder(data_root)).touch()
    except OSError as error:
        raise DataError(f"The download cannot be cancelled: {error.strerror}.") from error


def forget(data_root: Path) -> None:
    """Remove what is left of a download that has ended: its outcome and what has arrived.

    Raises:
        DataError: it is still going on.
    """
    folder = _folder(data_root)
    if not folder.is_dir():
        return
    try:
        with FileLock(_lock(folder), timeout=1):
            for file in folder.iterdir():
                if file != _lock(folder):
                    file.unlink(missing_ok=True)
    except Timeout:
        raise DataError("FER2013 is being downloaded: cancel that first.") from None
    except OSError as error:
        raise DataError(f"What is left of the download cannot be removed: {error.strerror}.") from error


# --- the process


class _Ended(Exception):
    """The download ends here: with a sentence, or without one since it was cancelled."""

    def __init__(self, error: str = "", *, rejected: bool = False, state: State = "failed") -> None:
        super().__init__(error)
        self.outcome = Download(state=state, error=error, rejected=rejected)


class _Process:
    """One download, from the first request to the imported set."""

    def __init__(self, data_root: Path, silence_seconds: float, accept_differences: bool) -> None:
        self.data_root = data_root
        self.folder = _folder(data_root)
        self.zip = _zip(self.folder)
        self.silence_seconds = silence_seconds
        self.accept_differences = accept_differences
        self.shown = 0.0

    def run(self) -> None:
        """All of it; the outcome is in `status.json`."""
        try:
            outcome = self._all()
        except _Ended as end:
            outcome = end.outcome
        except OSError as error:
            outcome = Download(state="failed", error=_system_error(error.errno, self.folder))
        self._show(outcome, always=True)

    def _all(self) -> Download:
        self._show(Download(state="checking"), always=True)
        self._fetch()
        self._show(Download(state="verifying"), always=True)
        as_known = self._sha256() == ZIP_SHA256
        name = self._import(as_known)
        _discard(self.folder)
        return Download(state="finished", name=name, as_known=as_known)

    def _fetch(self) -> None:
        """Run the client until it ends, nothing arrives any more, or it is cancelled.

        Raises:
            _Ended: the zip file is not whole.
        """
        with _spawn(
            "core.data.kaggle_client",
            str(self.folder),
            environment=credentials.client_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as client:
            try:
                self._watch(client)
                assert client.stdout is not None
                answer = client.stdout.read()
            finally:
                client.kill()
        try:
            outcome: dict[str, Any] = json.loads(answer)
        except ValueError:
            outcome = {"outcome": "killed"}
        if outcome["outcome"] == "short":
            _discard(self.folder)
        if outcome["outcome"] == "rejected" or outcome.get("status") == 401:
            source = credentials.find()
            credentials.remove()
            where = "this token, so it is not kept" if source is None or source.kept else source.where
            raise _Ended(f"Kaggle does not accept {where}: make a new one at {credentials.TOKEN_PAGE}.", rejected=True)
        if outcome["outcome"] != "done":
            raise _Ended(_client_error(outcome, self.folder))

    def _watch(self, client: "subprocess.Popen[bytes]") -> None:
        process = psutil.Process(client.pid)
        size, sign_cpu, sign_time = self._arrived(), 0.0, time.monotonic()
        before, began = size, 0.0
        while client.poll() is None:
            self._check_cancelled()
            now, arrived, cpu = time.monotonic(), self._arrived(), _cpu_seconds(process)
            if arrived != size or cpu - sign_cpu > _CPU_SECONDS:
                if arrived != size and not began:
                    began = now
                size, sign_cpu, sign_time = arrived, cpu, now
            elif now - sign_time > self.silence_seconds:
                silent = f"Kaggle sent nothing for {self.silence_seconds:,.0f} s"
                raise _Ended(f"{silent}{_kept_text(self.folder)}: try again, later if need be.")
            if shutil.disk_usage(self.folder).free < _FULL_BYTES:
                client.kill()
                client.wait()
                _make_room(self.zip)
                raise _Ended(_system_error(errno.ENOSPC, self.folder))
            if began:
                total, seconds_gone = self._announced(), now - began
                speed = (arrived - before) / seconds_gone if seconds_gone > 1 else 0
                left = (total - arrived) / speed if speed > 0 and total > arrived else None
                self._show(Download(state="downloading", done=arrived, total=total, seconds_left=left))
            time.sleep(_POLL_SECONDS)

    def _import(self, as_known: bool) -> str:
        """Name of the data set.

        Raises:
            _Ended: the zip file is damaged, in which case it is removed, or the set cannot be written.
        """
        from core.data.sources import import_dataset  # not before it is needed: starting should be quick

        began = time.monotonic()

        def show(done: int, total: int) -> None:
            self._check_cancelled()
            seconds = time.monotonic() - began
            left = seconds / done * (total - done) if done else None
            self._show(Download(state="importing", done=done, total=total, seconds_left=left))

        try:
            info = import_dataset(self.zip, self.data_root, accept_differences=self.accept_differences, progress=show)
        except CountsDifferError as error:
            _discard(self.folder)
            first = error.differences[0]
            raise _Ended(
                f"What Kaggle sent is not FER2013 as published: {len(error.differences)} of its 21 numbers differ, "
                f"{first['split']}/{first['label']} has {first['found']:,} images instead of {first['published']:,}; "
                "it was removed: import another copy from a file."
            ) from error
        except DataError as error:
            if as_known or isinstance(error.__cause__, OSError):
                raise _Ended(str(error)) from error
            _discard(self.folder)
            raise _Ended("What Kaggle sent is damaged, and was removed: download it again.") from error
        return info.name

    def _sha256(self) -> str:
        with self.zip.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _arrived(self) -> int:
        return self.zip.stat().st_size if self.zip.exists() else 0

    def _announced(self) -> int:
        """Size of the whole file, which the client notes beside it."""
        try:
            return int(read_json(_marker(self.folder))["size"])
        except (OSError, ValueError, TypeError, KeyError):
            return ZIP_BYTES

    def _check_cancelled(self) -> None:
        if _cancel(self.folder).exists():
            raise _Ended(state="cancelled")

    def _show(self, download: Download, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self.shown >= _SHOW_SECONDS:
            self.shown = now
            try:
                write_json(_status(self.folder), download.model_dump(mode="json"), lasting=False)
            except OSError:
                if always:  # the disk is full: what tells so is worth more than the last bytes that arrived
                    _make_room(self.zip)
                    write_json(_status(self.folder), download.model_dump(mode="json"), lasting=False)


def _client_error(outcome: dict[str, Any], folder: Path) -> str:
    """One sentence: what was wrong and what to do."""
    if outcome["outcome"] == "status":
        status = outcome["status"]
        if status == 403:
            return (
                f"Kaggle refuses the download (403): log in there, open {KAGGLE_URL}, accept its terms, then try again."
            )
        if status == 404:
            return f"Kaggle has no data set {KAGGLE_NAME} (404): import FER2013 from a file instead."
        if status == 429:
            return "Kaggle has had too many requests from this account or machine (429): try again in some minutes."
        if status >= 500:
            return f"Kaggle has trouble of its own ({status}): try again in some minutes."
        return f"Kaggle answered {status}, which was not expected: try again, or import FER2013 from a file."
    if outcome["outcome"] == "unreachable":
        return f"Kaggle cannot be reached from here{_kept_text(folder)}: check network and proxy, then try again."
    if outcome["outcome"] == "short":
        return "The size of what Kaggle sent is not what it announced, so it was removed: download it again."
    if outcome["outcome"] == "system":
        return _system_error(outcome["code"], folder)
    reason = outcome.get("where") or "it was killed"
    return f"Kaggle's client failed ({reason}): try again, or import FER2013 from a file."


def _system_error(code: int | None, folder: Path) -> str:
    if code in (errno.ENOSPC, errno.EDQUOT):
        needed = (ZIP_BYTES + _IMPORTED_BYTES) / 1e6
        return (
            f"The disk of {folder.parent} is full: free some space, about {needed:.0f} MB in all, and try again; "
            "what has arrived is kept."
        )
    return f"Cannot write under {folder.parent}: {os.strerror(code or errno.EIO)}."


def _check_space(folder: Path) -> None:
    needed = ZIP_BYTES - min(_kept(folder), ZIP_BYTES) + _IMPORTED_BYTES + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"The disk of {folder.parent} is too full, since FER2013 needs {needed / 1e6:.0f} MB there and "
            f"{free / 1e6:.0f} MB are free: free some space and try again."
        )


def _kept_text(folder: Path) -> str:
    size = _kept(folder)
    return f" (the {size / 1e6:.1f} MB that arrived are kept)" if size >= 50_000 else ""


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _make_room(file: Path) -> None:
    """Give back the end of what has arrived; the next try fetches it again."""
    if file.exists():
        os.truncate(file, max(0, file.stat().st_size - _FULL_BYTES))


def _discard(folder: Path) -> None:
    for file in (_marker(folder), _zip(folder)):
        file.unlink(missing_ok=True)


def _spawn(
    module: str, *arguments: str, environment: dict[str, str] | None = None, **options: Any
) -> "subprocess.Popen[bytes]":
    """`python -m MODULE ARGUMENTS`. What it says to its standard error goes nowhere: it might hold a secret."""
    project = Path(__file__).resolve().parents[2]
    environment = dict(os.environ) if environment is None else environment
    path = os.pathsep.join(filter(None, [str(project), environment.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=project,
        env={**environment, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
        **options,
    )


# --- its files


def _folder(data_root: Path) -> Path:
    return data_root / ".download"


def _lock(folder: Path) -> Path:
    return folder / "lock"


def _status(folder: Path) -> Path:
    return folder / "status.json"


def _cancel(folder: Path) -> Path:
    return folder / "cancel"


def _zip(folder: Path) -> Path:
    """The name that Kaggle's client chooses."""
    return folder / "fer2013.zip"


def _marker(folder: Path) -> Path:
    """Where Kaggle's client notes what the beginning of a file belongs to."""
    return folder / "fer2013.zip.kaggle-partial"


def _kept(folder: Path) -> int:
    return _zip(folder).stat().st_size if _zip(folder).exists() else 0


def run(data_root: Path, *, silence_seconds: float = SILENCE_SECONDS, accept_differences: bool = False) -> None:
    """What the process does, from the first request to the imported set; `look` tells how it ended.

    Raises:
        OSError: its folder cannot be written.
    """
    _folder(data_root).mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock(_folder(data_root)))
    try:
        lock.acquire(timeout=1)  # longer than somebody who only asks whether it is held
    except Timeout:
        return  # another one was quicker
    try:
        _cancel(_folder(data_root)).unlink(missing_ok=True)
        _Process(data_root, silence_seconds, accept_differences).run()
    finally:
        lock.release()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.data.kaggle", description="Started by pages and commands.")
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--silence", type=float, default=SILENCE_SECONDS)
    parser.add_argument("--accept-differences", action="store_true")
    arguments = parser.parse_args()
    run(
        arguments.data_root,
        silence_seconds=arguments.silence,
        accept_differences=arguments.accept_differences,
    )


if __name__ == "__main__":
    main()
