"""Answers of the API: JSON, and where something is refused a sentence in it."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

_HEADERS: Final = {"Cache-Control": "no-store"}
"""What is about runs and people stays in no cache on the way."""


class Refusal(Exception):
    """A request is not answered with what it asks for: a status, a sentence, and what else there is to say."""

    def __init__(self, status: int, sentence: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(sentence)
        self.status = status
        self._headers, self._more = headers, more

    def answer(self) -> Response:
        """`{"error": "..."}`."""
        return json_answer({"error": str(self), **self._more}, self.status, self._headers)


def busy(sentence: str, seconds: int) -> Refusal:
    """That there is no room just now, and when to try again."""
    return Refusal(429, sentence, headers={"Retry-After": str(seconds)})


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON in ASCII, whatever names hold, and without NaN, which few readers of JSON take."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False)
    return Response(text + "\n", status, {**_HEADERS, **(headers or {})}, "application/json")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
