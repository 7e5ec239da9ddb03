"""Numbers as people type them, with either decimal sign, and differences as they read them."""

import re
from typing import Final

_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""What one reader takes for thousands and another for a number with three decimals."""


def read_decimal(text: str) -> float:
    """A real number, with a decimal point or a decimal comma.

    Raises:
        ValueError: it is none, or `1,000`, which may be a thousand or one; the message says how to write it.
    """
    text = text.strip()
    if _GROUPED.fullmatch(text):
        whole, _, rest = text.partition(",")
        raise ValueError(f"be written as {whole}{rest} or {whole}.{rest.rstrip('0') or '0'}")
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        return float(text.replace("_", "x"))  # Python would let underscores through
    except ValueError:
        raise ValueError("be a number") from None


def read_integer(text: str) -> int:
    """A whole number.

    Raises:
        ValueError: it is none, or has a decimal sign or separators.
    """
    if not re.fullmatch(r"[+-]?\d{1,20}", text.strip(), re.ASCII):
        raise ValueError("be a whole number, in digits only")
    return int(text)


def typed_number(value: float) -> str:
    """A number as it is written into a text field: `0.001`, `50`; reading it gives the same number."""
    return repr(value).removesuffix(".0")


MINUS: Final = "\u2212"


def signed(value: float, digits: int = 0) -> str:
    """A difference with its sign: `+1.5`, or `−0.8` with a true minus. What rounds to zero has none.

    Args:
        value: the difference, in the unit in which it is shown.
        digits: behind the point.
    """
    rounded = round(value, digits)
    return f"{rounded:+,.{digits}f}".replace("-", MINUS) if rounded else f"{0:.{digits}f}"
