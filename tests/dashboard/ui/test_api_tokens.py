"""Tokens are made and revoked in a dialog, and shown once."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.team.tokens import find_token, read_tokens
from tests.dashboard.conftest import HOSTILE, Opener, press, words


def dialog(open_page: Opener) -> AppTest:
    app = open_page("overview")
    press(app, "api-tokens")
    assert "Enter your name at the top right first." in words(app)
    app.text_input(key="who").set_value("Ada").run()
    press(app, "api-tokens")
    return app


def create(app: AppTest, name: str, **choices: str) -> None:
    app.text_input(key="api-token-name").set_value(name)
    for key, value in choices.items():
        box = app.text_input if key == "owner" else app.selectbox
        box(key=f"api-token-{key}").set_value(value)
    press(app, "api-token-create", "api-tokens")


def test_a_token_is_shown_once(open_page: Opener, runs_root: Path) -> None:
    app = dialog(open_page)
    assert "the HTTP API is off" in words(app)
    create(app, HOSTILE[:60], role="member", lasts="30 days")
    secret = app.code[0].value
    token = find_token(read_tokens(runs_root), secret)
    assert token and (token.owner, token.role, token.name) == ("Ada", "member", HOSTILE[:60])
    assert f"Authorization: Bearer {secret}" in app.code[1].value
    assert f"{token.name} (member)" in [text.value for text in app.text]
    press(app, "api-tokens")
    assert secret not in words(app) and not app.code
    assert "never used" in words(app)


def test_an_admin_makes_one_for_somebody_else_and_revokes_it(open_page: Opener, runs_root: Path) -> None:
    app = dialog(open_page)
    create(app, "service", owner="bob@example.org", lasts="Until revoked")
    [token] = read_tokens(runs_root)
    assert (token.email, token.owner, token.expires_at) == ("bob@example.org", "bob@example.org", None)
    press(app, f"api-token-revoke-{token.id}", "api-tokens")
    assert read_tokens(runs_root) == []
    create(app, "")
    assert "An API token needs a name" in app.error[0].value
