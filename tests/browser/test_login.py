"""Logging in and out with a real identity provider on this machine, in real Chromium."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboard.state.login import ENDED, LOG_IN, NOT_FOR_US
from dashboard.ui.gate import FAILED
from tests.browser.conftest import App, new_page, running_app, visit
from tests.browser.traffic import settle
from tests.conftest import wait_for
from tests.identity_provider import CLIENT_ID, IdentityProvider, identity_provider, secrets_toml

PEOPLE = '"ada@example.org" = "admin"\n"@example.org" = "viewer"\n'


@dataclass(frozen=True)
class Team:
    """A server with a login."""

    app: App
    provider: IdentityProvider
    people: Path


@pytest.fixture(scope="module")
def server_with_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    people, settings = folder / "people.toml", folder / "secrets.toml"
    with identity_provider() as provider, pytest.MonkeyPatch.context() as environment:
        settings.write_text(secrets_toml(provider))
        people.write_text(PEOPLE)
        environment.setenv("STREAMLIT_SECRETS_FILES", str(settings))
        environment.setenv("FER_PEOPLE", str(people))
        with running_app(folder) as app:
            yield Team(app, provider, people)


@pytest.fixture
def team(server_with_login: Team) -> Team:
    server_with_login.people.write_text(PEOPLE)
    return server_with_login


def log_in(page: Any) -> None:
    """To the identity provider and back: what stands on the page afterwards is from after it."""
    with page.expect_navigation(wait_until="commit"):
        page.get_by_role("button", name="Log in").click()


def names(page: Any, role: str) -> list[str]:
    """Of the links or buttons of a page."""
    return [text.split("\n")[-1] for text in page.get_by_role(role).all_inner_texts()]


def expect_sentence(page: Any, sentence: str) -> None:
    from playwright.sync_api import expect

    expect(page.get_by_test_id("stMain").get_by_text(sentence)).to_be_visible()


def open_menu(page: Any) -> Any:
    settle(page)
    page.locator(".st-key-name button").click()
    return page.get_by_test_id("stPopoverBody")


def test_from_the_login_to_the_log_out_in_another_tab(team: Team, browser: Any) -> None:
    from playwright.sync_api import expect

    page, asked = new_page(browser), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{team.app.url}/runs?q=nobody")
    expect_sentence(page, LOG_IN)
    settle(page)
    assert names(page, "link") == ["Skip to main content"] and names(page, "button") == ["", "Log in"]
    assert [url for url in asked if url.startswith(f"{team.app.url}/media/")] == []

    team.provider.is_now("Ada@Example.org", name="Ada Lovelace")
    log_in(page)
    expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
    assert page.url == f"{team.app.url}/runs?q=nobody", "where one wanted to go"
    menu = open_menu(page)
    expect(menu).to_contain_text("Ada Lovelace")
    expect(menu).to_contain_text("Role: admin")

    team.people.write_text('"@example.org" = "member"\n')
    other = page.context.new_page()
    other.goto(f"{team.app.url}/data")
    expect(open_menu(other)).to_contain_text("Role: member")

    other.get_by_role("button", name="Log out").click()
    expect_sentence(other, LOG_IN)
    expect_sentence(page, ENDED)  # by itself
    wait_for(lambda: names(page, "link") == ["Skip to main content"], 60, "that nothing else of the page is left")


def test_who_is_not_let_in_learns_why(team: Team, browser: Any) -> None:
    page = visit(browser, team.app.url)
    team.provider.is_now("ada@example.org", token={"aud": "another", "azp": CLIENT_ID})
    log_in(page)
    expect_sentence(page, NOT_FOR_US)
    team.provider.is_now("ada@example.org", token={"exp": int(time.time()) - 1000})
    log_in(page)
    expect_sentence(page, FAILED)
    team.provider.is_now("ada@example.org", token={"exp": int(time.time()) - 30})  # taken, for clocks that differ
    log_in(page)
    expect_sentence(page, ENDED)
    team.provider.is_now("eve@elsewhere.example")
    log_in(page)
    expect_sentence(page, "is not on the list of people")
    wait_for(lambda: names(page, "button") == ["", "Log out"], 60, "the way out")
    assert names(page, "link") == ["Skip to main content"]
