"""Raw requests to a real server, as any program can send them, and a visitor's session."""

import http.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from uuid import uuid4

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    port: int, path: str = "/", method: str = "GET", body: bytes | Iterable[bytes] | None = None, **headers: str | None
) -> Answer:
    """Send one request; `Sec_Fetch_Site` is the header Sec-Fetch-Site, and a `Host` of None leaves that out. A body in
    parts is sent in chunks, without its length."""
    sent = {"Host": f"127.0.0.1:{port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("Content-Length", str(len(body)))
        elif body is not None:
            connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(body, encode_chunked=body is not None and not isinstance(body, bytes))
        with connection.getresponse() as response:
            content = b"" if response.status == 101 else response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
    finally:
        connection.close()


def open_socket(port: int, **headers: str | None) -> int:
    """The status with which the websocket of the pages is opened, 101, or refused."""
    return ask(port, "/_stcore/stream", **{**UPGRADE, **headers}).status


@dataclass(frozen=True)
class Session:
    """A visitor with a page open, and the token that their browser has."""

    port: int
    id: str
    token: str = field(repr=False)

    def upload(self, content: bytes | Iterable[bytes], file: str = "") -> int:
        """Send a file as no widget asked for it; the status."""
        frame = uuid4().hex
        head = (
            f'--{frame}\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{frame}--\r\n".encode()
        body = head + content + tail if isinstance(content, bytes) else iter([head, *content, tail])
        return self._ask("PUT", file or uuid4().hex, body, f"multipart/form-data; boundary={frame}")

    def drop(self, file: str) -> int:
        """Have a file removed; the status."""
        return self._ask("DELETE", file, None, None)

    def _ask(self, method: str, file: str, body: bytes | Iterable[bytes] | None, kind: str | None) -> int:
        return ask(
            self.port,
            f"/_stcore/upload_file/{self.id}/{file}",
            method,
            body,
            Origin=f"http://127.0.0.1:{self.port}",
            Content_Type=kind,
            Cookie=f"_streamlit_xsrf={self.token}",
            X_Xsrftoken=self.token,
        ).status


@contextmanager
def session(port: int) -> Iterator[Session]:
    """Somebody who opens the dashboard, and leaves at the end."""
    cookies = SimpleCookie(ask(port, "/_stcore/health").headers["set-cookie"])
    begin = BackMsg()
    begin.rerun_script.query_string = ""
    place = f"127.0.0.1:{port}"
    with connect(
        f"ws://{place}/_stcore/stream", origin=Origin(f"http://{place}"), max_size=None, max_queue=None
    ) as connection:
        connection.send(begin.SerializeToString())
        while (message := ForwardMsg.FromString(bytes(connection.recv(60)))).WhichOneof("type") != "new_session":
            pass
        yield Session(port, message.new_session.initialize.session_id, cookies["_streamlit_xsrf"].value)
