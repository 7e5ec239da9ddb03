"""What the Data page shows of a dataset."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.data.dataset import DatasetInfo
from core.data.storage import delete_dataset, disk_bytes
from core.labels import LABELS
from core.runs.reader import list_runs
from core.splits import SPLITS
from dashboard.state import cache
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.charts.bars import bars_text, class_balance
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.faces import face_strip
from dashboard.ui.format import ago, class_chip, escape, exact
from dashboard.ui.page import draw_live
from dashboard.views.data import audit

FACES_PER_CLASS = 10


def dataset_section(datasets: Sequence[DatasetInfo]) -> None:
    """One dataset; with several, a choice first."""
    by_name = {info.name: info for info in datasets}
    name = next((info for info in datasets if info.kind == "fer2013"), datasets[0]).name
    if len(datasets) > 1:
        chosen = st.segmented_control(
            "Dataset", list(by_name), default=name, required=True, key="set", bind="query-params", wrap=True
        )
        name = chosen or name
    info = by_name[name]
    heading(info)
    dataset_counts(info)
    table, chart = st.columns([1, 1], gap="medium")
    with table:
        counts(info)
    figure = class_balance(info.counts["train"], "train")
    chart.plotly_chart(figure, config=CHART_CONFIG, key="balance", alt=bars_text(figure))
    sample_faces(info)
    draw_live(audit.audit_section, seconds=None, info=info)


def heading(info: DatasetInfo) -> None:
    title, action = st.columns([4, 1], vertical_alignment="center")
    with title, st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(escape(info.title), anchor=False, width="content")
        if info.kind == "drawn":
            st.badge("Synthetic", icon=":material/draw:", color="orange")
        elif info.kind == "fer2013-plus":
            st.badge("FER+ labels", icon=":material/how_to_vote:", color="violet")
        elif info.kind == "own":
            st.badge("Custom", icon=":material/folder_open:", color="blue")
        elif info.matches_published:
            st.badge("Matches published counts", icon=":material/verified:", color="green")
        elif info.kind == "fer2013":
            st.badge(
                f"{len(info.differences)} class counts differ from published",
                icon=":material/difference:",
                color="orange",
            )
    with (
        action.container(horizontal=True, horizontal_alignment="right"),
        st.popover("Delete", icon=":material/delete:"),
    ):
        confirm_deletion(info)


def confirm_deletion(info: DatasetInfo) -> None:
    """Say which runs need the dataset before it is deleted."""
    st.write(f"Delete **{escape(info.name)}** from this server?")
    users = [
        run for run in list_runs(runs_root()) if run.state.is_live and run.config and run.config.dataset == info.name
    ]
    if users:
        names = ", ".join(escape(run.name) for run in users[:5]) + ("…" if len(users) > 5 else "")
        use = "1 queued or running run uses" if len(users) == 1 else f"{len(users)} queued or running runs use"
        st.warning(f"{use} this dataset and will fail: {names}.", icon=":material/warning:")
    st.caption("Runs trained on it are kept, but their images can't be shown until you import it again.")
    label = "Delete anyway" if users else "Delete dataset"
    if st.button(label, type="primary", icon=":material/delete:", key=f"delete-{info.name}"):
        delete_dataset(data_root(), info.name)
        cache.importer().forget()
        st.toast(f"Deleted {escape(info.name)}.")
        st.rerun()


def dataset_counts(info: DatasetInfo) -> None:
    row = st.grid(5, min_column_width=150)
    row.metric("Images", f"{info.total:,}", border=True, help="Across all splits.")
    row.metric("Train pixel mean", f"{info.mean:.4f}", border=True, help="Over all training pixels, scaled to [0, 1].")
    row.metric("Train pixel std", f"{info.std:.4f}", border=True, help="Over all training pixels, scaled to [0, 1].")
    largest, smallest = max(info.counts["train"].values()), min(info.counts["train"].values())
    row.metric(
        "Class imbalance",
        f"{largest / max(smallest, 1):.1f} : 1",
        border=True,
        help="Largest-to-smallest class ratio in the training set.",
    )
    row.metric(
        "Fingerprint",
        info.fingerprint[:10],
        border=True,
        help=f"SHA-256 over the labels and pixels of all splits: {info.fingerprint}",
    )
    size = disk_bytes(data_root(), info.name) / 1e6
    st.caption(
        f"Source: {escape(info.source)} · imported {ago(info.created_at)} · {size:,.0f} MB on disk",
        help=exact(info.created_at),
    )
    if info.left_out:
        reasons = ", ".join(f"{count:,} {escape(reason)}" for reason, count in info.left_out.items())
        st.caption(f"Excluded because FER+ assigns none of the seven classes: {reasons}.")


def counts(info: DatasetInfo) -> None:
    """Images per class and split."""
    splits = [split for split in SPLITS if split in info.counts]
    table = pd.DataFrame(
        {split: [info.counts[split].get(label, 0) for label in LABELS] for split in splits}, index=LABELS
    )
    table.loc["Total"] = table.sum()
    table.index.name = "Class"
    numbers: dict[str, Any] = {
        str(split): st.column_config.NumberColumn(split.capitalize(), format="localized") for split in splits
    }
    st.dataframe(table, column_config=numbers, key="counts")


def sample_faces(info: DatasetInfo) -> None:
    """A strip of images per class, every pixel a square."""
    split = cache.split(info.ref(data_root()), "train")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Sample images", anchor=False, width="content")
        if st.button("Shuffle", icon=":material/shuffle:", key="shuffle"):
            st.session_state["faces-seed"] = st.session_state.get("faces-seed", 0) + 1
    chance = np.random.default_rng(st.session_state.get("faces-seed", 0))
    for index, label in enumerate(LABELS):
        members = np.flatnonzero(split.labels == index)
        if not len(members):
            continue
        chosen = chance.choice(members, min(FACES_PER_CLASS, len(members)), replace=False)
        name, strip = st.columns([1, 9], vertical_alignment="center", wrap=True)
        name.markdown(class_chip(label))
        strip.image(
            face_strip(split.images[np.sort(chosen)]), output_format="PNG", alt=f"Training images of class {label}"
        )
