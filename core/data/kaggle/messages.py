"""What is said about a download that failed: each one sentence, what was wrong and what to do."""

import errno
import os
from typing import Any, Final

from core.data.fer2013 import KAGGLE_NAME, KAGGLE_URL
from core.data.kaggle.credentials import TOKEN_PAGE, Source
from core.data.kaggle.download import IMPORTED_BYTES, ZIP_BYTES, DownloadPaths
from core.errors import CountsDifferError

DAMAGED: Final = "What Kaggle sent is damaged, and was removed: download it again."

_ANSWERS: Final = {
    403: f"Kaggle refuses the download (403): log in there, open {KAGGLE_URL}, accept its terms, then try again.",
    404: f"Kaggle has no data set {KAGGLE_NAME} (404): import FER2013 from a file instead.",
    429: "Kaggle has had too many requests from this account or machine (429): try again in some minutes.",
}
"""What its server answered, by HTTP status."""


def of_client(outcome: dict[str, Any], paths: DownloadPaths) -> str:
    """Why Kaggle's client did not get the file.

    Args:
        outcome: what the client ended with, as `kaggle_client.py` lists it; `{"outcome": "killed"}` where it said
            nothing.
        paths: the files of the download.
    """
    match outcome["outcome"]:
        case "status":
            return _of_status(outcome["status"])
        case "unreachable":
            return f"Kaggle cannot be reached from here{_kept(paths)}: check network and proxy, then try again."
        case "short":
            return "The size of what Kaggle sent is not what it announced, so it was removed: download it again."
        case "system":
            return of_system(outcome["code"], paths)
    reason = outcome.get("where") or "it was killed"
    return f"Kaggle's client failed ({reason}): try again, or import FER2013 from a file."


def _of_status(status: int) -> str:
    if status >= 500:
        return f"Kaggle has trouble of its own ({status}): try again in some minutes."
    unforeseen = f"Kaggle answered {status}, which was not expected: try again, or import FER2013 from a file."
    return _ANSWERS.get(status, unforeseen)


def of_system(code: int | None, paths: DownloadPaths) -> str:
    """Why the system refused to write; `code` is its errno."""
    if code in (errno.ENOSPC, errno.EDQUOT):
        needed = (ZIP_BYTES + IMPORTED_BYTES) / 1e6
        return (
            f"The disk of {paths.data_root} is full: free some space, about {needed:.0f} MB in all, and try again; "
            "what has arrived is kept."
        )
    return f"Cannot write under {paths.data_root}: {os.strerror(code or errno.EIO)}."


def of_rejection(source: Source | None) -> str:
    """Kaggle refused these credentials; those that were given here are not kept."""
    where = "this token, so it is not kept" if source is None or source.kept else source.where
    return f"Kaggle does not accept {where}: make a new one at {TOKEN_PAGE}."


def of_silence(seconds: float, paths: DownloadPaths) -> str:
    """Nothing came for so long."""
    return f"Kaggle sent nothing for {seconds:,.0f} s{_kept(paths)}: try again, later if need be."


def of_counts(error: CountsDifferError) -> str:
    """The images are others than those of FER2013."""
    first = error.differences[0]
    return (
        f"What Kaggle sent is not FER2013 as published: {len(error.differences)} of its 21 numbers differ, "
        f"{first['split']}/{first['label']} has {first['found']:,} images instead of {first['published']:,}; "
        "it was removed: import another copy from a file."
    )


def _kept(paths: DownloadPaths) -> str:
    size = paths.kept_bytes
    return f" (the {size / 1e6:.1f} MB that arrived are kept)" if size >= 50_000 else ""
