"""The Environment tab of the Run page: machine, code, data and packages of the run."""

from typing import Any

import pandas as pd
import streamlit as st

from core.files import read_json
from core.runs.environment import read_uncommitted_changes
from core.runs.records import Run
from dashboard.ui.format import escape


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
