"""The gallery of the Errors page: filters, a wall of faces, and what can be done with those that are ticked."""

from functools import partial
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.labels import LABELS
from core.review.draft import same_data
from core.review.gallery import (
    ANY,
    DUPLICATE_FILTERS,
    IMAGE_ORDERS,
    REVIEW_FILTERS,
    SHOWN,
    ImageFilter,
    filter_images,
    notes_of,
    ordered,
)
from core.review.images import CurrentReviews
from dashboard.state import cache, visitor
from dashboard.state.roots import runs_root
from dashboard.ui import pagination
from dashboard.ui.components.wall import Tile, wall
from dashboard.views.errors import export, label_review
from dashboard.views.errors.image import dialog
from dashboard.views.errors.shown import Shown

IMAGES_PER_PAGE: Final = 60
SUSPICIOUS: Final = "most suspicious label"
SUSPICION: Final = (
    "Ranked by self-confidence, the probability that the networks give to the label: the lowest come first. A reason "
    "to look, not a proof."
)


def filters(shown: Shown) -> tuple[ImageFilter, str]:
    """The filters and the order; both stand in the address."""
    row = st.grid(4, min_column_width=165, vertical_alignment="bottom")
    bound: dict[str, Any] = {"bind": "query-params"}
    show = row.selectbox("Images", SHOWN, key="show", **bound)
    true = row.selectbox("True class", [ANY, *LABELS], key="true", **bound)
    predicted = row.selectbox("Predicted class", [ANY, *LABELS], key="predicted", **bound)
    order = row.selectbox("Order", list(IMAGE_ORDERS), key="order", **bound)
    sure = row.slider("Confidence", 0, 100, (0, 100), 5, format="%d %%", key="confidence", **bound)
    judged = row.selectbox("Verdict", REVIEW_FILTERS, key="verdict", **bound)
    people = sorted({author for authors in shown.standing.values() for author in authors})
    by = row.selectbox("Verdict by", [ANY, *people], key="by", disabled=not people, **bound)
    kinds = {ANY: ANY, **DUPLICATE_FILTERS}
    if shown.data_split != "train":
        kinds["train"] = "also in train"
    copies = row.selectbox(
        "Copies", list(kinds), format_func=kinds.__getitem__, key="copies", disabled=shown.copies is None, **bound
    )
    return ImageFilter(show, true, predicted, (sure[0], sure[1]), judged, by, copies), order


def gallery(shown: Shown, wanted: ImageFilter, order: str) -> None:
    """The images that pass the filters, page by page."""
    images, standing = shown.images, shown.standing
    table = with_suspicion(shown) if order == SUSPICIOUS else shown.table
    chosen = ordered(filter_images(table, wanted, standing, shown.copies), order)
    if not len(chosen):
        st.info("No image passes these filters.", icon=":material/filter_alt_off:")
        return
    pages = -(-len(chosen) // IMAGES_PER_PAGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"**{len(chosen):,} images**: true class → predicted class, and how sure the network is")
        export.button(shown, chosen)
    page = pagination.choose_page(pages, repr((shown.run.id, shown.split, wanted, order)))
    if images is None:
        return
    rows = chosen.iloc[(page - 1) * IMAGES_PER_PAGE : page * IMAGES_PER_PAGE]
    ticked, opened = wall(
        tiles(rows, standing),
        images[rows["index"].to_numpy()],
        key="wall",
        keys={"legend": label_review.LEGEND, "undo": label_review.UNDO, "named": bool(visitor.who(ask=False))},
        on_key=partial(label_review.review_by_key, shown),
    )
    everything = st.toggle(
        f"Judge all {len(chosen):,} images that pass the filters, not only those ticked", key="everything"
    )
    if everything or ticked:
        label_review.review_bar(shown, list(chosen["image_id"]) if everything else ticked)
    if opened:
        dialog(shown, opened)


def with_suspicion(shown: Shown) -> pd.DataFrame:
    """The table with `suspicion`, `agreement`, `networks` and `suggested`, from all runs of the same data; and how to
    read that."""
    runs = same_data(shown.run, cache.runs(runs_root())) or [shown.run]
    found = cache.suspects_among(runs, shown.data_split)
    st.caption(f"{SUSPICION} {found.note}")
    columns = ["image_id", "suspicion", "agreement", "networks", "suggested"]
    return shown.table.merge(found.table[columns], on="image_id", how="left")


def tiles(rows: pd.DataFrame, standing: CurrentReviews) -> list[Tile]:
    """What the wall shows."""
    return [
        {
            "id": image,
            "true": LABELS[true],
            "predicted": LABELS[predicted],
            "right": true == predicted,
            "confidence": round(float(confidence), 4),
            "notes": suspected + notes_of(image, standing),
        }
        for image, true, predicted, confidence, suspected in zip(
            rows["image_id"],
            rows["label"].tolist(),
            rows["predicted"].tolist(),
            rows["confidence"],
            suspected_notes(rows),
            strict=True,
        )
    ]


def suspected_notes(rows: pd.DataFrame) -> list[list[str]]:
    """How many of several networks hold another class for more likely than the label, and which."""
    if "networks" not in rows or rows["networks"].isna().any():
        return [[] for _ in range(len(rows))]
    return [
        [f"{round(agreement * networks)} of {networks:.0f} runs against it: {LABELS[int(suggested)]}"]
        if networks > 1
        else []
        for agreement, networks, suggested in zip(rows["agreement"], rows["networks"], rows["suggested"], strict=True)
    ]
