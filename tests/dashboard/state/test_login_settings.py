"""The settings of the login: what is read from `[auth]`, and that a mistake in it starts no server without a login."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import Secrets

from core.errors import ConfigError
from dashboard.state.login_settings import LOGIN_HOURS, Provider, login_settings

SECRET = "0123456789abcdef0123456789abcdef"
ISSUER = "https://login.example/realms/lab"
GOOD = f"""[auth]
redirect_uri = "https://fer.example.org/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "fer"
client_secret = "x"
server_metadata_url = "{ISSUER}/.well-known/openid-configuration"
"""


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of secrets that the settings are read from."""
    path = tmp_path / "secrets.toml"
    get_option = config.get_option
    values = {"secrets.files": [str(path)], "server.port": 8501, "server.baseUrlPath": ""}
    monkeypatch.setattr(config, "get_option", lambda key: values[key] if key in values else get_option(key))
    monkeypatch.setattr(Secrets, "_maybe_install_file_watchers", lambda _: None)
    monkeypatch.setattr(st, "secrets", Secrets())
    login_settings.cache_clear()
    yield path
    login_settings.cache_clear()


def test_without_the_section_there_is_no_login(secrets: Path) -> None:
    assert login_settings() is None


def test_other_secrets_are_no_login(secrets: Path) -> None:
    secrets.write_text("[database]\npassword = 'x'\n")
    assert login_settings() is None


def test_a_section_is_a_login(secrets: Path) -> None:
    secrets.write_text(GOOD)
    settings = login_settings()
    assert settings is not None
    assert settings.providers == {"default": Provider("fer", ISSUER)}
    assert (settings.host, settings.is_https, settings.seconds) == ("fer.example.org", True, None)


def test_several_providers_have_a_section_each(secrets: Path) -> None:
    general = "\n".join(line for line in GOOD.splitlines() if "redirect" in line or "cookie" in line)
    own = "\n".join(line for line in GOOD.splitlines()[3:])
    secrets.write_text(f"[auth]\n{general}\n[auth.okta]\n{own}\nissuer = 'https://okta.example/'\n[auth.lab]\n{own}")
    settings = login_settings()
    assert settings is not None
    assert settings.providers == {"okta": Provider("fer", "https://okta.example"), "lab": Provider("fer", ISSUER)}


def test_what_was_a_login_at_the_start_stays_one(secrets: Path) -> None:
    secrets.write_text(GOOD)
    before = login_settings()
    secrets.unlink()
    st.secrets._reset()
    assert login_settings() is before is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[auth]", "[auth", "It must be TOML."),
        ("[auth]", "auth = true\n[x]", "must be a section [auth]"),
        (SECRET, "short", "cookie_secret under [auth] in secrets.toml must have 32 random characters or more"),
        (f'cookie_secret = "{SECRET}"', "", "cookie_secret under [auth]"),
        ("https://fer.example.org/oauth2callback", "", "(got '')"),
        ("https://fer.example.org/oauth2callback", "fer.example.org/oauth2callback", "must be the address that people"),
        ("/oauth2callback", "/callback", "followed by /oauth2callback"),
        ("/oauth2callback", "/oauth2callback?x=1", "followed by /oauth2callback"),
        ('client_id = "fer"', "", "client_id is missing"),
        ('client_secret = "x"', 'client_secret = ""', "client_secret is missing under [auth]"),
        (ISSUER, "login.example", "server_metadata_url under [auth] in secrets.toml must be https://"),
        ("/.well-known/openid-configuration", "", "must be https://.../.well-known/openid-configuration."),
    ],
    ids=lambda value: ascii(value[:40]),
)
def test_a_mistake_does_not_start_a_server(secrets: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    secrets.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        login_settings()
    assert said in str(caught.value) and SECRET not in str(caught.value)
    assert str(caught.value).endswith((".", "one.")) or "(got" in str(caught.value)


def test_a_file_that_cannot_be_read_is_no_server_without_a_login(secrets: Path) -> None:
    secrets.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="which may have the settings of the login"):
        login_settings()


@pytest.mark.parametrize(("text", "seconds"), [("12", 43_200.0), ("0.5", 1800.0), ("720", 2_592_000.0), ("", None)])
def test_hours_of_a_login(secrets: Path, monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None) -> None:
    monkeypatch.setenv(LOGIN_HOURS, text)
    secrets.write_text(GOOD)
    settings = login_settings()
    assert settings is not None and settings.seconds == seconds


@pytest.mark.parametrize("text", ["0", "-1", "721", "nan", "inf", "a day"])
def test_hours_that_are_none(secrets: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(LOGIN_HOURS, text)
    secrets.write_text(GOOD)
    with pytest.raises(ConfigError, match="must be a number of hours up to 720"):
        login_settings()


def test_the_address_to_come_back_to_has_the_base_path(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get_option = config.get_option
    monkeypatch.setattr(config, "get_option", lambda key: "/fer/" if key == "server.baseUrlPath" else get_option(key))
    secrets.write_text(GOOD)
    with pytest.raises(ConfigError, match="followed by /fer/oauth2callback"):
        login_settings()
    secrets.write_text(GOOD.replace("/oauth2callback", "/fer/oauth2callback"))
    st.secrets._reset()
    assert login_settings() is not None


def test_the_example_that_is_shipped_has_what_is_needed(secrets: Path) -> None:
    example = (Path(__file__).parents[3] / ".streamlit" / "secrets.example.toml").read_text()
    filled = example.replace('cookie_secret = ""', f'cookie_secret = "{SECRET}"').replace('= ""', '= "x"')
    secrets.write_text(filled)
    settings = login_settings()
    assert settings is not None and settings.providers == {"default": Provider("x", "https://accounts.google.com")}
