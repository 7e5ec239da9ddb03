"""API tokens: with which programs come to the HTTP API, each in the name and the role of a person.

They are kept in `.api/tokens.json` of the runs folder, in a folder that only the user of the server may enter, and
hashed: who reads the file, or a backup of it, cannot use what it holds. `core.team.actions` makes and revokes them.
"""

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

from filelock import Timeout
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import ApiTokenError, quote, system_reason
from core.files import open_regular, process_lock, write_whole
from core.runs.values import Moment, OneLine, Person
from core.team.people import Actor, Role

MAX_TOKENS: Final = 1000
MAX_TOKENS_EACH: Final = 50
"""Of one person, so that nobody can take all of them."""
TOKEN_PREFIX: Final = "fer_"
"""What a token begins with, so that people and secret scanners recognise one."""
_RANDOM_BYTES: Final = 32
_LOCK_SECONDS: Final = 10.0


class ApiToken(BaseModel):
    """What is kept of a token."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    """Names it in lists and for revoking; no secret."""
    name: Person
    """What it is for, in the words of who made it."""
    owner: Person
    """Who acts with it."""
    email: OneLine = ""
    """Of the owner, in lower case, as the login has it; empty without a login."""
    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created_at: Moment
    created_by: Person
    expires_at: Moment | None = None
    last_used: date | None = None
    """The day, of UTC: enough to find those that nobody uses, and no record of when somebody works."""

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at

    @property
    def identity(self) -> str:
        """Whose it is: the email address, if there is a login, else the name."""
        return self.email or self.owner

    @property
    def actor(self) -> Actor:
        """Who acts with it."""
        return Actor(self.owner, self.role, "API", self.email)

    def belongs_to(self, actor: Actor) -> bool:
        """Whether it is somebody's own."""
        return bool(actor.identity) and self.identity == actor.identity


_Tokens: Final = TypeAdapter(list[ApiToken])


@dataclass(frozen=True)
class TokenPaths:
    """The files of the tokens. Creating this object touches nothing on disk."""

    root: Path
    """The folder of all runs."""

    @property
    def folder(self) -> Path:
        """Its name is none that a run can have."""
        return self.root / ".api"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.json"

    @property
    def lock(self) -> Path:
        """Held while the tokens are written."""
        return self.folder / "lock"


def new_secret() -> str:
    """A fresh token, to be shown once."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hashed_secret(secret: str) -> str:
    """What is kept of a token: its SHA-256, in hexadecimal digits.

    Passwords need a slow hash with a salt, since people choose those that can be guessed. A token is 256 random bits:
    there is nothing to guess it from, no two are equal, and the hash is computed at each request.
    """
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def read_tokens(runs_root: Path) -> list[ApiToken]:
    """All tokens, oldest first; expired ones, too. None while there is no file.

    Raises:
        ApiTokenError: the file cannot be read, or others than its owner can, or it belongs to another user.
    """
    path = TokenPaths(runs_root).tokens
    try:
        with open(path, "rb", opener=open_regular) as file:
            _check_private(path, os.fstat(file.fileno()))
            return _Tokens.validate_json(file.read())
    except FileNotFoundError:
        return []
    except ValidationError:
        raise ApiTokenError(f"{path} is corrupt. Restore it, or delete it and create new API tokens.") from None
    except OSError as error:
        raise ApiTokenError(f"Can't read the API tokens in {path}: {system_reason(error)}.") from error


def _check_private(path: Path, about: os.stat_result) -> None:
    """Who could write the file could make themselves an admin, and leave it to the server to believe it."""
    if about.st_uid not in (os.geteuid(), 0):
        raise ApiTokenError(f"{path} belongs to another user. Manage API tokens as the user who runs the server.")
    if stat.S_IMODE(about.st_mode) & 0o077:
        raise ApiTokenError(f"{path} can be read by other users. Run `chmod 600 {path}`, or create new API tokens.")


def find_token(tokens: list[ApiToken], secret: str) -> ApiToken | None:
    """The token that somebody has presented. Takes the same time whichever it is, if any."""
    given = hashed_secret(secret)
    [*found] = [token for token in tokens if hmac.compare_digest(token.sha256, given)]
    return found[0] if found else None


def add_token(runs_root: Path, token: ApiToken) -> None:
    """Keep one more token.

    Raises:
        ApiTokenError: there are too many, of this person or of all, or they cannot be written.
    """
    with _changed_tokens(runs_root, make=True) as tokens:
        if len(tokens) >= MAX_TOKENS:
            raise ApiTokenError(f"There are {MAX_TOKENS:,} API tokens already. Revoke those that nobody uses.")
        if sum(each.identity == token.identity for each in tokens) >= MAX_TOKENS_EACH:
            raise ApiTokenError(f"{token.identity} has {MAX_TOKENS_EACH} API tokens. Revoke those that nobody uses.")
        tokens.append(token)


def remove_token(runs_root: Path, token_id: str) -> None:
    """Forget a token; nothing happens if there is none of that id.

    Raises:
        ApiTokenError: they cannot be written.
    """
    with _changed_tokens(runs_root) as tokens:
        tokens[:] = [token for token in tokens if token.id != token_id]


def note_use(runs_root: Path, token: ApiToken, today: date) -> None:
    """Write down that a token was used on this day, once a day.

    Raises:
        ApiTokenError: it cannot be written.
    """
    if token.last_used != today:
        with _changed_tokens(runs_root) as tokens:
            tokens[:] = [
                each.model_copy(update={"last_used": today}) if each.id == token.id else each for each in tokens
            ]


def token_of_id(runs_root: Path, token_id: str) -> ApiToken:
    """The token of that id.

    Raises:
        ApiTokenError: there is none, or they cannot be read.
    """
    found = [token for token in read_tokens(runs_root) if token.id == token_id]
    if not found:
        raise ApiTokenError(f"No API token has the id {quote(token_id)}. List them with `python -m core token list`.")
    return found[0]


def new_token(secret: str, name: str, owner: str, role: Role, **more: object) -> ApiToken:
    """What is to be kept of a new token, made now.

    Args:
        secret: of `new_secret`.
        name: what it is for.
        owner: who acts with it.
        role: what they may do with it.
        more: other fields of `ApiToken`.
    """
    return ApiToken.model_validate(
        {
            "id": secrets.token_hex(4),
            "name": name,
            "owner": owner,
            "role": role,
            "sha256": hashed_secret(secret),
            "created_at": datetime.now(UTC),
            **more,
        }
    )


@contextmanager
def _changed_tokens(runs_root: Path, *, make: bool = False) -> Iterator[list[ApiToken]]:
    """The tokens, to be changed in place inside, and written at the end."""
    paths = TokenPaths(runs_root)
    try:
        if make:
            runs_root.mkdir(parents=True, exist_ok=True)
            paths.folder.mkdir(mode=0o700, exist_ok=True)  # for this user alone, also in a runs folder that is shared
        with process_lock(paths.lock, timeout=_LOCK_SECONDS, poll_interval=0.01):
            tokens = read_tokens(runs_root)
            before = list(tokens)
            yield tokens
            if tokens != before:
                text = json.dumps(_Tokens.dump_python(tokens, mode="json"), indent=1)
                write_whole(paths.tokens, lambda file: file.write(text.encode()), private=True)
    except Timeout:
        raise ApiTokenError("The API tokens are locked by another process. Try again.") from None
    except OSError as error:
        raise ApiTokenError(f"Can't write the API tokens in {paths.folder}: {system_reason(error)}.") from error
