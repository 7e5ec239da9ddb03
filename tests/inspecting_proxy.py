"""A proxy that looks into TLS, as companies and virus scanners run it: it answers for every server with a certificate
of its own."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import parse_headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def certificate(folder: Path, host: str) -> Path:
    """A PEM file with a new key and a certificate for a host that nobody signed."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    key, signed, both = (folder / f"{part}.pem" for part in ("key", "cert", "both"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    options = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-days", "2"]
    subprocess.run([*command, *options, "-keyout", key, "-out", signed], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + signed.read_bytes())
    return both


@contextmanager
def inspect(pem: Path | None) -> Iterator[dict[str, str]]:
    """Run the proxy; gives the variables that lead to it.

    Args:
        pem: its key and certificate, with which it answers 429 to everything; None: it asks for a login instead (407).
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.close_connection = True
            if pem is None:
                self.send_response(407)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            with context.wrap_socket(self.connection, server_side=True) as inner, inner.makefile("rb") as file:
                file.readline()
                request = parse_headers(file)
                file.read(int(request.get("Content-Length") or 0))
                inner.sendall(b"HTTP/1.1 429 no\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """The client does not accept the certificate: that is what the tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield {"https_proxy": address, "HTTPS_PROXY": address, "http_proxy": address, "no_proxy": ""}
    finally:
        server.shutdown()
        server.server_close()
