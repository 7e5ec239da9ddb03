"""Who may log in, and what a mistake in the list does: nobody enters by it."""

import os
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.team.allow_list import DEFAULT_PEOPLE, PEOPLE, allow_list_path, read_allow_list
from core.team.people import Role

LIST = """
# the lab
"Ada@Example.org" = "admin"
"bob@example.org" = "member"
"@example.org" = "viewer"
"@sub.example.org" = "member"
"""


@pytest.mark.parametrize(
    ("email", "role"),
    [
        ("ada@example.org", Role.ADMIN),
        (" ADA@EXAMPLE.ORG ", Role.ADMIN),
        ("bob@example.org", Role.MEMBER),
        ("eve@example.org", Role.VIEWER),
        ("eve@sub.example.org", Role.MEMBER),
        ("eve@notexample.org", None),
        ("eve@example.org.evil.example", None),
        ("eve@other.sub.example.org", None),
        ("@example.org", None),
        ("ada@evil.example@example.org", None),
        ("example.org", None),
        ("ada", None),
        ("", None),
        ("ada@\u212axample.org", None),
        ("Ada@example.org\x00", None),
    ],
    ids=ascii,
)
def test_a_role_is_of_the_address_before_that_of_its_domain(tmp_path: Path, email: str, role: Role | None) -> None:
    path = tmp_path / "people.toml"
    path.write_text(LIST)
    assert read_allow_list(path).role_of(email) is role


def test_a_sign_that_becomes_a_letter_is_not_that_letter(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    path.write_text('"ken@example.org" = "admin"\n')
    assert read_allow_list(path).role_of("KEN@example.org") is Role.ADMIN
    assert "\u212aen".lower() == "ken" and read_allow_list(path).role_of("\u212aen@example.org") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"ada@example.org" = "admin', "it is not TOML of lines such as"),
        ('ada@example.org = "admin"', "it is not TOML"),
        ("ada = 1\n[x", "it is not TOML"),
        ('"ada@example.org" = "root"', "the role of 'ada@example.org' must be viewer, member or admin."),
        ('"ada@example.org" = ["admin"]', "must be viewer, member or admin."),
        ('"ada@example.org" = true', "must be viewer, member or admin."),
        ('"*" = "viewer"', "'*' is neither an email address nor a domain"),
        ('"@" = "viewer"', "'@' is neither"),
        ('"ada@" = "viewer"', "'ada@' is neither"),
        ('"a@b@example.org" = "viewer"', "'a@b@example.org' is neither"),
        ('[people]\n"ada@example.org" = "viewer"', "'people' is neither"),
        ('"ada@example.org" = "viewer"\n"ADA@example.org" = "admin"', "'ADA@example.org' is in it twice."),
        ("\udcff", "it is not TOML"),
        ("#" * 1_000_001, "is too large (1,000,001 bytes, max 1,000,000)."),
    ],
    ids=lambda value: ascii(value[:40]),
)
def test_a_mistake_is_named_and_lets_nobody_in(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "people.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        read_allow_list(path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_what_is_no_file_lets_nobody_in(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path / "missing.toml", tmp_path, pipe):
        with pytest.raises(ConfigError, match="Can't read the people who may log in from"):
            read_allow_list(path)


def test_a_change_holds_at_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    for role in ("viewer", "admins", "member", "admin"):  # with the same time and, but for one, the same length
        path.write_text(f'"ada@example.org" = "{role}"')
        os.utime(path, (0, 0))
        if role in list(Role):
            assert read_allow_list(path).role_of("ada@example.org") == role
        else:
            with pytest.raises(ConfigError):
                read_allow_list(path)


def test_it_is_beside_the_secrets_or_where_a_setting_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(PEOPLE, raising=False)
    assert allow_list_path() == DEFAULT_PEOPLE and DEFAULT_PEOPLE.parent.name == ".streamlit"
    monkeypatch.setenv(PEOPLE, str(tmp_path / "lab.toml"))
    assert allow_list_path() == tmp_path / "lab.toml"


def test_the_example_that_is_shipped_can_be_read() -> None:
    people = read_allow_list(DEFAULT_PEOPLE.with_name("people.example.toml"))
    assert set(people.people.values()) | set(people.domains.values()) == set(Role)
