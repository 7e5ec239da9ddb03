"""What is said when Kaggle refuses: one sentence, and the next try works."""

from pathlib import Path

import pytest

from core.data.kaggle import credentials, messages
from core.data.kaggle.credentials import parse_credentials
from core.data.kaggle.download import DownloadPaths
from core.data.kaggle.process import download_and_import
from tests.core.data.kaggle.conftest import LEGACY, failed, looked, works
from tests.inspecting_proxy import certificate, inspect
from tests.kaggle_stand_in import TOKEN, StandIn


def test_a_token_that_kaggle_refuses_is_not_kept(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials("KGAT_wrong-0123456789"))
    assert failed(data_root, "rejected this token", "not saved", "kaggle.com/settings/api").rejected
    assert credentials.find_credentials() is None
    credentials.keep(parse_credentials(TOKEN))
    works(data_root)


def test_what_the_server_answers(data_root: Path, server: StandIn) -> None:
    for status, parts in (
        (403, ["(403)", "accept the terms on https://www.kaggle.com/datasets/msambare/fer2013, then try again"]),
        (404, ["no dataset msambare/fer2013 (404)", "from a file"]),
        (429, ["rate limit reached (429)", "in a few minutes"]),
        (500, ["having problems (500)", "in a few minutes"]),
        (401, ["rejected this token", "not saved"]),
    ):
        credentials.keep(parse_credentials(LEGACY))
        server.status = status
        failed(data_root, *parts)
    server.status = 200
    credentials.keep(parse_credentials(LEGACY))
    works(data_root)


def test_other_numbers_are_refused_unless_accepted(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    download_and_import(data_root)
    assert "21 of 21 class counts differ (first: train/angry has 2 images instead of 3,995)" in looked(data_root).error
    assert looked(data_root).kept_bytes == 0


def test_tls_inspection_is_named_and_the_way_out_works(
    data_root: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a bundle that is missing or holds no certificates: neither is the network's fault, nor the disk's."""
    pem = certificate(machine, "*.kaggle.com")
    credentials.keep(parse_credentials(TOKEN))
    with inspect(pem) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        failed(data_root, "certificate of Kaggle's server is not trusted", "Set REQUESTS_CA_BUNDLE to a PEM file with")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(machine / "nothing.pem"))
        failed(data_root, "REQUESTS_CA_BUNDLE names no file of certificates. Set it to a PEM file")
        (machine / "nothing.pem").write_text("not a certificate")
        failed(data_root, "REQUESTS_CA_BUNDLE names no file of certificates. Set it to a PEM file")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
        failed(data_root, "rate limit reached (429)")  # the proxy's answer: its certificate is accepted now
    assert credentials.find_credentials() is not None


def test_a_certificate_for_another_server_is_named(
    data_root: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(machine, "login.example")
    credentials.keep(parse_credentials(LEGACY))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    with inspect(pem) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        failed(data_root, "Another server answers instead of Kaggle", "Log in there or check the proxy")


def test_a_proxy_that_asks_for_a_login_is_named(
    data_root: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.keep(parse_credentials(LEGACY))
    with inspect(None) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        failed(data_root, "proxy requires a login (407). Set HTTPS_PROXY=")


def test_an_expired_certificate_names_the_clock(data_root: Path) -> None:
    for code in (9, 10):
        said = messages.of_client({"outcome": "certificate", "code": code}, DownloadPaths(data_root))
        assert "is not valid on 20" in said and "Correct the clock" in said
