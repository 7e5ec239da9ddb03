"""The metrics of the split, above the tabs of the error analysis, and the tab with those of each class."""

from typing import Any

import pandas as pd
import streamlit as st

from core.evaluation.metrics import accuracy_interval, confusion
from core.evaluation.per_class import class_metrics
from dashboard.ui.confusion import per_class_table
from dashboard.ui.format import percent, with_interval
from dashboard.ui.page import metric_card
from dashboard.views.errors.shown import Shown


def per_class(shown: Shown) -> None:
    """The tab: precision, recall and F1 of each class."""
    per_class_table(confusion(shown.table["label"].to_numpy(), shown.table["predicted"].to_numpy()), "classes")


def metric_cards(shown: Shown) -> None:
    """Accuracy, the same excluding train duplicates, macro F1, and the number of misclassified images."""
    row = st.grid(4, min_column_width=165)
    table = shown.table
    accuracy_card(row, f"{shown.split.capitalize()} accuracy", table["correct"])
    flags = shown.copies.get("train") if shown.copies is not None and shown.data_split != "train" else None
    if flags is not None:
        accuracy_card(
            row,
            "No train duplicates",
            table["correct"][~flags[table["index"].to_numpy()]],
            help="Some images have a pixel-identical copy in the training set. This is the accuracy excluding them.",
        )
    metrics = class_metrics(confusion(table["label"].to_numpy(), table["predicted"].to_numpy()))
    present = metrics[metrics["support"] > 0]
    metric_card(
        row,
        "Macro F1",
        percent(float(present["f1"].mean()) if len(present) else None),
        f"balanced acc. {percent(float(present['recall'].mean()))}" if len(present) else "",
        help="Unweighted mean of per-class F1.",
    )
    wrong = int((~table["correct"]).sum())
    metric_card(row, "Misclassified", f"{wrong:,}", f"of {len(table):,} images")
    if shown.split == "train":
        st.caption("These are training images; metrics don't reflect generalization.")


def accuracy_card(row: Any, label: str, correct: pd.Series, help: str | None = None) -> None:
    """An accuracy with the half-width of its 95% interval."""
    right, total = int(correct.sum()), len(correct)
    metric_card(
        row,
        label,
        with_interval(right / total if total else None, accuracy_interval(right, total)),
        f"{right:,} of {total:,} images",
        help=help or "± half-width of the 95% CI.",
    )
