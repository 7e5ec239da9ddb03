"""Wrong tokens are counted by address, for a minute, and for so many addresses only."""

from dashboard.api.access import MAX_ADDRESSES, WITHIN_SECONDS, WrongTokens


def test_the_count_begins_anew_after_a_minute() -> None:
    now = [0.0]
    wrong = WrongTokens(lambda: now[0])
    assert [wrong.note("a"), wrong.note("a"), wrong.note("b")] == [1, 2, 1]
    now[0] = WITHIN_SECONDS - 1
    assert wrong.note("a") == 3
    now[0] = WITHIN_SECONDS
    assert wrong.note("a") == 1


def test_many_addresses_fill_no_memory() -> None:
    wrong = WrongTokens(lambda: 0.0)
    for number in range(3 * MAX_ADDRESSES):
        wrong.note(f"address {number}")
        wrong.note("again and again")
    assert len(wrong._seen) == MAX_ADDRESSES
    assert wrong.note("again and again") == 3 * MAX_ADDRESSES + 1
