"""Threads that run beside a training, from its beginning to its end."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class BesideTraining(ABC):
    """A context with a thread in it: begun at its start, told to end and waited for at its end.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """What the thread does until `_done` is set."""
