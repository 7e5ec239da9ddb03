"""The API of a whole server, as it is started, below a base path: what stands in front of the pages is in front of it,
too, and nothing is imported for it that the pages do not need."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from core.bench.api import MODEL, PHOTO
from core.bench.server import start_server
from core.team.actions import create_api_token
from core.team.people import Actor, Role
from dashboard.server.headers import HEADERS
from tests.asking import Answer, ask
from tests.conftest import PROJECT_ROOT, end_server, wait_for
from tests.dashboard.api.conftest import multipart

BASE = "/team/fer"


@dataclass(frozen=True)
class Running:
    port: int
    token: str
    process: "subprocess.Popen[bytes]"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        return ask(self.port, path, method, body, **headers)

    def libraries(self) -> str:
        """What its process has loaded."""
        return Path(f"/proc/{self.process.pid}/maps").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("below")
    (folder / "runs").mkdir()
    unneeded = shutil.ignore_patterns("*.parquet", "*.jsonl", "*.lock")
    shutil.copytree(PROJECT_ROOT / "runs" / MODEL, folder / "runs" / MODEL, ignore=unneeded)
    _, token = create_api_token(Actor("Ada", Role.ADMIN, "command line"), folder / "runs", "test", Role.MEMBER)
    with pytest.MonkeyPatch.context() as environment, (folder / "server.log").open("wb") as output:
        environment.setenv("STREAMLIT_SERVER_BASE_URL_PATH", BASE.strip("/"))
        port, process = start_server(folder / "runs", folder / "data", stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for(partial(answers, port), 180, "the server")
            yield Running(port, token, process)
        finally:
            end_server(process)


def answers(port: int) -> bool:
    try:
        return ask(port, f"{BASE}/healthz").status == 200
    except OSError:
        return False


def test_the_api_is_where_the_pages_are_and_torch_is_not_there_yet(server: Running) -> None:
    mine = {"Authorization": f"Bearer {server.token}"}
    assert server.ask(f"{BASE}/").body.endswith(b"</html>\n")
    listed = server.ask(f"{BASE}/api/runs", **mine)
    assert (listed.status, [run["id"] for run in json.loads(listed.body)["runs"]]) == (200, [MODEL])
    assert json.loads(server.ask(f"{BASE}/api/openapi.json").body)["servers"] == [{"url": f"{BASE}/api"}]
    for path in ("/healthz", "/api/runs"):
        assert b'"error"' not in (answer := server.ask(path, **mine)).body and answer.status == 404
    assert "_pydantic_core" in server.libraries() and "libtorch" not in server.libraries()


def test_what_protects_the_pages_protects_the_api(server: Running) -> None:
    mine = {"Authorization": f"Bearer {server.token}"}
    for status, headers in (
        (200, mine),
        (200, {**mine, "Origin": f"http://127.0.0.1:{server.port}"}),
        (401, {"Cookie": f"_streamlit_xsrf=x; token={server.token}"}),
        (403, {**mine, "Origin": "http://evil.example"}),
        (403, {**mine, "Origin": "null"}),
        (403, {**mine, "Host": "evil.example"}),
        (403, {**mine, "Sec_Fetch_Site": "cross-site"}),
    ):
        answer = server.ask(f"{BASE}/api/runs", **headers)
        assert answer.status == status, headers
        assert answer.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()


def test_a_program_needs_no_xsrf_token_and_may_send_no_more_than_there_is_room_for(server: Running) -> None:
    mine = {"Authorization": f"Bearer {server.token}"}
    wanted = b'{"preset": "quick", "settings": {"dataset": "nope"}}'
    refused = server.ask(f"{BASE}/api/runs", "POST", wanted, Content_Type="application/json", **mine)
    assert refused.status == 422 and b"nope" in refused.body
    body, kind = multipart(("a.jpg", bytes(60 * 10**6)))
    too_large = server.ask(f"{BASE}/api/predict", "POST", body, Content_Type=kind, **mine)
    assert too_large.status == 413 and b"max 50 MB" in too_large.body
    assert "libtorch" not in server.libraries()


@pytest.mark.slow
def test_the_first_prediction_brings_torch(server: Running) -> None:
    body, kind = multipart(("astronaut.jpg", PHOTO.read_bytes()))
    mine = {"Authorization": f"Bearer {server.token}"}
    answer = server.ask(f"{BASE}/api/predict", "POST", body, Content_Type=kind, **mine)
    [image] = json.loads(answer.body)["images"]
    assert image["detection"] == "faces" and image["faces"][0]["label"] == "happy"
    assert "libtorch" in server.libraries()
