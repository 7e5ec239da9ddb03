"""Who may make and revoke which tokens; each time is in the activity log, without the token."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import ApiTokenError, NotAllowedError
from core.team.actions import create_api_token, revoke_api_token
from core.team.log import ActivityPaths, read_activity
from core.team.people import Actor, Role
from core.team.tokens import read_tokens


def person(role: Role, name: str = "Ada", email: str = "") -> Actor:
    return Actor(name, role, "page", email)


@pytest.mark.parametrize("mine", Role)
@pytest.mark.parametrize("wanted", Role)
@pytest.mark.parametrize("owner", ["", "Bob"], ids=["own", "for others"])
def test_nobody_makes_more_than_they_are(runs_root: Path, mine: Role, wanted: Role, owner: str) -> None:
    allowed = mine.includes(wanted) and (not owner or mine is Role.ADMIN)
    if not allowed:
        with pytest.raises(NotAllowedError):
            create_api_token(person(mine), runs_root, "notebook", wanted, owner=owner)
        assert read_tokens(runs_root) == []
    else:
        token, secret = create_api_token(person(mine), runs_root, "notebook", wanted, owner=owner)
        assert (token.owner, token.role, token.created_by) == (owner or "Ada", wanted, "Ada")
        assert secret not in b"".join(path.read_bytes() for path in ActivityPaths(runs_root).months()).decode()
    [entry] = read_activity([runs_root])
    assert entry.who == "Ada" and (entry.outcome == "allowed") is allowed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("owner", ["Ada", "Bob"])
def test_admins_alone_revoke_what_belongs_to_others(runs_root: Path, role: Role, owner: str) -> None:
    token, _ = create_api_token(person(Role.ADMIN, owner), runs_root, "notebook", Role.VIEWER)
    if owner == "Ada" or role is Role.ADMIN:
        assert revoke_api_token(person(role), runs_root, token.id) == token
        assert read_tokens(runs_root) == []
    else:
        with pytest.raises(NotAllowedError):
            revoke_api_token(person(role), runs_root, token.id)
        assert read_tokens(runs_root) == [token]


def test_whoever_has_logged_in_is_known_by_their_address(runs_root: Path) -> None:
    ada = person(Role.MEMBER, email="ada@example.org")
    own, _ = create_api_token(ada, runs_root, "own", Role.MEMBER)
    admin = person(Role.ADMIN, "Eve", "eve@example.org")
    given, _ = create_api_token(admin, runs_root, "given", Role.VIEWER, email=" Ada@Example.org ")
    assert (own.email, given.email, given.owner) == ("ada@example.org", "ada@example.org", "Ada@Example.org")
    assert own.belongs_to(ada) and given.belongs_to(ada) and not given.belongs_to(admin)
    with pytest.raises(ApiTokenError, match="Enter the email address"):
        create_api_token(admin, runs_root, "of nobody", Role.VIEWER, owner="Bob")
    impostor = person(Role.MEMBER, "Ada", "mallory@example.org")
    with pytest.raises(NotAllowedError):
        revoke_api_token(impostor, runs_root, own.id)


@pytest.mark.parametrize(
    ("name", "owner", "days", "said"),
    [
        (" \n", "", None, "needs a name"),
        ("x" * 61, "", None, "needs a name"),
        ("x", "y" * 61, None, "needs an owner"),
        ("x", "", 0, "1 to 3,650 days (got 0)"),
        ("x", "", 3651, "(got 3,651)"),
    ],
)
def test_what_makes_no_sense_is_refused(runs_root: Path, name: str, owner: str, days: int | None, said: str) -> None:
    with pytest.raises(ApiTokenError) as refused:
        create_api_token(person(Role.ADMIN), runs_root, name, Role.VIEWER, owner=owner, days=days)
    assert said in str(refused.value)


def test_somebody_without_a_name_gets_none(runs_root: Path) -> None:
    with pytest.raises(ApiTokenError, match="needs an owner"):
        create_api_token(person(Role.ADMIN, ""), runs_root, "x", Role.VIEWER)


def test_days_are_counted_from_now(runs_root: Path) -> None:
    token, _ = create_api_token(person(Role.VIEWER), runs_root, "x", Role.VIEWER, days=30)
    assert token.expires_at and abs((token.expires_at - datetime.now(UTC)).total_seconds() - 30 * 86_400) < 60
