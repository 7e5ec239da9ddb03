"""Who is let in by what their token says, when that ends, and that nothing opens what should be shut."""

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from core.team.people import Role
from dashboard.state import login, seldom
from dashboard.state.login import (
    ENDED,
    LOG_IN,
    NO_EMAIL,
    NO_LIST,
    NOT_FOR_US,
    KnownPerson,
    NotAdmittedError,
    RefusedPersonError,
    admit,
    log_out,
)
from dashboard.state.login_settings import LoginSettings, Provider
from tests.dashboard.logins import CLIENT_ID, ISSUER, claims_of, login_of

NOW = int(time.time())


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoginSettings:
    monkeypatch.setattr(login, "_logged_out", {})
    monkeypatch.setattr(seldom, "_last", {})
    people = tmp_path / "people.toml"
    people.write_text('"ada@example.org" = "admin"\n"@lab.example" = "viewer"\n')
    return login_of(people)


def test_who_is_listed_is_let_in_with_their_role(settings: LoginSettings) -> None:
    assert admit(claims_of("ADA@example.org"), settings) == KnownPerson("Ada Lovelace", "ada@example.org", Role.ADMIN)
    by_domain = claims_of("eve@lab.example", name=None)
    assert admit(by_domain, settings) == KnownPerson("eve@lab.example", "eve@lab.example", Role.VIEWER)
    long = claims_of("ada@example.org", name=" A\n" + "b" * 90)
    assert admit(long, settings).name == "A " + "b" * 58


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"is_logged_in": None}, LOG_IN),
        ({"is_logged_in": False}, LOG_IN),
        ({"is_logged_in": "yes"}, LOG_IN),
        ({"aud": "another"}, NOT_FOR_US),
        ({"aud": ["another"]}, NOT_FOR_US),
        ({"aud": None}, NOT_FOR_US),
        ({"aud": "ferret"}, NOT_FOR_US),
        ({"aud": "another", "azp": CLIENT_ID}, NOT_FOR_US),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, NOT_FOR_US),
        ({"iss": "https://elsewhere.example"}, NOT_FOR_US),
        ({"iss": f"{ISSUER}.evil.example"}, NOT_FOR_US),
        ({"iss": None}, NOT_FOR_US),
        ({"provider": "another"}, NOT_FOR_US),
        ({"provider": None}, NOT_FOR_US),
        ({"exp": NOW - 1}, ENDED),
        ({"exp": None}, ENDED),
        ({"exp": "never"}, ENDED),
        ({"iat": None}, ENDED),
        ({"iat": NOW + 3600}, ENDED),
        ({"email": None}, NO_EMAIL),
        ({"email": ""}, NO_EMAIL),
        ({"email": ["ada@example.org"]}, NO_EMAIL),
        ({"email_verified": False}, "ada@example.org is not verified."),
        ({"email_verified": "false"}, "ada@example.org is not verified."),
        ({"email_verified": 0}, "ada@example.org is not verified."),
        ({"email": "eve@elsewhere.example"}, "eve@elsewhere.example is not on the list"),
    ],
)
def test_everybody_else_is_not(settings: LoginSettings, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NotAdmittedError) as caught:
        admit(claims_of("ada@example.org", **changed), settings)
    assert sentence in str(caught.value)
    is_known = sentence not in (LOG_IN, ENDED, NOT_FOR_US)
    assert isinstance(caught.value, RefusedPersonError) is is_known is not caught.value.can_log_in


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "x"], "azp": CLIENT_ID},
        {"iss": f"{ISSUER}/"},
        {"email_verified": None},
    ],
    ids=str,
)
def test_what_providers_write_differently_is_taken(settings: LoginSettings, changed: dict[str, Any]) -> None:
    assert admit(claims_of("ada@example.org", **changed), settings).role is Role.ADMIN


def test_without_anything_nobody_is_let_in(settings: LoginSettings) -> None:
    with pytest.raises(NotAdmittedError, match=LOG_IN):
        admit({}, settings)


@pytest.mark.parametrize(
    "text", [None, "", '"ada@example.org" = "root"', "\x00"], ids=["missing", "empty", "role", "NUL"]
)
def test_a_broken_list_lets_nobody_in_and_the_log_says_why(
    settings: LoginSettings, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    claims = claims_of("ada@example.org")
    assert admit(claims, settings).role is Role.ADMIN
    if text is None:
        settings.people.unlink()
    else:
        settings.people.write_text(text)
    with pytest.raises(RefusedPersonError) as caught, caplog.at_level(logging.WARNING):
        admit(claims, settings)
    if text == "":
        assert "is not on the list" in str(caught.value)
    else:
        assert str(caught.value) == NO_LIST
        assert str(settings.people) in caplog.text and str(settings.people) not in str(caught.value)


def test_a_role_that_changes_holds_at_once(settings: LoginSettings) -> None:
    claims = claims_of("ada@example.org")
    settings.people.write_text('"ada@example.org" = "member"')
    assert admit(claims, settings).role is Role.MEMBER


def test_the_hours_of_the_server_replace_the_time_of_the_token(settings: LoginSettings) -> None:
    long = LoginSettings(settings.providers, settings.redirect_uri, settings.people, seconds=8 * 3600)
    work_day = claims_of("ada@example.org", iat=NOW - 7 * 3600, exp=NOW - 6 * 3600)
    assert admit(work_day, long).role is Role.ADMIN
    for settings_, claims in ((settings, work_day), (long, work_day | {"iat": NOW - 9 * 3600, "exp": NOW + 3600})):
        with pytest.raises(NotAdmittedError, match=ENDED):
            admit(claims, settings_)


def test_a_log_out_ends_that_login_and_no_other(settings: LoginSettings) -> None:
    here, phone = claims_of("ada@example.org"), claims_of("ada@example.org", nonce="another")
    log_out(here | {"tokens": {"id": "x"}})
    with pytest.raises(NotAdmittedError, match=ENDED):
        admit(here, settings)
    assert admit(phone, settings).role is Role.ADMIN


def test_log_outs_are_forgotten_when_no_cookie_lives_any_more(
    settings: LoginSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_out(claims_of("ada@example.org"))
    later = time.time() + 31 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    log_out(claims_of("bob@example.org"))
    assert list(login._logged_out.values()) == [later]


def test_the_log_has_what_was_wrong_with_a_token(settings: LoginSettings, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NotAdmittedError), caplog.at_level(logging.WARNING):
        admit(claims_of("ada@example.org", iss="https://sts.example"), settings)
    assert "Refused a login: its issuer is 'https://sts.example' instead of 'https://login.example'" in caplog.text


def test_each_of_several_providers_has_its_own_client(settings: LoginSettings) -> None:
    both = LoginSettings(
        {**settings.providers, "okta": Provider("okta-fer", "https://okta.example")},
        settings.redirect_uri,
        settings.people,
    )
    of_okta = {"provider": "okta", "iss": "https://okta.example", "aud": "okta-fer"}
    assert admit(claims_of("ada@example.org", **of_okta), both).role is Role.ADMIN
    with pytest.raises(NotAdmittedError, match=NOT_FOR_US):
        admit(claims_of("ada@example.org", **(of_okta | {"aud": CLIENT_ID})), both)
