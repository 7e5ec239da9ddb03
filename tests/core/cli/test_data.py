"""`python -m core data download` and `credentials`."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT_ROOT
from tests.core.data.kaggle.conftest import machine, server, small_zip
from tests.kaggle_stand_in import TOKEN, StandIn

__all__ = ["machine", "server", "small_zip"]


def fer(*arguments: object, **options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "core", "data", *map(str, arguments)]
    return subprocess.run(
        command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120, check=False, **options
    )


def test_the_command_downloads_keeps_the_token_and_never_shows_it(data_root: Path, server: StandIn) -> None:
    where = ["--data-root", data_root]
    without = fer("download", *where)
    assert without.returncode == 2 and without.stderr.splitlines()[-1].startswith("There is no Kaggle token")
    done = fer("download", *where, "--token-file", "-", "--accept-differences", "--json", input=TOKEN)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "fer2013"
    assert "https://www.kaggle.com/datasets/msambare/fer2013" in done.stderr
    shown = fer("credentials")
    assert shown.stdout == "A download would use the token kept here.\n"
    removed = fer("credentials", "--remove")
    assert removed.stdout == "There is no Kaggle token on this machine.\n"
    for result in (without, done, shown, removed):
        assert TOKEN not in result.stdout + result.stderr
