"""The web server as people start it, on a port of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.files import PROJECT_ROOT


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(runs_root: Path, data_root: Path, **options: Any) -> tuple[int, "subprocess.Popen[bytes]"]:
    """`streamlit run dashboard/Home.py` for these folders: its port and its process.

    Args:
        runs_root: its runs.
        data_root: its datasets.
        options: of `subprocess.Popen`.
    """
    port = free_port()
    command = ["-m", "streamlit", "run", "dashboard/Home.py", "--server.port", str(port), "--server.headless", "true"]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=PROJECT_ROOT,
        env={**os.environ, "FER_RUNS_ROOT": str(runs_root), "FER_DATA_ROOT": str(data_root)},
        **options,
    )
    return port, process
