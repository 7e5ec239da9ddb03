"""From a worker's write to the point on the screen, in Chromium: `python -m tests.bench.bench_live`."""

import statistics
import tempfile
from pathlib import Path

from tests.browser.conftest import open_browser, running_app
from tests.browser.watching import delays, instead_of_a_runner


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as made:
        folder = Path(made)
        with instead_of_a_runner(folder / "runs"), running_app(folder) as app, open_browser() as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(300_000)
            times = delays(page, app.url, app.runs_root, points=100)
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"{len(times)} points: median {statistics.median(times):.2f} s, p95 {p95:.2f} s, worst {max(times):.2f} s")


if __name__ == "__main__":
    main()
