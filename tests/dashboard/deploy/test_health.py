"""The health check asks where the server listens, under a name that it answers to."""

import pytest

from dashboard.deploy.health import health_request, main
from tests.kit import KIT, env_file
from tests.listeners import dead_port


@pytest.mark.parametrize(
    ("settings", "url", "host"),
    [
        ({}, "http://127.0.0.1:8501/_stcore/health", "localhost"),
        (
            {"STREAMLIT_SERVER_ALLOWED_HOSTS": "fer.example.org 192.168.1.7", "STREAMLIT_SERVER_PORT": "80"},
            "http://127.0.0.1:80/_stcore/health",
            "fer.example.org",
        ),
        (
            {"STREAMLIT_SERVER_ALLOWED_HOSTS": "*.example.org", "STREAMLIT_SERVER_BASE_URL_PATH": "/fer/"},
            "http://127.0.0.1:8501/fer/_stcore/health",
            "health.example.org",
        ),
        (env_file((KIT / "fer.env").read_text()), "http://127.0.0.1:8501/_stcore/health", "fer.example.org"),
    ],
    ids=["nothing set", "port", "base path", "fer.env"],
)
def test_the_request_follows_the_settings(settings: dict[str, str], url: str, host: str) -> None:
    request = health_request(settings)
    assert (request.full_url, request.get_header("Host")) == (url, host)


def test_a_server_that_is_not_there_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", str(dead_port()))
    with pytest.raises(SystemExit) as caught:
        main()
    assert "does not answer" in str(caught.value.code)
