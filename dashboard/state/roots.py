"""Where this server keeps its runs and its datasets."""

from pathlib import Path

from core.machine import default_data_root, default_runs_root

# --- where things are, and what happens when something is wrong


def runs_root() -> Path:
    """Where this server keeps its runs."""
    return default_runs_root()


def data_root() -> Path:
    """Where this server keeps its datasets."""
    return default_data_root()
