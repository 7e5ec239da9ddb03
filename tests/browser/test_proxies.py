"""A visit through nginx and Caddy as the kit sets them up: TLS, websocket, base path, a large upload."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import launch
from tests.browser.traffic import settle, watch
from tests.conftest import PROJECT_ROOT
from tests.kit import HOST, caddy, nginx, web_server

MODEL = "reference-cnn-model-2"
UPLOAD_BYTES = 62_000_000
"""As the zip of FER2013."""

LOOKED_FOR = ("/_stcore/health", "/_stcore/host-config")

ASK = """async url => {
    const answer = await fetch(url);
    return {status: answer.status, headers: Object.fromEntries(answer.headers)};
}"""

pytestmark = pytest.mark.slow

Proxy = Callable[[Path, int], AbstractContextManager[int]]


@pytest.fixture
def visitor(playwright: Any) -> Iterator[Any]:
    """A page of a browser for which the name of the team server is this machine."""
    with closing(launch(playwright, f"--host-resolver-rules=MAP {HOST} 127.0.0.1")) as browser:
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 1400, "height": 900})
        context.on("page", watch)
        page = context.new_page()
        page.set_default_timeout(60_000)
        yield page


@pytest.mark.parametrize(
    ("proxy", "base"), [(nginx, ""), (caddy, "faces/of")], ids=["nginx", "caddy, below a base path"]
)
def test_a_visit_through_a_proxy(proxy: Proxy, base: str, visitor: Any, tmp_path: Path) -> None:
    refused: list[str] = []
    errors: list[str] = []
    sockets: list[str] = []
    visitor.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    visitor.on("pageerror", lambda error: errors.append(str(error)))
    visitor.on("websocket", lambda socket: sockets.append(socket.url))
    shutil.copytree(PROJECT_ROOT / "runs" / MODEL, tmp_path / "runs" / MODEL)
    with web_server(tmp_path, base) as served, proxy(tmp_path, served.port) as port:
        root = f"https://{HOST}:{port}/{base}".rstrip("/")

        # --- the first page, links to others, and their addresses
        visitor.goto(f"{root}/")
        settle(visitor)
        visitor.get_by_role("heading", name="FER Dashboard").wait_for()
        assert all(url.startswith(f"wss://{HOST}:{port}/{f'{base}/' if base else ''}_stcore/stream") for url in sockets)
        visitor.get_by_role("link", name="Runs", exact=True).click()
        visitor.wait_for_url(f"{root}/runs*")
        settle(visitor)
        visitor.goto(f"{root}/run?run={MODEL}")
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
        visitor.get_by_role("tab", name="Upload", exact=True).click()
        settle(visitor)
        with visitor.expect_response(lambda answer: "/_stcore/upload_file/" in answer.url, timeout=120_000) as upload:
            visitor.get_by_role("tabpanel", name="Upload").locator('input[type="file"]').set_input_files(str(large))
        assert upload.value.status == 204

        # --- a prediction: its images come from the server's media, its components from addresses of their own
        visitor.goto(f"{root}/predict")
        settle(visitor)
        visitor.get_by_role("button", name="Anger").click()
        settle(visitor)
        visitor.get_by_role("figure", name="Class probabilities: angry").wait_for()
        assert f"{root}/predict?sample=" in visitor.url

        # --- what is nobody's business outside, and what every answer says
        asked = [visitor.evaluate(ASK, f"{root}/_stcore/{route}") for route in ("metrics", "health")]
    assert [answer["status"] for answer in asked] == [404, 200]
    assert asked[1]["headers"]["x-content-type-options"] == "nosniff"
    assert "max-age" in asked[1]["headers"]["strict-transport-security"]
    # a page looks for the base path from its own address upwards: what it does not find there is no loss
    assert [url for url in refused if not url.endswith(LOOKED_FOR)] == [f"{root}/_stcore/metrics"]
    assert errors == []
    assert "Traceback" not in served.log.read_text()
