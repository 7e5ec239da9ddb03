"""The gallery of the error analysis: filters, a wall of faces, and the review of those selected."""

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
    LIKELY_LABEL_ERROR,
    REVIEW_FILTERS,
    SHOWN,
    ImageFilter,
    filter_images,
    ordered,
)
from core.team.rights import Action, may
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.ui import pagination
from dashboard.ui.components.wall import wall
from dashboard.views.errors import export, label_review, shortcuts, viewer
from dashboard.views.errors.shown import Shown
from dashboard.views.errors.tiles import tiles

IMAGES_PER_PAGE: Final = 60
SUSPICION: Final = (
    "Most likely label errors first: ranked by self-confidence, the mean predicted probability of the label. "
    "A hint, not proof."
)


FILTER_KEYS: Final[dict[str, Any]] = {
    "show": ImageFilter.shown,
    "true": ImageFilter.true,
    "predicted": ImageFilter.predicted,
    "confidence": ImageFilter.confidence,
    "verdict": ImageFilter.review,
    "by": ImageFilter.by,
    "copies": ImageFilter.copies,
}
"""Key of each filter, in the session and in the address, to what shows the gallery as it opens."""


def filters(shown: Shown) -> tuple[ImageFilter, str]:
    """The filters and the order; both are in the address."""
    heading = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small")
    heading.markdown("**Filters**", width="content")
    row = st.grid(2, min_column_width=130, vertical_alignment="bottom")
    bound: dict[str, Any] = {"bind": "query-params"}
    show = row.selectbox("Show", list(SHOWN), format_func=SHOWN.__getitem__, key="show", **bound)
    order = row.selectbox("Order", list(IMAGE_ORDERS), key="order", **bound)
    true = row.selectbox("True class", [ANY, *LABELS], format_func=any_capitalized, key="true", **bound)
    predicted = row.selectbox("Predicted class", [ANY, *LABELS], format_func=any_capitalized, key="predicted", **bound)
    review = row.selectbox(
        "Review status", list(REVIEW_FILTERS), format_func=REVIEW_FILTERS.__getitem__, key="verdict", **bound
    )
    people = sorted({reviewer for reviews in shown.current_reviews.values() for reviewer in reviews})
    by = row.selectbox("Reviewer", [ANY, *people], format_func=any_capitalized, key="by", disabled=not people, **bound)
    kinds = {ANY: "Any", **DUPLICATE_FILTERS}
    if shown.data_split != "train":
        kinds["train"] = "In train"
    copies = row.selectbox(
        "Duplicates", list(kinds), format_func=kinds.__getitem__, key="copies", disabled=shown.copies is None, **bound
    )
    low, high = row.slider("Confidence", 0, 100, (0, 100), 5, format="%d%%", key="confidence", **bound)
    wanted = ImageFilter(show, true, predicted, (low, high), review, by, copies)
    heading.button(
        "Reset filters",
        icon=":material/filter_alt_off:",
        type="tertiary",
        key="reset-filters",
        disabled=wanted == ImageFilter(),
        on_click=reset_filters,
    )
    return wanted, order


def reset_filters() -> None:
    """Every filter as the gallery opens; the order stays."""
    st.session_state.update(FILTER_KEYS)


def any_capitalized(choice: str) -> str:
    """A class or a name as it is, `ANY` as a label."""
    return "Any" if choice == ANY else choice


def gallery(shown: Shown, wanted: ImageFilter, order: str) -> None:
    """The images that pass the filters, page by page."""
    images, reviews = shown.images, shown.current_reviews
    table = with_suspicion(shown) if order == LIKELY_LABEL_ERROR else shown.table
    chosen = ordered(filter_images(table, wanted, reviews, shown.copies), order)
    if not len(chosen):
        st.info("No images match these filters.", icon=":material/filter_alt_off:")
        return
    pages, of = -(-len(chosen) // IMAGES_PER_PAGE), repr((shown.run.id, shown.split, wanted, order))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"**{len(chosen):,} images** · true → predicted · confidence", width="content")
        with st.container(horizontal=True, width="content"):
            shortcuts.undo_button(shown)
            export.button(shown, chosen)
    if images is None:
        return
    me = actor()
    may_review = may(me, Action.REVIEW_LABELS)
    page = pagination.choose_page(pages, of)
    rows = chosen.iloc[(page - 1) * IMAGES_PER_PAGE : page * IMAGES_PER_PAGE]
    selected, opened = wall(
        tiles(rows, reviews),
        images[rows["index"].to_numpy()],
        key="wall",
        keys={
            "legend": shortcuts.LEGEND if may_review else (),
            "undo": shortcuts.UNDO,
            "named": may_review and bool(me.name),
        },
        on_key=partial(shortcuts.review_by_key, shown),
        lines=2 if order == LIKELY_LABEL_ERROR else 1,
        at=viewer.last_viewed(),
    )
    pagination.links_below(pages, of, page)
    everything = may_review and st.toggle(f"Review all {len(chosen):,} filtered images", key="everything")
    if may_review and (everything or selected):
        label_review.review_bar(shown, list(chosen["image_id"]) if everything else selected)
    if opened:
        viewer.dialog(shown, list(chosen["image_id"]), opened, partial(show_page_of, of))


def show_page_of(of: str, position: int) -> None:
    """The viewer was closed at an image: the gallery goes on at its page."""
    pagination.turn_to(position // IMAGES_PER_PAGE + 1, of)


def with_suspicion(shown: Shown) -> pd.DataFrame:
    """The table with `suspicion`, `agreement`, `models` and `suggested`, from all runs on the same data; and a caption
    on how to read the order."""
    runs = same_data(shown.run, cache.runs(runs_root())) or [shown.run]
    found = cache.suspects_among(runs, shown.data_split)
    st.caption(f"{SUSPICION} {found.note}")
    columns = ["image_id", "suspicion", "agreement", "models", "suggested"]
    return shown.table.merge(found.table[columns], on="image_id", how="left")
