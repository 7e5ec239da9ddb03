"""The dialog of notifications: saves, tests and removes, and never shows what is secret."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs.notify.people import addresses_of, save_addresses
from core.runs.paths import PeoplePaths
from tests.dashboard.conftest import Opener, press, words
from tests.listeners import webhook_server

Visit = Callable[[], AppTest]


@pytest.fixture
def dialog(open_page: Opener) -> Visit:
    """The dialog as Ada sees it."""

    def visit() -> AppTest:
        app = open_page("train")
        app.text_input(key="who").set_value("Ada").run()
        app.button(key="notifications-dialog").click().run()
        return app

    return visit


def press_in_dialog(app: AppTest, label: str) -> None:
    """AppTest forgets a dialog whose opening button is not pressed again."""
    [button] = [each for each in app.button if each.label == label]
    button.click()
    press(app, "notifications-dialog")


def test_a_webhook_is_saved_tested_and_removed(
    dialog: Visit, runs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "notifications.toml"
    settings.write_text("local_webhooks = true")
    monkeypatch.setenv("FER_NOTIFICATIONS", str(settings))
    people = PeoplePaths(runs_root)
    app = dialog()
    assert "Send a test" not in words(app)
    with webhook_server(200, 404) as hook:
        app.text_input(key="notifications-webhook").set_value(hook.url)
        press_in_dialog(app, "Save")
        assert addresses_of(people, "Ada").webhook == hook.url
        press_in_dialog(app, "Send a test")
        assert "Webhook: 127.0.0.1" in words(app)
        assert hook.texts == ["Test: notifications of FER Dashboard arrive here."]
        assert "Sent to 127.0.0.1." in words(app)
        press_in_dialog(app, "Send a test")
        assert "127.0.0.1 answered with status 404." in words(app)
    press_in_dialog(app, "Remove")
    assert addresses_of(people, "Ada").webhook == ""
    app = dialog()
    assert "Send a test" not in words(app)


def test_what_is_saved_is_not_shown_again(dialog: Visit, runs_root: Path) -> None:
    save_addresses(PeoplePaths(runs_root), "Ada", webhook="https://hooks.example.org/s3cret")
    app = dialog()
    assert "Webhook: hooks.example.org" in words(app)
    assert "s3cret" not in "".join(str(element.proto) for element in app.main)
    assert app.text_input(key="notifications-webhook").value == ""


def test_what_is_invalid_is_said_and_not_repeated(dialog: Visit, runs_root: Path) -> None:
    app = dialog()
    app.text_input(key="notifications-webhook").set_value("s3cret")
    press_in_dialog(app, "Save")
    assert "The webhook must be a URL that begins with https:// or http://" in words(app)
    assert "s3cret" not in words(app)
    assert not PeoplePaths(runs_root).folder.exists()


def test_who_has_no_name_is_asked_for_it(open_page: Opener) -> None:
    app = open_page("train")
    app.button(key="notifications-dialog").click().run()
    assert "Enter your name at the top right first." in words(app)
    assert not [box for box in app.text_input if box.key == "notifications-webhook"]


def test_the_servers_own_are_named_and_bad_settings_said(
    dialog: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "notifications.toml"
    monkeypatch.setenv("FER_NOTIFICATIONS", str(settings))
    settings.write_text('webhook = "https://hooks.example.org/s3cret"\nevents = ["failed", "crashed"]\npeople = false')
    app = dialog()
    assert "The server tells about all runs: failed, crashed." in words(app)
    assert "Webhook: hooks.example.org" in words(app)
    assert not [box for box in app.text_input if box.key == "notifications-webhook"], "people = false"
    settings.write_text('webhook = "s3cret"')
    app = dialog()
    assert "Can't use notifications.toml: webhook: The webhook must be a URL" in words(app)
    assert "s3cret" not in words(app)
