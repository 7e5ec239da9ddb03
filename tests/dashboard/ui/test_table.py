"""Tables that people download."""

import json

import pandas as pd
from streamlit.testing.v1 import AppTest

from core.runs.table import spreadsheet_safe
from dashboard.ui.table import rows_key


def hostile_table() -> None:
    import pandas as pd
    import streamlit as st

    from core.numbers import signed
    from dashboard.ui.table import show_table

    table = pd.DataFrame({"name": ["=1+1", "plain"], "@run": ["-a", "b"], "tags": [["+x"], []], "net": [-3, 0]})
    columns = {"@run": st.column_config.TextColumn(width=120), "net": "Net"}
    show_table(table, column_config=columns, column_order=["name", "@run", "tags", "net"], written={"net": signed})


def sent(app: AppTest) -> pd.DataFrame:
    return pd.DataFrame(app.dataframe[0].value)


def test_no_cell_and_no_header_is_a_formula() -> None:
    app = AppTest.from_function(hostile_table).run()
    assert not app.exception
    table = sent(app)
    texts = [*table.columns, *table["name"], *table.iloc[:, 1], *table["tags"].iloc[0]]
    assert [spreadsheet_safe(text) for text in texts] == texts
    assert " ".join(texts).replace("\u2060", "") == "name @run tags net =1+1 plain -a b +x"
    proto = app.dataframe[0].proto
    assert list(proto.column_order) == list(table.columns), "what is about a column follows its header"
    assert json.loads(proto.columns)[table.columns[1]]["width"] == 120


def test_differences_are_numbers_that_look_signed() -> None:
    app = AppTest.from_function(hostile_table).run()
    assert list(sent(app)["net"]) == [-3, 0], "sorted and downloaded as numbers"
    assert b"\xe2\x88\x923" in app.dataframe[0].proto.arrow_data.styler.display_values, "a true minus"


def test_a_table_of_other_rows_is_another_one() -> None:
    keys = {rows_key("runs", rows) for rows in (["a", "b"], ["b", "a"], ["a"], ["ab"], [])}
    assert len(keys) == 5 and rows_key("runs", ["a", "b"]) in keys
