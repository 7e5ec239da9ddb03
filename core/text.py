"""Text that people enter or folders bring, made safe to show: on a page, in a terminal, in a file."""

from typing import Final
from unicodedata import category

_DIRECTION: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """Text without line breaks, and without characters that control a terminal or the direction of writing."""
    return " ".join(_visible(text, keep="\t\n\r").split())


def lines(text: str) -> str:
    """The same, with its line breaks and tabs."""
    return _visible(text, keep="\t\n")


def _visible(text: str, keep: str) -> str:
    """Unicode's category Cc are control characters, Cs halves of characters, which no file can hold; of Cf, those that
    reverse the direction are left out, too."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char for char in text if char in keep or (category(char) not in _LEFT_OUT and char not in _DIRECTION)
    )


_LEFT_OUT: Final = ("Cc", "Cs")


def writable(text: str) -> str:
    """The same in characters that a file can hold: names of files, and JSON, may have halves of them."""
    return text.encode("utf-8", "backslashreplace").decode()
