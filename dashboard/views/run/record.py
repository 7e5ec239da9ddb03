"""What a run recorded, in tabs of the Run page: log, system metrics and config."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from core.config import TrainConfig, as_typed
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.logs import log_tail
from dashboard.ui.charts.curves import over_time
from dashboard.ui.charts.lines import Plan, x_axis
from dashboard.ui.components.charts import line_charts
from dashboard.ui.page import download_file
from dashboard.ui.table import show_table

LONG_LOG: Final = 16
"""Lines; more of them are scrolled."""


def system(run: Run) -> None:
    """CPU, memory and GPU utilization. No axis has two meanings: what this process uses is counted in cores and bytes,
    what is used of the machine in percent."""
    rows = cache.history(run.paths.system)
    axis = x_axis("time", [Plan(0, 0, float(rows["elapsed_s"].iloc[-1]) if len(rows) else 0)])
    gigabytes: dict[str, Any] = {"scale": 1e-9, "digits": 2, "suffix": " GB"}
    percent: dict[str, Any] = {"suffix": "%", "top": 100}
    charts = [
        over_time(rows, {"cpu_percent": "CPU"}, "cpu", "Process CPU (cores)", axis, scale=0.01, digits=2),
        over_time(rows, {"machine_cpu_percent": "CPU"}, "machine-cpu", "System CPU (%)", axis, **percent),
        over_time(rows, {"memory_bytes": "memory"}, "memory", "Process memory (GB)", axis, **gigabytes),
        over_time(rows, {"machine_memory_percent": "memory"}, "machine-memory", "System memory (%)", axis, **percent),
        over_time(rows, {"gpu_percent": "GPU"}, "gpu", "GPU utilization (%)", axis, **percent),
        over_time(rows, {"gpu_memory_bytes": "memory"}, "gpu-memory", "Process GPU memory (GB)", axis, **gigabytes),
    ]
    shown = [chart for chart in charts if chart]
    if not shown:
        none = "No system metrics yet." if run.state.is_live else "No system metrics were logged."
        st.info(f"{none} CPU, memory and GPU are sampled every 5 s during training.", icon=":material/monitoring:")
        return
    line_charts(shown, axis, key="system")
    without = "" if any(chart.key.startswith("gpu") for chart in shown) else " No GPU used."
    st.caption(f"Sampled every 5 s.{without}")


def log(run: Run) -> None:
    """The end of what the worker printed; follows while it grows."""
    text = log_tail(run.paths.log)
    long = text.count("\n") > LONG_LOG
    with st.container(height=460 if long else "content", autoscroll=long, border=False):
        st.code(text or "No log output yet.", language=None, wrap_lines=True)
    if text:
        download_file(run, run.paths.log, "Download log")


def config_tab(run: Run) -> None:
    """All settings, those that differ from the default first."""
    if run.config is None:
        st.info("The config of this run is unreadable.", icon=":material/broken_image:")
        return
    defaults = TrainConfig()
    rows = [
        {
            "setting": name,
            "value": str(as_typed(getattr(run.config, name))),
            "default": str(as_typed(getattr(defaults, name))),
            "description": field.description,
        }
        for name, field in TrainConfig.model_fields.items()
    ]
    rows.sort(key=lambda row: row["value"] == row["default"])
    config = {
        "setting": st.column_config.TextColumn("Parameter"),
        "value": st.column_config.TextColumn("Value"),
        "default": st.column_config.TextColumn("Default"),
        "description": st.column_config.TextColumn("Description", width="large"),
    }
    show_table(pd.DataFrame(rows), hide_index=True, column_config=config, height="content", key="settings")
