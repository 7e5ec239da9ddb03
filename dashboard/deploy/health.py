"""Whether the server on this machine answers: `python health.py`, exit code 0 or 1. Needs nothing but Python, since it
runs every half minute, and in images without curl.

It reads the settings that the server reads: its port, its base path, and a host name that it answers to.
"""

import os
import sys
import urllib.request
from collections.abc import Mapping

TIMEOUT_SECONDS = 5.0


def health_request(environment: Mapping[str, str]) -> urllib.request.Request:
    """What is asked.

    Args:
        environment: variables as in `fer.env`.
    """
    port = environment.get("STREAMLIT_SERVER_PORT") or "8501"
    base = (environment.get("STREAMLIT_SERVER_BASE_URL_PATH") or "").strip("/")
    path = f"/{base}/_stcore/health" if base else "/_stcore/health"
    names = (environment.get("STREAMLIT_SERVER_ALLOWED_HOSTS") or "localhost").split()
    host = names[0].replace("*", "health")  # *.example.org
    return urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})


def main() -> None:
    """Ask, and say why not."""
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        no_proxy.open(health_request(os.environ), timeout=TIMEOUT_SECONDS).close()
    except OSError as error:  # URLError and HTTPError are such
        sys.exit(f"The dashboard does not answer: {error}")


if __name__ == "__main__":
    main()
