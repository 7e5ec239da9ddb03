"""A real server with empty folders, and real Chromium."""

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.bench.server import start_server
from tests.conftest import kill_processes_of, wait_for

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


TIMEOUT_SECONDS = 1200
"""Of each test: they train for real, however busy the machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            if item.config.getoption("timeout", None) is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))
            if not CHROMIUM.exists():
                item.add_marker(pytest.mark.skip(reason="no Chromium here: install Debian's package chromium"))


@dataclass
class App:
    """A running dashboard."""

    url: str
    runs_root: Path
    data_root: Path
    log: Path
    process: subprocess.Popen[bytes]


@contextmanager
def running_app(folder: Path) -> Iterator[App]:
    """`streamlit run dashboard/Home.py` on empty folders; ended, with all it started, at the end."""
    runs_root, data_root, log = folder / "runs", folder / "data", folder / "server.log"
    with log.open("wb") as output:
        port, process = start_server(runs_root, data_root, stdout=output, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(f"{url}/_stcore/health"), 60, "the server's first answer")
        yield App(url, runs_root, data_root, log, process)
    finally:
        process.terminate()
        process.wait(20)
        kill_processes_of(runs_root)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A server of its own for one test."""
    with running_app(tmp_path) as running:
        yield running


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture
def page(app: App) -> Iterator["object"]:
    """A fresh browser page; the test fails if the page's script or console reports an error."""
    with open_browser() as browser:
        page = new_page(browser)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert errors == []


@contextmanager
def open_browser() -> Iterator[Any]:
    """Real Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def browser() -> Iterator[Any]:
    """Chromium, for tests in which several people look at one dashboard."""
    with open_browser() as opened:
        yield opened


def new_page(browser: Any) -> Any:
    """A page in a browser profile of its own; `FER_TEST_THROTTLE=3` makes its processor three times as slow."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    if rate := float(os.environ.get("FER_TEST_THROTTLE") or 0):
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})
    return page


def visit(browser: Any, url: str) -> Any:
    """A page in a browser profile of its own, as another person has."""
    page = new_page(browser)
    page.goto(url)
    settle(page)
    return page


def settle(page: Any) -> None:
    """Wait until the page's script has ended."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
