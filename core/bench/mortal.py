"""A worker that kills itself at a named moment, between two lines of the real one: `core.worker` under an audit hook.

A signal from outside meets a moment of a few microseconds by luck only. Python tells a hook of each file that it is
about to open or rename (PEP 578), and all that a worker leaves behind gets its name by a rename.

The runner starts it like any worker (`--worker core.bench.mortal`); `FER_DIES_AT` names the moment, and the file
`FER_DIED_AT` gets the time of the machine's monotonic clock at which it died.
"""

import json
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

EPOCHS_OF_THE_KILLED: Final = 3

MOMENTS: Final[dict[str, tuple[str, int]]] = {
    "spawned": ("begun", 1),
    "starting": ("says starting", 1),
    "loading the data": ("says loading data", 1),
    "first steps": ("says training", 1),
    "validating": ("says validating", 1),
    "epoch row written": ("opening checkpoint.pt", 1),
    "inside a checkpoint": ("replacing checkpoint.pt", 2),
    "weights written": ("replaced fer2013_model_2.pth", 1),
    "predictions written": ("replaced predictions-validation.parquet", 1),
    "inside a summary": ("replacing summary.json", 2),
    "summary written": ("replaced summary.json", 1),
    "inside a status": ("replacing status.json", 5),
    "final scoring": ("reading fer2013_model_2.pth", 1),
    "test predictions written": ("replaced predictions-test.parquet", 1),
    "evaluation in the summary": ("replaced summary.json", EPOCHS_OF_THE_KILLED + 1),
}
"""Name to what happens then, for which time. `replacing`: the new file is whole, the old one still has its name."""

_TEMPORARY: Final = ".tmp-"


class _Thread(threading.local):
    """What the hook knows of the thread that it is called in: a worker writes in two."""

    def __init__(self) -> None:
        self.after: list[str] = []
        """What has happened as soon as the call that is being audited has returned."""
        self.looking = False


class Fate:
    """An audit hook that ends the process when something has happened for the n-th time."""

    def __init__(self, event: str, count: int, died_at: Path) -> None:
        self.event, self.count, self.died_at = event, count, died_at
        self._here = _Thread()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        here = self._here
        if here.looking or not (event == "open" or event.startswith("os.")):
            return
        here.looking = True
        happened, here.after = here.after, []
        if event == "os.rename":
            name = os.path.basename(os.fsdecode(arguments[1]))
            happened.append(f"replacing {name}")
            here.after.append(f"replaced {name}")
            if name == "status.json":
                here.after.append(f"says {json.loads(Path(arguments[0]).read_bytes())['activity']}")
        elif event == "open" and isinstance(arguments[0], str):
            name = os.path.basename(arguments[0])
            is_new = name.startswith(_TEMPORARY)
            happened.append(f"opening {name[len(_TEMPORARY) :].rpartition('-')[0]}" if is_new else f"reading {name}")
        for each in happened:
            self.note(each)
        here.looking = False

    def note(self, happened: str) -> None:
        """Count what has happened, and die if that was the moment."""
        if happened == self.event:
            self.count -= 1
            if not self.count:
                self.died_at.write_text(str(time.monotonic()))
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    fate = Fate(*MOMENTS[os.environ["FER_DIES_AT"]], Path(os.environ["FER_DIED_AT"]))
    fate.note("begun")
    sys.addaudithook(fate)
    runpy.run_module("core.worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
