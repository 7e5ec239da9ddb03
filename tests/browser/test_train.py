"""The form of the Train page, in real Chromium: what is typed is what is meant, and stays after a reload."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from core.data.importers.demo import import_demo
from tests.browser.conftest import App, visit
from tests.browser.traffic import settle


@pytest.fixture
def form(app: App, browser: Any) -> Any:
    """The page with its form, for somebody who has come from Overview."""
    import_demo(app.data_root, train_per_class=4, validation_per_class=2, test_per_class=2)
    page = visit(browser, app.url)
    page.get_by_role("link", name="Train").click()
    page.get_by_role("button", name="Start training").wait_for()
    settle(page)
    return page


def type_into(page: Any, label: str, text: str) -> None:
    """By keys, as a person does: a number field would drop some of them."""
    box = page.get_by_label(re.compile(f"^{label}"))
    box.click()
    box.press("ControlOrMeta+a")
    box.press_sequentially(text)
    box.press("Enter")
    settle(page)


def test_a_decimal_comma_is_one_and_the_form_survives_a_reload(app: App, form: Any) -> None:
    form.get_by_role("tab", name="Optimizer").click()
    type_into(form, "Learning rate", "0,0005")
    assert "--set learning_rate=0.0005" in form.get_by_test_id("stCode").inner_text()
    type_into(form, "Name", "my run")
    before = form.url
    assert "learning_rate=" in before and "name=my" in before

    form.reload()
    settle(form)
    form.get_by_role("tab", name="Optimizer").click()
    expect(form.get_by_label(re.compile("^Learning rate"))).to_have_value("0,0005")
    expect(form.get_by_label("Name")).to_have_value("my run")
    assert form.url == before

    form.go_back()  # all that was typed is no step
    settle(form)
    form.get_by_role("heading", name="FER Dashboard").wait_for()
    form.go_forward()
    settle(form)
    form.get_by_role("tab", name="Optimizer").click()
    expect(form.get_by_label(re.compile("^Learning rate"))).to_have_value("0,0005")
