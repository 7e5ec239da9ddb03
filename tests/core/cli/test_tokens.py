"""`token`: made, listed and revoked in a terminal."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import ApiTokenError
from core.review.runs import local_user
from core.team.tokens import find_token, read_tokens


def token(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["token", *arguments, "--runs-root", str(root)])


def test_a_token_is_printed_once_and_listed_without_itself(runs_root: Path) -> None:
    assert "the HTTP API is off" in token(runs_root, "list").stdout
    made = token(runs_root, "create", "notebook", "--role", "member", "--owner", "Ada", "--days", "7")
    [secret] = made.stdout.splitlines()
    kept = find_token(read_tokens(runs_root), secret)
    assert kept and (kept.owner, kept.role, kept.created_by) == ("Ada", "member", local_user())
    assert made.stderr == f"Token {kept.id} of Ada, member. It won't be shown again.\n"
    listed = token(runs_root, "list").stdout
    assert all(
        part in listed for part in (kept.id, "notebook", "Ada", "member", "never", f"{kept.expires_at:%Y-%m-%d}")
    )
    as_json = token(runs_root, "list", "--json").stdout
    assert json.loads(as_json)[0]["id"] == kept.id
    for said in (listed, as_json):
        assert secret not in said and kept.sha256 not in said


def test_a_token_is_for_reading_unless_more_is_asked_for(runs_root: Path) -> None:
    token(runs_root, "create", "notebook")
    [kept] = read_tokens(runs_root)
    assert (kept.owner, kept.role, kept.expires_at) == (local_user(), "viewer", None)


def test_revoked_tokens_are_gone(runs_root: Path) -> None:
    for name in ("one", "two", "three"):
        token(runs_root, "create", name)
    one, two, three = read_tokens(runs_root)
    said = token(runs_root, "revoke", one.id, three.id).stdout
    assert said == f"{one.id} (one, {local_user()}): revoked.\n{three.id} (three, {local_user()}): revoked.\n"
    assert read_tokens(runs_root) == [two]
    error = token(runs_root, "revoke", one.id).exception
    assert isinstance(error, ApiTokenError) and "No API token has the id" in str(error)


@pytest.mark.parametrize(
    "arguments", [["create", ""], ["create", "x", "--days", "0"], ["create", "x", "--owner", "y" * 61]]
)
def test_what_makes_no_sense_is_refused(runs_root: Path, arguments: list[str]) -> None:
    assert isinstance(token(runs_root, *arguments).exception, ApiTokenError)
    assert read_tokens(runs_root) == []
