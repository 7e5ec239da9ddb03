"""Starts of a person within a minute."""

import threading

import pytest

from core.errors import ConfigError
from core.team.limits import STARTS_PER_MINUTE, StartLimit, TooManyStartsError, most_starts
from core.team.people import Actor, Role

ADA = Actor("Ada", Role.MEMBER, "page", "ada@example.org")
SAME_BY_A_TOKEN = Actor("script of Ada", Role.MEMBER, "API", "ada@example.org")
BOB = Actor("Bob", Role.ADMIN, "page")


@pytest.fixture(autouse=True)
def _three_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STARTS_PER_MINUTE, "3")


def test_the_one_too_many_is_refused_until_the_minute_is_over() -> None:
    now = 100.0
    limit = StartLimit(lambda: now)
    for _ in range(3):
        limit.count(ADA)
        now += 10
    now = 130.4
    with pytest.raises(TooManyStartsError, match=r"You have started 3 times within a minute \(max 3\)\.") as caught:
        limit.count(SAME_BY_A_TOKEN)
    assert caught.value.wait_seconds == 30 and "Try again in 30 s." in str(caught.value)
    limit.count(BOB)
    now = 160.0
    limit.count(ADA)  # what was refused does not count
    with pytest.raises(TooManyStartsError):
        limit.count(ADA)


def test_nothing_is_kept_of_those_who_start_no_more() -> None:
    now = 0.0
    limit = StartLimit(lambda: now)
    for number in range(100):
        limit.count(Actor(f"person {number}", Role.MEMBER, "page"))
    now = 60.0
    limit.count(ADA)
    assert list(limit._starts) == ["ada@example.org"]


def test_of_many_at_once_no_more_than_allowed_come_through() -> None:
    limit, passed, together = StartLimit(), [], threading.Barrier(8)

    def start() -> None:
        together.wait(20)
        try:
            limit.count(ADA)
        except TooManyStartsError:
            return
        passed.append(1)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 3


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "10000", "\u0663"], ids=ascii)
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(STARTS_PER_MINUTE, text)
    with pytest.raises(ConfigError, match="must be a whole number from 1 to 9,999"):
        most_starts()


def test_without_a_setting_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STARTS_PER_MINUTE)
    assert most_starts() == 20
