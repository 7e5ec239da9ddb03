"""Tokens are kept hashed, in a file for one user alone, and none gets lost where several are made at once."""

import hashlib
import os
import stat
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import ApiTokenError
from core.team import tokens
from core.team.people import Actor, Role
from core.team.tokens import (
    ApiToken,
    TokenPaths,
    add_token,
    find_token,
    new_secret,
    new_token,
    note_use,
    read_tokens,
    remove_token,
    token_of_id,
)


def keep(root: Path, owner: str = "Ada", role: Role = Role.MEMBER, **more: object) -> tuple[ApiToken, str]:
    secret = new_secret()
    token = new_token(secret, "notebook", owner, role, created_by="Ada", **more)
    add_token(root, token)
    return token, secret


def test_a_token_is_256_random_bits_of_which_nothing_is_kept(runs_root: Path) -> None:
    token, secret = keep(runs_root)
    assert secret.startswith("fer_") and len(secret) == 47 and len({new_secret() for _ in range(100)}) == 100
    text = TokenPaths(runs_root).tokens.read_text()
    assert secret not in text and secret[4:] not in text
    assert token.sha256 == hashlib.sha256(secret.encode()).hexdigest()


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_only_one_user_can_read_or_replace_the_file(runs_root: Path, shared: bool) -> None:
    runs_root.chmod(0o2770 if shared else 0o755)
    keep(runs_root)
    paths = TokenPaths(runs_root)
    assert stat.S_IMODE(paths.tokens.stat().st_mode) == 0o600
    assert stat.S_IMODE(paths.folder.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_or_write_is_not_believed(runs_root: Path, mode: int) -> None:
    keep(runs_root)
    TokenPaths(runs_root).tokens.chmod(mode)
    for act in (lambda: read_tokens(runs_root), lambda: keep(runs_root)):
        with pytest.raises(ApiTokenError, match="chmod 600"):
            act()


def test_a_file_of_another_user_is_not_believed(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(runs_root)
    owner = TokenPaths(runs_root).tokens.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:  # root could do anything anyway
        assert len(read_tokens(runs_root)) == 1
    else:
        with pytest.raises(ApiTokenError, match="belongs to another user"):
            read_tokens(runs_root)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[{}]", b"\xff", b'[{"id": "x"}]'], ids=["empty", "object", "no fields", "bytes", "id"]
)
def test_a_corrupt_file_lets_nobody_in_and_is_not_overwritten(runs_root: Path, content: bytes) -> None:
    keep(runs_root)
    path = TokenPaths(runs_root).tokens
    path.write_bytes(content)
    for act in (lambda: read_tokens(runs_root), lambda: keep(runs_root)):
        with pytest.raises(ApiTokenError, match="is corrupt"):
            act()
    assert path.read_bytes() == content


def test_fields_of_newer_versions_are_ignored(runs_root: Path) -> None:
    keep(runs_root)
    path = TokenPaths(runs_root).tokens
    path.write_text(path.read_text().replace('"name"', '"colour": "red", "name"'))
    assert read_tokens(runs_root)[0].name == "notebook"


def test_a_token_is_found_by_itself_alone(runs_root: Path) -> None:
    kept = [keep(runs_root, f"person {number}") for number in range(3)]
    for token, secret in kept:
        assert find_token(read_tokens(runs_root), secret) == token
        for wrong in ("", "fer_", secret[:-1], secret + "x", secret.upper(), token.sha256, token.id, "\ud800"):
            assert find_token(read_tokens(runs_root), wrong) is None
    remove_token(runs_root, kept[1][0].id)
    assert find_token(read_tokens(runs_root), kept[1][1]) is None
    with pytest.raises(ApiTokenError, match="No API token has the id"):
        token_of_id(runs_root, kept[1][0].id)


def test_none_gets_lost_where_several_are_made_at_once(runs_root: Path) -> None:
    threads = [threading.Thread(target=keep, args=(runs_root, f"person {number}")) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.owner for token in read_tokens(runs_root)} == {f"person {number}" for number in range(10)}


def test_the_day_of_use_is_written_once_a_day(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, _ = keep(runs_root)
    other, _ = keep(runs_root)
    note_use(runs_root, token, date(2026, 3, 1))
    first, second = read_tokens(runs_root)
    assert (first.last_used, second) == (date(2026, 3, 1), other)
    monkeypatch.setattr(tokens, "process_lock", None)  # nothing is written again
    note_use(runs_root, first, date(2026, 3, 1))


def test_a_token_ends_when_it_should() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    token = new_token(new_secret(), "x", "Ada", Role.VIEWER, created_by="Ada", expires_at=now)
    assert [token.has_expired(now + timedelta(seconds=seconds)) for seconds in (-1, 0, 1)] == [False, True, True]
    assert not token.model_copy(update={"expires_at": None}).has_expired(now)


def test_a_token_belongs_to_an_address_or_to_a_name() -> None:
    secret = new_secret()
    named = new_token(secret, "x", "Ada", Role.VIEWER, created_by="Ada")
    logged_in = new_token(secret, "x", "Ada", Role.VIEWER, created_by="Ada", email="ada@example.org")
    by_name, by_mail = (Actor("Ada", Role.ADMIN, "page", email) for email in ("", "ada@example.org"))
    assert [named.belongs_to(by_name), named.belongs_to(by_mail)] == [True, False]
    assert [logged_in.belongs_to(by_name), logged_in.belongs_to(by_mail)] == [False, True]
    assert not new_token(secret, "x", "", Role.VIEWER, created_by="").belongs_to(Actor("", Role.ADMIN, "page"))


def test_nobody_takes_all_of_them(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS_EACH", 2)
    over = datetime(2026, 3, 1, tzinfo=UTC)
    first, _ = keep(runs_root, "Ada", email="ada@example.org", expires_at=over)
    keep(runs_root, "Ada L.", email="ada@example.org")
    with pytest.raises(ApiTokenError, match=r"ada@example\.org has 2 API tokens\. Revoke those"):
        keep(runs_root, "Ada", email="ada@example.org")
    keep(runs_root, "Ada")
    keep(runs_root, "Bob", email="bob@example.org")
    remove_token(runs_root, first.id)
    keep(runs_root, "Ada", email="ada@example.org")
    assert len(read_tokens(runs_root)) == 4


def test_there_is_an_end_to_them(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 1)
    keep(runs_root)
    with pytest.raises(ApiTokenError, match="Revoke those that nobody uses"):
        keep(runs_root)
    assert len(read_tokens(runs_root)) == 1
