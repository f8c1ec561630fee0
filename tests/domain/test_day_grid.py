from datetime import date, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.day_grid import Holder, Stretch, day_grid
from broadcast.domain.occurrences import occurrences
from broadcast.domain.programmes import Content, EndPolicy, Programme
from broadcast.domain.quiet_spans import loud_spans, quiet_spans
from endpoints.arbitration import QuietHours, is_meant
from endpoints.protocol import Level
from tests.domain.plans import (
    CALENDAR,
    CITY,
    E1,
    E2,
    EAST,
    MONDAY,
    VILLAGES,
    W1,
    WEST,
    beijing_ms,
    part,
    programme,
    ulid,
    utc_ms,
)
from tests.domain.test_occurrences import order_of

MINUTE_MS, DAY_MS = 60_000, 86_400_000
COUNTY, TOWNSHIP = programme(1), programme(2, "08:35", 35, owner=EAST)
VILLAGE = programme(3, "08:20", 5, owner=E1)


def told(area: str, *programmes: Programme, **more: object) -> list[tuple[str, str, str]]:
    """Of Monday: begin, end, and who has it, a star where everywhere."""
    return [
        (
            clock(one.from_ms),
            clock(one.until_ms),
            "quiet"
            if one.quiet
            else " ".join(f"{holder.level.name.lower()}{'*' * holder.everywhere}" for holder in one.holders),
        )
        for one in day_grid(area, MONDAY, programmes, CALENDAR, **more)  # type: ignore[arg-type]
    ]


def clock(ms: int) -> str:
    minute = (ms - beijing_ms(MONDAY)) // MINUTE_MS
    return f"{minute // 60:02}:{minute % 60:02}"


def test_a_day_is_told_by_who_has_which_span_and_what_is_free() -> None:
    assert told(E1, COUNTY, TOWNSHIP) == [
        ("00:00", "06:00", "quiet"),
        ("06:00", "08:00", ""),
        ("08:00", "08:30", "city*"),
        ("08:30", "08:35", ""),
        ("08:35", "09:10", "township*"),
        ("09:10", "22:00", ""),
        ("22:00", "24:00", "quiet"),
    ]


def test_two_at_the_same_time_are_both_told_the_higher_level_first() -> None:
    spans = day_grid(E1, MONDAY, [VILLAGE, COUNTY], CALENDAR)
    (both,) = [one for one in spans if len(one.holders) == 2]
    assert both.holders == (Holder(ulid(1), Level.CITY, True), Holder(ulid(3), Level.VILLAGE, True))
    assert not both.is_free


def test_what_sounds_in_a_part_of_the_area_is_told_without_everywhere() -> None:
    assert ("08:20", "08:25", "village") in told(EAST, VILLAGE)
    assert ("08:00", "08:30", "city") in told(EAST, programme(1, excluded=(E2,)))
    assert ("08:00", "08:30", "city*") in told(E1, programme(1, excluded=(E2,)))
    assert ("08:35", "09:10", "township") in told(CITY, TOWNSHIP)
    nowhere = [
        told(WEST, VILLAGE),
        told(E2, programme(1, excluded=(EAST,))),
        told(EAST, programme(1, areas=(E1,), excluded=(E1,))),
    ]
    assert nowhere == [told(WEST)] * 3


def test_a_speaker_named_by_itself_is_a_part_of_its_area() -> None:
    one = programme(1, areas=(), speakers=("s-1",))
    assert ("08:00", "08:30", "city") in told(EAST, one, speakers={"s-1": E1})
    assert told(WEST, one, speakers={"s-1": E1}) == told(WEST)
    kept = programme(1, areas=(CITY,), excluded=(E1,), speakers=("s-1",))
    assert ("08:00", "08:30", "city") in told(E1, kept, speakers={"s-1": E1})


def test_what_began_the_day_before_and_what_may_finish_later_take_their_time() -> None:
    assert told(E1, programme(1, "23:50", 20), quiet=QuietHours(0, 0)) == [
        ("00:00", "00:10", "city*"),
        ("00:10", "23:50", ""),
        ("23:50", "24:00", "city*"),
    ]
    long = {ulid(1): Content((part(40),))}
    assert ("08:00", "08:40", "city*") in told(E1, programme(1, end=EndPolicy.FINISH), contents=long)
    assert ("08:00", "08:30", "city*") in told(E1, programme(1), contents=long)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 10, 26), 24)]
)
def test_a_day_is_as_long_as_it_is_there(day: date, hours: int) -> None:
    (grid,) = day_grid(E1, day, [], CALENDAR, zone="Europe/Berlin", quiet=QuietHours(0, 0))
    assert grid.until_ms - grid.from_ms == hours * 60 * MINUTE_MS
    assert grid.is_free


def test_a_day_that_was_left_out_has_no_grid_and_the_one_before_it_has() -> None:
    assert day_grid(E1, date(2011, 12, 30), [], CALENDAR, zone="Pacific/Apia") == ()
    spans = day_grid(E1, date(2011, 12, 29), [], CALENDAR, zone="Pacific/Apia", quiet=QuietHours(0, 0))
    assert spans == (Stretch(utc_ms(2011, 12, 29, 10), utc_ms(2011, 12, 30, 10), (), False),)


owners = st.sampled_from([CITY, EAST, WEST, E1, W1])


@settings(deadline=None)
@given(st.lists(st.tuples(owners, st.integers(0, 1_439), st.integers(1, 200)), max_size=5), st.sampled_from(VILLAGES))
def test_every_minute_of_a_village_has_the_holders_whose_slot_it_is_and_is_meant_for_it(
    made: list[tuple[str, int, int]], village: str
) -> None:
    programmes = [
        programme(n, time(at // 60, at % 60).isoformat(), minutes, owner=owner)
        for n, (owner, at, minutes) in enumerate(made)
    ]
    grid = day_grid(village, MONDAY, programmes, CALENDAR)
    midnight = beijing_ms(MONDAY)
    assert (grid[0].from_ms, grid[-1].until_ms) == (midnight, midnight + DAY_MS)
    found = occurrences(programmes, CALENDAR, midnight - DAY_MS, midnight + DAY_MS)
    for stretch in grid:
        for at_ms in (stretch.from_ms, stretch.until_ms - 1):
            expected = {
                one.programme.id
                for one in found
                if one.start_ms <= at_ms < one.end_ms and is_meant(order_of(one.programme), "", village)
            }
            assert {holder.programme for holder in stretch.holders} == expected
            assert stretch.quiet is QuietHours().hold(at_ms)


@given(
    st.integers(0, 1_439),
    st.integers(0, 1_439),
    st.integers(-720, 840),
    st.integers(0, 3 * 1_440),
    st.integers(0, 3 * 1_440),
)
def test_quiet_and_loud_spans_share_every_minute_between_them(
    begin: int, end: int, offset: int, one: int, other: int
) -> None:
    quiet = QuietHours(begin, end, offset)
    from_ms, until_ms = sorted((beijing_ms(MONDAY) + one * MINUTE_MS, beijing_ms(MONDAY) + other * MINUTE_MS))
    held = [minute for span in quiet_spans(from_ms, until_ms, quiet) for minute in range(*span, MINUTE_MS)]
    free = [minute for span in loud_spans(from_ms, until_ms, quiet) for minute in range(*span, MINUTE_MS)]
    assert sorted(held + free) == list(range(from_ms, until_ms, MINUTE_MS))
    assert all(quiet.hold(minute) for minute in held)
    assert not any(quiet.hold(minute) for minute in free)


def test_the_day_after_is_another_day() -> None:
    one = programme(1, "23:50", 20)
    after = day_grid(E1, MONDAY + timedelta(days=1), [one], CALENDAR, quiet=QuietHours(0, 0))
    assert after[0].until_ms - after[0].from_ms == 10 * MINUTE_MS
