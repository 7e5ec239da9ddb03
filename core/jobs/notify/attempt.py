"""What all ways of sending have in common: a limit of time, and how a failure is told."""

import socket
import ssl
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from core.errors import FerError, system_reason

SILENT_SECONDS: Final = 10.0
"""So long the other side may say nothing."""
ATTEMPT_SECONDS: Final = 20.0
"""So long an attempt may take, however often something comes."""


class SendError(FerError):
    """A message was not taken; the sentence holds no secret."""

    exit_code = 1

    def __init__(self, sentence: str, *, again: bool) -> None:
        super().__init__(sentence)
        self.again = again
        """Whether another attempt may succeed."""


class Deadline:
    """Ends what goes on over a socket when the time is up. A socket's own timeout begins anew with each byte."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.is_over = False

    def watch(self, opened: socket.socket) -> None:
        self._sockets.append(opened)
        if self.is_over:
            self.end()

    def end(self) -> None:
        self.is_over = True
        for each in self._sockets:
            with suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)  # of TLS, too: whoever reads from it finds its end


@contextmanager
def time_limit() -> Iterator[Deadline]:
    deadline = Deadline()
    timer = threading.Timer(ATTEMPT_SECONDS, deadline.end)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()


def why_unreachable(error: Exception) -> str:
    """What went wrong, in a few words."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {SILENT_SECONDS:.0f} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({reason.verify_message})"
    if isinstance(reason, socket.gaierror):
        return "there is no such host"
    if isinstance(reason, OSError):
        return system_reason(reason)
    return "its answer is no HTTP"
