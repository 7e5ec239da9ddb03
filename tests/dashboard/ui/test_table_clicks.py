"""What a click on a table of runs comes to."""

import pytest

from dashboard.ui.table_clicks import Order, after_click, after_header_click, as_order, order_text


@pytest.mark.parametrize(
    ("before", "rows", "after"),
    [
        ("", [1], "b"),
        ("a", [0, 2], "ac"),
        ("ac", [2], "c"),
        ("ac", [], ""),
        ("xa", [0, 1], "xab"),  # x is on another page
        ("x", [1], "xb"),
        ("xa", [], "x"),
        ("ac", [1], "acb"),  # the keyboard replaces all rows by one
        ("xa", [1], "xab"),
    ],
)
def test_what_is_ticked_after_a_click(before: str, rows: list[int], after: str) -> None:
    assert "".join(after_click(list(before), list("abc"), rows)) == after


def test_headers_sort_all_pages_and_turn_round_at_the_second_click() -> None:
    once = after_header_click(Order(), "validation")
    assert once == ("validation", True), "the best first"
    assert after_header_click(once, "validation") == ("validation", False)
    assert after_header_click(once, "config.learning_rate") == ("config.learning_rate", False)
    assert after_header_click(once, "tags") == once, "tags have no order"


def test_an_order_in_an_address_is_read_again_and_nonsense_is_none() -> None:
    for order in (Order("validation", True), Order("config.learning_rate", False)):
        assert as_order(order_text(order), Order()) == order
    assert as_order("nonsense", Order("name", False)) == Order("name", False)
