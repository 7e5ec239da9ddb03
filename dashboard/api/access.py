"""Who may ask: whoever sends a token, in a header that no browser adds by itself."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from core.errors import ApiTokenError, ConfigError
from core.team.allow_list import read_allow_list
from core.team.people import Actor
from core.team.tokens import ApiToken, find_token, note_use, read_tokens
from dashboard.api.answers import Refusal, busy
from dashboard.state.login import NO_LIST
from dashboard.state.login_settings import login_settings
from dashboard.state.seldom import warn_seldom

OFF: Final = "The HTTP API is off. It is on as soon as somebody has created an API token."
NO_TOKEN: Final = "Send an API token in the header “Authorization: Bearer TOKEN”."
WRONG_TOKEN: Final = "This API token is wrong, or it has been revoked."
EXPIRED: Final = "This API token has expired. Create a new one."
NOT_ON_LIST: Final = "The owner of this API token may not use this server any more."
UNUSABLE: Final = "The API tokens can't be read. See the server log for details."

WRONG_TOKENS: Final = 10
"""So many an address may send within a minute before it is told to slow down."""
WITHIN_SECONDS: Final = 60.0
MAX_ADDRESSES: Final = 1000

log = logging.getLogger(__name__)


class WrongTokens:
    """How many wrong tokens have come lately, by address.

    A right token is answered whatever else came from its address: behind a proxy or a router many people share one, and
    somebody who floods it must not keep them out. Nobody finds one of 2**256 tokens by trying, limit or not.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}
        """By address: when its minute began, and how many have come since."""

    def note(self, address: str) -> int:
        """One more; how many that are within a minute."""
        now = self._clock()
        began, count = self._seen.pop(address, (now, 0))
        if now - began >= WITHIN_SECONDS:
            began, count = now, 0
        while len(self._seen) >= MAX_ADDRESSES:
            del self._seen[next(iter(self._seen))]  # the one that was heard of least recently
        self._seen[address] = began, count + 1
        return count + 1


def is_on(runs_root: Path) -> bool:
    """Whether there is an API: somebody has created a token.

    Raises:
        Refusal: that cannot be found out.
    """
    try:
        return bool(read_tokens(runs_root))
    except ApiTokenError as error:
        raise _unusable(error) from error


def actor_of(runs_root: Path, scope: Scope, wrong: WrongTokens) -> Actor:
    """Who asks, by the token. Cookies say nothing here: a browser sends them with what any page makes it ask.

    Args:
        runs_root: the folder of all runs.
        scope: of the request.
        wrong: counts those that are refused.

    Raises:
        Refusal: there is no token, or a wrong one; or no API.
    """
    now = datetime.now(UTC)
    try:
        if not (tokens := read_tokens(runs_root)):
            raise Refusal(404, OFF)
        if not (secret := bearer(Headers(scope=scope))):
            raise _unknown(NO_TOKEN)
        found = find_token(tokens, secret)
        if found and not found.has_expired(now):
            actor = _actor_today(found)
            _note_use(runs_root, found, now)
            return actor
    except ApiTokenError as error:
        raise _unusable(error) from error
    address = str((scope.get("client") or ("unknown",))[0])
    count = wrong.note(address)
    warn_seldom(log, "wrong token", f"Refused an API request from {address} with a wrong or expired token.")
    if count > WRONG_TOKENS:
        warn_seldom(log, "wrong tokens", f"{address} has sent {count} wrong API tokens within a minute.")
        raise busy("Too many wrong API tokens have come from your address. Try again in a minute.", 60)
    raise _unknown(EXPIRED if found else WRONG_TOKEN)


def bearer(headers: Headers) -> str:
    """The token of a request; empty where there is none, or more than one."""
    sent = headers.getlist("authorization")
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""


def _actor_today(token: ApiToken) -> Actor:
    """Who acts with a token. Where people log in, the list of those who may counts for their programs, too: it takes
    effect at once, and a token made as an admin is a viewer's as soon as its owner is one.

    Raises:
        Refusal: its owner is not on the list any more, or there is none that can be read.
    """
    login = login_settings()
    if login is None or not token.email:  # made by whoever runs the server, for a program that is nobody's
        return token.actor
    try:
        role = read_allow_list(login.people).role_of(token.email)
    except ConfigError as error:
        warn_seldom(log, "list of people", str(error))
        raise Refusal(503, NO_LIST) from error
    if role is None:
        raise _unknown(NOT_ON_LIST)
    return token.actor if role.includes(token.role) else replace(token.actor, role=role)


def _note_use(runs_root: Path, token: ApiToken, now: datetime) -> None:
    try:
        note_use(runs_root, token, now.date())
    except ApiTokenError as error:  # a full disk does not keep anybody from reading
        warn_seldom(log, "use of a token", f"The use of an API token can't be written down. {error}")


def _unknown(sentence: str) -> Refusal:
    return Refusal(401, sentence, headers={"WWW-Authenticate": 'Bearer realm="FER Dashboard"'})


def _unusable(error: ApiTokenError) -> Refusal:
    warn_seldom(log, "API tokens", str(error))
    return Refusal(503, UNUSABLE)
