"""What a click on a table of runs comes to: the order after one on a header, the ticks after one on a row."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.runs.fields import RUN_FIELDS


class Order(NamedTuple):
    """A field of `RUN_FIELDS`, and whether the largest comes first."""

    field: str = "created"
    descending: bool = True


def as_order(text: str, otherwise: Order) -> Order:
    """The order that an address has: the key of a field, after a minus where the largest comes first.

    Args:
        text: of the address.
        otherwise: where that names no field.
    """
    field = text.removeprefix("-")
    return Order(field, text.startswith("-")) if field in RUN_FIELDS else otherwise


def order_text(order: Order) -> str:
    """An order as an address has it."""
    return f"{'-' * order.descending}{order.field}"


def after_header_click(order: Order, column: str) -> Order:
    """The column's own direction first, the other one after a second click; nothing for a column without an order."""
    if column not in RUN_FIELDS:
        return order
    return Order(column, not order.descending if column == order.field else RUN_FIELDS[column].descending)


def after_click(before: Sequence[str], shown: Sequence[str], rows: Iterable[int]) -> list[str]:
    """What is ticked after a click.

    A mouse adds or removes rows. Shift and space on the keyboard replace all rows by one, in Streamlit's table: so a
    single row that was not ticked, where others were, is added to them. Otherwise nobody could compare without a mouse.

    Args:
        before: ids of all runs that were ticked.
        shown: ids of the rows.
        rows: the ticked positions.
    """
    now = [shown[row] for row in rows]
    if len(now) == 1 and now[0] not in before:
        now = [*(run_id for run_id in before if run_id in shown), *now]
    elsewhere = [run_id for run_id in before if run_id not in shown]
    return [*elsewhere, *now]
