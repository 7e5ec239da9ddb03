"""A real server with empty folders, and real Chromium: started once for all tests here."""

import os
import subprocess
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.bench.server import start_server
from tests.browser.traffic import settle, watch
from tests.browser.watching import instead_of_a_runner
from tests.conftest import end_server, kill_processes_of, wait_for

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

MOST_OF_A_PAGE = 4000
"""Characters, of each page of a test that failed."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            if item.config.getoption("timeout", None) is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))
            if not CHROMIUM.exists():
                item.add_marker(pytest.mark.skip(reason="no Chromium here: install Debian's package chromium"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails tells what was on its pages."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.when == "call" and report.failed and browser is not None:
        for page in (page for context in browser.contexts for page in context.pages):
            with suppress(Exception):  # it may be what has failed
                report.sections.append((page.url, page.locator("body").aria_snapshot(timeout=5000)[:MOST_OF_A_PAGE]))
    return report


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
    with log.open("ab") as output:  # so that it can be emptied meanwhile
        port, process = start_server(runs_root, data_root, stdout=output, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(f"{url}/_stcore/health"), 60, "the server's first answer")
        yield App(url, runs_root, data_root, log, process)
    finally:
        try:
            end_server(process)
        finally:
            kill_processes_of(runs_root)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """For all tests that need none of their own: a start, and the first look at each page, take seconds."""
    with running_app(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def app(server: App, tmp_path: Path) -> Iterator[App]:
    """The server, its folders and its log empty."""
    roots = server.runs_root, server.data_root
    for root in roots:
        root.mkdir(exist_ok=True)
    os.truncate(server.log, 0)
    yield server
    kill_processes_of(server.runs_root)
    for root in roots:  # moved at once, whatever is still written there
        root.rename(tmp_path / f"left-{root.name}")


@pytest.fixture
def no_runner(app: App) -> Iterator[None]:
    """Queued runs wait: the test is the runner."""
    with instead_of_a_runner(app.runs_root):
        yield


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture
def page(app: App, browser: Any) -> Iterator[Any]:
    """A fresh browser page; the test fails if the page's script reports an error."""
    page = new_page(browser)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []


@pytest.fixture(scope="package")
def playwright() -> Iterator[Any]:
    """What starts browsers; there can be one of it at a time."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def chromium(playwright: Any) -> Iterator[Any]:
    """One for all tests here."""
    with closing(launch(playwright)) as opened:
        yield opened


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """Chromium, for tests in which several people look at one dashboard: each has a profile of their own."""
    yield chromium
    for context in chromium.contexts:
        context.close()


def launch(playwright: Any, *arguments: str) -> Any:
    """Real Chromium, with more arguments of its command line."""
    return playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_ARGUMENTS, *arguments])


@contextmanager
def open_browser() -> Iterator[Any]:
    """Chromium outside the tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, closing(launch(playwright)) as browser:
        yield browser


def new_page(browser: Any) -> Any:
    """A page in a browser profile of its own; `FER_TEST_THROTTLE=3` makes its processor three times as slow."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.on("page", watch)
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
