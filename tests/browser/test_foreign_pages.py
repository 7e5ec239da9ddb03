"""A page of somebody else, in the browser of a person who uses the dashboard: nothing of it is shown or done there."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.browser.conftest import App, launch

SOCKET = """address => new Promise(done => {
    const socket = new WebSocket(address, ["streamlit"])
    socket.onopen = () => done("open")
    socket.onerror = () => done("refused")
})"""
PICTURE = """address => new Promise(done => {
    const picture = new Image()
    picture.onload = () => done("shown")
    picture.onerror = () => done("refused")
    picture.src = address
})"""


@contextmanager
def site(folder: Path) -> Iterator[int]:
    """A web site of others on this machine; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_foreign_host_and_a_foreign_frame_get_nothing(app: App, playwright: Any, tmp_path: Path) -> None:
    port = app.url.rsplit(":", 1)[1]
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text(f'<title>attacker</title><iframe src="{app.url}/"></iframe>')
    mapped = "--host-resolver-rules=MAP evil.example 127.0.0.1,MAP attacker.example 127.0.0.1"
    with site(tmp_path / "www") as attacker, closing(launch(playwright, mapped)) as browser:
        page = browser.new_page()

        # its name was looked up again and means this machine now (DNS rebinding): the same origin, for a browser
        answer = page.goto(f"http://evil.example:{port}/")
        assert answer is not None and answer.status == 403
        assert "doesn't answer to the host name" in page.inner_text("body")
        assert page.evaluate(SOCKET, f"ws://evil.example:{port}/_stcore/stream") == "refused"
        assert page.evaluate("address => fetch(address).then(it => it.status)", "/_stcore/health") == 403

        for host in ("attacker.example", "localhost"):  # from elsewhere, and another program of this machine
            page.goto(f"http://{host}:{attacker}/")
            assert page.title() == "attacker"
            [frame] = [each for each in page.frames if each != page.main_frame]
            assert frame.locator("[data-testid=stApp], #root").count() == 0
            assert page.evaluate(SOCKET, f"{app.url.replace('http', 'ws')}/_stcore/stream") == "refused"
            assert page.evaluate(PICTURE, f"{app.url}/favicon.png") == "refused"

        # who follows a link on it comes to the dashboard
        page.evaluate("address => { document.body.innerHTML = `<a href='${address}'>there</a>` }", app.url)
        page.click("a")
        page.get_by_role("heading", name="FER Dashboard").wait_for(timeout=60_000)
