"""Another user of this machine, whose umask lets nobody else write: `python -m tests.faults.colleague` calls the
functions that it is given, with their arguments, as pickles on standard input, and answers in the same way."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

from core.files import PROJECT_ROOT
from core.jobs import control

TEAM: Final = 4010
"""The group whose members they are."""


class Colleague:
    """A member of the team, in a process of its own. May read everything, since the Python of this machine may be in a
    home folder, but writes only what a user of that number may."""

    def __init__(self, user: int) -> None:
        self.user = user
        command = self.command(sys.executable, "-m", "tests.faults.colleague")
        self._process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def command(self, *words: str) -> list[str]:
        """What runs another command as this user."""
        who = ["--reuid", str(self.user), "--regid", str(self.user), "--groups", str(TEAM)]
        rights = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
        return ["setpriv", *who, *rights, *words]

    def __call__(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """The result of a function, or what it raised."""
        assert self._process.stdin and self._process.stdout
        pickle.dump((act, arguments, named), self._process.stdin)
        self._process.stdin.flush()
        succeeded, value = pickle.load(self._process.stdout)
        if not succeeded:
            raise value
        return value

    def leave(self) -> None:
        """End the process."""
        self._process.communicate(timeout=30)


def why_not() -> str:
    """Why there can be no other user here; empty if there can."""
    if sys.platform != "linux" or os.geteuid() or not shutil.which("setpriv"):
        return "only root on Linux can be two users, with setpriv"
    return ""


def main() -> None:
    os.umask(0o022)
    control.ensure_runner = lambda *_: None  # the test is the runner
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed is no answer
    while True:
        try:
            act, arguments, named = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: tuple[bool, Any] = True, act(*arguments, **named)
        except Exception as error:
            answer = False, error
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
