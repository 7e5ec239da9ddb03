"""`data download`, `credentials`, `demo`, `status` and `import`."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from core.__main__ import app
from core.data.importers import demo
from tests.conftest import PROJECT_ROOT
from tests.core.cli.conftest import error_of, fer
from tests.core.data.kaggle.conftest import machine, server, small_zip
from tests.kaggle_stand_in import TOKEN, StandIn

__all__ = ["machine", "server", "small_zip"]


def fer_data(*arguments: object, **options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "core", "data", *map(str, arguments)]
    return subprocess.run(
        command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120, check=False, **options
    )


def test_the_command_downloads_keeps_the_token_and_never_shows_it(data_root: Path, server: StandIn) -> None:
    where = ["--data-root", data_root]
    without = fer_data("download", *where)
    assert without.returncode == 2 and without.stderr.splitlines()[-1].startswith("No Kaggle token")
    done = fer_data("download", *where, "--token-file", "-", "--accept-differences", "--json", input=TOKEN)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "fer2013"
    assert "https://www.kaggle.com/datasets/msambare/fer2013" in done.stderr
    shown = fer_data("credentials")
    assert shown.stdout == "A download would use the saved token.\n"
    removed = fer_data("credentials", "--remove")
    assert removed.stdout == "No Kaggle token on this machine.\n"
    for result in (without, done, shown, removed):
        assert TOKEN not in result.stdout + result.stderr


def test_data_demo_and_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No dataset yet" in fer("data", "status", "--data-root", tmp_path).stdout
    small = partial(demo.import_demo, train_per_class=4, validation_per_class=1, test_per_class=1)
    monkeypatch.setattr(demo, "import_demo", small)  # in this process: drawing them all takes seconds
    app(["data", "demo", "--data-root", str(tmp_path), "--json"], standalone_mode=False)
    made = json.loads(capsys.readouterr().out)
    assert made["kind"] == "drawn"
    assert json.loads(fer("data", "status", "--data-root", tmp_path, "--json").stdout) == [made]
    assert made["fingerprint"][:12] in fer("data", "status", "--data-root", tmp_path).stdout


def test_missing_data_is_refused_in_one_line(tmp_path: Path) -> None:
    line = error_of("data", "import", tmp_path / "nothing.zip", "--data-root", tmp_path / "data")
    assert "nothing.zip" in line
