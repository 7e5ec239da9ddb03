"""The parameters of a request, checked."""

from collections.abc import Collection, Sequence

from starlette.requests import Request

from core.errors import quote
from core.numbers import read_integer
from dashboard.api.answers import Refusal


class Query:
    """What follows the question mark.

    Args:
        request: the request.
        known: the names there are.

    Raises:
        Refusal: there is a name that is none of them; what is mistyped is not taken for left out.
    """

    def __init__(self, request: Request, known: Sequence[str] = ()) -> None:
        self._values = request.query_params
        for name in self._values:
            if name not in known:
                allowed = f"Use one of {', '.join(known)}." if known else "There are none here."
                raise Refusal(422, f"Unknown parameter {quote(name)}. {allowed}")

    def text(self, name: str, default: str = "") -> str:
        """The one value of a parameter.

        Raises:
            Refusal: there are several.
        """
        values = self._values.getlist(name)
        if len(values) > 1:
            raise Refusal(422, f"The parameter {name} is there {len(values)} times. Send it once.")
        return values[0] if values else default

    def texts(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return self._values.getlist(name)

    def choice(self, name: str, default: str, allowed: Collection[str]) -> str:
        """One of several values."""
        value = self.text(name, default)
        if value not in allowed:
            raise Refusal(422, f"{name} must be one of {', '.join(allowed)} (got {quote(value)}).")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        return self.choice(name, str(default).lower(), ("true", "false")) == "true"

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within limits."""
        text = self.text(name, str(default))
        try:
            number = read_integer(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise Refusal(422, f"{name} must be a whole number from {low:,} to {high:,} (got {quote(text)}).")
        return number

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A real number within limits."""
        text = self.text(name, str(default))
        try:
            number = float(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise Refusal(422, f"{name} must be a number from {low:g} to {high:g} (got {quote(text)}).")
        return number
