"""A visitor without a browser: opens pages of a real server over its websocket and measures their cost."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import psutil
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from core.bench.server import start_server
from core.bench.streamlit_wire import read_message, rerun_script

LONGEST_SILENCE_SECONDS: Final = 120


@dataclass(frozen=True)
class Visit:
    """The cost of one visit of a page."""

    seconds: float
    """From asking for the page until its script had ended and everything it sent had arrived."""
    cpu_seconds: float
    """CPU seconds of the server meanwhile, in hundredths."""
    bytes_read: int
    """Read from files by the server meanwhile, whether from disk or from the system's cache."""
    bytes_sent: int
    """Received by the visitor."""
    problems: list[str]
    """Texts of the errors and warnings that the page shows."""


class Server:
    """A running `streamlit run dashboard/Home.py`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, started: float) -> None:
        self.process, self.port, self.started = process, port, started
        self._usage = psutil.Process(process.pid)

    def visit(self, page: str, **query: str) -> Visit:
        """Open a page as a new visitor does, with nothing remembered from other visits but what the server keeps.

        Raises:
            RuntimeError: the server did not send all of it.
        """
        try:
            return self._visit(rerun_script(page, urlencode(query)))
        except (OSError, WebSocketException, ValueError, psutil.Error) as error:
            reason = str(error) or f"no more came within {LONGEST_SILENCE_SECONDS} s"
            raise RuntimeError(f"The server did not send all of the page {page}: {reason}.") from error

    def _visit(self, question: bytes) -> Visit:
        sent, problems, complete = 0, [], False
        with self._connect() as connection:
            cpu, read, begun = self._cpu(), self.bytes_read(), time.perf_counter()
            connection.send(question)
            while not complete:
                data = connection.recv(timeout=LONGEST_SILENCE_SECONDS, decode=False)
                sent += len(data)
                message = read_message(data)
                complete = message.page_is_complete
                if message.problem is not None:
                    problems.append(message.problem)
            seconds = time.perf_counter() - begun
            return Visit(seconds, self._cpu() - cpu, self.bytes_read() - read, sent, problems)

    def _connect(self) -> ClientConnection:
        place, streamlit = f"127.0.0.1:{self.port}", Subprotocol("streamlit")
        own = Origin(f"http://{place}")  # as the browser says of a page of the server itself
        return connect(
            f"ws://{place}/_stcore/stream", origin=own, subprotocols=[streamlit], max_size=None, compression=None
        )

    def bytes_read(self) -> int:
        """So far, by system calls that read."""
        return int(self._usage.io_counters().read_chars) if hasattr(self._usage, "io_counters") else 0

    def _cpu(self) -> float:
        times = self._usage.cpu_times()
        return float(times.user + times.system)


@contextmanager
def serve(runs_root: Path, data_root: Path, log: Path) -> Iterator[Server]:
    """A server for these folders, ended at the end; `started` is when its process was."""
    started = time.perf_counter()
    with log.open("wb") as output:
        port, process = start_server(runs_root, data_root, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield Server(process, port, started)
    finally:
        process.terminate()
        process.wait(20)


def wait_for_answer(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> bytes:
    """The body of the first good answer of a server that is starting up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return bytes(response.read())
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"No answer from {url}.")
