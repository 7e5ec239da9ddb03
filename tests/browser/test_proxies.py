"""A visit through nginx and through Caddy, set up with the files of the kit: TLS, websocket, base path, a large upload."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import launch
from tests.browser.traffic import settle, watch
from tests.kit import HOST, Served, caddy, nginx, web_server

BASE_PATH = "faces/of"
UPLOAD_BYTES = 62_000_000
"""As the zip of FER2013."""

pytestmark = pytest.mark.slow

Proxy = Callable[[Path, int], AbstractContextManager[int]]


@pytest.fixture(scope="module", params=["", BASE_PATH], ids=["at the root", "below a base path"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with web_server(tmp_path_factory.mktemp("kit"), request.param) as running:
        yield running


@pytest.fixture
def visitor(playwright: Any) -> Iterator[Any]:
    """A page of a browser for which the name of the team server is this machine."""
    with closing(launch(playwright, f"--host-resolver-rules=MAP {HOST} 127.0.0.1")) as browser:
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 1400, "height": 900})
        context.on("page", watch)
        page = context.new_page()
        page.set_default_timeout(60_000)
        yield page


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=["nginx", "caddy"])
def test_a_visit_through_a_proxy(served: Served, proxy: Proxy, visitor: Any, tmp_path: Path) -> None:
    base = served.environment["STREAMLIT_SERVER_BASE_URL_PATH"]
    refused: list[str] = []
    errors: list[str] = []
    sockets: list[str] = []
    visitor.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    visitor.on("pageerror", lambda error: errors.append(str(error)))
    visitor.on("websocket", lambda socket: sockets.append(socket.url))
    with proxy(tmp_path, served.port) as port:
        root = f"https://{HOST}:{port}/{base}".rstrip("/")

        # --- the first page, links to others, and their addresses
        visitor.goto(f"{root}/")
        settle(visitor)
        visitor.get_by_role("heading", name="FER Dashboard").wait_for()
        assert all(url.startswith(f"wss://{HOST}:{port}/{f'{base}/' if base else ''}_stcore/stream") for url in sockets)
        visitor.get_by_role("link", name="Runs", exact=True).click()
        visitor.wait_for_url(f"{root}/runs*")
        settle(visitor)
        visitor.goto(f"{root}/run?run=reference-cnn-model-2")
        settle(visitor)
        visitor.reload()
        settle(visitor)
        assert visitor.url.startswith(f"{root}/run?")
        visitor.goto(f"{root}/overview")
        visitor.wait_for_url(f"{root}/")
        settle(visitor)

        # --- a file as large as FER2013, which is none
        large = tmp_path / "fer2013.zip"
        large.write_bytes(b"no zip" + bytes(UPLOAD_BYTES - 6))
        visitor.goto(f"{root}/data")
        settle(visitor)
        visitor.get_by_role("tab", name="Upload").click()
        settle(visitor)
        with visitor.expect_response(lambda answer: "/_stcore/upload_file/" in answer.url, timeout=120_000) as upload:
            visitor.set_input_files('input[type="file"] >> visible=false >> nth=0', str(large))
        assert upload.value.status == 204

        # --- a prediction: its pictures come from the server's media, its components from their own addresses
        visitor.goto(f"{root}/predict")
        settle(visitor)
        visitor.get_by_role("button", name="Use this photo").or_(visitor.locator(".thumbnail")).first.wait_for()

        # --- what is nobody's business outside
        metrics = visitor.request.get(f"{root}/_stcore/metrics", ignore_https_errors=True)
        assert metrics.status == 404
        redirected = visitor.request.get(f"{root}/_stcore/health", ignore_https_errors=True)
        assert redirected.status == 200 and redirected.headers["x-content-type-options"] == "nosniff"
        assert "max-age" in redirected.headers["strict-transport-security"]
    assert (refused, errors) == ([], [])
    assert "Traceback" not in served.log.read_text()
