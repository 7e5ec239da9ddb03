"""A visitor without a browser: opens pages of a real server over its websocket and measures their cost."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from core.bench.server import start_server


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
    """Errors that the page shows."""


class Server:
    """A running `streamlit run dashboard/Home.py`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, started: float) -> None:
        self.process, self.port, self.started = process, port, started
        self._usage = psutil.Process(process.pid)

    def visit(self, page: str, **query: str) -> Visit:
        """Open a page as a new visitor does, with nothing remembered from other visits but what the server keeps."""
        address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        with connect(address, subprotocols=["streamlit"], max_size=None, compression=None) as socket_:  # type: ignore[list-item]
            asked = BackMsg()
            asked.rerun_script.page_name = page
            asked.rerun_script.query_string = urlencode(query)
            cpu, read, begun = self._cpu(), self.bytes_read(), time.perf_counter()
            socket_.send(asked.SerializeToString())
            sent, problems = 0, []
            while True:
                data = socket_.recv(timeout=120)
                assert isinstance(data, bytes)
                sent += len(data)
                message = ForwardMsg.FromString(data)
                element = message.delta.new_element
                if element.WhichOneof("type") in ("alert", "exception"):
                    problems.append(element.alert.body or element.exception.message)
                if message.WhichOneof("type") == "script_finished":
                    break
            seconds = time.perf_counter() - begun
            return Visit(seconds, self._cpu() - cpu, self.bytes_read() - read, sent, problems)

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
