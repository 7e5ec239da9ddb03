"""Sending by webhook."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

import psutil

from core.jobs.notify.attempt import ATTEMPT_SECONDS, SILENT_SECONDS, Deadline, SendError, time_limit, why_unreachable
from core.jobs.notify.settings import check_webhook, webhook_host

TRY_AGAIN: Final = frozenset({408, 425, 429})
"""Beside those of 500 and more: refusals that pass, see RFC 9110, 8470 and 6585."""


class _LocalAddress(Exception):
    """A person's webhook leads to this machine."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the message to a host that nobody entered."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(url: str, text: str, *, local: bool) -> None:
    """Post `{"text": ...}`, as Slack, Mattermost, Discord (under `/slack`) and others take it.

    Args:
        url: http or https; a proxy of the environment is used.
        text: plain text.
        local: whether it may lead to this machine or its link-local network.

    Raises:
        SendError: it was not taken.
    """
    host = webhook_host(check_webhook(url))
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "fer-dashboard"}
    request = urllib.request.Request(url, json.dumps({"text": text}).encode(), headers, method="POST")
    with time_limit() as deadline:
        opener = urllib.request.build_opener(_NoRedirects, *_handlers(deadline, request, local))
        try:
            opener.open(request, timeout=SILENT_SECONDS).close()  # what it says is of no interest
        except urllib.error.HTTPError as error:
            error.close()
            passes = error.code >= 500 or error.code in TRY_AGAIN
            redirect = ": redirects are not followed" if 300 <= error.code < 400 else ""
            raise SendError(f"{host} answered with status {error.code}{redirect}.", again=passes) from None
        except _LocalAddress:
            raise SendError(f"{host} is this server itself: its settings don't allow that.", again=False) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if deadline.is_over:
                raise SendError(f"{host} took longer than {ATTEMPT_SECONDS:.0f} s.", again=True) from None
            raise SendError(f"{host} can't be reached: {why_unreachable(error)}.", again=True) from None


def _handlers(deadline: Deadline, request: urllib.request.Request, local: bool) -> list[urllib.request.BaseHandler]:
    """What opens connections, each watched, and looked at before the message is sent over it.

    A proxy may be on this machine; where it leads may not. Since it resolves the host by itself, the addresses that the
    host has here are looked at: a host that only the proxy can resolve is left to its rules.
    """
    destination, host = request.host, webhook_host(request.full_url)

    def goes_by_proxy() -> bool:
        return request.host != destination  # for `https`, `has_proxy` does not say so

    def look_ahead() -> None:
        if not local and goes_by_proxy() and any(map(is_this_machine, addresses_behind(host))):
            raise _LocalAddress

    def look_at(opened: socket.socket) -> None:
        deadline.watch(opened)
        if not local and not goes_by_proxy() and _leads_here(opened):
            opened.close()
            raise _LocalAddress

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            look_at(self.sock)

    class Encrypted(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            look_at(self.sock)

    class OpenPlain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            look_ahead()
            return self.do_open(Plain, req)

    class OpenEncrypted(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            look_ahead()
            return self.do_open(Encrypted, req, context=ssl.create_default_context())

    return [OpenPlain(), OpenEncrypted()]


def _leads_here(opened: socket.socket) -> bool:
    """Whether the other end of a connection is this machine. An address that is routed to it, though no interface has
    it, is both ends of the connection."""
    peer = opened.getpeername()[0]
    return peer == opened.getsockname()[0] or is_this_machine(peer)


def addresses_behind(host: str) -> set[str]:
    """The IP addresses of a host; empty where it has none that this machine can find."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def is_this_machine(address: str) -> bool:
    """Whether an IP address is one of this machine, or one that only its neighbours on the wire have."""
    parsed = _parsed(address)
    if parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast:
        return True
    interfaces = psutil.net_if_addrs().values()
    return str(parsed) in {each.address for addresses in interfaces for each in addresses}


def _parsed(address: str) -> IPv4Address | IPv6Address:
    """An IP address without its zone; IPv4 as such, also where IPv6 carries it."""
    parsed = ip_address(address.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed
