"""How people log in to this server, as the section `[auth]` of Streamlit's `secrets.toml` says: by OpenID Connect, or
not at all. What it says at the start holds until the end: a file that is lost meanwhile opens nothing."""

import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import streamlit as st
from streamlit import config

from core.errors import ConfigError
from core.numbers import read_decimal
from core.team.allow_list import allow_list_path

LOGIN_HOURS: Final = "FER_LOGIN_HOURS"
"""The environment variable: how many hours a login lasts. Without it, until the identity provider's token expires."""
MOST_HOURS: Final = 24.0 * 30
"""Streamlit's cookie lives no longer."""
SHORTEST_SECRET: Final = 32
"""Characters: who guesses the secret of the cookie is whoever they say they are."""
CALLBACK: Final = "/oauth2callback"
DISCOVERY: Final = "/.well-known/openid-configuration"
DEFAULT_PROVIDER: Final = "default"
"""What Streamlit calls the one whose settings are in `[auth]` itself."""


@dataclass(frozen=True)
class Provider:
    """Somebody who says who people are."""

    client_id: str
    """Under which they know this server."""
    issuer: str
    """As their tokens name them."""


@dataclass(frozen=True)
class LoginSettings:
    """The settings of a server with a login."""

    providers: Mapping[str, Provider]
    """By the name that Streamlit has for them."""
    redirect_uri: str
    people: Path
    """The file of those who may log in."""
    seconds: float | None = None
    """How long a login lasts from the moment the token was made; None: until the token expires."""

    @property
    def host(self) -> str:
        """The name under which browsers open this server."""
        return urlsplit(self.redirect_uri).hostname or ""

    @property
    def is_https(self) -> bool:
        """Whether browsers open it over TLS."""
        return urlsplit(self.redirect_uri).scheme == "https"


@cache
def login_settings() -> LoginSettings | None:
    """The settings of the login; None where there is none.

    Raises:
        ConfigError: they make no sense, in which case the server must not start.
    """
    section = _auth_section()
    if section is None:
        return None
    redirect_uri = _redirect_uri(section)
    secret = section.get("cookie_secret")
    if not isinstance(secret, str) or len(secret) < SHORTEST_SECRET:
        raise ConfigError(
            f"cookie_secret under [auth] in secrets.toml must have {SHORTEST_SECRET} random characters or more: "
            'python3 -c "import secrets; print(secrets.token_hex(32))" makes one.'
        )
    return LoginSettings(_providers(section), redirect_uri, allow_list_path(), _login_seconds())


def _auth_section() -> Mapping[str, Any] | None:
    loaded = False
    with suppress(ValueError, OSError):  # what is no text
        loaded = st.secrets.load_if_toml_exists()
    if loaded:
        section = st.secrets.to_dict().get("auth")
        if section is not None and not isinstance(section, Mapping):
            raise ConfigError("auth in secrets.toml must be a section [auth].")
        return section
    if found := [path for path in config.get_option("secrets.files") if Path(path).exists()]:
        raise ConfigError(f"Can't read {found[-1]}, which may have the settings of the login. It must be TOML.")
    return None


def _redirect_uri(section: Mapping[str, Any]) -> str:
    text = str(section.get("redirect_uri", "")).replace("{port}", str(config.get_option("server.port")))
    parts = urlsplit(text)
    path = "/" + f"{str(config.get_option('server.baseUrlPath') or '').strip('/')}{CALLBACK}".lstrip("/")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path != path or parts.query:
        raise ConfigError(
            "redirect_uri under [auth] in secrets.toml must be the address that people open, followed by "
            f"{path}: https://fer.example.org{path} (got {text!r})."
        )
    return text


def _providers(section: Mapping[str, Any]) -> dict[str, Provider]:
    named = {name: value for name, value in section.items() if isinstance(value, Mapping) and "client_id" in value}
    if "client_id" in section:
        named = {DEFAULT_PROVIDER: section, **named}
    if not named:
        raise ConfigError("[auth] in secrets.toml names no identity provider: client_id is missing.")
    return {name: _provider(name, value) for name, value in named.items()}


def _provider(name: str, section: Mapping[str, Any]) -> Provider:
    where = "[auth]" if name == DEFAULT_PROVIDER else f"[auth.{name}]"
    values = {key: str(section.get(key) or "") for key in ("client_id", "client_secret", "server_metadata_url")}
    if missing := [key for key, value in values.items() if not value]:
        raise ConfigError(f"{missing[0]} is missing under {where} in secrets.toml.")
    metadata = values["server_metadata_url"]
    # OpenID Connect Discovery 1.0, section 4: it is the issuer followed by this. Where it is not, as behind a proxy
    # or with Microsoft's tenant by name, `issuer` says so.
    issuer = str(section.get("issuer") or metadata.removesuffix(DISCOVERY))
    if not metadata.startswith(("https://", "http://")) or issuer == metadata:
        raise ConfigError(f"server_metadata_url under {where} in secrets.toml must be https://...{DISCOVERY}.")
    return Provider(values["client_id"], issuer.rstrip("/"))


def _login_seconds() -> float | None:
    text = os.environ.get(LOGIN_HOURS, "")
    if not text:
        return None
    try:
        hours = read_decimal(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MOST_HOURS:
        raise ConfigError(f"{LOGIN_HOURS} must be a number of hours up to {MOST_HOURS:.0f} (got {text!r}).")
    return hours * 3600


def check_login_works() -> None:
    """Before a server with a login starts.

    Raises:
        ConfigError: what Streamlit logs in with is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # httpx is what Streamlit's login is made for
            import authlib.integrations.starlette_client  # noqa: F401 - takes 0.5 s, so only where there is a login
    except ImportError as error:
        raise ConfigError(f"The login needs what requirements.txt lists (pip install): {error}.") from error
