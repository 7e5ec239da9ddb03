"""Who can reach a server, by its settings."""

import pytest
from streamlit import config

from dashboard.state.exposure import is_loopback, is_on_loopback_only


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_names_of_this_machine(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["0.0.0.0", "::", "192.168.1.7", "fer.lan", "localhost.evil.example", "*", ""])
def test_names_of_other_machines(name: str) -> None:
    assert not is_loopback(name)


def test_as_it_is_shipped_only_this_machine_reaches_the_server() -> None:
    assert is_on_loopback_only()


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("0.0.0.0", ["localhost"]),
        (None, ["localhost"]),
        ("127.0.0.1", ["localhost", "fer.lan"]),  # a proxy brings others
        ("127.0.0.1", []),
        ("127.0.0.1", ["*"]),
    ],
)
def test_other_machines_may_reach_it(monkeypatch: pytest.MonkeyPatch, address: str | None, names: list[str]) -> None:
    monkeypatch.setattr(config, "get_option", {"server.address": address, "server.allowedHosts": names}.__getitem__)
    assert not is_on_loopback_only()
