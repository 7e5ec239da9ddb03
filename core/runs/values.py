"""Types of the values in the files of a run. Strict, since pages compute with them: whatever else stands in a file
makes that one run unreadable, with a sentence, and never takes those beside it off a page."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

from core.text import lines, one_line

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


NAME_LENGTH: Final = 120
PERSON_LENGTH: Final = 60
TAG_LENGTH: Final = 40
TEXT_LENGTH: Final = 20_000
"""Characters."""
MAX_TAGS: Final = 30


def _cut(length: int) -> AfterValidator:
    """Folders may come from anywhere: what is longer than people may enter is cut, as it would fill every page. Of text
    that is far longer, only the beginning is looked at."""
    return AfterValidator(lambda text: one_line(text[: 10 * length])[:length])


Name = Annotated[str, _cut(NAME_LENGTH)]
Person = Annotated[str, _cut(PERSON_LENGTH)]
Tag = Annotated[str, _cut(TAG_LENGTH)]
OneLine = Annotated[str, _cut(2000)]
Tags = Annotated[list[Tag], AfterValidator(lambda tags: [tag for tag in tags if tag][:MAX_TAGS])]
ManyLines = Annotated[str, AfterValidator(lambda text: lines(text[: 10 * TEXT_LENGTH])[:TEXT_LENGTH])]
"""Free text, with its line breaks."""

Moment = Annotated[AwareDatetime, AfterValidator(_shown_anywhere)]
"""A time, in UTC."""
Argument = Annotated[str, AfterValidator(_without_nul)]
"""Text that is given to a process."""
