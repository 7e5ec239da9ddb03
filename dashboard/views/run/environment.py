"""The Environment tab of the Run page: machine, code, data and packages of the run."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.jobs.launchers import LOCAL, launcher_title
from core.runs.environment import DataRecord, Environment, GitState, read_environment, read_uncommitted_changes
from core.runs.records import Run, reason_of
from core.runs.teachers import TeachingRun
from dashboard.ui.format import escape
from dashboard.ui.table import show_table


def environment_tab(run: Run) -> None:
    """Machine, code, data and packages of the run."""
    try:
        found = read_environment(run.paths)
    except FileNotFoundError:
        st.info("Environment info is recorded when training starts.", icon=":material/dns:")
        return
    except (OSError, ValueError) as error:
        st.error(escape(f"Can't use {run.paths.environment.name}: {reason_of(error)}."), icon=":material/broken_image:")
        return
    facts = _facts(run, found)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Environment**")
        table = pd.DataFrame({"property": list(facts), "value": list(facts.values())})
        columns = {
            "property": st.column_config.TextColumn("Property", width=140),
            "value": st.column_config.TextColumn("Value", width=540),  # a fingerprint in full
        }
        show_table(table, hide_index=True, column_config=columns, width="content", height="content", key="environment")
        for number, resume in enumerate(found.resumes, start=1):
            changed = ", ".join("commit" if key == "git" else key for key in resume if key not in ("time", "command"))
            st.caption(f"Resume {number}, changes: {escape(changed) or 'none'}")
    with right:
        packages = found.packages or {}
        st.markdown(f"**{len(packages)} package{'' if len(packages) == 1 else 's'}**")
        names = sorted(packages, key=str.lower)
        rows = pd.DataFrame({"Package": names, "Version": [packages[name] for name in names]})
        show_table(rows, hide_index=True, height=300, key="packages")
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


def _sources(sources: Sequence[TeachingRun] | None) -> str | None:
    """The runs it learned from, with the beginning of the hash of what each contributed."""
    return ", ".join(f"{source.run} ({source.sha256[:12]})" for source in sources or ()) or None


def _launcher(run: Run) -> str | None:
    """What has started its process, and as which job; nothing of this machine, which is the usual case."""
    status = run.status
    if status.launcher == LOCAL:
        return None
    return launcher_title(status.launcher) + (f", job {status.job}" if status.job else "")


def _facts(run: Run, found: Environment) -> dict[str, str]:
    git, data = found.git or GitState(), found.dataset or DataRecord()
    changed = " (dirty)" if git.dirty else ""
    facts = {
        "Commit": f"{git.commit[:12]}{changed}" if git.commit else None,
        "Dataset": data.name,
        "Data fingerprint": data.fingerprint,
        "Initial weights": _sources(found.initial_weights),
        "Teachers": _sources(found.teachers),
        "Soft labels": _sources(found.soft_labels),
        "Device": found.device,
        "Threads": found.threads,
        "Precision": found.precision,
        "Launcher": _launcher(run),
        "Host": found.host,
        "CPU cores": found.cpu_count,
        "OS": found.platform,
        "Python": found.python,
        "Command": found.command,
        "Started": found.time[:19].replace("T", " ") + " UTC" if found.time else None,
    }
    return {name: str(value) for name, value in facts.items() if value is not None}
