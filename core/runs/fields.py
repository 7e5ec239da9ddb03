"""Types of the values in the files of a run. Strict, since pages compute with them: whatever else stands in a file
makes that one run unreadable, with a sentence, and never takes those beside it off a page."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

Count = Annotated[int, Field(ge=0, le=2**53)]
"""Above 2**53 not every JSON reader gives the same number, and a table of 64-bit integers may overflow."""
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


def _shown_anywhere(moment: datetime) -> datetime:
    """Not all of the calendar: near its ends are moments that other time zones cannot show."""
    if not 1970 <= moment.year < 2262:  # a table counts in nanoseconds
        raise ValueError("the year must be between 1970 and 2261")
    return moment.astimezone(UTC)


def _without_nul(text: str) -> str:
    """No path and no argument of a process may hold one."""
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


Moment = Annotated[AwareDatetime, AfterValidator(_shown_anywhere)]
"""A time, in UTC."""
Argument = Annotated[str, AfterValidator(_without_nul)]
"""Text that is given to a process."""
