"""The one place that runs Kaggle's own client: `python -m core.data.kaggle.client FOLDER`, which can be killed.

Importing the client logs in, its first request has no time limit, and it may end the process: so it never runs inside
another one. `process.py` starts it, watches it, and reads the one line of JSON that it ends with:

    {"outcome": "done"}
    {"outcome": "rejected"}                      the credentials are not valid
    {"outcome": "status", "status": 403}         the response of Kaggle's server
    {"outcome": "unreachable"}                   no connection, or one that broke again and again
    {"outcome": "short"}                         less or more arrived than was announced
    {"outcome": "system", "code": 28}            errno
    {"outcome": "unforeseen", "where": "..."}    class of the error and where; never its message, which might
                                                 contain a secret
"""

import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from core.data.fer2013 import KAGGLE_NAME


def fetch_dataset(folder: Path) -> dict[str, Any]:
    """Download the dataset's zip into a folder, resuming a partial download; returns the outcome."""
    try:
        import kaggle
        import requests

        kaggle.api.authenticate()  # on import it keeps to itself what is wrong
        kaggle.api.dataset_download_files(KAGGLE_NAME, path=str(folder), quiet=True)
    except SystemExit:
        return {"outcome": "rejected"}
    except requests.HTTPError as error:
        return {"outcome": "status", "status": error.response.status_code if error.response is not None else 0}
    except requests.RequestException:
        return {"outcome": "unreachable"}
    except OSError as error:
        return {"outcome": "system", "code": error.errno}
    except ValueError as error:
        if "does not match expected size" in str(error):
            return {"outcome": "short"}
        return _unforeseen(error)
    except Exception as error:
        return _unforeseen(error)
    return {"outcome": "done"}


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
