"""One download, from the first request to the imported dataset: `python -m core.data.kaggle.process --data-root DIR`.

Started by `core.data.kaggle.download`, where its files are described. It runs Kaggle's client as a child (`client.py`),
ends it when nothing arrives any more, and removes a damaged file, which the client itself would take for complete.
"""

import argparse
import errno
import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import psutil
from filelock import Timeout

from core.data.kaggle import credentials, messages
from core.data.kaggle.download import ZIP_BYTES, Download, DownloadPaths, State
from core.errors import CountsDifferError, DataError
from core.files import make_folder, process_lock, read_json, shared_mode, write_json
from core.processes import start_module

ZIP_SHA256: Final = "f9e170be34a546df7328720a5ea97d90237f3349001dbd4b0c9cfd57671da633"
"""Of the archive as it was last seen. Another one is read all the same: every image has a checksum in the zip file, and
the class counts are compared."""

SILENCE_SECONDS: Final = 60.0
"""After so long without a byte, a download is ended."""

_FULL_BYTES: Final = 1_000_000
"""A disk with less free space is full: it is better to stop while the outcome can still be written."""
_POLL_SECONDS: Final = 0.1
_SHOW_SECONDS: Final = 0.5
_CPU_SECONDS: Final = 0.03
"""A client that has computed for so long since its last sign of life is at work and does not wait for Kaggle."""


class _Ended(Exception):
    """The download ends here: with a sentence, or without one since it was cancelled."""

    def __init__(self, error: str = "", *, rejected: bool = False, state: State = "failed") -> None:
        super().__init__(error)
        self.outcome = Download(state=state, error=error, rejected=rejected)


def download_and_import(
    data_root: Path, *, silence_seconds: float = SILENCE_SECONDS, accept_differences: bool = False
) -> None:
    """What the process does; `core.data.kaggle.download.look` tells how it ended.

    Args:
        data_root: the folder of the datasets.
        silence_seconds: end it after so long without data.
        accept_differences: import even if class counts differ from the published ones.

    Raises:
        OSError: its folder cannot be written.
    """
    paths = DownloadPaths(data_root)
    make_folder(paths.folder, parents=True)
    lock = process_lock(paths.lock)
    try:
        lock.acquire(timeout=1)  # longer than somebody who only asks whether it is held
    except Timeout:
        return  # another one was quicker
    try:
        _Process(paths, silence_seconds, accept_differences).run()
    finally:
        paths.cancel.unlink(missing_ok=True)  # not at the beginning: who sees that it is at work may cancel it at once
        lock.release()


class _Process:
    """What `run` does while it holds the lock."""

    def __init__(self, paths: DownloadPaths, silence_seconds: float, accept_differences: bool) -> None:
        self.paths = paths
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
            outcome = Download(state="failed", error=messages.of_system(error.errno, self.paths))
        self._show(outcome, always=True)

    def _all(self) -> Download:
        self._show(Download(state="checking"), always=True)
        self._fetch()
        self._show(Download(state="verifying"), always=True)
        as_known = self._sha256() == ZIP_SHA256
        name = self._import(as_known)
        self.paths.discard()
        return Download(state="finished", name=name, as_known=as_known)

    def _fetch(self) -> None:
        """Run the client until it ends, nothing arrives any more, or it is cancelled.

        Raises:
            _Ended: the zip file is not whole.
        """
        mode = shared_mode(self.paths.folder)
        with start_module(
            "core.data.kaggle.client",
            str(self.paths.folder),
            environment=credentials.client_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it might contain a secret
            umask=-1
            if mode is None
            else 0o777 & ~mode,  # what has arrived may be continued by whoever shares the folder
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
            self.paths.discard()
        if outcome["outcome"] == "rejected" or outcome.get("status") == 401:
            source = credentials.find_credentials()
            credentials.remove()
            raise _Ended(messages.of_rejection(source), rejected=True)
        if outcome["outcome"] != "done":
            raise _Ended(messages.of_client(outcome, self.paths))

    def _watch(self, client: "subprocess.Popen[bytes]") -> None:
        """Show how far the client is, until it ends.

        Raises:
            _Ended: it was cancelled, nothing arrives any more, or the disk is full.
        """
        process = psutil.Process(client.pid)
        before = size = self.paths.kept_bytes
        sign_cpu, sign_time = 0.0, time.monotonic()
        began = 0.0  # when the first byte came
        while client.poll() is None:
            self._check_cancelled()
            now, arrived, cpu = time.monotonic(), self.paths.kept_bytes, _cpu_seconds(process)
            if arrived != size or cpu - sign_cpu > _CPU_SECONDS:
                if arrived != size and not began:
                    began = now
                size, sign_cpu, sign_time = arrived, cpu, now
            elif now - sign_time > self.silence_seconds:
                raise _Ended(messages.of_silence(self.silence_seconds, self.paths))
            if shutil.disk_usage(self.paths.folder).free < _FULL_BYTES:
                client.kill()
                client.wait()
                self._make_room()
                raise _Ended(messages.of_system(errno.ENOSPC, self.paths))
            if began:
                total, seconds_gone = self._announced(), now - began
                speed = (arrived - before) / seconds_gone if seconds_gone > 1 else 0
                left = (total - arrived) / speed if speed > 0 and total > arrived else None
                self._show(Download(state="downloading", done=arrived, total=total, seconds_left=left))
            time.sleep(_POLL_SECONDS)

    def _import(self, as_known: bool) -> str:
        """Name of the dataset.

        Raises:
            _Ended: the zip file is corrupt, in which case it is removed, or the dataset cannot be written.
        """
        from core.data.importers.fer2013 import import_dataset  # not before it is needed: starting should be quick

        began = time.monotonic()

        def show(done: int, total: int) -> None:
            self._check_cancelled()
            seconds = time.monotonic() - began
            left = seconds / done * (total - done) if done else None
            self._show(Download(state="importing", done=done, total=total, seconds_left=left))

        zip_file, data_root = self.paths.zip, self.paths.data_root
        try:
            info = import_dataset(zip_file, data_root, accept_differences=self.accept_differences, progress=show)
        except CountsDifferError as error:
            self.paths.discard()
            raise _Ended(messages.of_counts(error)) from error
        except DataError as error:
            if as_known or isinstance(error.__cause__, OSError):
                raise _Ended(str(error)) from error
            self.paths.discard()
            raise _Ended(messages.DAMAGED) from error
        return info.name

    def _sha256(self) -> str:
        with self.paths.zip.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _announced(self) -> int:
        """Size of the whole file, which the client notes beside it."""
        try:
            return int(read_json(self.paths.partial)["size"])
        except (OSError, ValueError, TypeError, KeyError):
            return ZIP_BYTES

    def _check_cancelled(self) -> None:
        if self.paths.cancel.exists():
            raise _Ended(state="cancelled")

    def _show(self, download: Download, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self.shown >= _SHOW_SECONDS:
            self.shown = now
            try:
                self._write_status(download)
            except OSError:
                if always:  # the disk is full: what tells so is worth more than the last bytes that arrived
                    self._make_room()
                    self._write_status(download)

    def _write_status(self, download: Download) -> None:
        write_json(self.paths.status, download.model_dump(mode="json"), lasting=False)

    def _make_room(self) -> None:
        """Give back the end of what has arrived; the next try fetches it again."""
        if self.paths.zip.exists():
            os.truncate(self.paths.zip, max(0, self.paths.kept_bytes - _FULL_BYTES))


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.data.kaggle.process", description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--accept-differences", action="store_true")
    arguments = parser.parse_args()
    download_and_import(arguments.data_root, accept_differences=arguments.accept_differences)


if __name__ == "__main__":
    main()
