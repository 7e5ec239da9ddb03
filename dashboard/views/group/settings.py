"""The settings of a group: those that vary, and those that all its runs share."""

import pandas as pd
import streamlit as st

from core.config import TrainConfig, field_label
from core.runs.fields import setting_text
from core.runs.groups import Group, Members
from dashboard.ui.format import escape
from dashboard.ui.table import show_table


def settings_table(group: Group, members: Members) -> None:
    """All settings, those that vary first."""
    record = group.record
    if record.how == "random":
        st.caption(escape(f"{record.sample} combinations, drawn at random with seed {record.sample_seed}."))
    varied = [
        {"setting": field_label(name), "value": ", ".join(map(setting_text, values)), "varies": True}
        for name, values in record.fields.items()
    ]
    shared = [
        {"setting": field_label(name), "value": setting_text(record.settings[name]), "varies": False}
        for name in TrainConfig.model_fields
        if name in record.settings and name not in record.fields
    ]
    config = {
        "setting": st.column_config.TextColumn("Parameter", width=220, pinned=True),
        "value": st.column_config.TextColumn("Value", width="large"),
        "varies": st.column_config.CheckboxColumn("Varies", width=80),
    }
    show_table(
        pd.DataFrame(varied + shared), hide_index=True, column_config=config, key="group-settings", height="content"
    )
