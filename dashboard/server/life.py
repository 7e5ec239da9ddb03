"""What happens once in the life of a server: at its start, beside its work, when the system refuses it something."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config, net_util

from core.errors import explain_system_error, is_out_of_files
from core.jobs.launchers import register_launchers
from core.machine import raise_open_files_limit
from core.team.rights import may_approve_own_runs
from dashboard.server.exposed import InsideOnly, check_exposure
from dashboard.server.headers import SecurityHeaders
from dashboard.server.logins import Logins, watch_logins
from dashboard.server.origins import OwnPagesOnly
from dashboard.server.polls import believe_no_timer
from dashboard.server.uploads import UploadLimits, UploadShare, free_uploads
from dashboard.state.exposure import host_names, is_loopback, is_on_loopback_only, server_address
from dashboard.state.login_settings import login_settings
from dashboard.state.seldom import warn_seldom

MODULES_SECONDS: Final = 5.0
"""So often it is asked whether modules were loaded: pages load theirs when they are first opened."""

log = logging.getLogger(__name__)


def middleware() -> list[Middleware]:
    """What each request passes, the outermost first.

    Raises:
        ConfigError: a setting makes no sense, or would open the server to people whom nobody knows.
    """
    may_approve_own_runs()
    limits = Middleware(UploadLimits, share=UploadShare.of_settings())
    login = login_settings()
    check_exposure(login)
    front = [Middleware(SecurityHeaders), Middleware(OwnPagesOnly), Middleware(InsideOnly)]
    return [*front, *([Middleware(Logins, settings=login)] if login else []), limits]


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """From the start of a server to its end."""
    raise_open_files_limit()
    register_launchers()
    never_ask_for_our_address()
    believe_no_timer()
    asyncio.get_running_loop().set_exception_handler(on_loop_error)
    print(f"\n  {where_it_is()}\n", flush=True)
    if doubt := what_is_missing():
        log.warning("%s", doubt)
    work = [
        asyncio.create_task(free_uploads(), name="free-uploads"),
        asyncio.create_task(spare_modules(), name="spare-modules"),
    ]
    if login := login_settings():
        work.append(asyncio.create_task(watch_logins(login), name="watch-logins"))
    yield
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)


async def spare_modules() -> None:
    """Keep what modules hold out of the garbage collector's way. It would look through all of that every four seconds
    with 40 viewers of a live page, a tenth of a second each time, in which nobody is answered."""
    spared = 0
    while True:
        loaded = len(sys.modules)
        await asyncio.sleep(MODULES_SECONDS)
        if spared < loaded == len(sys.modules):  # and nothing is being imported
            gc.collect()
            gc.freeze()
            spared = loaded


def never_ask_for_our_address() -> None:
    """Streamlit compares an unknown `Origin` with the address this machine has outside, for which it asks
    checkip.amazonaws.com, twice for a second, while nothing else is answered. Let it believe that it has asked."""
    net_util._external_ip = "127.0.0.1"


def where_it_is() -> str:
    """A sentence with the address to open, and who can."""
    names = host_names()
    address = server_address()
    name = "localhost" if is_loopback(address) and (not names or "localhost" in names) else (names or [address])[0]
    scheme = "https" if config.get_option("server.sslCertFile") else "http"
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    url = f"{scheme}://{name}:{config.get_option('server.port')}/{base}".rstrip("/")
    if is_on_loopback_only():
        return f"FER Dashboard is at {url}, for this machine only."
    answers = ", ".join(names) or "any host name"
    login = "with a login" if login_settings() else "without a login"
    return f"FER Dashboard is at {url}. It listens on {address} and answers to {answers}, {login}."


def what_is_missing() -> str:
    """A sentence if the server can be reached by nobody else although it listens for others, or by anybody's page."""
    names = host_names()
    if not names or "*" in names:
        return (
            "server.allowedHosts accepts any host name: a page of any web site can use this dashboard through the "
            "browser of whoever opens it (DNS rebinding). List the names that people use."
        )
    if not is_loopback(server_address()) and all(map(is_loopback, names)):
        return (
            f"This server listens on {server_address()} and answers to {', '.join(names)} only. List the host names or "
            "addresses that people open in server.allowedHosts (.streamlit/config.toml or --server.allowedHosts)."
        )
    return ""


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the event loop could do nothing about. That there is no descriptor for a new connection it would say 2,048
    times a second, with traceback, and as often, if the server ends then, that it cannot try again."""
    error = context.get("exception")
    if is_out_of_files(error):
        warn_seldom(log, "files", explain_system_error(error))
    elif not (isinstance(error, ValueError) and "Invalid file descriptor: -1" in str(error)):
        loop.default_exception_handler(context)
