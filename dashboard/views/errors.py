"""Errors: what a run got wrong, image by image."""

import numpy as np
import pandas as pd
import streamlit as st

from core.data.fer2013 import SPLITS
from core.evaluation.metrics import accuracy_interval, confusion
from core.labels import LABELS
from core.runs.store import Run, best_run
from dashboard import cache, charts, widgets

PAGE = 60
ANY = "any"
ORDERS = {
    "most confident": ("confidence", False),
    "least confident": ("confidence", True),
    "highest loss": ("loss", False),
}


def main() -> None:
    widgets.page_title("Errors", "The images a network gets wrong, and what it takes them for.")
    runs = [run for run in cache.runs(widgets.runs_root()) if splits_of(run)]
    if not runs:
        widgets.empty_state(
            "No predictions yet",
            "As soon as a run has finished its first epoch, its mistakes on the validation images are here.",
            widgets.TRAIN,
            "Start a run",
            ":material/play_arrow:",
        )
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        run = widgets.choose_run(runs, best_run(runs))
    choices = splits_of(run)
    split = right.segmented_control(
        "Split", choices, default=choices[0], required=True, key="split", bind="query-params"
    )
    split = split or choices[0]
    table = cache.predictions(run.paths.predictions(split))
    assert table is not None
    summary(table, split)
    gallery(run, split, table)


def splits_of(run: Run) -> list[str]:
    """The splits this run has predictions for."""
    return [split for split in SPLITS if run.paths.predictions(split).exists()]


def summary(table: pd.DataFrame, split: str) -> None:
    """Accuracy, confusion matrix, and the pairs most often confused."""
    matrix = confusion(table["label"].to_numpy(), table["predicted"].to_numpy())
    right, total = int(table["correct"].sum()), len(table)
    left, side = st.columns([3, 2], gap="medium")
    left.plotly_chart(charts.confusion(matrix, dark=widgets.is_dark()), key="confusion", config=widgets.CHART_CONFIG)
    with side:
        result = {"accuracy": right / total if total else None, "interval": accuracy_interval(right, total)}
        st.metric(
            f"Accuracy on {split}",
            widgets.with_interval(result),
            f"{total - right:,} of {total:,} images wrong",
            delta_color="off",
            delta_arrow="off",
            help="With half of the 95 % interval.",
        )
        mistakes = frequent_mistakes(matrix)
        if len(mistakes):
            st.caption("Most frequent mistakes")
            share = st.column_config.NumberColumn("of true class", format="%.0f %%")
            st.dataframe(mistakes, hide_index=True, column_config={"share": share}, key="pairs")


def frequent_mistakes(matrix: np.ndarray) -> pd.DataFrame:
    """The pairs of classes most often confused."""
    rows = [
        {"true": LABELS[i], "taken for": LABELS[j], "images": count, "share": 100 * count / matrix[i].sum()}
        for (i, j), count in np.ndenumerate(matrix)
        if i != j and count
    ]
    return pd.DataFrame(rows).nlargest(6, "images") if rows else pd.DataFrame()


def gallery(run: Run, split: str, table: pd.DataFrame) -> None:
    """The misclassified images that the filters leave, page by page."""
    st.subheader("Misclassified images", anchor=False)
    row = st.grid(4, min_column_width=180, vertical_alignment="bottom")
    true = row.selectbox("True class", [ANY, *LABELS], key="true", bind="query-params")
    predicted = row.selectbox("Predicted class", [ANY, *LABELS], key="predicted", bind="query-params")
    order = row.selectbox("Order", list(ORDERS), key="order", bind="query-params")
    least = row.slider("Confidence at least", 0, 100, 0, 5, format="%d %%", key="confidence", bind="query-params")
    wrong = table[~table["correct"] & (table["confidence"] * 100 >= least)]
    if true != ANY:
        wrong = wrong[wrong["label"] == LABELS.index(true)]
    if predicted != ANY:
        wrong = wrong[wrong["predicted"] == LABELS.index(predicted)]
    if not len(wrong):
        st.info("No misclassified image passes these filters.", icon=":material/filter_alt_off:")
        return
    column, ascending = ORDERS[order]
    wrong = wrong.sort_values(column, ascending=ascending, kind="stable")
    images = widgets.images_of(run, split, len(table))
    if images is None:
        return
    pages = -(-len(wrong) // PAGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            f"{len(wrong):,} images: true class → predicted class, with the confidence of the prediction",
            width="content",
        )
        page = st.pagination(pages, key=f"page-of-{pages}") if pages > 1 else 1
    widgets.predicted_faces(images, wrong.iloc[(page - 1) * PAGE : page * PAGE])


main()
