"""Reading the TOML files in which a site is set up: notifications, launchers."""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.errors import ConfigError, system_reason
from core.files import read_regular

_Settings = TypeVar("_Settings", bound=BaseModel)


def read_toml(path: Path, kind: type[_Settings]) -> _Settings | None:
    """The settings in a file; None where there is none.

    Raises:
        ConfigError: they cannot be used; the message repeats no value, which may be a secret.
    """
    try:
        content = read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"Can't read {path.name}: {system_reason(error)}.") from error
    try:
        return kind.model_validate(tomllib.loads(content.decode()))
    except ValidationError as error:
        raise ConfigError(f"Can't use {path.name}: {_first_trouble(error.errors()[0])}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        where = re.search(r"\((at [^()]*)\)$", str(error))
        raise ConfigError(f"Can't use {path.name}: it isn't valid TOML{f' {where[1]}' if where else ''}.") from None


def _first_trouble(trouble: Any) -> str:
    """What is wrong with a value, without the value."""
    name = ".".join(str(part) for part in trouble["loc"] if not str(part).startswith(("literal", "function")))
    if trouble["type"] == "extra_forbidden":
        return f"{name} is not a setting."
    said = str(trouble["msg"]).removeprefix("Value error, ")
    return f"{name}: {said}".rstrip(".") + "."
