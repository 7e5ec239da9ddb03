"""The API on a real socket, without the pages, and tokens for it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from core.bench.server import free_port
from core.models.cnn import CnnModel2
from core.team.actions import create_api_token
from core.team.people import Actor, Role
from dashboard.api.app import Api, api_routes
from tests.asking import Answer, ask
from tests.browser.watching import instead_of_a_runner
from tests.conftest import wait_for
from tests.dashboard_fixtures import FakeRun, write_run

ADA = Actor("Ada", Role.ADMIN, "command line")


@dataclass(frozen=True)
class Served:
    """A server of the API."""

    port: int
    api: Api
    runs_root: Path
    data_root: Path
    run: FakeRun
    """A finished run of Ada's, with weights."""
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, token: str = "", body: Any = None, **headers: str) -> Answer:
        """Send a request; a token is named by its kind."""
        if token:
            headers.setdefault("Authorization", f"Bearer {self.tokens.get(token, token)}")
        return ask(self.port, f"/api{path}", method, body, **headers)

    def start(self, token: str, value: Any) -> Answer:
        """Ask for a run."""
        return self.ask("POST", "/runs", token, json.dumps(value).encode(), Content_Type="application/json")

    def predict(self, token: str, *files: tuple[str, bytes], query: str = "") -> Answer:
        """Send images."""
        body, kind = multipart(*files)
        return self.ask("POST", f"/predict{query}", token, body, Content_Type=kind)

    def make_token(self, role: Role, owner: str = "", **more: Any) -> str:
        """A fresh token."""
        return create_api_token(ADA, self.runs_root, "test", role, owner=owner, **more)[1]


def multipart(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    """A body with files, and its type."""
    frame = uuid4().hex
    parts = [
        f'--{frame}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join([*parts, f"--{frame}--\r\n".encode()]), f"multipart/form-data; boundary={frame}"


def answered(answer: Answer) -> Any:
    """Its JSON, of which everything that the API says is made."""
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"
    return json.loads(answer.body)


def refusal(answer: Answer, status: int) -> str:
    """The sentence of a refusal."""
    value = answered(answer)
    assert answer.status == status, value
    sentence = value["error"]
    assert sentence.endswith((".", "jpg")) and "\n" not in sentence and len(sentence) < 1000
    return str(sentence)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, demo_root: Path) -> Iterator[Served]:
    """A server with a run; a viewer's, a member's and an admin's token. Nothing that is queued is started."""
    runs_root = tmp_path_factory.mktemp("api") / "runs"
    runs_root.mkdir()
    run = write_run(runs_root, demo_root, "finished", epochs=2, author="Ada")
    torch.manual_seed(0)
    torch.save(CnnModel2().state_dict(), run.paths.weights)
    with pytest.MonkeyPatch.context() as environment, instead_of_a_runner(runs_root), listening() as (port, api):
        environment.setenv("FER_RUNS_ROOT", str(runs_root))
        environment.setenv("FER_DATA_ROOT", str(demo_root))
        made = Served(port, api, runs_root, demo_root, run)
        made.tokens.update({str(role): made.make_token(role, f"the {role}") for role in Role})
        yield made
    run.close()


@contextmanager
def listening() -> Iterator[tuple[int, Api]]:
    """A server in a thread; its port and its API."""
    port, routes = free_port(), api_routes()
    [api] = [route.app for route in routes if isinstance(route, Mount)]
    assert isinstance(api, Api)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, 30, "the server")
        yield port, api
    finally:
        server.should_exit = True
        thread.join(20)
