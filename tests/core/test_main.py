"""What all commands have in common: exit codes, readers that leave, and systems that are not what we expect."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import __main__
from core.config import TrainConfig
from core.runs.create import create_run
from core.runs.reader import read_run
from tests.conftest import PROJECT_ROOT
from tests.core.cli.conftest import fer


def test_wrong_usage_ends_with_code_2() -> None:
    assert "No such command" in fer("fly", code=2).stderr
    assert "Missing argument" in fer("runs", "show", code=2).stderr


def test_a_reader_that_has_seen_enough_is_no_error(runs_root: Path) -> None:
    for _ in range(3):
        create_run(runs_root, TrainConfig())
    command = f"{sys.executable} -m core runs list --json --runs-root {runs_root} | head -1"
    result = subprocess.run(command, shell=True, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[\n", "")


ON_WINDOWS = (
    "import runpy, sys\n"
    "sys.modules['fcntl'] = None\n"  # its import fails, as there
    "sys.argv = [sys.argv[1], '--help']\n"
    "runpy.run_module(sys.argv[0], run_name='__main__')\n"
)


@pytest.mark.parametrize(
    "module", ["core", "core.worker", "core.jobs.runner", "core.data.kaggle.process", "core.models.device"]
)
def test_windows_is_told_where_it_can_run(module: str) -> None:
    command = [sys.executable, "-c", ON_WINDOWS, module]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stdout == ""
    [line] = result.stderr.splitlines()
    assert "Linux and macOS" in line and "WSL" in line


def test_a_page_on_windows_says_the_same() -> None:
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('dashboard/Home.py', default_timeout=60).run()\n"
        "print(len(app.exception), *[each.value for each in app.error])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert result.stdout.startswith("0 FER Dashboard runs on Linux and macOS."), result.stdout + result.stderr


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252", "utf-16"])
def test_output_in_another_encoding_is_no_error(runs_root: Path, encoding: str) -> None:
    create_run(runs_root, TrainConfig(), name="größer ☺ 表情")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for words in (["list", "--csv"], ["show", "nope"]):  # the second is refused, in typographic quotes
        command = [sys.executable, "-m", "core", "runs", *words, "--runs-root", str(runs_root)]
        result = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, check=False)
        assert "Traceback" not in (result.stdout + result.stderr).decode(encoding)
        assert result.returncode == (0 if words[0] == "list" else 2)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "set TMPDIR to another folder."),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x.csv"), "Can't open x.csv: Permission denied."),
        (OSError(errno.EIO, "Input/output error"), "The system refused: Input/output error."),
    ],
)
def test_what_the_system_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, part: str
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr(__main__, "app", refuse)
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    assert caught.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(part)


@pytest.mark.parametrize(
    ("name", "locale", "kept"),
    [
        (b"gr\xc3\xb6\xc3\x9fer", {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}, "größer"),
        (b"gr\xf6\xdfer", {"PYTHONUTF8": "1"}, "gr\ufffd\ufffder"),
    ],
)
def test_a_name_that_is_no_text_here_leaves_a_run_that_can_be_read(
    runs_root: Path, name: bytes, locale: dict[str, str], kept: str
) -> None:
    create_run(runs_root, TrainConfig(), run_id="run")
    command = [sys.executable, "-m", "core", "runs", "annotate", "run", "--name", name, "--runs-root", str(runs_root)]
    environment = os.environ | locale
    result = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert read_run(runs_root, "run").meta.name == kept


def test_a_file_whose_name_is_no_text_is_found_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    assert __main__._as_text(name).endswith("/\ufffd.png")
    Path(name).touch()
    assert __main__._as_text(name) == name
