"""A process of another machine, for all that the code can tell: its name, its boot and a folder that others share are
pretended. `FER_TEST_HOST` is its name; what it starts is on that machine, too.

`python -m tests.faults.hosts MODULE ARGUMENTS` runs a module there.
"""

import os
import runpy
import socket
import sys

from core import machine


def pretend() -> None:
    """From now on this process is on that machine; to be called before anything else of `core` is imported."""
    name = os.environ["FER_TEST_HOST"]
    socket.gethostname = lambda: name
    machine.boot_id = lambda: f"boot of {name}"  # type: ignore[assignment]
    machine.is_local = lambda folder: False


if __name__ == "__main__":
    pretend()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
