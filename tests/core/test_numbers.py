"""Numbers that people type, and differences that they read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.numbers import read_decimal, read_integer, signed, typed_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0,0005", 0.0005),
        ("0.0005", 0.0005),
        (" 1e-3 ", 0.001),
        ("5", 5.0),
        ("0,001", 0.001),
        ("1,5", 1.5),
        (",5", 0.5),
    ],
)
def test_both_decimal_signs_are_read(text: str, number: float) -> None:
    assert read_decimal(text) == number


@pytest.mark.parametrize("text", ["", "five", "1,2,3", "1.000,5", "1,000.5", "1_000", "0,00,5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^be a number$"):
        read_decimal(text)


def test_a_comma_before_three_digits_may_be_either_and_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^be written as 1000 or 1\.0$"):
        read_decimal("1,000")
    with pytest.raises(ValueError, match=r"^be written as 12345 or 12\.345$"):
        read_decimal("12,345")


@pytest.mark.parametrize("text", ["", "4,000", "4.000", "4 000", "1,5", "1.0", "1e3", "1_000", "٣", "9" * 5000])
def test_a_whole_number_has_no_separators(text: str) -> None:
    with pytest.raises(ValueError, match="be a whole number, in digits only"):
        read_integer(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_into_a_field_is_read_as_the_same_number(number: float) -> None:
    assert read_decimal(typed_number(number)) == number


@given(st.integers(-(10**19), 10**19))
def test_whole_numbers_too(number: int) -> None:
    assert read_integer(typed_number(number)) == number


def test_a_difference_has_a_true_minus_and_nothing_has_no_sign() -> None:
    written = {1.25: "+1.2", -0.84: "\u22120.8", 0.0: "0.0", -0.04: "0.0", 1234.5: "+1,234.5"}
    assert {value: signed(value, 1) for value in written} == written
    assert [signed(value) for value in (3, -1200, 0)] == ["+3", "\u22121,200", "0"]
