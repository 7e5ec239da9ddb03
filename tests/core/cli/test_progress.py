"""The progress of a command: a bar at a terminal only, and never in the way of what is printed."""

import json
import os
import pty
import subprocess
import sys

import pytest

from core.cli.progress import clock
from tests.conftest import PROJECT_ROOT

SCRIPT = """
import json, sys
from core.cli.progress import ProgressBar

with ProgressBar(beside_results="beside" in sys.argv) as bar:
    bar.update("starting")
    print(json.dumps({"text": "x" * 300}), flush=True)
    bar.update("12 of 96 images", 0.125, seconds_left=3725)
    bar.say("a line " + "y" * 200 + " [bold]of the user[/bold] :smile:")
    print(json.dumps({"shown": bar.is_shown}), flush=True)
"""
LINE = "a line " + "y" * 200 + " [bold]of the user[/bold] :smile:"


def run(*arguments: str, terminals: tuple[str, ...]) -> dict[str, str]:
    """Run the script; what it wrote to each stream, of which some are terminals (one for each)."""
    own, theirs = {}, {}
    for stream in ("stdout", "stderr"):
        own[stream], theirs[stream] = pty.openpty() if stream in terminals else os.pipe()
    environment = {"PYTHONPATH": str(PROJECT_ROOT), "PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], env=environment, timeout=60, check=True, **theirs)  # type: ignore[call-overload]
    assert done.returncode == 0
    written = {}
    for stream, handle in own.items():
        os.close(theirs[stream])
        parts = []
        try:
            while part := os.read(handle, 65536):
                parts.append(part)
        except OSError:  # how the end of a terminal is told on Linux
            pass
        os.close(handle)
        written[stream] = b"".join(parts).decode().replace("\r\n", "\n")
    return written


def results(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_at_a_terminal_the_bar_is_on_standard_error_and_results_stay_whole() -> None:
    written = run(terminals=("stderr",))
    assert results(written["stdout"]) == [{"text": "x" * 300}, {"shown": True}]
    assert "12 of 96 images" in written["stderr"] and "1:02:05 left" in written["stderr"]
    assert LINE in written["stderr"]


def test_elsewhere_there_are_only_the_lines_it_is_told_to_print() -> None:
    written = run(terminals=())
    assert results(written["stdout"]) == [{"text": "x" * 300}, {"shown": False}]
    assert written["stderr"] == f"{LINE}\n"


def test_results_at_a_terminal_are_not_mixed_with_a_bar() -> None:
    written = run("beside", terminals=("stdout", "stderr"))
    assert results(written["stdout"]) == [{"text": "x" * 300}, {"shown": False}]
    assert written["stderr"] == f"{LINE}\n"
    assert results(run(terminals=("stdout", "stderr"))["stdout"])[1] == {"shown": True}


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (125, "2:05"), (3599.6, "1:00:00"), (90_061, "25:01:01")])
def test_time_as_a_clock_shows_it(seconds: float, text: str) -> None:
    assert clock(seconds) == text
