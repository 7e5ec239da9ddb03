"""What a login needs beside Streamlit's own routes: files are for those who are logged in, a log out ends the login in
all tabs, one is back where one wanted to go, and learns it if the login did not work."""

import asyncio
import logging
import re
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, runtime
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import (
    _get_signed_cookie_with_chunks,
    _parse_decoded_user_cookie,
)

from dashboard.state.admitted import admitted_sessions, forget_session
from dashboard.state.login import NotAdmittedError, admit, log_out
from dashboard.state.login_settings import CALLBACK, LoginSettings
from dashboard.state.visitor import FAILED_COOKIE

LOG_IN_PATH: Final = "/auth/login"
LOG_OUT_PATH: Final = "/auth/logout"
RETURN_COOKIE: Final = "fer-return"
RETURN_SECONDS: Final = 900
"""As long as somebody may take to log in."""
FAILED_SECONDS: Final = 20
LONGEST_ADDRESS: Final = 2_000
LOOK_SECONDS: Final = 2.0
"""After so long at the latest, a page whose visitor has logged out elsewhere shows nothing any more."""

log = logging.getLogger(__name__)


class Logins:
    """ASGI middleware for a server with a login.

    Args:
        app: what is behind it.
        settings: of the login.
    """

    def __init__(self, app: ASGIApp, settings: LoginSettings) -> None:
        self._app = app
        self._settings = settings
        base = str(config.get_option("server.baseUrlPath") or "").strip("/")
        self._files = (f"/{base}/media/".replace("//", "/"), f"/{base}/_stcore/upload_file/".replace("//", "/"))
        """What visitors were shown or have sent. All other routes are the same for everybody, or ask for themselves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, claims = scope["path"], self._claims(scope)
        if path.startswith(self._files) and (refusal := self._refusal(claims)):
            await PlainTextResponse(refusal, 401)(scope, receive, send)
            return
        if path.endswith(LOG_OUT_PATH) and claims:
            log_out(claims)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if path.endswith(LOG_IN_PATH):
                    self._remember_address(scope, headers)
                elif path.endswith(CALLBACK):
                    self._go_on(scope, headers)
                if self._settings.is_https:
                    _secure(headers)
            await send(message)

        await self._app(scope, receive, answer)

    def _claims(self, scope: Scope) -> Mapping[str, Any]:
        """Of the login whose cookie a request brings; empty without one."""
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        cookie = _get_signed_cookie_with_chunks(cookies, USER_COOKIE_NAME)
        return _parse_decoded_user_cookie(cookie, self._settings.redirect_uri) if cookie else {}

    def _refusal(self, claims: Mapping[str, Any]) -> str:
        try:
            admit(claims, self._settings)
        except NotAdmittedError as error:
            return str(error)
        return ""

    def _remember_address(self, scope: Scope, headers: MutableHeaders) -> None:
        """The page that somebody logs in from, for `_go_on`."""
        page = urlsplit(Headers(scope=scope).get("referer", ""))
        own = urlsplit(self._settings.redirect_uri)
        address = page._replace(scheme="", netloc="", fragment="").geturl()
        if (page.scheme, page.netloc) == (own.scheme, own.netloc) and is_own_address(address):
            _set_cookie(headers, RETURN_COOKIE, address, RETURN_SECONDS)

    def _go_on(self, scope: Scope, headers: MutableHeaders) -> None:
        """After the identity provider: back to the page, or to the login with a word about it."""
        made = SimpleCookie()
        for line in headers.getlist("set-cookie"):
            made.load(line)
        if USER_COOKIE_NAME in made and made[USER_COOKIE_NAME].value:
            address = unquote(cookie_parser(Headers(scope=scope).get("cookie", "")).get(RETURN_COOKIE, ""))
            if is_own_address(address):
                headers["location"] = address
            _set_cookie(headers, RETURN_COOKIE, "", 0)
        elif b"state=" in scope["query_string"]:  # without, it is the way back from a log out
            _set_cookie(headers, FAILED_COOKIE, "1", FAILED_SECONDS)


def is_own_address(address: str) -> bool:
    """Whether an address to go to is one of this server's pages: a path, which no browser takes for another host."""
    return re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", address) is not None and len(address) <= LONGEST_ADDRESS


def _set_cookie(headers: MutableHeaders, name: str, value: str, seconds: int) -> None:
    text = f"{name}={quote(value, safe='')}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax"
    headers.append("set-cookie", text)


def _secure(headers: MutableHeaders) -> None:
    """Streamlit does not know that a proxy in front of it does TLS, and leaves out that cookies are for TLS only."""
    lines = headers.getlist("set-cookie")
    del headers["set-cookie"]
    for line in lines:
        headers.append("set-cookie", line if "; secure" in line.lower() else f"{line}; Secure")


async def watch_logins(settings: LoginSettings) -> None:
    """For as long as the server runs: where a login ends, by its time, a log out in another tab, or the list of people,
    the pages that are open show so by themselves. Parts of pages that draw themselves again do not ask."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            end_sessions(settings)
        except Exception:
            log.exception("Can't look which logins have ended.")


def end_sessions(settings: LoginSettings) -> list[str]:
    """Have the pages drawn again whose visitors may not see them any more; their sessions."""
    ended = []
    for session, claims in admitted_sessions().items():
        active = runtime.get_instance()._session_mgr.get_active_session_info(session)
        if active is None:  # closed; whoever comes back asks the gate
            forget_session(session)
            continue
        try:
            admit(claims, settings)
        except NotAdmittedError:
            ended.append(session)
            forget_session(session)
            active.session.request_rerun(None)
    return ended
