"""How far a server may be open when it starts, and what is told to this machine only."""

import sys
from pathlib import Path
from typing import Any

import pytest
from streamlit import config

from core.errors import ConfigError
from dashboard.server.exposed import WITHOUT_LOGIN, check_exposure, is_from_inside
from tests.dashboard.logins import login_of

TEAM = {
    "server.address": "0.0.0.0",
    "server.allowedHosts": ["fer.example.org"],
    "server.corsAllowedOrigins": ["https://fer.example.org", "http://wiki.test:8080"],
    "server.trustedUserHeaders": {},
}
HERE = {**TEAM, "server.address": "127.0.0.1", "server.allowedHosts": ["localhost", "127.0.0.1"]}


def configure(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], **changed: Any) -> None:
    options = values | {f"server.{name}": value for name, value in changed.items()}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    monkeypatch.delenv(WITHOUT_LOGIN, raising=False)


def test_without_a_login_a_server_is_for_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, HERE)
    check_exposure(None)
    for changed in ({"address": "0.0.0.0"}, {"allowedHosts": ["fer.example.org"]}, {"allowedHosts": []}):
        configure(monkeypatch, HERE, **changed)
        with pytest.raises(ConfigError, match="Without a login this server is for this machine only"):
            check_exposure(None)
        monkeypatch.setenv(WITHOUT_LOGIN, "1")
        check_exposure(None)
    monkeypatch.setenv(WITHOUT_LOGIN, "yes")
    with pytest.raises(ConfigError, match="must be 0 or 1"):
        check_exposure(None)


def test_with_a_login_it_may_listen_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, TEAM)
    check_exposure(login_of(tmp_path))
    configure(monkeypatch, HERE)
    check_exposure(login_of(tmp_path, redirect_uri="http://localhost:8501/oauth2callback"))


@pytest.mark.parametrize(
    ("changed", "login", "said"),
    [
        ({"allowedHosts": []}, {}, "server.allowedHosts must list the host names"),
        ({"allowedHosts": ["fer.example.org", "*"]}, {}, "server.allowedHosts must list the host names"),
        ({"allowedHosts": ["other.example.org"]}, {}, "to fer.example.org, which this server doesn't answer to"),
        ({"trustedUserHeaders": {"X-Email": "email"}}, {}, "would let a header replace who has logged in"),
        ({"corsAllowedOrigins": ["*"]}, {}, "must list whole addresses such as https://fer.example.org"),
        ({"corsAllowedOrigins": ["fer.example.org"]}, {}, "must list whole addresses"),
        ({"corsAllowedOrigins": ["https://fer.example.org/"]}, {}, "must list whole addresses"),
        ({"corsAllowedOrigins": ["https://*.example.org"]}, {}, "must list whole addresses"),
        ({}, {"redirect_uri": "http://fer.example.org/oauth2callback"}, "must begin with https://"),
    ],
)
def test_a_setting_that_would_open_it_does_not_start_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: dict[str, Any], login: dict[str, Any], said: str
) -> None:
    configure(monkeypatch, TEAM, **changed)
    with pytest.raises(ConfigError) as caught:
        check_exposure(login_of(tmp_path, **login))
    assert said in str(caught.value)


def test_without_the_package_of_the_login_nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, TEAM)
    monkeypatch.setitem(sys.modules, "authlib.integrations.starlette_client", None)
    with pytest.raises(ConfigError, match=r"The login needs what requirements\.txt lists"):
        check_exposure(login_of(tmp_path))


@pytest.mark.parametrize(
    ("client", "headers", "inside"),
    [
        (("127.0.0.1", 1), {"host": "localhost:8501"}, True),
        (("127.0.0.1", 1), {"host": "127.0.0.1"}, True),
        (("::1", 1), {"host": "[::1]:8501"}, True),
        (("192.168.1.7", 1), {"host": "localhost:8501"}, False),
        (("127.0.0.1", 1), {"host": "fer.example.org"}, False),
        (("127.0.0.1", 1), {"host": "localhost:8501", "x-forwarded-for": "8.8.8.8"}, False),
        (("127.0.0.1", 1), {"host": "localhost:8501", "forwarded": "for=8.8.8.8"}, False),
        (("127.0.0.1", 1), {}, False),
        (None, {"host": "localhost"}, False),
    ],
)
def test_what_comes_from_this_machine(client: tuple[str, int] | None, headers: dict[str, str], inside: bool) -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_from_inside({"type": "http", "client": client, "headers": lines}) is inside
