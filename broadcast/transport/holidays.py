"""What the State Council has announced (国务院办公厅关于节假日安排的通知), from the package `chinesecalendar`."""

from chinese_calendar.constants import Holiday, holidays, workdays  # type: ignore[import-untyped]

from broadcast.domain.calendar import Announced, DayEntry, DayKind


def announced() -> Announced:
    """Holidays with the weekends inside them, make-up workdays, and the years that the installed package knows.

    A new year's announcement, usually of November, comes with a new version of the package, or by the operator's table before.
    """
    names = {holiday.value: str(holiday.chinese) for holiday in Holiday}
    days = [DayEntry(day, DayKind.HOLIDAY, names[holiday]) for day, holiday in holidays.items()]
    days += [DayEntry(day, DayKind.WORKDAY, names[holiday]) for day, holiday in workdays.items()]
    return Announced(tuple(sorted(days, key=lambda entry: entry.day)), frozenset(day.year for day in holidays))
