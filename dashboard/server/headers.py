"""What browsers are told with every answer."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = {
    "default-src": "'none'",
    # Streamlit's own files; what a component brings it makes a blob of. {hashes} are of what stands in its page.
    "script-src": "'self' blob: {hashes}",
    # its styles, and those of components, are made while a page is drawn
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' blob:",
    "connect-src": "'self' data:{sockets}",  # a photo of the webcam is read from its data URL
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    # nobody's page may frame ours: what is clicked there would be clicked here
    "frame-ancestors": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
"""What a page of ours may load and run, whatever gets into it."""

HEADERS: Final = {
    "X-Frame-Options": "DENY",  # what `frame-ancestors` says, for older browsers
    # an upload or a log is never taken for a script, nor loaded into a page of others
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # addresses name runs and people; `no-referrer` would have browsers send "Origin: null" to ourselves
    "Referrer-Policy": "same-origin",
    # a photo is taken on the Predict page; nothing here needs the rest
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=()",
    # a window that one of ours opens, or that opens one, has no hold of it
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware: puts `HEADERS` on every answer, refusals and errors of routes included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Content-Security-Policy"] = policy(Headers(scope=scope).get("host", ""))
            await send(message)

        await self._app(scope, receive, send_with_headers)


def policy(host: str) -> str:
    """The content security policy of an answer.

    Args:
        host: the name that was asked, with the port. Safari before version 15.4 does not take the websocket of a page's
            own server for its own.
    """
    named = re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host) is not None  # nothing that could end the directive
    sockets = f" ws://{host} wss://{host}" if named else ""
    return "; ".join(f"{name} {what}" for name, what in POLICY.items()).format(hashes=_hashes(), sockets=sockets)


@cache
def _hashes() -> str:
    """Of the scripts that stand in Streamlit's page itself."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_bytes()
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in scripts)


async def tell_failure(_request: Request, _error: Exception) -> PlainTextResponse:
    """The answer where a route failed, which is given in front of all middleware; the log gets the traceback."""
    return PlainTextResponse(
        "Something went wrong here. See the server log for details.",
        500,
        {**HEADERS, "Content-Security-Policy": policy("")},
    )
