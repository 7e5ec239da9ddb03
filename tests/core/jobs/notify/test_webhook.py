"""Posting to real servers that take, refuse, redirect and hang."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from core.errors import ConfigError
from core.jobs.notify import attempt, webhook
from core.jobs.notify.attempt import SendError
from core.jobs.notify.webhook import is_this_machine, post
from tests.listeners import HANG, Webhook, dead_port, tls_of, webhook_server


def test_a_webhook_gets_the_text_as_json() -> None:
    with webhook_server() as hook:
        post(hook.url, "Ada’s run: finished", local=True)
    assert hook.bodies == [{"text": "Ada’s run: finished"}]
    assert hook.headers[0]["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(("status", "again"), [(500, True), (503, True), (429, True), (404, False), (410, False)])
def test_a_refusal_says_whether_it_may_pass(status: int, again: bool) -> None:
    with (
        webhook_server(status) as hook,
        pytest.raises(SendError, match=f"127.0.0.1 answered with status {status}") as e,
    ):
        post(hook.url, "x", local=True)
    assert e.value.again is again
    assert "secret" not in str(e.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with webhook_server(status) as hook, webhook_server() as other:
        hook.location = other.url
        with pytest.raises(SendError, match="redirects are not followed") as caught:
            post(hook.url, "x", local=True)
    assert not caught.value.again and other.bodies == []


def test_a_server_that_hangs_or_is_not_there_may_take_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "SILENT_SECONDS", 0.3)
    with webhook_server(HANG) as hook, pytest.raises(SendError, match="no answer within") as caught:
        post(hook.url, "x", local=True)
    assert caught.value.again
    with pytest.raises(SendError, match="Connection refused") as caught:
        post(f"http://127.0.0.1:{dead_port()}/x", "x", local=True)
    assert caught.value.again


def test_an_answer_that_trickles_in_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes well within the timeout of the socket."""
    monkeypatch.setattr(attempt, "ATTEMPT_SECONDS", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    gone = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        try:
            while True:
                connection.sendall(b"H")
                time.sleep(0.05)
        except OSError:
            gone.set()

    threading.Thread(target=trickle, daemon=True).start()
    with listener, pytest.raises(SendError, match="took longer than") as caught:
        post(f"http://127.0.0.1:{listener.getsockname()[1]}/x", "x", local=True)
    assert caught.value.again
    assert gone.wait(10), "the connection was closed"


def test_the_certificate_of_a_server_has_to_be_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook_server(tls=tls_of(tmp_path)) as hook:
        with pytest.raises(SendError, match="its certificate is not valid"):
            post(hook.url, "x", local=True)
        assert hook.bodies == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        post(hook.url, "x", local=True)
    assert hook.texts == ["x"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_the_webhook_of_a_person_does_not_reach_this_machine(name: str) -> None:
    """Whatever the name means at that moment: it is the connection that is looked at."""
    with webhook_server() as hook:
        with pytest.raises(SendError, match="is this server itself") as caught:
            post(hook.url.replace("127.0.0.1", name), "x", local=False)
        assert not caught.value.again and hook.bodies == []


@pytest.fixture
def one_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has two addresses that the network can reach."""
    addresses = [SimpleNamespace(address=each) for each in ("203.0.113.9", "2001:db8::9", "fe80::1%eth0")]
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": addresses})


@pytest.mark.usefixtures("one_interface")
@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.8.8.8", True),
        ("::1", True),
        ("169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("0.0.0.0", True),
        ("203.0.113.9", True),
        ("::ffff:203.0.113.9", True),
        ("2001:db8:0::9", True),
        ("192.168.1.7", False),
        ("203.0.113.10", False),
        ("2001:db8::1", False),
    ],
)
def test_which_addresses_are_this_machines(address: str, own: bool) -> None:
    assert is_this_machine(address) is own


@pytest.mark.parametrize("known", [True, False], ids=["of an interface", "routed here"])
def test_no_address_of_this_machine_is_reached_by_the_webhook_of_a_person(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback stands for any other address that the machine has."""
    monkeypatch.setattr(webhook, "is_this_machine", lambda address: known and address == "127.0.0.1")
    with webhook_server() as hook:
        with pytest.raises(SendError, match="is this server itself"):
            post(hook.url, "x", local=False)
        assert hook.bodies == []


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[Webhook], None]:
    """Makes a server of this machine the proxy; every host is at an address elsewhere."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)

    def choose(proxy: Webhook) -> None:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setattr(webhook, "addresses_behind", lambda host: {"198.51.100.7"})

    return choose


def test_a_proxy_on_this_machine_takes_what_goes_elsewhere(
    through: Callable[[Webhook], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = tls_of(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with webhook_server(tunnel=tls) as proxy:
        through(proxy)
        post("http://chat.example.org/hook", "plain", local=False)
        post("https://localhost/hook", "encrypted", local=False)  # the name that the certificate has
    assert proxy.texts == ["plain", "encrypted"]
    assert proxy.paths == ["http://chat.example.org/hook", "localhost:443", "/hook"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1:9", "[::1]:9", "203.0.113.9"])
@pytest.mark.usefixtures("one_interface")
def test_no_proxy_is_asked_for_this_machine(
    scheme: str, host: str, through: Callable[[Webhook], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses_behind = webhook.addresses_behind
    with webhook_server() as proxy:
        through(proxy)
        monkeypatch.setattr(webhook, "addresses_behind", addresses_behind)
        with pytest.raises(SendError, match="is this server itself") as caught:
            post(f"{scheme}://{host}/hook", "x", local=False)
        assert not caught.value.again and proxy.paths == []


def test_nothing_but_http_is_spoken() -> None:
    for url in ("file:///etc/passwd", "ftp://example.org/x", "gopher://x", "http://"):
        with pytest.raises(ConfigError, match="begins with https"):
            post(url, "x", local=True)
