"""How far a server is open: what must hold before it starts, and what it tells this machine only."""

import os
import re
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from core.errors import ConfigError, quote
from dashboard.state.exposure import host_names, is_loopback, is_on_loopback_only
from dashboard.state.login_settings import LoginSettings, check_login_works

WITHOUT_LOGIN: Final = "FER_WITHOUT_LOGIN"
"""The environment variable that opens a server without a login to others, for where something in front of it does."""

_INSIDE: Final = re.compile(r"/_stcore/(?:metrics|script-health-check|agent)(?:/|$)")
"""How many people look at what, how much memory they take, and what programs may ask: for whoever runs the server."""
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""What a proxy adds, whose requests come from this machine, too."""


def check_exposure(login: LoginSettings | None) -> None:
    """Before a server starts: nobody reaches it without being known, and with a login everybody reaches it.

    Args:
        login: how people log in; None: not at all.

    Raises:
        ConfigError: it must not start like this.
    """
    for origin in config.get_option("server.corsAllowedOrigins"):
        if not re.fullmatch(r"https?://[^/*?#@\s]+", str(origin)):
            raise ConfigError(
                "server.corsAllowedOrigins must list whole addresses such as https://fer.example.org, without a path "
                f"(got {quote(str(origin))})."
            )
    if login is None:
        _check_without_login()
        return
    check_login_works()
    if config.get_option("server.trustedUserHeaders"):
        raise ConfigError("server.trustedUserHeaders would let a header replace who has logged in. Leave it out.")
    if not host_names() or "*" in host_names():
        raise ConfigError("server.allowedHosts must list the host names that people open.")
    if not is_host_allowed(login.host):
        raise ConfigError(
            f"People come back from the login to {login.host}, which this server doesn't answer to: add it to "
            "server.allowedHosts, or correct redirect_uri under [auth] in secrets.toml."
        )
    if not login.is_https and not is_loopback(login.host):
        raise ConfigError(
            "redirect_uri under [auth] in secrets.toml must begin with https://: over http://, whoever is on the way "
            "can read the cookie of a login and use it."
        )


def _check_without_login() -> None:
    said = os.environ.get(WITHOUT_LOGIN) or "0"
    if said not in ("0", "1"):
        raise ConfigError(f"{WITHOUT_LOGIN} must be 0 or 1 (got {said!r}).")
    if said == "0" and not is_on_loopback_only():
        raise ConfigError(
            "Without a login this server is for this machine only: server.address and server.allowedHosts must be "
            "127.0.0.1 and localhost. To open it to others, set up the login (core/README.md, “On a server”). If "
            f"something in front of it asks who they are, {WITHOUT_LOGIN}=1 makes everybody who reaches it an admin."
        )


class InsideOnly:
    """ASGI middleware: what is for whoever runs the server is not there for anybody else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _INSIDE.search(scope["path"]) and not is_from_inside(scope):
            await PlainTextResponse("Not found.", 404)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def is_from_inside(scope: Scope) -> bool:
    """Whether a request is from a program of this machine, which has asked for it by such a name, without a proxy."""
    headers, client = Headers(scope=scope), scope.get("client")
    host = re.sub(r":[0-9]+$", "", headers.get("host", ""))
    return client is not None and all(map(is_loopback, (client[0], host))) and not any(map(headers.get, _FORWARDED))
