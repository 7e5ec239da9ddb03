"""What the Run page shows of a run's record: log, system metrics, config, environment, files to download."""

import io
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.config import TrainConfig
from core.exchange.bundle import write_zip
from core.exchange.export import HISTORIES, files_of, write_curves
from core.files import read_json
from core.runs.environment import read_uncommitted_changes
from core.runs.records import Run
from dashboard.state import cache
from dashboard.ui.charts.curves import over_time
from dashboard.ui.format import escape
from dashboard.ui.page import download_file

CHART_HEIGHT: Final = 240
MOST_BYTES: Final = 300_000_000
"""A larger zip is left to the command line: what a browser takes goes through this server's memory."""
HISTORY_TITLES: Final = {"epochs": "Epoch metrics", "steps": "Step metrics", "system": "System metrics"}


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
    text = cache.log_tail(run.paths.log)
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


def environment_tab(run: Run) -> None:
    """Machine, code, data and packages of the run."""
    try:
        found = read_json(run.paths.environment)
        facts = _facts(found)
    except (OSError, ValueError, AttributeError):
        st.info("Environment info is recorded when training starts.", icon=":material/dns:")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Environment**")
        table = pd.DataFrame({"property": list(facts), "value": list(facts.values())})
        names = {
            "property": st.column_config.TextColumn("Property", width=124),
            "value": st.column_config.TextColumn("Value"),
        }
        st.dataframe(table, hide_index=True, column_config=names, height="content", key="environment")
        for number, resume in enumerate(found.get("resumes") or [], start=1):
            changed = ", ".join("commit" if key == "git" else key for key in resume if key not in ("time", "command"))
            st.caption(f"Resume {number}, changes: {escape(changed) or 'none'}")
    with right:
        packages = found.get("packages") or {}
        st.markdown(f"**{len(packages)} package{'' if len(packages) == 1 else 's'}**")
        rows = pd.DataFrame(sorted(packages.items(), key=lambda item: item[0].lower()), columns=["Package", "Version"])
        st.dataframe(rows, hide_index=True, height=300, key="packages")
    patch = read_uncommitted_changes(run.paths)
    if patch:
        with st.expander("Uncommitted changes", icon=":material/difference:"):
            st.code(patch[:20_000], language="diff", wrap_lines=False, height=400)
            if len(patch) > 20_000:
                st.caption(f"Showing the first 20,000 of {len(patch):,} characters.")
            st.download_button(
                "Download diff", patch, f"{run.id}.diff", "text/x-diff", icon=":material/download:",
                on_click="ignore", key="patch",
            )  # fmt: skip


def _facts(found: dict[str, Any]) -> dict[str, str]:
    git, data = found.get("git") or {}, found.get("dataset") or {}
    changed = " (dirty)" if git.get("dirty") else ""
    facts = {
        "Commit": f"{git['commit'][:12]}{changed}" if git.get("commit") else None,
        "Dataset": data.get("name"),
        "Data fingerprint": data.get("fingerprint"),
        "Device": found.get("device"),
        "Threads": found.get("threads"),
        "Precision": found.get("precision"),
        "Host": found.get("host"),
        "CPU cores": found.get("cpu_count"),
        "OS": found.get("platform"),
        "Python": found.get("python"),
        "Command": found.get("command"),
        "Started": str(found["time"])[:19].replace("T", " ") + " UTC" if found.get("time") else None,
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def files(run: Run) -> None:
    """What can be downloaded."""
    left_out = {run.paths.stop_request.name}
    present = sorted(
        (path for path in run.paths.folder.iterdir() if path.is_file() and path.name not in left_out),
        key=lambda path: path.name,
    )
    if run.has_weights:
        download_file(run, run.paths.weights, "Download weights", primary=True)
        st.caption("Best checkpoint as a PyTorch state_dict (load with `weights_only=True`).")
    else:
        st.info("Weights will be available after epoch 1.", icon=":material/hourglass_empty:")
    with st.container(horizontal=True):
        for name in HISTORIES:
            path = getattr(run.paths, name)
            if path.exists():
                label = f"{HISTORY_TITLES[name]} (CSV)"
                download(label, partial(curves_as_csv, path), f"{run.id}-{name}.csv", "text/csv")
        size = sum(path.stat().st_size for path in files_of(run.paths))
        if size <= MOST_BYTES:
            download(
                "Run archive, without checkpoint (zip)", partial(run_as_zip, run), f"{run.id}.zip", "application/zip"
            )
    if size > MOST_BYTES:
        st.caption("Too large to download here. On the server, run:")
        st.code(f"python -m core export {run.id} --format zip", language="sh")
    rows = [{"file": path.name, "size": path.stat().st_size} for path in present if path.suffix != ".lock"]
    config: dict[str, Any] = {"file": "File", "size": st.column_config.NumberColumn("Size", format="bytes")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, width=560, key="files")


def download(label: str, make: Any, name: str, mime: str) -> None:
    """A button whose file is made when it is clicked."""
    st.download_button(label, make, name, mime, icon=":material/download:", on_click="ignore", key=f"download-{name}")


def curves_as_csv(path: Path) -> str:
    """All rows of a history."""
    text = io.StringIO(newline="")
    write_curves(path, text)
    return text.getvalue()


def run_as_zip(run: Run) -> bytes:
    """The run's folder; put together in memory, where the whole of it ends anyway: a temporary folder may be small."""
    file = io.BytesIO()
    write_zip(run.paths, file)
    return file.getvalue()
