"""Who has logged in: what the identity provider said of them, checked at every look, and their role by the list.

Streamlit checks a token when it arrives and then believes its own cookie for 30 days: that a login ends, was made for
this server, and is of somebody who may enter, is checked here.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import ConfigError, FerError, quote
from core.team.allow_list import folded, read_allow_list
from core.team.people import Role
from dashboard.state.login_settings import MOST_HOURS, LoginSettings
from dashboard.state.seldom import warn_seldom

MAX_PERSON_CHARACTERS: Final = 60
CLOCK_SKEW_SECONDS: Final = 120.0
"""So far may the clocks of this machine and the identity provider's be apart, as Authlib allows, too."""

LOG_IN: Final = "Log in to open the dashboard."
ENDED: Final = "Your login has ended. Log in again to go on."
NOT_FOR_US: Final = "This login is not for this dashboard. Log in again."
NO_EMAIL: Final = "The login came without your email address, by which this dashboard knows people."
NO_LIST: Final = "Nobody can enter now: the list of people can't be read. Whoever runs the server finds why in its log."

log = logging.getLogger(__name__)


class NotAdmittedError(FerError):
    """A visitor may see nothing, for the reason that the sentence gives."""

    can_log_in = True
    """Whether a new login may help; else only another account, or whoever runs the server."""


class RefusedPersonError(NotAdmittedError):
    """It is known who they are, and they may not enter."""

    can_log_in = False


@dataclass(frozen=True)
class KnownPerson:
    """Somebody who has logged in and may enter."""

    name: str
    email: str
    role: Role


def admit(claims: Mapping[str, Any], settings: LoginSettings) -> KnownPerson:
    """Who somebody is, by the claims of their token, as `st.user` has them.

    Raises:
        NotAdmittedError: they have not logged in, or no longer, or may not enter.
    """
    if claims.get("is_logged_in") is not True:
        raise NotAdmittedError(LOG_IN)
    _check_origin(claims, settings)
    if is_over(claims, settings, time.time()):
        raise NotAdmittedError(ENDED)
    email = claims.get("email")
    if not isinstance(email, str) or not email:
        raise RefusedPersonError(NO_EMAIL)
    if claims.get("email_verified", True) not in (True, "true"):
        raise RefusedPersonError(f"{email} is not verified. Verify it where you log in, then log in again.")
    name = " ".join(str(claims.get("name") or email).split())[:MAX_PERSON_CHARACTERS]
    return KnownPerson(name, folded(email), _role(email, settings))


def _check_origin(claims: Mapping[str, Any], settings: LoginSettings) -> None:
    """Whether the token was made by the provider of the settings, for this server. Authlib asks for the issuer once,
    and takes a token for another audience where `azp` names this server."""
    provider = settings.providers.get(str(claims.get("provider")))
    audience, issuer = claims.get("aud"), str(claims.get("iss") or "").rstrip("/")
    audiences = audience if isinstance(audience, list) else [audience]
    if provider is None:
        wrong = f"no provider {quote(str(claims.get('provider')))} is in the settings"
    elif issuer != provider.issuer:
        wrong = f"its issuer is {quote(issuer)} instead of {quote(provider.issuer)}; `issuer` under [auth] can say so"
    elif provider.client_id not in audiences:
        wrong = f"its audience is {quote(str(audience))} instead of {quote(provider.client_id)}"
    elif claims.get("azp") not in (None, provider.client_id):
        wrong = f"it was given to {quote(str(claims.get('azp')))}"
    else:
        return
    warn_seldom(log, "login", f"Refused a login: {wrong}.")
    raise NotAdmittedError(NOT_FOR_US)


def is_over(claims: Mapping[str, Any], settings: LoginSettings, now: float) -> bool:
    """Whether a login has ended: by log out, by the hours of this server, or, where it has none, with the token.

    Args:
        claims: of the token.
        settings: of the login.
        now: seconds since 1970.
    """
    made, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(made, int | float) or not isinstance(expires, int | float) or made > now + CLOCK_SKEW_SECONDS:
        return True
    end = expires if settings.seconds is None else made + settings.seconds
    return now >= end or _fingerprint(claims) in _logged_out


def _role(email: str, settings: LoginSettings) -> Role:
    try:
        role = read_allow_list(settings.people).role_of(email)
    except ConfigError as error:
        warn_seldom(log, "people", f"Nobody can enter. {error}")
        raise RefusedPersonError(NO_LIST) from error
    if role is None:
        raise RefusedPersonError(f"{email} is not on the list of people who may use this dashboard.")
    return role


# --- logging out


_logged_out: dict[str, float] = {}
"""Logins that were ended before their time, to when: a tab that is still open, or a copy of the cookie, is not let in
any more. After a restart there are no open tabs."""


def log_out(claims: Mapping[str, Any]) -> None:
    """End a login everywhere, in all tabs and for all who have its cookie."""
    now = time.time()
    for login, moment in list(_logged_out.items()):
        if now - moment > MOST_HOURS * 3600:
            _logged_out.pop(login, None)
    _logged_out[_fingerprint(claims)] = now


def _fingerprint(claims: Mapping[str, Any]) -> str:
    """What tells a login from all others: the nonce is a new one each time."""
    parts = [claims.get(name) for name in ("provider", "iss", "sub", "aud", "nonce", "jti", "iat", "exp")]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
