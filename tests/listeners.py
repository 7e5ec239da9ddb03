"""What messages are sent to in tests: a real web server and a real SMTP server, on loopback, that note what comes."""

import base64
import json
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HANG = 0
"""In place of a status: the server never answers."""


@dataclass
class Webhook:
    """A web server that takes posts."""

    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers, or `HANG`; 200 when they are used up."""
    bodies: list[Any] = field(default_factory=list)
    """What came, in order; what was refused, too."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    location: str = ""
    """Where a redirect leads."""
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    """Lets go of what hangs."""

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.bodies]


@contextmanager
def webhook_server(
    *answers: int, tls: ssl.SSLContext | None = None, tunnel: ssl.SSLContext | None = None
) -> Iterator[Webhook]:
    """A webhook that answers as told. As an HTTP proxy it takes what is for other hosts; with `tunnel`, it is also the
    other end of any tunnel (CONNECT)."""
    webhook = Webhook(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            webhook.headers.append(dict(self.headers))
            webhook.paths.append(self.path)
            status = webhook.answers.pop(0) if webhook.answers else 200
            if status == HANG:
                webhook.released.wait(60)
                return
            self.send_response(status)
            if webhook.location:
                self.send_header("Location", webhook.location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_CONNECT(self) -> None:
            webhook.paths.append(self.path)
            if tunnel is None:
                self.send_error(405)
                return
            self.send_response(200)
            self.end_headers()
            self.connection = tunnel.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
            self.close_connection = False

        def do_GET(self) -> None:
            webhook.bodies.append("GET")  # what some make of a redirected post
            self.send_error(405)

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None: ...  # whoever asked has gone

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    webhook.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/hook/secret"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield webhook
    finally:
        webhook.released.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mailbox:
    """An SMTP server."""

    port: int = 0
    commands: list[str] = field(default_factory=list)
    """Of all sessions, without passwords."""
    mails: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """Of each mail: whether it came over TLS."""
    replies: dict[str, str] = field(default_factory=dict)
    """Verb to another reply than the usual one."""


@contextmanager
def smtp_server(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, password: str = "", replies: Sequence[str] = ()
) -> Iterator[Mailbox]:
    """An SMTP server as RFC 5321 has it, as far as `smtplib` asks.

    Args:
        tls: offers STARTTLS with it, or speaks TLS from the first byte where `implicit`.
        implicit: see above.
        password: what AUTH PLAIN has to give for the user `fer`; empty: no AUTH.
        replies: such as `RCPT 550 no`: what it says to a command in place of the usual.
    """
    box = Mailbox(replies=dict(reply.split(" ", 1) for reply in replies))  # type: ignore[arg-type]

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            is_tls = implicit
            if implicit:
                assert tls
                self._wrap(tls)
            self._say("220 test")
            while line := self.rfile.readline().decode().strip():
                verb = line.split(" ")[0].upper()
                box.commands.append(line if verb != "AUTH" else "AUTH")
                if verb in box.replies:
                    self._say(box.replies[verb])
                elif verb == "EHLO":
                    offers = ["STARTTLS"] * bool(tls and not is_tls) + ["AUTH PLAIN"] * bool(password)
                    names = ["test", *offers]
                    for number, name in enumerate(names):
                        self._say(f"250{' ' if number == len(names) - 1 else '-'}{name}")
                elif verb == "STARTTLS":
                    assert tls
                    self._say("220 go")
                    self._wrap(tls)
                    is_tls = True
                elif verb == "AUTH":
                    given = base64.b64decode(line.split(" ")[2]).decode()
                    self._say("235 ok" if given == f"\0fer\0{password}" else "535 no")
                elif verb == "DATA":
                    self._say("354 go")
                    lines = []
                    while (part := self.rfile.readline().decode()) != ".\r\n":
                        lines.append(part)
                    box.mails.append("".join(lines))
                    box.encrypted.append(is_tls)
                    self._say("250 taken")
                elif verb == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())
            self.wfile.flush()

        def _wrap(self, context: ssl.SSLContext) -> None:
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")  # type: ignore[assignment]

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, *_: Any) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield box
        finally:
            server.shutdown()


def make_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """A certificate that signs itself for these DNS names and 127.0.0.1, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    also = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test".split()
    subprocess.run(
        [*request, "-addext", f"subjectAltName={also}", "-out", str(certificate), "-keyout", str(key)],
        check=True,
        capture_output=True,
    )
    return certificate, key


def tls_of(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that `SSL_CERT_FILE` can name as trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder, "localhost"))
    return context


def dead_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
