"""A server that speaks as much of Kaggle's interface as its client needs to download one data set.

The real client is pointed at it by its own means: `KAGGLE_API_ENVIRONMENT=LOCALHOST` makes it talk to
http://localhost, and `http_proxy` leads that here, to a free port.
"""

import email.utils
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "KGAT_canary-0123456789abcdef"
USER, KEY = "ada", "0123456789abcdef0123456789abcdef"
STORAGE = "/storage/archive.zip"
BLOCK = 1 << 14


@dataclass
class StandIn:
    """What the server sends, what it does wrong, and what it was asked."""

    content: bytes
    """The zip file."""
    status: int = 200
    """Answer to the request for the data set."""
    breaks_at: int | None = None
    """Byte of the file at which the connection is cut, every time."""
    stalls_at: int | None = None
    """Byte of the file after which nothing comes any more; -1: it does not even answer."""
    bytes_per_second: float = 0
    """0 is without limit."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of every request."""
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What leads Kaggle's client here."""
        return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": f"http://127.0.0.1:{self.port}", "no_proxy": ""}


@contextmanager
def serve(stand_in: StandIn) -> Iterator[StandIn]:
    """Run the server for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            stand_in.asked.append((path, ""))
            if stand_in.stalls_at == -1:
                stand_in.closing.wait(60)
                self.close_connection = True
            elif path.endswith("/IntrospectToken"):
                known = body.get("token") == TOKEN
                self.answer(200, {"active": known, "username": USER if known else ""})
            elif not path.endswith("/DownloadDataset"):
                self.answer(404, {"code": 404, "message": "unknown"})
            elif self.headers.get("Authorization") not in (
                f"Bearer {TOKEN}",
                "Basic YWRhOjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm",
            ):
                self.answer(401, {"code": 401, "message": "Unauthenticated"})
            elif stand_in.status != 200:
                self.answer(stand_in.status, {"code": stand_in.status, "message": "no"})
            else:
                self.send_response(302)
                self.send_header("Location", f"http://localhost{STORAGE}")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            stand_in.asked.append((urlsplit(self.path).path, wanted))
            start = int(re.sub(r"\D", "", wanted) or 0)
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(stand_in.content) - start))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"stand-in"')
            self.send_header("Last-Modified", email.utils.formatdate(1_600_000_000, usegmt=True))
            if wanted:
                end = len(stand_in.content)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            self.end_headers()
            self.send_content(start)

        def send_content(self, place: int) -> None:
            content = memoryview(stand_in.content)
            while place < len(content):
                end = min(place + BLOCK, len(content))
                for limit in (stand_in.breaks_at, stand_in.stalls_at):
                    if limit is not None:
                        end = min(end, max(limit, place))
                self.wfile.write(content[place:end])
                place = end
                if place == stand_in.stalls_at:
                    stand_in.closing.wait(60)
                if place in (stand_in.stalls_at, stand_in.breaks_at):
                    self.wfile.flush()
                    self.close_connection = True
                    return
                if stand_in.bytes_per_second:
                    time.sleep(BLOCK / stand_in.bytes_per_second)

        def answer(self, status: int, value: dict[str, object]) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """The client was killed: that is what many of the tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    stand_in.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield stand_in
    finally:
        stand_in.closing.set()
        server.shutdown()
        server.server_close()
