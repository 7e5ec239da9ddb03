"""What is done with API tokens: making and revoking them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from core.errors import ApiTokenError, NotAllowedError
from core.runs.values import PERSON_LENGTH
from core.team.allow_list import folded
from core.team.door import door
from core.team.people import Actor, Role
from core.team.rights import Action
from core.team.tokens import ApiToken, add_token, new_secret, new_token, remove_token, token_of_id
from core.text import one_line

MAX_DAYS: Final = 3650
"""Ten years."""


def create_api_token(
    actor: Actor,
    runs_root: Path,
    name: str,
    role: Role,
    *,
    owner: str = "",
    email: str = "",
    days: int | None = None,
) -> tuple[ApiToken, str]:
    """Make a token: what is kept of it, and the token itself, which nobody can show again.

    Args:
        actor: who makes it.
        runs_root: the folder of all runs.
        name: what it is for.
        role: what its owner may do with it; not more than the actor may.
        owner: who shall act with it; empty: the actor. Admins make tokens for others.
        email: the address under which the owner logs in, where there is a login; empty: that of the actor, or none.
        days: how long it can be used; None: until it is revoked.

    Raises:
        ApiTokenError: the name, the owner or the number of days cannot be used, or the token cannot be kept.
        NotAllowedError: the actor may not.
    """
    name, is_own = one_line(name), not (owner or email)
    owner, email = (actor.name, actor.email) if is_own else (one_line(owner or email), folded(email))
    if not name or len(name) > PERSON_LENGTH:
        raise ApiTokenError(f"An API token needs a name of 1 to {PERSON_LENGTH} characters that says what it is for.")
    if not owner or len(owner) > PERSON_LENGTH:
        raise ApiTokenError(f"An API token needs an owner with a name of 1 to {PERSON_LENGTH} characters.")
    if actor.email and not email:  # else it would stay when whoever made it, or has it, is taken off the list of people
        raise ApiTokenError("Enter the email address under which the owner of the API token logs in.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise ApiTokenError(f"An API token lasts for 1 to {MAX_DAYS:,} days (got {days:,}).")
    action = Action.CREATE_API_TOKEN if is_own else Action.CREATE_API_TOKEN_FOR_OTHERS
    with door(action, actor, runs_root, on=email or owner, detail=f"“{name}”, {role}", make_root=True):
        _check_role(actor, role)
        secret = new_secret()
        ends = None if days is None else datetime.now(UTC) + timedelta(days=days)
        token = new_token(secret, name, owner, role, email=email, created_by=actor.name, expires_at=ends)
        add_token(runs_root, token)
    return token, secret


def revoke_api_token(actor: Actor, runs_root: Path, token_id: str) -> ApiToken:
    """Make a token useless at once; what it was.

    Raises:
        ApiTokenError: there is none of that id, or it cannot be removed.
        NotAllowedError: it belongs to somebody else, and the actor is no admin.
    """
    token = token_of_id(runs_root, token_id)
    action = Action.REVOKE_API_TOKEN if token.belongs_to(actor) else Action.REVOKE_API_TOKEN_OF_OTHERS
    with door(action, actor, runs_root, on=token.email or token.owner, detail=f"“{token.name}”, {token.role}"):
        remove_token(runs_root, token_id)
    return token


def _check_role(actor: Actor, role: Role) -> None:
    if not actor.role.includes(role):
        raise NotAllowedError(f"An API token can't do more than you. Your role is {actor.role}, not {role}.")
