"""Who may log in, and in which role: a TOML file of email addresses and whole domains.

The file is read at every look, so that a change of it takes effect at once; what was read before is parsed once. One
that cannot be read, or has a mistake in it, lets nobody in.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from core.errors import ConfigError, quote, system_reason
from core.files import PROJECT_ROOT, read_regular
from core.machine import user_path
from core.team.people import Role

PEOPLE: Final = "FER_PEOPLE"
"""The environment variable with the path of the file; without it, it is beside the login's `secrets.toml`."""
DEFAULT_PEOPLE: Final = PROJECT_ROOT / ".streamlit" / "people.toml"
LARGEST_LIST: Final = 1_000_000
"""Bytes."""


@dataclass(frozen=True)
class AllowList:
    """People and domains with their roles, as `folded` writes them."""

    people: Mapping[str, Role]
    domains: Mapping[str, Role]

    def role_of(self, email: str) -> Role | None:
        """The role of an email address: its own, else the one of its domain; None if it has neither."""
        email = folded(email)
        name, _, domain = email.rpartition("@")
        return self.people.get(email) or (self.domains.get(domain) if name and "@" not in name else None)


def allow_list_path() -> Path:
    """The file with the people.

    Raises:
        ConfigError: its name begins with `~`, and there is no such home folder.
    """
    return user_path(os.environ.get(PEOPLE) or DEFAULT_PEOPLE)


def read_allow_list(path: Path) -> AllowList:
    """The people who may log in now.

    Raises:
        ConfigError: the file is missing, unreadable, or has a mistake in it; the sentence says where.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise ConfigError(f"Can't read the people who may log in from {path}: {system_reason(error)}.") from error
    if len(content) > LARGEST_LIST:
        raise ConfigError(f"The list of people {path} is too large ({len(content):,} bytes, max {LARGEST_LIST:,}).")
    try:
        return _parse(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


@lru_cache(maxsize=4)
def _parse(content: bytes) -> AllowList:
    try:
        entries = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError and a UnicodeDecodeError are ValueErrors
        raise ConfigError(f'it is not TOML of lines such as "ada@example.org" = "member" ({error}).') from error
    people: dict[str, Role] = {}
    domains: dict[str, Role] = {}
    for who, role in entries.items():
        name, at, domain = folded(who).rpartition("@")
        if not at or not domain or "@" in name:
            raise ConfigError(f"{quote(who)} is neither an email address nor a domain such as '@example.org'.")
        kind, key = (people, folded(who)) if name else (domains, domain)
        if key in kind:
            raise ConfigError(f"{quote(who)} is in it twice.")
        kind[key] = _role(who, role)
    return AllowList(people, domains)


def _role(who: str, text: object) -> Role:
    if isinstance(text, str) and text in list(Role):
        return Role(text)
    raise ConfigError(f"the role of {quote(who)} must be {', '.join(list(Role)[:-1])} or {list(Role)[-1]}.")


def folded(email: str) -> str:
    """An email address as it is compared: without regard to upper and lower case, but only of ASCII letters, since
    `lower` makes some other signs the same as these, such as the Kelvin sign and k."""
    return "".join(char.lower() if char.isascii() else char for char in email.strip())
