"""What a visitor does at the top right of a page."""

from typing import Any

from tests.browser.traffic import settle


def introduce(page: Any, name: str) -> None:
    """Enter a name, as everybody does once; the menu is closed again."""
    page.locator(".st-key-name button").click()
    box = page.get_by_role("textbox", name="Your name")
    box.fill(name)
    box.press("Enter")
    settle(page)
    page.keyboard.press("Escape")
    box.wait_for(state="detached")
