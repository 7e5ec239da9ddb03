"""Kaggle credentials: entered by the user and saved here, or those of this machine. Nothing here prints, logs or
returns a secret.

They are saved as files that Kaggle's client reads by itself, in a home folder of its own (mode 0700, files
0600): `~/.config/fer-dashboard/kaggle/.kaggle/access_token` or `kaggle.json`. The client is run with that home, so that
no secret is in the environment it is started with or on a command line. Files of this machine that the client would
misread (a new token in `kaggle.json`, UTF-16) are read in its process (`client_settings`).
"""

import codecs
import json
import os
import re
import site
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.errors import DataError, system_reason
from core.files import sweep_leftovers, write_whole

TOKEN_PAGE: Final = "https://www.kaggle.com/settings/api"

_MAX_CHARACTERS: Final = 10_000
_SECRET: Final = re.compile(r"[!-~]{16,2000}")
_USER: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_OLD_KEY: Final = re.compile(r"[0-9a-f]{32}")
_TOKEN: Final = re.compile(r"KGAT_[\w-]{8,1000}")
"""A token of the newer kind, wherever it stands: in `kaggle.json`, in quotes, in a line that sets a variable."""
_SETTING: Final = re.compile(r"""(KAGGLE_(?:API_TOKEN|USERNAME|KEY))['"\]]*\s*[=:\s]\s*['"]?([^'"\s;,]+)""")
"""A variable as a shell, PowerShell, Python, a `.env` file or YAML sets it."""
_HOW: Final = f"create one at {TOKEN_PAGE}"

_NO_HOME: Final = Path("/nonexistent")
"""The home folder of users who have none, see the Filesystem Hierarchy of Debian."""


@dataclass(frozen=True)
class Credentials:
    """A token, or the username and key of `kaggle.json`."""

    secret: str = field(repr=False)
    user: str = ""
    """Empty for a token."""


@dataclass(frozen=True)
class Source:
    """Where the credentials are that a download will use."""

    where: str
    """In words, without anything secret."""
    kept: bool
    """Whether they were saved here, and so can be removed here."""


def parse_credentials(given: str | bytes, user: str = "") -> Credentials:
    """Credentials from what was pasted or uploaded: the content of `kaggle.json`, a token, or a key with its username;
    or lines that set `KAGGLE_API_TOKEN`, or `KAGGLE_USERNAME` and `KAGGLE_KEY`.

    Args:
        given: text, or a file in UTF-8 or UTF-16. A token that begins with KGAT_ is one wherever it stands, also as the
            key of an old `kaggle.json`.
        user: the username that belongs to a key.

    Raises:
        DataError: it has none of these shapes; the message never repeats the text.
    """
    text, user = (_decoded(given) if isinstance(given, bytes) else given).lstrip("\ufeff").strip(), user.strip()
    if not text:
        raise DataError(f"No Kaggle token entered. Paste one, upload kaggle.json, or {_HOW}.")
    if len(text) > _MAX_CHARACTERS:
        return _parse_json(text)
    if text.startswith("KGAT_") and _SECRET.fullmatch(text):
        return Credentials(text)
    tokens = set(_TOKEN.findall(text))
    if len(tokens) > 1:
        raise DataError(f"That contains {len(tokens)} Kaggle tokens. Enter the one to use.")
    if tokens:
        return Credentials(tokens.pop())
    if set_here := dict(_SETTING.findall(text)):
        text = set_here.get("KAGGLE_API_TOKEN") or set_here.get("KAGGLE_KEY", "")
        user = "" if "KAGGLE_API_TOKEN" in set_here else set_here.get("KAGGLE_USERNAME", user)
    elif text.startswith(("{", "[")):
        return _parse_json(text)
    text = text.strip("'\"")
    if not _SECRET.fullmatch(text):
        raise DataError(
            f"That's not a valid Kaggle token (at least 16 characters, no spaces). Copy the full token, or {_HOW}."
        )
    if user and not _USER.fullmatch(user):
        raise DataError("Invalid Kaggle username (letters, digits, - and _ only). Copy it from your profile page.")
    if not user and _OLD_KEY.fullmatch(text):
        raise DataError("Legacy API keys also need the username. Enter it, or upload kaggle.json.")
    return Credentials(text, user)


def _decoded(data: bytes) -> str:
    """A text file as editors and shells write it: PowerShell's `>` writes UTF-16."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:2]:
        return data.decode("utf-16-be" if data.startswith(b"\0") else "utf-16-le", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def _parse_json(text: str) -> Credentials:
    again = f"Download it again from {TOKEN_PAGE}"
    try:
        content = json.loads(text) if len(text) <= _MAX_CHARACTERS else None
    except (ValueError, RecursionError):
        raise DataError(f"kaggle.json is not valid JSON. {again}.") from None
    if not isinstance(content, dict):
        raise DataError(f"kaggle.json has no username and key. {again}.")
    user, key = content.get("username"), content.get("key")
    wrong = [
        name
        for name, value, shape in (("username", user, _USER), ("key", key, _SECRET))
        if not isinstance(value, str) or not shape.fullmatch(value)
    ]
    if wrong:
        raise DataError(f"kaggle.json has an invalid {' and '.join(wrong)}. {again}.")
    return Credentials(str(key), str(user))


def keep(credentials: Credentials) -> None:
    """Save credentials for this and later downloads, in place of those saved before.

    Raises:
        DataError: they cannot be written.
    """
    token, legacy = _kept_files()
    if token.is_relative_to(_NO_HOME):
        raise DataError("There is no home folder to save the token in. Set HOME, or give it in KAGGLE_API_TOKEN.")
    try:
        for folder in (_home(), token.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        sweep_leftovers(token.parent)
        # The client prefers a token: in this order, a kill in between never leaves it with the credentials of before.
        if credentials.user:
            token.unlink(missing_ok=True)
            content = json.dumps({"username": credentials.user, "key": credentials.secret}).encode()
            write_whole(legacy, lambda file: file.write(content), private=True)
        else:
            write_whole(token, lambda file: file.write(credentials.secret.encode()), private=True)
            legacy.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"Can't save the token in {_home()}: {error.strerror or 'cannot write'}.") from None


def remove() -> None:
    """Delete the saved credentials; harmless when there are none.

    Raises:
        DataError: it cannot be deleted.
    """
    try:
        for file in _kept_files():
            file.unlink(missing_ok=True)
        if _home().is_dir():
            sweep_leftovers(_kept_files()[0].parent)
    except OSError as error:
        raise DataError(f"Can't remove the token in {_home()}: {system_reason(error)}.") from None


def find_credentials() -> Source | None:
    """The credentials that a download will use: those saved here, else those of this machine; None without any.

    Raises:
        DataError: the machine's own file or variable, which the client would use, is malformed.
    """
    token, legacy = _kept_files()
    if token.is_file():
        return Source("the saved token", True)
    if legacy.is_file():
        return Source("the saved username and key", True)
    found = _of_machine(os.environ)
    return Source(found[0], False) if found else None


def client_environment() -> dict[str, str]:
    """The environment for Kaggle's client, so that it uses what `find_credentials` found."""
    # With these two the client prints every request, the secret with it.
    base = {name: value for name, value in os.environ.items() if name not in ("VERBOSE", "VERBOSE_OUTPUT")}
    if not any(file.is_file() for file in _kept_files()):
        return base
    of_machine = {name for name in base if name.startswith("KAGGLE_") and name != "KAGGLE_API_ENVIRONMENT"}
    kept = {name: value for name, value in base.items() if name not in of_machine}
    return {**kept, "HOME": str(_home()), "PYTHONUSERBASE": site.getuserbase()}


def _home() -> Path:
    """The home folder of Kaggle's client."""
    config = os.environ.get("XDG_CONFIG_HOME") or _user_home() / ".config"
    return Path(config, "fer-dashboard", "kaggle")


def _kept_files() -> tuple[Path, Path]:
    return _home() / ".kaggle" / "access_token", _home() / ".kaggle" / "kaggle.json"


def client_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What Kaggle's client finds at its home and in its environment, as the variables that it reads first; empty where
    that is a login of its own. For its own process only: what that sets for itself nobody else gets to see.

    Raises:
        DataError: it is malformed.
    """
    found = _of_machine(environment)
    if found is None or found[1] is None:
        return {}
    secret, user = found[1].secret, found[1].user
    return {"KAGGLE_USERNAME": user, "KAGGLE_KEY": secret} if user else {"KAGGLE_API_TOKEN": secret}


def _of_machine(environment: Mapping[str, str]) -> tuple[str, Credentials | None] | None:
    """Where the client looks first that has credentials, in words, and what they are: None for a login of its own.

    Raises:
        DataError: they are malformed.
    """
    home = _user_home()
    if token := environment.get("KAGGLE_API_TOKEN"):
        where = "KAGGLE_API_TOKEN from the environment"
        return where, _parse_of_machine(where, Path(token) if os.path.exists(token) else token)
    for name in ("access_token", "access_token.txt"):
        if (file := home / ".kaggle" / name).is_file() and file.stat().st_size:
            where = f"~/.kaggle/{name} on this machine"
            return where, _parse_of_machine(where, file)
    if (user := environment.get("KAGGLE_USERNAME")) and (key := environment.get("KAGGLE_KEY")):
        where = "KAGGLE_USERNAME and KAGGLE_KEY from the environment"
        return where, _parse_of_machine(where, key, user)
    folder = home / ".kaggle"
    if not folder.exists():
        folder = Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "kaggle")
    file = Path(environment.get("KAGGLE_CONFIG_DIR") or folder, "kaggle.json")
    if file.is_file():
        where = f"{_short(file)} on this machine"
        return where, _parse_of_machine(where, file)
    if (home / ".kaggle" / "credentials.json").is_file():
        return "the login of `kaggle auth login` on this machine", None
    return None


def _parse_of_machine(where: str, given: str | Path, user: str = "") -> Credentials:
    try:
        return parse_credentials(given.read_bytes() if isinstance(given, Path) else given, user)
    except (DataError, OSError):
        raise DataError(
            f"{where} is malformed or unreadable. Download it again from {TOKEN_PAGE}, or enter a token here."
        ) from None


def _short(file: Path) -> str:
    home = _user_home()
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else file.name


def _user_home() -> Path:
    """The user's home folder; without HOME, and under a user number that has no name, one that does not exist."""
    try:
        return Path.home()
    except RuntimeError:
        return _NO_HOME
