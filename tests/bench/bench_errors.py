"""Server time of the Errors page: `python -m tests.bench.bench_errors RUN --runs-root ... --data-root ...`.

Streamlit runs the page without a browser, and one thing after the other is changed on it. Wall time is what a viewer
waits for the server; on a busy machine the processor time beside it says more. Prints a line per change, the median of
all rounds.
"""

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

HOME = Path(__file__).resolve().parents[2] / "dashboard" / "Home.py"
CHANGES: dict[str, Callable[[AppTest], object]] = {
    "filter: true class": lambda app: app.selectbox(key="true").set_value("fear"),
    "cell: both classes": lambda app: app.selectbox(key="predicted").set_value("sad"),
    "order": lambda app: app.selectbox(key="order").set_value("Most confident"),
    "all classes": lambda app: [app.selectbox(key=key).set_value("any") for key in ("true", "predicted")],
    "right ones, too": lambda app: app.selectbox(key="show").set_value("all"),
    "page": lambda app: app.session_state.__setitem__(f"page-{app.session_state['page-of']}", 7),
    "copies": lambda app: app.selectbox(key="copies").set_value("repeated"),
    "all copies": lambda app: app.selectbox(key="copies").set_value("any"),
    "confidence": lambda app: app.slider(key="confidence").set_value((50, 80)),
    "any confidence": lambda app: app.slider(key="confidence").set_value((0, 100)),
    "likely label errors": lambda app: app.selectbox(key="order").set_value("Likely label error"),
    "highest loss": lambda app: app.selectbox(key="order").set_value("Highest loss"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--runs-root", type=Path, required=True)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--split", default="train")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    os.environ |= {"FER_RUNS_ROOT": str(asked.runs_root), "FER_DATA_ROOT": str(asked.data_root)}
    app = AppTest.from_file(str(HOME), default_timeout=600).run()
    app.switch_page("views/errors/page.py")
    app.query_params["run"], app.query_params["split"] = asked.run, asked.split
    print(f"{'first load':20} wall {{:6.3f}} s, processor {{:6.3f}} s".format(*timed(app)))
    taken: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(asked.rounds):
        for name, change in CHANGES.items():
            change(app)
            taken[name].append(timed(app))
            assert not app.exception and not app.error, (app.exception, app.error)
    for name, times in taken.items():
        wall, processor = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:20} wall {wall:6.3f} s, processor {processor:6.3f} s")


def timed(app: AppTest) -> tuple[float, float]:
    """Wall and processor seconds of one drawing."""
    wall, processor = time.perf_counter(), time.process_time()
    app.run()
    return time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    main()
