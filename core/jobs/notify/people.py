"""Where a person wants to be told about their own runs: those that `started_by` says are theirs, or in older runs the
author."""

import os
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigError, system_reason
from core.files import make_folder, read_regular, write_whole
from core.jobs.notify.settings import Destination, EmailAddress, NotifySettings, Webhook, check_email, check_webhook
from core.runs.paths import PeoplePaths
from core.text import one_line

LABEL_LENGTH: Final = 60


class PersonalAddresses(BaseModel):
    """A file in `_people`."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    name: str
    webhook: Webhook | str = Field(default="", repr=False)
    email: EmailAddress | str = ""


def save_addresses(paths: PeoplePaths, name: str, *, webhook: str = "", email: str = "") -> None:
    """Save where a person wants to be told, in place of what was saved before; nothing of both removes it.

    Args:
        paths: of a runs root.
        name: who it is: the email address of the login, or else the name.
        webhook: a URL, or empty.
        email: an address, or empty.

    Raises:
        ConfigError: there is no name, one of the two is invalid, or they cannot be saved; the message repeats none.
    """
    if not name:
        raise ConfigError("Enter your name first: messages are about the runs that you start.")
    if webhook:
        check_webhook(webhook)
    if email:
        check_email(email)
    file = paths.file(name)
    try:
        if not webhook and not email:
            file.unlink(missing_ok=True)
            return
        make_folder(paths.folder, parents=True)  # before the first run, too
        content = PersonalAddresses(name=name, webhook=webhook, email=email).model_dump_json(indent=1).encode()
        write_whole(file, lambda opened: opened.write(content), private=True)
    except OSError as error:
        raise ConfigError(f"Can't save where to notify you: {system_reason(error)}.") from None


def addresses_of(paths: PeoplePaths, name: str) -> PersonalAddresses:
    """Where a person wants to be told; empty where they entered nothing.

    Raises:
        ConfigError: the file cannot be read, as where another user's dashboard saved it.
    """
    try:
        return PersonalAddresses.model_validate_json(read_regular(paths.file(name)))
    except FileNotFoundError:
        return PersonalAddresses(name=name)
    except OSError as error:
        raise ConfigError(f"Can't read where to notify {name}: {system_reason(error)}.") from None
    except ValidationError:
        raise ConfigError(f"Can't use what {name} saved for notifications. Save it again.") from None


def has_people(paths: PeoplePaths) -> bool:
    """Whether anybody wants to be told."""
    try:
        return any(name.endswith(".json") for name in os.listdir(paths.folder))
    except OSError:
        return False


def personal_destinations(addresses: PersonalAddresses, settings: NotifySettings) -> list[Destination]:
    """Where a person is told: as far as this server lets them be, and can."""
    if not settings.people:
        return []
    label = one_line(addresses.name)[:LABEL_LENGTH]
    found = []
    if addresses.webhook:
        found.append(Destination(f"webhook of {label}", "webhook", (addresses.webhook,), personal=True))
    if addresses.email and settings.email:
        found.append(Destination(f"e-mail of {label}", "email", (addresses.email,), personal=True))
    return found
