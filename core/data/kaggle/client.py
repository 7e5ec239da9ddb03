"""The one place that runs Kaggle's own client: `python -m core.data.kaggle.client FOLDER`, which can be killed.

Importing the client logs in, its first request has no time limit, and it may end the process: so it never runs inside
another one. `process.py` starts it, watches it, and reads the one line of JSON that it ends with:

    {"outcome": "done"}
    {"outcome": "rejected"}                      the credentials are not valid
    {"outcome": "status", "status": 403}         the response of Kaggle's server
    {"outcome": "unreachable"}                   no connection, or one that broke again and again
    {"outcome": "certificate", "code": 19}       the server's is not accepted; OpenSSL's code of the verification
    {"outcome": "bundle", "name": "..."}         the variable that names certificates to trust, but no file of them
    {"outcome": "tls"}                           a connection that could not be encrypted
    {"outcome": "short"}                         less or more arrived than was announced
    {"outcome": "system", "code": 28}            errno
    {"outcome": "unforeseen", "where": "..."}    class of the error and where; never its message, which might
                                                 contain a secret
"""

import json
import os
import ssl
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from core.data.fer2013 import KAGGLE_NAME
from core.data.kaggle.credentials import client_settings


def fetch_dataset(folder: Path) -> dict[str, Any]:
    """Download the dataset's zip into a folder, resuming a partial download; returns the outcome."""
    try:
        import requests

        os.environ.update(client_settings(os.environ))
        import kaggle

        kaggle.api.authenticate()  # on import it keeps to itself what is wrong
        kaggle.api.dataset_download_files(KAGGLE_NAME, path=str(folder), quiet=True)
    except SystemExit:
        return {"outcome": "rejected"}
    except requests.HTTPError as error:
        return {"outcome": "status", "status": error.response.status_code if error.response is not None else 0}
    except requests.exceptions.SSLError as error:
        return _of_tls(error)
    except requests.exceptions.ProxyError as error:
        return {"outcome": "status", "status": 407} if " 407 " in str(error) else {"outcome": "unreachable"}
    except requests.RequestException:
        return {"outcome": "unreachable"}
    except OSError as error:
        if error.errno is None and "certificate" in str(error):  # requests, before it connects
            return _bundle()
        return {"outcome": "system", "code": error.errno}
    except ValueError as error:
        if "does not match expected size" in str(error):
            return {"outcome": "short"}
        return _unforeseen(error)
    except Exception as error:
        return _unforeseen(error)
    return {"outcome": "done"}


def _of_tls(error: BaseException) -> dict[str, Any]:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return {"outcome": "certificate", "code": cause.verify_code}
        if isinstance(cause, ssl.SSLError) and cause.library in ("X509", "PEM"):
            return _bundle()
        wrapped = next((each for each in cause.args if isinstance(each, BaseException)), None)  # as urllib3 keeps it
        cause = cause.__cause__ or cause.__context__ or wrapped
    return {"outcome": "tls"}


def _bundle() -> dict[str, Any]:
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in the order of requests
    return {"outcome": "bundle", "name": next(filter(os.environ.get, names), names[0])}


def _unforeseen(error: Exception) -> dict[str, Any]:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {"outcome": "unforeseen", "where": f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"}


def _end_with_parent() -> None:
    """The parent process holds the other end of our input: when it is gone, nobody watches us any more. Read past
    `sys.stdin`, which the client closes when it gives up: that would wait for this thread for ever."""
    os.read(0, 1)
    os._exit(os.EX_TEMPFAIL)


def main() -> None:
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # the client prints help and progress for people at a terminal
        os.dup2(silence, stream)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    print(json.dumps(fetch_dataset(Path(sys.argv[1]))), file=answer, flush=True)
    os._exit(0)  # the thread still reads


if __name__ == "__main__":
    main()
