"""What a run recorded, in tabs of the Run page: log, system metrics and config."""

from typing import Final

import pandas as pd
import streamlit as st

from core.config import TrainConfig
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.logs import log_tail
from dashboard.ui.charts.curves import over_time
from dashboard.ui.page import download_file

CHART_HEIGHT: Final = 240


def system(run: Run) -> None:
    """CPU, memory and GPU utilization."""
    rows = cache.history(run.paths.system)
    charts = {
        "cpu": over_time(
            rows, {"cpu_percent": "this process", "machine_cpu_percent": "system total (100% = all cores)"}, "CPU", "%"
        ),
        "memory": over_time(rows, {"memory_bytes": "memory"}, "Process memory", "GB", scale=1e-9, digits=2),
        "machine-memory": over_time(rows, {"machine_memory_percent": "memory"}, "System memory", "%"),
        "gpu": over_time(rows, {"gpu_percent": "GPU"}, "GPU", "%"),
        "gpu-memory": over_time(rows, {"gpu_memory_bytes": "memory"}, "Process GPU memory", "GB", scale=1e-9, digits=2),
    }
    shown = {key: figure for key, figure in charts.items() if figure}
    if not shown:
        st.info(
            "No system metrics yet. CPU, memory and GPU are sampled every 5 s during training.",
            icon=":material/monitoring:",
        )
        return
    grid = st.grid(2, min_column_width=380)
    for key, figure in shown.items():
        grid.echarts_chart(figure, height=CHART_HEIGHT, key=f"system-{key}", alt=f"{key} usage over time")
    without = "" if "gpu" in shown or "gpu-memory" in shown else " No GPU used."
    st.caption(f"Sampled every 5 s. Process CPU: 100% = one core.{without}")


def log(run: Run) -> None:
    """The end of what the worker printed; follows while it grows."""
    text = log_tail(run.paths.log)
    with st.container(height=460, autoscroll=True, border=False):
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
            "value": str(getattr(run.config, name)),
            "default": str(getattr(defaults, name)),
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
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, height=520, key="settings")
