"""What line charts send to the browser."""

import base64
import hashlib
import json
from pathlib import Path

import numpy as np

import dashboard.ui.components.charts as component
from dashboard.ui.components.charts import packed
from tests.dashboard.conftest import Opener, Writer, line_charts

UPLOT = Path(component.__file__).parent / "line_charts" / "uplot" / "uPlot.iife.min.js"
UPLOT_1_6_32 = "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
"""SHA-256 of this file in https://registry.npmjs.org/uplot/-/uplot-1.6.32.tgz."""


def test_uplot_is_the_file_of_its_package() -> None:
    assert hashlib.sha256(UPLOT.read_bytes()).hexdigest() == UPLOT_1_6_32
    assert "MIT" in (UPLOT.parent / "LICENSE").read_text()


def test_numbers_arrive_as_they_were() -> None:
    values = np.array([0.0, -1.5, np.nan, 50_000])
    text = packed(values)
    assert text is not None
    assert np.array_equal(np.frombuffer(base64.b64decode(text), "<f4"), values.astype("f4"), equal_nan=True)
    assert packed(None) is None


def test_an_update_carries_data_and_not_what_draws_them(open_page: Opener, write: Writer) -> None:
    run = write("running", done=40, epochs=50)
    app = open_page("run", run=run.id)
    charts, library = (
        next(each.proto for each in app.get("bidi_component") if each.proto.component_name == name)
        for name in ("fer_charts", "fer_chart_library")
    )
    assert len(library.js_content) > 50_000 > 4 * len(charts.js_content + charts.css_content + charts.html_content)
    assert len(json.dumps(line_charts(app))) < 80_000
