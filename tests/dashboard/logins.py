"""Somebody who has logged in, as the pages of a server with a login see them."""

import time
from pathlib import Path
from typing import Any

from dashboard.state.login_settings import LoginSettings, Provider

ISSUER, CLIENT_ID = "https://login.example", "fer"


def login_of(people: Path, **changed: Any) -> LoginSettings:
    """The settings of a login whose people are in this file."""
    redirect_uri = "https://fer.example.org/oauth2callback"
    return LoginSettings(
        **{"providers": {"default": Provider(CLIENT_ID, ISSUER)}, "redirect_uri": redirect_uri, "people": people}
        | changed
    )


def claims_of(email: str, /, **changed: Any) -> dict[str, Any]:
    """What Streamlit keeps of their token; a claim that is None is left out."""
    now = int(time.time())
    claims = {
        "is_logged_in": True,
        "provider": "default",
        "iss": ISSUER,
        "aud": CLIENT_ID,
        "sub": "1234",
        "iat": now,
        "exp": now + 600,
        "nonce": "8d2f",
        "email": email,
        "email_verified": True,
        "name": "Ada Lovelace",
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}
