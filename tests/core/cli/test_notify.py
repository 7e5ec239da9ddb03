"""`python -m core notify` lists destinations and tests them, and prints no secret."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import ConfigError
from tests.listeners import webhook_server


def test_destinations_are_listed_and_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "notifications.toml"
    monkeypatch.setenv("FER_NOTIFICATIONS", str(settings))
    run = CliRunner().invoke
    said = f"Nobody is notified about all runs: {settings} is missing."
    assert run(app, ["notify"]).stdout == f"{said}\n"
    missing = run(app, ["notify", "--test"]).exception
    assert isinstance(missing, ConfigError) and str(missing) == said
    settings.write_text("")
    assert "names no webhook and no e-mail recipient" in run(app, ["notify"]).stdout
    with webhook_server(200, 403) as hook:
        settings.write_text(f'webhook = "{hook.url}"\nevents = ["failed", "stalled"]')
        assert run(app, ["notify"]).stdout == "server webhook (127.0.0.1): failed, stalled\n"
        assert hook.bodies == []
        tested = run(app, ["notify", "--test"])
        assert (tested.exit_code, tested.stdout) == (0, "server webhook (127.0.0.1): sent\n")
        assert hook.texts == ["Test: notifications of FER Dashboard arrive here."]
        refused = run(app, ["notify", "--test"])
    assert refused.exit_code == 1
    assert refused.stdout == "server webhook (127.0.0.1): 127.0.0.1 answered with status 403.\n"
