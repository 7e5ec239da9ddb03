"""What the Data page shows of a dataset's audit."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.data.audit import Audit, audit_dataset, label_counts
from core.data.dataset import DatasetInfo, Split
from core.labels import LABELS
from core.runs.table import spreadsheet_safe
from dashboard.state import cache
from dashboard.state.roots import data_root
from dashboard.ui import pagination
from dashboard.ui.downloads import spreadsheet_csv
from dashboard.ui.faces import face_strip
from dashboard.ui.format import class_chip
from dashboard.ui.page import metric_card

PER_PAGE = 12
FACES_PER_GROUP = 4

NOTES = {
    "Conflicting labels": "Exact duplicates with conflicting labels.",
    "Train leakage": "Train-test leakage: exact duplicates of training images in validation or test.",
    "Near-duplicates": "The same photo with a different crop, compression or brightness. Found with a perceptual hash.",
    "Blank": "Uniform or nearly uniform images (all pixels within 5 gray levels).",
}


def audit_section(info: DatasetInfo) -> None:
    """Counts, a gallery of each kind of finding, and the export."""
    with st.spinner("Checking for duplicate and blank images…"):
        audit = audit_dataset(data_root(), info.name)
    splits = {split: cache.split(info.ref(data_root()), split) for split in audit.sizes}
    st.header("Duplicates and blank images", anchor=False)
    audit_counts(audit)
    kinds = {
        "Conflicting labels": audit.conflicts,
        "Train leakage": audit.leaks,
        "Near-duplicates": audit.near,
        "Blank": [[position] for position in audit.nearly_flat],
    }
    found = {kind: groups for kind, groups in kinds.items() if groups}
    if found:
        galleries(audit, splits, found)
    if info.kind == "drawn":
        st.caption("Near-duplicates are not searched for among synthetic faces, which all resemble each other.")


def audit_counts(audit: Audit) -> None:
    elsewhere = {split: len(audit.shared_with_train(split)) for split in audit.sizes if split != "train"}
    row = st.grid(4, min_column_width=150)
    metric_card(
        row,
        "Exact duplicates",
        f"{audit.repeats:,}",
        f"{audit.unique:,} unique images",
        help="Images beyond the first of each group of pixel-identical images.",
    )
    metric_card(
        row,
        "Conflicting labels",
        f"{len(audit.conflicts):,}",
        f"of {len(audit.duplicates):,} groups",
        help="Groups of exact duplicates with different labels.",
    )
    metric_card(
        row,
        "Leaked from train",
        f"{sum(elsewhere.values()):,}",
        " · ".join(f"{split} {count:,}" for split, count in elsewhere.items()),
        help="Validation/test images with an exact copy in train; they inflate scores slightly.",
    )
    metric_card(
        row,
        "Blank images",
        f"{len(audit.flat):,}",
        f"{len(audit.nearly_flat):,} incl. near-blank",
        help="Images with a single uniform gray value.",
    )


def galleries(audit: Audit, splits: dict[str, Split], kinds: dict[str, list[list[int]]]) -> None:
    """One kind of finding at a time, by pages."""
    first = next(iter(kinds))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        kind = st.pills(
            "Show",
            list(kinds),
            default=first,
            required=True,
            key="finding",
            bind="query-params",
            wrap=True,
        )
        kind = kind if kind in kinds else first
        st.download_button(
            "Export findings (CSV)",
            lambda: export_findings(audit, splits),
            file_name=f"audit-{audit.name}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="audit-csv",
        )
    groups = kinds[kind]
    st.caption(f"{NOTES[kind]} {len(groups):,} found.")
    pages = -(-len(groups) // PER_PAGE)
    page = pagination.choose_page(pages, f"{audit.name}-{kind}")
    wall = st.grid("auto", min_column_width=160, gap="small", border=True)
    for group in groups[(page - 1) * PER_PAGE : page * PER_PAGE]:
        with wall.cell():
            show_group(audit, splits, group)


def show_group(audit: Audit, splits: dict[str, Split], group: Sequence[int]) -> None:
    """Its distinct images, and the label counts in each split."""
    places = [audit.locate(position) for position in group]
    distinct = {splits[split].images[index].tobytes(): splits[split].images[index] for split, index in places}
    shown = list(distinct.values())[:FACES_PER_GROUP]
    lines = []
    for split, labels in splits.items():
        mine = [index for name, index in places if name == split]
        counts = label_counts(mine, labels.labels)
        if counts:
            chips = " ".join(f"{n}\u00a0×\u00a0{class_chip(LABELS[label])}" for label, n in counts)
            lines.append(f":small[{split} {chips}]")
    st.image(face_strip(np.stack(shown)), output_format="PNG", alt=f"Group of {len(group)} images")
    st.markdown("  \n".join(lines))


def export_findings(audit: Audit, splits: dict[str, Split]) -> bytes:
    """CSV: a row per image and finding; no spreadsheet reads text in it as a formula."""
    findings = {
        "duplicate": audit.duplicates,
        "near-duplicate": audit.near,
        "flat": [[position] for position in audit.flat],
        "nearly-flat": [[position] for position in audit.nearly_flat],
    }
    rows = []
    for finding, groups in findings.items():
        for number, group in enumerate(groups, 1):
            for position in group:
                split, index = audit.locate(position)
                label = LABELS[splits[split].labels[index]]
                rows.append((finding, number, split, index, spreadsheet_safe(str(splits[split].ids[index])), label))
    table = pd.DataFrame(rows, columns=["finding", "group", "split", "index", "id", "label"])
    return spreadsheet_csv(table.to_csv(index=False))
