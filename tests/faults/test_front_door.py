"""Raw requests and websockets to real servers: only their own pages are answered, and nobody fills their memory, log or
descriptors."""

import json
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from core.bench.server import start_server
from dashboard.server.headers import HEADERS
from tests.asking import ask, open_socket, session
from tests.conftest import end_server, wait_for

MEGABYTE = bytes(10**6)


@dataclass(frozen=True)
class Running:
    port: int
    log: Path


@contextmanager
def started(folder: Path, **options: object) -> Iterator[Running]:
    """`streamlit run dashboard/Home.py` on empty folders, once it answers."""
    log = folder / "server.log"
    with log.open("wb") as output:
        port, process = start_server(
            folder / "runs", folder / "data", stdout=output, stderr=subprocess.STDOUT, **options
        )
    try:
        wait_for(partial(listens, port), 180, "the server")
        yield Running(port, log)
    finally:
        end_server(process)


def listens(port: int) -> bool:
    try:
        return ask(port, "/_stcore/health", Host="localhost").status in (200, 403)
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As it is started by everybody, with room for little, and with visitors forgotten soon."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FER_UPLOADS_MB", "12")
        environment.setenv("STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL", "4")
        with started(tmp_path_factory.mktemp("alone")) as running:
            yield running


FEW_FILES = 100


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    """What the second server takes for the way to the internet: a proxy that nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        yield silent


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, outside: socket.socket) -> Iterator[Running]:
    """Opened for others deliberately, on a system that gives it few descriptors."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:  # of the server alone: other threads here ask other servers
            environment.setenv("FER_WITHOUT_LOGIN", "1")
            environment.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
            environment.setenv("STREAMLIT_SERVER_ALLOWED_HOSTS", "fer.test")
            environment.setenv("STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS", "http://wiki.test")
            for name in ("http_proxy", "https_proxy"):
                environment.setenv(name, f"http://127.0.0.1:{outside.getsockname()[1]}")
            limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
            running = stack.enter_context(started(tmp_path_factory.mktemp("team"), preexec_fn=limit))
        yield running


# --- who is answered


OWN = "127.0.0.1:{port}"
VISIT = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
FRAME = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "192.168.1.7:{port}"}, 403),
        ({"Host": "user@localhost:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://localhost:{port}"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "no-cors"}, 200),
        ({"Sec_Fetch_Site": "none", **VISIT}, 200),
        ({"Sec_Fetch_Site": "cross-site", **VISIT}, 200),
        ({"Sec_Fetch_Site": "cross-site", **FRAME}, 403),
        ({"Sec_Fetch_Site": "same-site", **FRAME}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"}, 403),
    ],
)
def test_requests_of_other_pages_are_refused(server: Running, headers: dict[str, str], status: int) -> None:
    answer = ask(server.port, **{name: value.format(port=server.port) for name, value in headers.items()})
    assert answer.status == status
    assert (b"<html" in answer.body) is (status == 200)
    if status == 403:
        assert answer.body.endswith(b".") and b"\n" not in answer.body


def test_a_request_without_a_host_is_refused(server: Running) -> None:
    assert ask(server.port, Host=None).status in (400, 403)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        (OWN, "http://127.0.0.1:{port}", 101),
        ("localhost:{port}", "http://localhost:{port}", 101),
        ("evil.example:{port}", "http://evil.example:{port}", 403),
        (OWN, "http://evil.example:{port}", 403),
        (OWN, "http://localhost:1234", 403),
        (OWN, "http://0.0.0.0:{port}", 403),
        (OWN, "http://127.0.0.1", 403),
        (OWN, "null", 403),
        (OWN, None, 403),
    ],
)
def test_the_websocket_is_for_own_pages(server: Running, host: str, origin: str | None, status: int) -> None:
    own = {"Host": host.format(port=server.port), "Origin": origin and origin.format(port=server.port)}
    assert open_socket(server.port, **own) == status


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("HEAD", "/", {}),
        ("GET", "/runs", {}),
        ("GET", "/_stcore/health", {}),
        ("OPTIONS", "/_stcore/health", {}),
        ("GET", "/_stcore/host-config", {}),
        ("GET", "/_stcore/metrics", {}),
        ("GET", "/_stcore/bidi-components/none/x.js", {}),
        ("GET", "/_stcore/agent/openapi.json", {}),
        ("PUT", "/_stcore/upload_file/none/none", {"Origin": "http://127.0.0.1:{port}"}),
        ("GET", "/media/none.png", {}),
        ("GET", "/component/none/index.html", {}),
        ("GET", "/static/none.js", {}),
        ("GET", "//none", {}),
        ("GET", "/media/..%2f..%2fetc%2fpasswd", {}),
        ("TRACE", "/", {}),
        ("GET", "/", {"Host": "evil.example"}),
    ],
)
def test_every_answer_forbids_frames_and_guessing(
    server: Running, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = ask(server.port, path, method, **{name: text.format(port=server.port) for name, text in headers.items()})
    expected = {
        "x-frame-options": "DENY",
        "permissions-policy": HEADERS["Permissions-Policy"],
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert not any("unsafe" in each for each in policy if not each.startswith("style-src"))


def test_no_page_may_send_the_dashboard_messages(server: Running) -> None:
    assert json.loads(ask(server.port, "/_stcore/host-config").body)["allowedOrigins"] == []


# --- how much is taken


def test_uploads_are_limited_in_all_and_freed_when_their_visitor_leaves(server: Running) -> None:
    with session(server.port) as second, session(server.port) as third:
        with session(server.port) as first:
            assert first.upload(3 * MEGABYTE, "a") == 204
            assert first.upload(4 * MEGABYTE) == 413, "of one visitor: 6 MB"
            assert first.upload([MEGABYTE] * 4) == 413, "in chunks, without a length"
            assert first.upload([MEGABYTE] * 2) == 204
            assert first.drop("a") == 204 and first.upload(3 * MEGABYTE) == 204, "what is removed makes room"
            assert second.upload(5 * MEGABYTE) == 204
            assert third.upload(3 * MEGABYTE) == 413, "of all: 12 MB"
            assert [third.upload(b"") for _ in range(20)].count(204) < 20, "nor any number of small ones"
            text = server.log.read_text()
        wait_for(lambda: third.upload(3 * MEGABYTE) == 204, 30, "room after the first visitor had left")
    assert text.count("Refused an upload") == 1 and "One visitor may upload 6" in text


def test_uploads_need_the_page_that_they_are_from(server: Running) -> None:
    with session(server.port) as own:
        path = f"/_stcore/upload_file/{own.id}/x"
        token = {"Cookie": f"_streamlit_xsrf={own.token}", "X_Xsrftoken": own.token}
        assert ask(server.port, path, "PUT", b"x", **token).status == 403, "no origin"
        assert ask(server.port, path, "PUT", b"x", Origin="http://evil.example", **token).status == 403
        assert ask(server.port, path, "DELETE", Origin="http://127.0.0.1:1", **token).status == 403
        origin = f"http://127.0.0.1:{server.port}"
        for wrong in ({}, {"X_Xsrftoken": own.token}, {**token, "X_Xsrftoken": "2|0|0|0"}):
            assert ask(server.port, path, "PUT", b"x", Origin=origin, **wrong).status == 403, "no token of the page"
        assert own.upload(b"x") == 204
    assert "An upload came without the token of its page." in server.log.read_text()


def test_what_is_for_whoever_runs_the_server_is_not_there_for_others(server: Running, team: Running) -> None:
    for path in ("/_stcore/metrics", "/_stcore/agent/openapi.json"):
        assert ask(server.port, path).status != 404
        assert ask(server.port, path, X_Forwarded_For="8.8.8.8").status == 404
        assert ask(team.port, path, Host="fer.test").status == 404
    assert ask(team.port, "/_stcore/host-config", Host="fer.test").status == 200  # its pages need it


def test_no_link_of_others_logs_somebody_out(server: Running) -> None:
    assert ask(server.port, "/auth/logout", Sec_Fetch_Site="cross-site", **VISIT).status == 403
    assert ask(server.port, "/auth/logout", Sec_Fetch_Site="same-origin", **VISIT).status == 302


def test_without_descriptors_the_log_says_so_once(team: Running) -> None:
    with ExitStack() as many:
        for _ in range(FEW_FILES + 20):
            many.enter_context(closing(socket.create_connection(("127.0.0.1", team.port), timeout=10)))
        wait_for(lambda: "Too many open files" in team.log.read_text(), 20, "the sentence")
        seen, end = team.log.stat().st_size, time.monotonic() + 2.5  # the system is asked again each second
        while time.monotonic() < end:
            assert team.log.stat().st_size == seen
            time.sleep(0.1)
    assert team.log.read_text().count("Too many open files") == 1
    assert "Traceback" not in team.log.read_text()
    assert ask(team.port, "/_stcore/health", Host="fer.test").status == 200


# --- opened for others


def test_a_server_for_others_answers_to_the_names_it_was_given(team: Running) -> None:
    assert ask(team.port, Host="fer.test").status == 200
    assert ask(team.port, Host=f"127.0.0.1:{team.port}").status == 403
    assert open_socket(team.port, Host="fer.test", Origin="https://fer.test") == 101, "behind a proxy that does TLS"
    assert open_socket(team.port, Host="fer.test", Origin="http://wiki.test") == 101, "allowed by a setting"
    assert open_socket(team.port, Host="fer.test", Origin="http://evil.example") == 403
    log = team.log.read_text()
    assert f"FER Dashboard is at http://fer.test:{team.port}. It listens on 0.0.0.0 and answers to fer.test" in log


def test_nobody_outside_is_asked_for_the_address(team: Running, outside: socket.socket) -> None:
    for origin in ("http://wiki.test", "http://evil.example", "http://8.8.8.8"):
        open_socket(team.port, Host="fer.test", Origin=origin)
    assert [line for line in what_was_asked(outside) if b"://" in line or line.startswith(b"CONNECT")] == []


def what_was_asked(proxy: socket.socket) -> list[bytes]:
    """The first line of each request to a proxy that answers none. One that is meant for a proxy names a host; somebody
    else on this machine who looks for a server that had this port before names none."""
    asked = []
    with suppress(BlockingIOError):
        while True:
            connection, _ = proxy.accept()
            with connection, suppress(TimeoutError):
                connection.settimeout(10)
                asked.append(connection.recv(1000).partition(b"\r\n")[0])
    return asked
