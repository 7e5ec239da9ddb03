"""Who may ask: pages of this server, opened under a host name it answers to.

A browser tells with each request which page it comes from (`Origin`, `Sec-Fetch-Site`) and which name it looked up
(`Host`); a page of others can change none of them. https://web.dev/articles/fetch-metadata describes the rule for what
has no `Origin`.
"""

import logging
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web.server.server_util import allowlisted_origins
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from dashboard.state.seldom import warn_seldom

WRONG_HOST: Final = (
    "This dashboard doesn't answer to the host name in the address. If people are meant to use that name, add it to "
    "server.allowedHosts in .streamlit/config.toml."
)
FOREIGN: Final = (
    "This dashboard answers its own pages only. If the request came through a proxy, have it pass the Host header on, "
    "or add the address that people open to server.corsAllowedOrigins in .streamlit/config.toml."
)
NO_ORIGIN: Final = "This is for the dashboard's own pages, of which the browser says so in the Origin header."

READING: Final = ("GET", "HEAD", "OPTIONS")

log = logging.getLogger(__name__)


class OwnPagesOnly:
    """ASGI middleware: refuses what a page of another origin asks, over HTTP and websockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = why_refused(scope) if scope["type"] in ("http", "websocket") else ""
        if not refusal:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = f"Host {headers.get('host', '')[:80]!r}, Origin {headers.get('origin', '')[:80]!r}"
        warn_seldom(log, refusal, f"Refused a request ({asked}): {refusal}")
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: status 403
        else:
            await PlainTextResponse(refusal, 403)(scope, receive, send)


def why_refused(scope: Scope) -> str:
    """Why a request is not answered, in a sentence; empty if it is.

    Args:
        scope: of a request or a websocket.
    """
    headers = Headers(scope=scope)
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not is_host_allowed(hosts[0]):
        return WRONG_HOST
    if origins:
        return "" if len(origins) == 1 and _is_ours(origins[0], hosts[0]) else FOREIGN
    if _needs_origin(scope):
        return NO_ORIGIN
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _is_visit(scope, headers):
        return FOREIGN
    return ""


def _is_ours(origin: str, host: str) -> bool:
    """Whether it is the address under which the server was asked, port included, or one that the settings allow."""
    own = (f"http://{host}".lower(), f"https://{host}".lower())  # a proxy may have taken the TLS off
    return origin.lower() in own or origin in allowlisted_origins()


def _needs_origin(scope: Scope) -> bool:
    """Whether a browser would have sent one: with all that changes something, for which only pages have a use."""
    return scope["type"] == "websocket" or (scope["method"] not in READING and "/_stcore/" in scope["path"])


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody followed a link to a page: shown in a tab of its own, and not in a frame. Nobody's link logs
    somebody out."""
    asked = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    is_page = scope["method"] in READING and not scope["path"].endswith("/auth/logout")
    return is_page and asked == ("navigate", "document")
