"""Commands called `sbatch`, `squeue`, ... in a folder of their own that print what a test has told them to, and note
how they were called."""

import os
from pathlib import Path

import pytest

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "sleep")

_SCRIPT = r"""#!/bin/bash
name=${0##*/} here=${0%/*}
printf '%s\t' "$name" "$@" >> "$here/calls"; echo >> "$here/calls"
env -0 > "$here/$name.env"
[ "$name" = sbatch ] && cat > "$here/submitted"
answer=$here/$name.once
[ -d "$answer" ] && mv "$answer" "$answer.now" && answer=$answer.now || answer=$here/$name.always
cat "$answer/stderr" >&2; cat "$answer/stdout"
code=$(cat "$answer/code")
[ -d "$here/$name.once.now" ] && rm -r "$here/$name.once.now"
[ "$code" = hangs ] && exec /bin/sleep 600
exit "$code"
"""


class FakeSlurm:
    """The commands of a cluster that does what it is told.

    Args:
        folder: an empty one for the commands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COMMANDS:
            (folder / name).write_text(_SCRIPT)
            (folder / name).chmod(0o755)
            self.says(name)

    def says(
        self, command: str, stdout: str = "", *, stderr: str = "", code: int | str = 0, once: bool = False
    ) -> None:
        """What a command answers from now on, or with `once` at its next call only; with the code `hangs` it does not
        end."""
        answer = self.folder / f"{command}.{'once' if once else 'always'}"
        answer.mkdir(exist_ok=True)
        for name, text in (("stdout", stdout), ("stderr", stderr), ("code", str(code))):
            (answer / name).write_text(text)

    def calls(self, command: str) -> list[list[str]]:
        """The arguments of each call of a command so far."""
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        called = [line.rstrip("\t").split("\t") for line in lines]
        return [arguments for name, *arguments in called if name == command]

    def environment(self, command: str) -> dict[str, str]:
        """The variables that a command had at its last call."""
        entries = (self.folder / f"{command}.env").read_text(errors="replace").split("\0")
        return dict(entry.split("=", 1) for entry in entries if entry)

    @property
    def submitted(self) -> str:
        """The script that `sbatch` was last given."""
        return (self.folder / "submitted").read_text()


def use_fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """First on PATH, and configured; the settings of the site are the defaults."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "slurm.conf").touch()
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    return FakeSlurm(folder)
