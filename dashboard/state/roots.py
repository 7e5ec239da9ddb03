"""Where this server keeps its runs and its datasets."""

import logging
from pathlib import Path

from core.machine import default_data_root, default_runs_root

log = logging.getLogger(__name__)


def runs_root() -> Path:
    """Where this server keeps its runs."""
    return default_runs_root()


def data_root() -> Path:
    """Where this server keeps its datasets."""
    return default_data_root()


def for_visitors(text: str) -> str:
    """A message without the place of the folders on the server, which is nobody's business; the log gets the whole."""
    said = text
    for root in (runs_root(), data_root()):
        said = said.replace(str(root), root.name)
    if said != text:
        log.warning(text)
    return said
