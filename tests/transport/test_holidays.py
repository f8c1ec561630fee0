from datetime import date

import chinese_calendar

from broadcast.domain.calendar import Calendar, DayKind
from broadcast.transport.holidays import announced


def test_the_package_and_the_calendar_agree_on_every_day_of_every_year_that_it_knows() -> None:
    known = announced()
    calendar = Calendar(known)
    first, last = date(min(known.years), 1, 1).toordinal(), date(max(known.years), 12, 31).toordinal()
    for ordinal in range(first, last + 1):
        day = date.fromordinal(ordinal)
        is_off, holiday = chinese_calendar.get_holiday_detail(day)
        kind = calendar.day(day).kind
        assert (kind is not DayKind.WORKDAY, kind is DayKind.HOLIDAY) == (is_off, is_off and holiday is not None)


def test_the_spring_festival_of_2026_was_announced_by_its_name_and_with_its_make_up_days() -> None:
    calendar = Calendar(announced())
    assert calendar.day(date(2026, 2, 17)).name == "春节"
    assert calendar.day(date(2026, 2, 17)).kind is DayKind.HOLIDAY
    assert calendar.day(date(2026, 2, 14)).kind is DayKind.WORKDAY  # a Saturday


def test_the_years_are_those_of_the_installed_package_without_a_hole() -> None:
    years = announced().years
    assert years == frozenset(range(2004, max(years) + 1))
    assert max(years) >= 2026
