"""Error messages of a download that failed: what was wrong and what to do."""

import errno
import os
from datetime import date
from typing import Any, Final

from core.data.fer2013 import KAGGLE_NAME, KAGGLE_URL
from core.data.kaggle.credentials import TOKEN_PAGE, Source
from core.data.kaggle.download import IMPORTED_BYTES, ZIP_BYTES, DownloadPaths
from core.errors import CountsDifferError

DAMAGED: Final = "The download was corrupt and has been removed. Download it again."

_ANSWERS: Final = {
    403: f"Kaggle denied the download (403). Log in there, accept the terms on {KAGGLE_URL}, then try again.",
    404: f"Kaggle has no dataset {KAGGLE_NAME} (404). Import FER2013 from a file instead.",
    407: "The proxy requires a login (407). Set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT and start again.",
    429: "Kaggle rate limit reached (429). Try again in a few minutes.",
}
"""By the HTTP status of the response: 407 is a proxy's, the others are of Kaggle's server."""


def of_client(outcome: dict[str, Any], paths: DownloadPaths) -> str:
    """Why Kaggle's client did not get the file.

    Args:
        outcome: what the client ended with, as `client.py` lists it; `{"outcome": "killed"}` where it
            reported none.
        paths: the files of the download.
    """
    match outcome["outcome"]:
        case "status":
            return _of_status(outcome["status"])
        case "unreachable":
            return f"Can't reach Kaggle from this server. Check network and proxy, then try again.{_kept(paths)}"
        case "certificate":
            return _of_certificate(outcome["code"])
        case "bundle":
            return (
                f"{outcome['name']} names no file of certificates. Set it to a PEM file, or unset it, and start again."
            )
        case "tls":
            return (
                "The TLS connection to Kaggle failed: a proxy or firewall may block it. Check network and proxy, then "
                f"try again.{_kept(paths)}"
            )
        case "short":
            return "The download does not have the announced size and has been removed. Download it again."
        case "system":
            return of_system(outcome["code"], paths)
    reason = outcome.get("where") or "it was killed"
    return f"Kaggle's client failed ({reason}). Try again, or import FER2013 from a file."


def _of_certificate(code: int) -> str:
    """By the code of OpenSSL's verification (`x509_vfy.h`)."""
    if code in (9, 10):  # not yet valid, expired
        return (
            f"The certificate of Kaggle's server is not valid on {date.today()}, the date of this server's clock. "
            "Correct the clock if it is wrong, then try again."
        )
    if code == 62:  # another host name
        return (
            "Another server answers instead of Kaggle (its certificate has another name), like the login page of a "
            "network. Log in there or check the proxy, then try again."
        )
    return (
        "The certificate of Kaggle's server is not trusted here, as behind a proxy that inspects TLS. Set "
        "REQUESTS_CA_BUNDLE to a PEM file with your organization's root certificate, and start again."
    )


def _of_status(status: int) -> str:
    if status >= 500:
        return f"Kaggle is having problems ({status}). Try again in a few minutes."
    unforeseen = f"Unexpected response from Kaggle ({status}). Try again, or import FER2013 from a file."
    return _ANSWERS.get(status, unforeseen)


def of_system(code: int | None, paths: DownloadPaths) -> str:
    """Why the system refused to write; `code` is its errno."""
    if code in (errno.ENOSPC, errno.EDQUOT):
        needed = (ZIP_BYTES + IMPORTED_BYTES) / 1e6
        return (
            f"The disk of {paths.data_root} is full. Free some space (about {needed:.0f} MB in all) and start again to "
            "resume."
        )
    return f"Cannot write under {paths.data_root}: {os.strerror(code or errno.EIO)}."


def of_rejection(source: Source | None) -> str:
    """Kaggle rejected these credentials; those that were entered here are not saved."""
    what = "this token, which was not saved" if source is None or source.kept else source.where
    return f"Kaggle rejected {what}. Create a new one at {TOKEN_PAGE}."


def of_silence(seconds: float, paths: DownloadPaths) -> str:
    """No data for so long."""
    return f"No data from Kaggle for {seconds:,.0f} s. Try again later.{_kept(paths)}"


def of_counts(error: CountsDifferError) -> str:
    """The images are not those of FER2013."""
    first = error.differences[0]
    return (
        f"The download is not FER2013 as published and has been removed: {len(error.differences)} of 21 class counts "
        f"differ (first: {first['split']}/{first['label']} has {first['found']:,} images instead of "
        f"{first['published']:,}). Import another copy from a file."
    )


def _kept(paths: DownloadPaths) -> str:
    size = paths.kept_bytes
    return f" {size / 1e6:.1f} MB kept." if size >= 50_000 else ""
