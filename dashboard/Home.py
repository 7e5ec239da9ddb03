# ruff: noqa: N999 - the name is the one in the command that everybody types
"""The dashboard: `streamlit run dashboard/Home.py`. Its server imports this file, and each visit runs it."""

import sys
from pathlib import Path

import streamlit as st

# `streamlit run` puts this file's folder on the path; the pages import `core` and `dashboard` from the one above.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

if __name__ == "__main__":
    try:
        import core  # noqa: F401 - says where it cannot run
    except SystemExit as unsupported:
        st.error(str(unsupported), icon=":material/error:")
        st.stop()
    from dashboard.frame import draw

    draw()
else:
    from core.errors import FerError
    from dashboard.api.app import api_routes
    from dashboard.server import headers, life

    try:
        middleware = life.middleware()
    except FerError as error:
        sys.exit(str(error))
    failures = {Exception: headers.tell_failure}
    routes = api_routes(st.get_option("server.baseUrlPath"))
    app = st.App(__file__, lifespan=life.lifespan, routes=routes, middleware=middleware, exception_handlers=failures)
