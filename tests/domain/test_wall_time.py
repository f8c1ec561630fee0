"""Gaps and folds, by a definition without offsets: the first instant at which the clock shows that time or a later one."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.wall_time import WallClock, instant_ms, midnight_ms, wall_time
from tests.domain.plans import utc_ms

MINUTE_MS = 60_000
CHANGES = [  # zone, day of the change, what it is
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # half an hour
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Asia/Shanghai", date(1986, 5, 4)),  # China had summer time from 1986 to 1991
    ("Asia/Shanghai", date(1991, 9, 15)),
    ("America/Havana", date(2026, 3, 8)),  # at midnight
    ("America/Havana", date(2026, 11, 1)),
    ("America/Sao_Paulo", date(2018, 2, 17)),  # midnight comes twice
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Pacific/Apia", date(2011, 12, 30)),  # a day that was left out
    ("Asia/Shanghai", date(2026, 5, 4)),
]


def first_instant(zone: str, day: date, at: time) -> int | None:
    """Minute by minute through all offsets that there are."""
    here = ZoneInfo(zone)
    instant = datetime.combine(day, at, UTC) - timedelta(hours=15)
    for _ in range(30 * 60):
        shown = instant.astimezone(here)
        if shown.date() == day and shown.time() >= at:
            return int(instant.timestamp() * 1000)
        instant += timedelta(minutes=1)
    return None


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(CHANGES), st.integers(-2, 2), st.integers(0, 1_439))
def test_a_time_of_day_is_the_first_instant_at_which_the_clock_shows_it_or_later(
    change: tuple[str, date], days: int, minute: int
) -> None:
    zone, day, at = change[0], change[1] + timedelta(days=days), time(minute // 60, minute % 60)
    assert instant_ms(zone, day, at) == first_instant(zone, day, at)


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), utc_ms(2026, 3, 29, 1)),  # 02:00 → 03:00
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), utc_ms(2026, 10, 25, 0, 30)),  # the first of two
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15, 30), utc_ms(2026, 10, 3, 15, 30)),  # 02:00 → 02:30
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), utc_ms(2026, 4, 4, 14, 45)),
        ("Asia/Shanghai", date(1986, 5, 4), time(2, 30), utc_ms(1986, 5, 3, 18)),
        ("Asia/Shanghai", date(2026, 5, 4), time(6, 30, 15), utc_ms(2026, 5, 3, 22, 30, 15)),
        ("Pacific/Apia", date(2011, 12, 30), time(8), None),
    ],
)
def test_known_gaps_and_folds(zone: str, day: date, at: time, expected: int | None) -> None:
    assert instant_ms(zone, day, at) == expected


@settings(deadline=None)
@given(st.sampled_from(CHANGES), st.integers(-3, 3), st.integers(0, 1_439))
def test_where_a_day_has_a_midnight_every_time_is_so_much_later(
    change: tuple[str, date], days: int, minute: int
) -> None:
    zone, day = change[0], change[1] + timedelta(days=days)
    midnight = midnight_ms(zone, day.toordinal())
    if midnight is not None:
        assert instant_ms(zone, day, time(minute // 60, minute % 60)) == midnight + minute * MINUTE_MS


@pytest.mark.parametrize(("zone", "day"), [one for one in CHANGES if one != ("Asia/Shanghai", date(2026, 5, 4))])
def test_a_day_on_which_the_clock_changes_has_no_such_midnight(zone: str, day: date) -> None:
    assert midnight_ms(zone, day.toordinal()) is None


@settings(deadline=None)
@given(st.sampled_from(CHANGES), st.lists(st.integers(0, 9 * 1_440), min_size=1))
def test_the_clock_on_the_wall_is_read_the_same_way_one_by_one_and_many_times_over(
    change: tuple[str, date], minutes: list[int]
) -> None:
    zone, day = change
    from_ms = int(datetime.combine(day - timedelta(days=4), time(), UTC).timestamp() * 1000)
    clock = WallClock(zone, from_ms, from_ms + 9 * 1_440 * MINUTE_MS)
    for minute in minutes:
        at_ms = from_ms + minute * MINUTE_MS
        shown = wall_time(zone, at_ms).replace(tzinfo=UTC)
        assert clock.local_ms(at_ms) == shown.timestamp() * 1000
