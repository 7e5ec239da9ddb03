"""Who is shown a page at all, for all pages at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.team.people import Actor, Role
from dashboard.state import actor as actor_module
from dashboard.state import admitted, login
from dashboard.state import visitor as visitor_module
from dashboard.state.actor import actor
from dashboard.state.exposure import is_on_loopback_only
from dashboard.state.login import ENDED, LOG_IN, log_out
from dashboard.ui import gate
from tests.dashboard.conftest import HOME, Opener, Writer, words
from tests.dashboard.logins import claims_of, login_of

Visitor = Callable[..., AppTest]


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server with a login, and the file of its people."""
    path = tmp_path / "people.toml"
    path.write_text('"ada@example.org" = "admin"\n"bob@example.org" = "viewer"\n')
    settings = login_of(path)
    for module in (gate, actor_module, visitor_module):
        monkeypatch.setattr(module, "login_settings", lambda: settings)
    monkeypatch.setattr(login, "_logged_out", {})
    monkeypatch.setattr(admitted, "_claims", {})
    return path


@pytest.fixture
def visitor(open_page: Opener, people: Path) -> Visitor:
    """Open Overview with these claims of a token; `open_page` has set where the runs are."""

    def visit(claims: dict[str, Any]) -> AppTest:
        app = AppTest.from_file(str(HOME), default_timeout=120)
        app.user = claims
        return app.run()

    return visit


def shown(app: AppTest) -> list[str]:
    """What somebody who is not let in sees: title, sentence, buttons."""
    assert not app.exception
    return [title.value for title in app.title] + [button.label for button in app.button]


def test_nothing_of_the_project_is_shown_without_a_login(visitor: Visitor, write: Writer) -> None:
    run = write("finished", epochs=1, name="secret project")
    app = visitor({"is_logged_in": False})
    assert shown(app) == ["FER Dashboard", "Log in"] and LOG_IN in words(app)
    assert "secret project" not in words(app) and run.id not in words(app)
    assert not admitted.admitted_sessions()


@pytest.mark.parametrize("page", ["data", "run", "errors", "predict"])
def test_no_page_goes_round_the_gate(visitor: Visitor, page: str) -> None:
    app = visitor({"is_logged_in": False})
    app.switch_page(f"views/{page}/page.py").run()
    assert shown(app) == ["FER Dashboard", "Log in"]


def test_who_may_enter_sees_the_page_their_role_and_the_way_out(visitor: Visitor) -> None:
    app = visitor(claims_of("ada@example.org"))
    assert "Log out" in shown(app)
    assert "Ada Lovelace\nada@example.org\nRole: admin" in words(app)
    assert [box.key for box in app.text_input] == [], "nobody is asked for a name"
    assert gate.NO_LOGIN not in words(app)
    assert [claims["email"] for claims in admitted.admitted_sessions().values()] == ["ada@example.org"]


def test_who_may_not_is_told_why_and_can_log_out(visitor: Visitor) -> None:
    app = visitor(claims_of("eve@example.org"))
    assert shown(app) == ["FER Dashboard", "Log out"]
    assert "eve@example.org is not on the list of people who may use this dashboard." in words(app)


def test_a_name_is_shown_as_it_is(visitor: Visitor) -> None:
    app = visitor(claims_of("eve](http://evil.test)@example.org"))
    assert "eve](http://evil.test)@example.org is not on the list" in words(app)


def test_the_page_is_shut_at_the_next_script_run(visitor: Visitor, people: Path) -> None:
    app = visitor(claims_of("ada@example.org"))
    people.write_text('"ada@example.org" = "viewer"')
    assert "Role: viewer" in words(app.run())
    people.write_text("")
    assert shown(app.run()) == ["FER Dashboard", "Log out"] and not admitted.admitted_sessions()
    people.write_text('"ada@example.org" = "viewer"')
    assert "Role: viewer" in words(app.run())
    log_out(app.user)
    assert shown(app.run()) == ["FER Dashboard", "Log in"] and ENDED in words(app)


def test_several_providers_have_a_button_each(visitor: Visitor, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = login_of(people).providers["default"]
    monkeypatch.setattr(gate, "login_settings", lambda: login_of(people, providers={"default": one, "okta": one}))
    assert shown(visitor({})) == ["FER Dashboard", "Log in", "Log in with okta"]


def test_an_actor_is_looked_up_anew(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class User:
        def to_dict(self) -> dict[str, Any]:
            return claims_of("Bob@example.org", name="Bob")

    monkeypatch.setattr(actor_module.st, "user", User())
    assert actor() == Actor("Bob", Role.VIEWER, "page", "bob@example.org")
    people.write_text('"bob@example.org" = "member"')
    assert actor().role is Role.MEMBER
    people.write_text("")
    with pytest.raises(login.NotAdmittedError, match="is not on the list"):
        actor()


def test_without_a_login_the_foot_of_a_page_says_so(open_page: Opener) -> None:
    assert is_on_loopback_only()
    assert [caption.value for caption in open_page("data").caption][-1] == gate.NO_LOGIN


def test_who_reaches_a_server_without_a_login_learns_that_others_do_too(
    open_page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "is_on_loopback_only", lambda: False)
    assert gate.NO_LOGIN_FOR_OTHERS in words(open_page("overview"))
