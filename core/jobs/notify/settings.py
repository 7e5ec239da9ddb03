"""Where messages go: `notifications.toml` for the server, and what people entered for their own runs.

Webhook addresses and passwords are secrets: whoever has them can write in the team's name. Nothing here prints, logs or
returns one in a message.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.errors import ConfigError
from core.files import PROJECT_ROOT
from core.jobs.notify.events import Event
from core.jobs.toml_settings import read_toml
from core.machine import user_path

SETTINGS_VARIABLE: Final = "FER_NOTIFICATIONS"
LONGEST_WEBHOOK: Final = 2000

_EMAIL: Final = re.compile(r"""[!-~]{1,64}@[A-Za-z0-9.-]{1,189}""")
_NOT_IN_EMAIL: Final = set('"(),:;<>[\\]')


def check_webhook(url: str) -> str:
    """The address of a webhook, as it was given.

    Raises:
        ConfigError: it is none; the message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ConfigError("The webhook isn't a valid URL. Copy it again.") from None
    if not valid or not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_WEBHOOK:
        raise ConfigError("The webhook must be a URL that begins with https:// or http://, without spaces.")
    if parts.username is not None:
        raise ConfigError("The webhook must not have a user name before its host.")
    return url


def check_email(address: str) -> str:
    """An e-mail address, as it was given.

    Raises:
        ConfigError: it is none.
    """
    if not _EMAIL.fullmatch(address) or _NOT_IN_EMAIL & set(address):
        raise ConfigError("The e-mail address must look like ada@example.org.")
    return address


def _check_address(address: str) -> str:
    check_webhook(address)
    return address.rstrip("/")


Webhook = Annotated[str, AfterValidator(check_webhook)]
EmailAddress = Annotated[str, AfterValidator(check_email)]


class MailServer(BaseModel):
    """`[email]`: the SMTP server that takes the messages."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` on 587, `tls` on 465, `none` inside a network that is trusted."""
    user: str = ""
    password: str = Field(default="", repr=False)
    sender: EmailAddress
    to: list[EmailAddress] = []
    """Who gets the messages of the server; people get those about their own runs at the address they entered."""


class NotifySettings(BaseModel):
    """`notifications.toml`."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    address: Annotated[str, AfterValidator(_check_address)] | Literal[""] = ""
    """Where the dashboard is opened, base path included: messages link to it."""
    webhook: Webhook | Literal[""] = Field(default="", repr=False)
    events: list[Annotated[Event, Field(strict=False)]] = list(Event)
    """What the server's webhook and mail recipients are told."""
    people: bool = True
    """Whether people may have messages about their own runs."""
    local_webhooks: bool = False
    """Whether people's webhooks may lead to this machine itself or to its link-local network. There are services that
    trust whoever asks from here, such as the metadata of a cloud."""
    email: MailServer | None = None


@dataclass(frozen=True)
class Destination:
    """One place that messages go to."""

    label: str
    """Without secrets; stands in the folders of runs."""
    kind: Literal["webhook", "email"]
    addresses: tuple[str, ...] = field(repr=False)
    personal: bool = False

    @property
    def shown(self) -> str:
        """Where it leads, without what is secret of it."""
        return ", ".join(webhook_host(each) if self.kind == "webhook" else each for each in self.addresses)


def webhook_host(url: str) -> str:
    """The part of a webhook's address that is no secret."""
    return urlsplit(url).hostname or ""


def server_destinations(settings: NotifySettings) -> list[Destination]:
    """Where messages about all runs go."""
    found = [Destination("server webhook", "webhook", (settings.webhook,))] if settings.webhook else []
    if settings.email and settings.email.to:
        found.append(Destination("server e-mail", "email", tuple(settings.email.to)))
    return found


def settings_file() -> Path:
    """`FER_NOTIFICATIONS`, else `.streamlit/notifications.toml` of this checkout, beside Streamlit's secrets.

    Raises:
        ConfigError: it begins with `~`, and there is no such home folder.
    """
    return user_path(os.environ.get(SETTINGS_VARIABLE) or PROJECT_ROOT / ".streamlit" / "notifications.toml")


def read_settings(path: Path | None = None) -> NotifySettings | None:
    """The settings of this server; None where there are none.

    Raises:
        ConfigError: they cannot be used; the message repeats no value.
    """
    return read_toml(path or settings_file(), NotifySettings)
