from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.broadcasts import Fault
from broadcast.domain.calendar import Announced, Calendar, Day, DayEntry, DayKind, Says, check_entries
from broadcast.domain.programmes import DayRule
from tests.domain.plans import CALENDAR

NEW_YEAR = date(2027, 1, 1)


def test_an_announced_holiday_a_make_up_workday_and_an_ordinary_day_say_what_they_are() -> None:
    assert CALENDAR.day(date(2026, 5, 1)) == Day(date(2026, 5, 1), DayKind.HOLIDAY, "劳动节", Says.ANNOUNCED)
    assert CALENDAR.day(date(2026, 5, 9)) == Day(date(2026, 5, 9), DayKind.WORKDAY, "劳动节", Says.ANNOUNCED)
    assert CALENDAR.day(date(2026, 5, 4)) == Day(date(2026, 5, 4), DayKind.WORKDAY, "", Says.ANNOUNCED)
    assert CALENDAR.day(date(2026, 5, 10)) == Day(date(2026, 5, 10), DayKind.REST_DAY, "", Says.ANNOUNCED)


def test_of_a_year_that_nobody_has_announced_the_weekday_is_known_and_that_is_said() -> None:
    assert CALENDAR.day(NEW_YEAR) == Day(NEW_YEAR, DayKind.WORKDAY, "", Says.WEEKDAY)
    assert CALENDAR.unannounced(date(2025, 12, 31), date(2028, 1, 1)) == (2025, 2027, 2028)
    assert CALENDAR.unannounced(date(2026, 1, 1), date(2026, 12, 31)) == ()


def test_the_operators_table_stands_above_the_announcement_and_its_last_word_counts() -> None:
    festival = DayEntry(date(2026, 5, 4), DayKind.HOLIDAY, "庙会")
    announced = Announced((DayEntry(date(2026, 5, 1), DayKind.HOLIDAY, "劳动节"),), frozenset({2026}))
    worked = DayEntry(date(2026, 5, 1), DayKind.WORKDAY)
    calendar = Calendar(
        announced, [DayEntry(NEW_YEAR, DayKind.REST_DAY), festival, worked, DayEntry(NEW_YEAR, DayKind.HOLIDAY, "元旦")]
    )
    assert calendar.day(date(2026, 5, 4)) == Day(date(2026, 5, 4), DayKind.HOLIDAY, "庙会", Says.OPERATOR)
    assert calendar.day(date(2026, 5, 1)).kind is DayKind.WORKDAY
    assert calendar.day(NEW_YEAR) == Day(NEW_YEAR, DayKind.HOLIDAY, "元旦", Says.OPERATOR)
    assert calendar.unannounced(NEW_YEAR, NEW_YEAR) == (2027,)


def test_an_entry_of_a_year_that_is_not_among_the_announced_ones_says_nothing() -> None:
    calendar = Calendar(Announced((DayEntry(NEW_YEAR, DayKind.HOLIDAY, "元旦"),), frozenset({2026})))
    assert calendar.day(NEW_YEAR).says is Says.WEEKDAY


days = st.dates(date(2025, 11, 1), date(2027, 2, 1))
entries = st.lists(st.builds(DayEntry, days, st.sampled_from(DayKind)), max_size=5)


@given(entries, entries, st.sets(st.integers(2025, 2027)), days, st.integers(0, 60))
def test_many_days_at_once_are_what_they_are_one_by_one(
    announced: list[DayEntry], own: list[DayEntry], years: set[int], first: date, more: int
) -> None:
    calendar = Calendar(Announced(tuple(announced), frozenset(years)), own)
    kinds = calendar.kinds(first.toordinal(), first.toordinal() + more)
    assert kinds == [calendar.day(first + timedelta(days=n)).kind for n in range(more + 1)]


@given(days, entries)
def test_every_day_is_either_a_workday_or_a_rest_day_and_a_holiday_is_a_rest_day(
    day: date, own: list[DayEntry]
) -> None:
    found = Calendar(entries=own).day(day)
    assert found.meets(DayRule.EVERY)
    assert found.meets(DayRule.WORKDAYS) is not found.meets(DayRule.REST_DAYS)
    assert found.meets(DayRule.HOLIDAYS) is not found.meets(DayRule.NOT_HOLIDAYS)
    assert found.meets(DayRule.REST_DAYS) or not found.meets(DayRule.HOLIDAYS)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (DayEntry(NEW_YEAR, DayKind.HOLIDAY, " "), Fault("entries.0.name", "missing")),
        (DayEntry(NEW_YEAR, DayKind.WORKDAY, "a\u202eb"), Fault("entries.0.name", "control-characters")),
        (
            DayEntry(NEW_YEAR, DayKind.WORKDAY, "长" * 41),
            Fault("entries.0.name", "too-long", (("most", "40"), ("length", "41"))),
        ),
    ],
)
def test_an_entry_that_cannot_be_taken_is_named(entry: DayEntry, fault: Fault) -> None:
    assert check_entries([entry]) == [fault]


def test_a_table_names_a_day_once_and_has_an_end() -> None:
    entry = DayEntry(NEW_YEAR, DayKind.HOLIDAY, "元旦")
    assert check_entries([entry]) == []
    assert check_entries([entry, entry]) == [Fault("entries.1.day", "twice", (("day", "2027-01-01"),))]
    assert check_entries([entry] * 1_001) == [Fault("entries", "too-many", (("most", "1000"),))]
