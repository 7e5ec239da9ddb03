"""What stands around a login: files for those who are in, the way back, the end in all tabs."""

import asyncio
import json
from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.web.server.starlette import starlette_websocket
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from dashboard.server.logins import Logins, end_sessions, is_own_address
from dashboard.state import admitted, login
from dashboard.state.login import NotAdmittedError, admit
from dashboard.state.login_settings import LoginSettings
from dashboard.state.visitor import FAILED_COOKIE
from tests.dashboard.logins import claims_of, login_of

SECRET = "0123456789abcdef0123456789abcdef"
OWN = "https://fer.example.org"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoginSettings:
    monkeypatch.setattr(login, "_logged_out", {})
    monkeypatch.setattr(admitted, "_claims", {})
    monkeypatch.setattr(starlette_websocket, "get_cookie_secret", lambda: SECRET)
    people = tmp_path / "people.toml"
    people.write_text('"ada@example.org" = "admin"\n"bob@example.org" = "viewer"\n')
    return login_of(people)


def cookie_of(claims: Mapping[str, Any], secret: str = SECRET) -> str:
    """The cookie that Streamlit makes of a token."""
    text = json.dumps({**claims, "origin": OWN})
    return f"{USER_COOKIE_NAME}={create_signed_value(secret, USER_COOKIE_NAME, text).decode()}"


def ask(settings: LoginSettings, path: str, answer: Response | None = None, **headers: str) -> tuple[int, Headers]:
    """Send a request through the middleware; status and headers of what comes back."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (answer or PlainTextResponse("yes"))(scope, receive, send)

    path, _, query = path.partition("?")
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": lines}
    asyncio.run(Logins(app, settings)(scope, receive, send))
    return sent[0]["status"], Headers(raw=sent[0]["headers"])


def cookies(headers: Headers) -> dict[str, str]:
    made = SimpleCookie()
    for line in headers.getlist("set-cookie"):
        made.load(line)
    return {name: morsel.value for name, morsel in made.items()}


@pytest.mark.parametrize("path", ["/media/abc.png", "/_stcore/upload_file/session/file"])
def test_files_are_for_those_who_are_let_in(settings: LoginSettings, path: str) -> None:
    ada = claims_of("ada@example.org")
    assert ask(settings, path)[0] == 401
    assert ask(settings, path, cookie=cookie_of(ada))[0] == 200
    assert ask(settings, path, cookie=cookie_of(ada, secret="another"))[0] == 401
    assert ask(settings, path, cookie=cookie_of(claims_of("eve@example.org")))[0] == 401
    assert ask(settings, path, cookie=cookie_of(ada | {"exp": ada["iat"] - 1}))[0] == 401
    assert ask(settings, path, cookie=f"{USER_COOKIE_NAME}=nonsense")[0] == 401
    assert ask(settings, "/static/media/font.woff2")[0] == ask(settings, "/_stcore/health")[0] == 200


def test_a_log_out_ends_the_login_of_the_cookie(settings: LoginSettings) -> None:
    ada, bob = claims_of("ada@example.org"), claims_of("bob@example.org", nonce="other")
    ask(settings, "/auth/logout", RedirectResponse("/"), cookie=cookie_of(ada))
    with pytest.raises(NotAdmittedError, match=login.ENDED):
        admit(ada, settings)
    admit(bob, settings)
    assert ask(settings, "/media/abc.png", cookie=cookie_of(ada))[0] == 401, "a copy of the cookie"


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        (f"{OWN}/run?run=x&tab=Curves", "/run?run=x&tab=Curves"),
        (f"{OWN}/", "/"),
        (f"{OWN}//evil.example/x", None),
        (f"{OWN}/\\evil.example", None),
        ("https://evil.example/run", None),
        ("http://fer.example.org/run", None),
        (f"{OWN}/{'x' * 3000}", None),
        ("", None),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_after_the_login_one_is_where_one_wanted_to_go(settings: LoginSettings, referer: str, back: str | None) -> None:
    _, headers = ask(settings, "/auth/login?provider=x", RedirectResponse("https://login.example"), referer=referer)
    kept = "; ".join(f"{name}={value}" for name, value in cookies(headers).items())
    done = RedirectResponse("/")
    done.set_cookie(USER_COOKIE_NAME, "signed")
    _, headers = ask(settings, "/oauth2callback?code=1&state=2", done, cookie=kept)
    assert headers["location"] == (back or "/") and FAILED_COOKIE not in cookies(headers)


def test_an_address_of_others_in_the_cookie_is_not_gone_to(settings: LoginSettings) -> None:
    done = RedirectResponse("/")
    done.set_cookie(USER_COOKIE_NAME, "signed")
    for address in (
        "https:%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2F%0d%0aSet-Cookie:%20a=b",
        "%2F%5Cevil.example",
    ):
        assert ask(settings, "/oauth2callback?state=2", done, cookie=f"fer-return={address}")[1]["location"] == "/"
    assert not is_own_address("") and not is_own_address("run") and is_own_address("/fer/run?x=%0a")


def test_a_login_that_did_not_work_is_said_and_a_log_out_is_none(settings: LoginSettings) -> None:
    _, headers = ask(settings, "/oauth2callback?code=1&state=2", RedirectResponse("/"))
    assert cookies(headers)[FAILED_COOKIE] == "1"
    _, headers = ask(settings, "/oauth2callback", RedirectResponse("/"))  # the provider sends one here after a log out
    assert FAILED_COOKIE not in cookies(headers)


def test_cookies_are_for_tls_only_where_people_come_over_tls(settings: LoginSettings) -> None:
    answer = PlainTextResponse("yes")
    answer.set_cookie("a", "1")
    answer.set_cookie("b", "2", secure=True)
    lines = ask(settings, "/", answer)[1].getlist("set-cookie")
    assert [line.lower().count("; secure") for line in lines] == [1, 1]
    plain = LoginSettings(settings.providers, "http://localhost:8501/oauth2callback", settings.people)
    assert "; Secure" not in ask(plain, "/", answer)[1].getlist("set-cookie")[0]


def test_open_pages_are_drawn_again_when_their_login_has_ended(
    settings: LoginSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def info(session: str) -> Any:
        again = SimpleNamespace(request_rerun=lambda state: drawn.append(session))
        return SimpleNamespace(session=again) if session != "gone" else None

    manager = SimpleNamespace(get_active_session_info=info)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
    ada, bob = claims_of("ada@example.org"), claims_of("bob@example.org", nonce="other")
    admitted._claims.update({"first tab": ada, "second tab": ada, "gone": ada, "of bob": bob})
    assert end_sessions(settings) == []
    assert list(admitted.admitted_sessions()) == ["first tab", "second tab", "of bob"], (
        "tabs that are closed are forgotten"
    )
    login.log_out(ada)
    assert end_sessions(settings) == drawn == ["first tab", "second tab"]
    assert end_sessions(settings) == [], "once"
    settings.people.unlink()
    assert end_sessions(settings) == ["of bob"]
