"""What the Data page shows of a dataset."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.data.dataset import DatasetInfo
from core.data.storage import disk_bytes
from core.labels import LABELS
from core.splits import SPLITS
from core.team.rights import Action, may
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import data_root
from dashboard.ui.charts.bars import bars_text, class_balance
from dashboard.ui.charts.style import CHART_CONFIG
from dashboard.ui.datasets import dataset_titles
from dashboard.ui.faces import face_strip
from dashboard.ui.format import ago, class_chip, escape, exact
from dashboard.ui.page import draw_live, follow_address
from dashboard.ui.table import show_table
from dashboard.views.data import audit
from dashboard.views.data.deletion import confirm_deletion

FACES_PER_CLASS = 10
FACE_PIXELS = 74
"""Width of a sample: ten stand in a line on a laptop, five on a phone."""


def dataset_section(datasets: Sequence[DatasetInfo]) -> None:
    """One dataset; with several, a choice first."""
    by_name = {info.name: info for info in datasets}
    name = next((info for info in datasets if info.kind == "fer2013"), datasets[0]).name
    if len(datasets) > 1:
        name = choose_dataset(datasets, name)
    info = by_name[name]
    heading(info)
    facts(info)
    table, chart = st.columns([1, 1], gap="medium")
    with table:
        counts(info)
    figure = class_balance(info.counts["train"], "train")
    chart.plotly_chart(figure, config=CHART_CONFIG, key="balance", alt=bars_text(figure))
    sample_faces(info)
    draw_live(audit.audit_section, seconds=None, info=info)


def choose_dataset(datasets: Sequence[DatasetInfo], default: str) -> str:
    """One of several, by its title. The address has its name: `bind` would write the title."""
    titles = dataset_titles(datasets)
    wanted = st.query_params.get("set", default)
    follow_address("set", wanted if wanted in titles else default)
    chosen = st.segmented_control(
        "Dataset",
        list(titles),
        format_func=lambda name: titles.get(name, name),
        required=True,
        key="set",
        wrap=True,
        on_change=lambda: st.query_params.update(set=st.session_state["set"]),
    )
    return chosen or default


def heading(info: DatasetInfo) -> None:
    line = st.container(horizontal=True, vertical_alignment="center")
    with line:
        st.header(escape(info.title), anchor=False, width="content")
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
    may_delete = may(actor(), Action.DELETE_DATASET)
    if may_delete and line.button("Delete…", icon=":material/delete:", type="tertiary", key="delete-dataset"):
        confirm_deletion(info)


def facts(info: DatasetInfo) -> None:
    """What else is known of it, in one line; figures for papers and other programs on hover."""
    largest, smallest = max(info.counts["train"].values()), min(info.counts["train"].values())
    shown = [
        f"{info.total:,} images",
        f"class imbalance {largest / max(smallest, 1):.1f} : 1",
        f"{disk_bytes(data_root(), info.name) / 1e6:,.0f} MB on disk",
        escape(info.source),
        f"imported {ago(info.created_at)}",
        f"`{info.name}` on the command line",
    ]
    hover = [
        f"Imported {exact(info.created_at)}.",
        "Class imbalance: largest to smallest class in train.",
        f"Training pixels, scaled to 0–1: mean {info.mean:.4f}, standard deviation {info.std:.4f}.",
        f"Fingerprint (SHA-256 over the labels and pixels of all splits): {info.fingerprint}",
    ]
    st.caption(" · ".join(shown), help="  \n".join(hover))
    if info.left_out:
        reasons = ", ".join(f"{count:,} {escape(reason)}" for reason, count in info.left_out.items())
        why = "Excluded because FER+ assigns none of the seven classes" if info.kind == "fer2013-plus" else "Excluded"
        st.caption(f"{why}: {reasons}.")


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
    show_table(table, column_config=numbers, key="counts")


def sample_faces(info: DatasetInfo) -> None:
    """A strip of images per class, every pixel a square."""
    split = cache.split(info.ref(data_root()), "train")
    st.space("xsmall")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Sample images", anchor=False, width="content")
        if st.button("Shuffle", icon=":material/shuffle:", key="shuffle"):
            st.session_state["faces-seed"] = st.session_state.get("faces-seed", 0) + 1
    chance = np.random.default_rng(st.session_state.get("faces-seed", 0))
    for index, label in enumerate(LABELS):
        members = np.flatnonzero(split.labels == index)
        if not len(members):
            continue
        chosen = chance.choice(members, min(FACES_PER_CLASS, len(members)), replace=False)
        name, strip = st.columns([1, 8], vertical_alignment="center", wrap=True)
        name.markdown(class_chip(label))
        halves = strip.container(horizontal=True, gap="xxsmall")  # below each other where a line of ten would be tiny
        for half in filter(len, np.array_split(np.sort(chosen), 2)):
            faces, width = face_strip(split.images[half]), FACE_PIXELS * len(half)
            halves.image(faces, width=width, output_format="PNG", alt=f"Training images of class {label}")
