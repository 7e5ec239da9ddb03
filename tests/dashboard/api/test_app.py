"""Every address of the API with every kind of token, and what is answered where something is wrong."""

import ast
import errno
import json
import logging
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import ActivityError, ApiTokenError, RunError, TrainingError
from core.team.actions import revoke_api_token
from core.team.limits import TooManyStartsError
from core.team.people import Role
from core.team.tokens import TokenPaths, add_token, find_token, new_secret, new_token, read_tokens
from dashboard.api import access, app, runs
from dashboard.api.openapi import describe_api
from dashboard.state import seldom
from dashboard.state.login import NO_LIST
from dashboard.state.login_settings import LoginSettings
from tests.asking import Answer, ask
from tests.conftest import PROJECT_ROOT
from tests.dashboard.api.conftest import ADA, Served, answered, refusal

PHOTO = (Path(app.__file__).parents[1] / "ui" / "astronaut.jpg").read_bytes()

ENDPOINTS: dict[str, tuple[Callable[[Served, str], Answer], Role, int]] = {
    "post /predict": (lambda on, token: on.predict(token, ("a.jpg", PHOTO)), Role.VIEWER, 200),
    "get /runs": (lambda on, token: on.ask("GET", "/runs", token), Role.VIEWER, 200),
    "post /runs": (
        lambda on, token: on.start(token, {"preset": "quick", "settings": {"dataset": "demo"}}),
        Role.MEMBER,
        201,
    ),
    "get /runs/{run_id}": (lambda on, token: on.ask("GET", f"/runs/{on.run.id}", token), Role.VIEWER, 200),
    "get /runs/{run_id}/curves": (
        lambda on, token: on.ask("GET", f"/runs/{on.run.id}/curves", token),
        Role.VIEWER,
        200,
    ),
    "post /runs/{run_id}/stop": (
        lambda on, token: on.ask("POST", f"/runs/{on.run.id}/stop", token, b""),
        Role.ADMIN,  # it is Ada's run
        202,
    ),
}
"""By method and address: what asks for it, the role that it needs, and the status if all is well."""

WITHOUT_TOKEN = {"get /openapi.json"}


def test_every_described_address_is_in_the_matrix() -> None:
    described = {f"{method} {path}" for path, methods in describe_api("/api")["paths"].items() for method in methods}
    assert described == set(ENDPOINTS) | WITHOUT_TOKEN


@pytest.fixture(scope="module")
def tokens(served: Served) -> dict[str, str]:
    """A token of each kind."""
    revoked, expired = served.make_token(Role.ADMIN), new_secret()
    found = find_token(read_tokens(served.runs_root), revoked)
    assert found
    revoke_api_token(ADA, served.runs_root, found.id)
    over = datetime.now(UTC) - timedelta(seconds=1)
    add_token(served.runs_root, new_token(expired, "old", "Ada", Role.ADMIN, created_by="Ada", expires_at=over))
    return {"none": "", "wrong": new_secret(), "revoked": revoked, "expired": expired, **served.tokens}


@pytest.mark.parametrize("kind", ["none", "wrong", "revoked", "expired", *Role])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_who_may_what(
    served: Served, tokens: dict[str, str], endpoint: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.api, "_wrong", app.WrongTokens())
    request, needs, status = ENDPOINTS[endpoint]
    answer = request(served, tokens[kind])
    if kind not in list(Role):
        sentence = refusal(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert ("Send an API token" in sentence) is (kind == "none") and ("expired" in sentence) is (kind == "expired")
    elif Role(kind).includes(needs):
        answered(answer)
        assert answer.status == status
    else:
        assert f"Your role is {kind}." in refusal(answer, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "_streamlit_user={token}; token={token}"},
        {"Authorization": "Basic {token}"},
        {"Authorization": "{token}"},
        {"X_Api_Key": "{token}"},
    ],
    ids=["cookie", "basic", "no scheme", "own header"],
)
def test_a_token_counts_in_one_place_alone(served: Served, headers: dict[str, str]) -> None:
    token = served.tokens["admin"]
    sent = {name: value.format(token=token) for name, value in headers.items()}
    refusal(ask(served.port, f"/api/runs?token={token}", **sent), 401)


def test_without_a_token_in_the_world_there_is_no_api(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RUNS_ROOT", str(tmp_path))
    for method, path in (("GET", "/runs"), ("POST", "/predict"), ("GET", "/openapi.json"), ("GET", "")):
        assert refusal(served.ask(method, path, "admin"), 404) == app.OFF
    healthy = ask(served.port, "/healthz")
    assert (healthy.status, answered(healthy)) == (200, {"status": "ok"})


def test_tokens_that_cannot_be_trusted_let_nobody_in(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(seldom, "_last", {})
    TokenPaths(tmp_path).folder.mkdir()
    path = TokenPaths(tmp_path).tokens
    path.write_bytes(TokenPaths(served.runs_root).tokens.read_bytes())
    path.chmod(0o644)
    with pytest.raises(ApiTokenError, match="can be read by other users"):
        read_tokens(tmp_path)
    monkeypatch.setenv("FER_RUNS_ROOT", str(tmp_path))
    assert str(tmp_path) not in refusal(served.ask("GET", "/runs", "admin"), 503)
    assert "chmod 600" in caplog.text
    path.chmod(0o600)
    path.write_text("[{]")
    refusal(served.ask("GET", "/runs", "admin"), 503)


def test_a_hundred_wrong_tokens_are_refused_and_logged_and_keep_nobody_out(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(seldom, "_last", {})
    monkeypatch.setattr(served.api, "_wrong", app.WrongTokens())
    with caplog.at_level(logging.WARNING):
        answers = [served.ask("GET", "/runs", new_secret()) for _ in range(100)]
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 90
    assert answers[-1].headers["retry-after"] == "60"
    assert len(caplog.messages) == 2 and all("127.0.0.1" in message for message in caplog.messages)
    assert "fer_" not in caplog.text
    assert served.ask("GET", "/runs", "viewer").status == 200


@pytest.mark.parametrize("mine", Role)
@pytest.mark.parametrize("listed", [*Role, None])
def test_a_token_can_do_no_more_than_its_owner_today(
    served: Served, mine: Role, listed: Role | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    people = tmp_path / "people.toml"
    people.write_text(f'"ada@example.org" = "{listed}"' if listed else "")
    monkeypatch.setattr(access, "login_settings", lambda: LoginSettings({}, "http://localhost/oauth2callback", people))
    token = served.make_token(mine, "Ada Lovelace", email="Ada@example.org")
    stopped = served.ask("POST", f"/runs/{served.run.id}/stop", token, b"")
    if listed is None:
        assert refusal(stopped, 401) == access.NOT_ON_LIST
    elif mine is listed is Role.ADMIN:
        assert stopped.status == 202
    else:
        lower = mine if listed.includes(mine) else listed
        assert f"Your role is {lower}." in refusal(stopped, 403)
    assert served.ask("GET", "/runs", "viewer").status == 200  # of a program that is nobody's
    people.write_text("nonsense")
    assert refusal(served.ask("GET", "/runs", token), 503) == NO_LIST


def test_who_starts_too_much_is_told_when_to_go_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TooManyStartsError("You have started 20 times within a minute (max 20). Try again in 7 s.", 7)

    monkeypatch.setattr(runs.actions, "start", refuse)
    answer = served.start("member", {"settings": {"dataset": "demo"}})
    assert "Try again in 7 s." in refusal(answer, 429) and answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/runs", "GET, POST, HEAD"),
        ("OPTIONS", "/runs", "GET, POST, HEAD"),
        ("GET", "/predict", "POST"),
        ("PUT", "/runs/x", "GET, HEAD"),
        ("GET", "/runs/x/stop", "POST"),
    ],
)
def test_other_methods_are_refused(served: Served, method: str, path: str, allowed: str) -> None:
    answer = served.ask(method, path, "admin")
    refusal(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/runs/", "/runs/a/b", "/runs/a/stop/", "//runs", "/runs/a%2Fb"])
def test_other_addresses_are_refused_in_json(served: Served, path: str) -> None:
    refusal(served.ask("GET", path, "admin"), 404)


def test_a_head_has_no_body(served: Served) -> None:
    answer = served.ask("HEAD", "/runs", "viewer")
    assert (answer.status, answer.body) == (200, b"")


def test_what_fails_unexpectedly_is_told_in_json_and_logged(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(runs, "run_as_json", fail)
    answer = served.ask("GET", "/runs", "viewer")
    assert refusal(answer, 500) == app.API_FAILED and b"secret" not in answer.body
    assert "KeyError: 'secret'" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RunError("Can't read {root}/x."), 422, "Can't read runs/x."),
        (ActivityError("Can't write {root}/.activity."), 503, "Can't write runs/.activity."),
        (OSError(errno.EACCES, "Permission denied", "{root}/x"), 503, "Can't open x: Permission denied."),
        (OSError(errno.ENOSPC, "No space left on device"), 503, "No space left on the disk"),
        (TrainingError("{root} burns."), 500, app.API_FAILED),
    ],
    ids=["bad input", "no log", "no file", "no space", "our side"],
)
def test_what_goes_wrong_is_told_without_the_places_of_the_server(
    served: Served, error: Exception, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = [*error.args, error.filename] if isinstance(error, OSError) and error.filename else error.args

    def fail(*_: object) -> None:
        raise type(error)(*[each.format(root=served.runs_root) if isinstance(each, str) else each for each in args])

    monkeypatch.setattr(runs, "run_as_json", fail)
    sentence = refusal(served.ask("GET", "/runs", "viewer"), status)
    assert sentence.startswith(said) and str(served.runs_root) not in sentence


def test_the_specification_needs_no_token_and_is_that_of_this_server(served: Served) -> None:
    value = answered(served.ask("GET", "/openapi.json"))
    assert value == json.loads(json.dumps(describe_api("/api")))


def test_addresses_are_below_the_base_path() -> None:
    paths = {getattr(route, "path", "") for route in app.api_routes("/fer/")}
    assert paths == {"/fer/healthz", "/fer/api"}
    assert app.Api("/fer")._specification["servers"] == [{"url": "/fer/api"}]


README = (PROJECT_ROOT / "README.md").read_text()


def test_the_python_of_the_readme_works(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [script] = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "/api/predict" in block]
    (tmp_path / "group.jpg").write_bytes(PHOTO)
    monkeypatch.chdir(tmp_path)
    here = script.replace("localhost:8501", f"127.0.0.1:{served.port}").replace("reference-cnn-model-2", served.run.id)
    exec(compile(here, "README.md", "exec"), {"token": served.tokens["viewer"]})
    [face] = ast.literal_eval(capsys.readouterr().out)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_lines_of_curl_in_the_readme_work(served: Served, tmp_path: Path) -> None:
    lines = re.findall(r"^curl .*", README, re.MULTILINE)
    assert len(lines) == 5
    for name in ("face.jpg", "group.jpg"):
        (tmp_path / name).write_bytes(PHOTO)
    for line in lines:
        here = line.replace("localhost:8501", f"127.0.0.1:{served.port}").replace("/RUN/", f"/{served.run.id}/")
        result = subprocess.run(
            ["bash", "-c", here.replace('{"seed": 1}', '{"seed": 1, "dataset": "demo"}')],
            cwd=tmp_path,
            env={"TOKEN": served.tokens["admin"], "PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=60,
            check=True,
        )
        assert "error" not in json.loads(result.stdout), line
