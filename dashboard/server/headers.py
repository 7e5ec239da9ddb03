"""What browsers are told with every answer."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    # nobody's page may frame ours: what is clicked there would be clicked here
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    # an upload or a log is never taken for a script, nor loaded into a page of others
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # addresses name runs and people; `no-referrer` would have browsers send "Origin: null" to ourselves
    "Referrer-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware: puts `HEADERS` on every answer, refusals and errors of routes included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def tell_failure(_request: Request, _error: Exception) -> PlainTextResponse:
    """The answer where a route failed, which is given in front of all middleware; the log gets the traceback."""
    return PlainTextResponse("Something went wrong here. See the server log for details.", 500, HEADERS)
