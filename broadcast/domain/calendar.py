"""Which days are worked and which are holidays (节假日与调休), announced by the State Council year by year. Pure.

What has been announced comes in as a table (`transport.holidays` reads it from a package); the operator's own entries stand on
top. Of a year that nobody has announced yet only the weekday is known, and that is said, never hidden.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from broadcast.domain.broadcasts import Fault
from broadcast.domain.programmes import DayRule

MAX_ENTRIES, MAX_NAME = 1_000, 40


class DayKind(StrEnum):
    """What an entry can say of a day."""

    WORKDAY = "workday"
    REST_DAY = "rest-day"
    HOLIDAY = "holiday"


class Says(StrEnum):
    """Who says what a day is."""

    OPERATOR = "operator"
    ANNOUNCED = "announced"
    WEEKDAY = "weekday"  # nobody yet: its weekday alone


@dataclass(frozen=True, slots=True)
class DayEntry:
    """One day that is not what its weekday says.

    :param name: the holiday, or the one that a make-up workday belongs to, as people here call it.
    """

    day: date
    kind: DayKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """What a day is.

    :param says: WEEKDAY in a year that has not been announced: it may yet become a holiday or a make-up workday.
    """

    day: date
    kind: DayKind
    name: str
    says: Says

    def meets(self, rule: DayRule) -> bool:
        """Whether a programme with that rule sounds on it, its weekdays apart."""
        return self.kind in MEANT[rule]


MEANT: Mapping[DayRule, frozenset[DayKind]] = {
    DayRule.EVERY: frozenset(DayKind),
    DayRule.WORKDAYS: frozenset({DayKind.WORKDAY}),
    DayRule.REST_DAYS: frozenset({DayKind.REST_DAY, DayKind.HOLIDAY}),
    DayRule.HOLIDAYS: frozenset({DayKind.HOLIDAY}),
    DayRule.NOT_HOLIDAYS: frozenset({DayKind.WORKDAY, DayKind.REST_DAY}),
}


@dataclass(frozen=True, slots=True)
class Announced:
    """What has been announced.

    :param entries: the days that are not what their weekday says.
    :param years: for which years; of the others it says nothing.
    """

    entries: tuple[DayEntry, ...] = ()
    years: frozenset[int] = field(default_factory=frozenset)


NOTHING_ANNOUNCED = Announced()


class Calendar:
    """Every day of every year, as far as it is known. It never changes; another table is another calendar.

    :param entries: the operator's; of two for one day the later one counts.
    """

    def __init__(self, announced: Announced = NOTHING_ANNOUNCED, entries: Iterable[DayEntry] = ()) -> None:
        self._years = announced.years
        self._announced = {entry.day: entry for entry in announced.entries if entry.day.year in announced.years}
        self._own = {entry.day: entry for entry in entries}

    def day(self, day: date) -> Day:
        """What it is and who says so: the operator before the announcement before the weekday."""
        if (own := self._own.get(day)) is not None:
            return Day(day, own.kind, own.name, Says.OPERATOR)
        if (entry := self._announced.get(day)) is not None:
            return Day(day, entry.kind, entry.name, Says.ANNOUNCED)
        kind = DayKind.WORKDAY if day.weekday() < 5 else DayKind.REST_DAY
        return Day(day, kind, "", Says.ANNOUNCED if day.year in self._years else Says.WEEKDAY)

    def kinds(self, first_ordinal: int, last_ordinal: int) -> list[DayKind]:
        """Of many days at once, by `date.toordinal`, both included."""
        kinds = [
            DayKind.WORKDAY if ordinal % 7 not in (0, 6) else DayKind.REST_DAY  # ordinal 1 was a Monday
            for ordinal in range(first_ordinal, last_ordinal + 1)
        ]
        for table in (self._announced, self._own):
            for day, entry in table.items():
                if first_ordinal <= day.toordinal() <= last_ordinal:
                    kinds[day.toordinal() - first_ordinal] = entry.kind
        return kinds

    def unannounced(self, first: date, last: date) -> tuple[int, ...]:
        """The years from first to last of which only weekdays are known. The page shows them beside every day rule.

        An operator who has entered a year's holidays by hand still sees it, until the announcement says the same.
        """
        return tuple(year for year in range(first.year, last.year + 1) if year not in self._years)


def check_entries(entries: Sequence[DayEntry]) -> list[Fault]:
    """What is wrong with an operator's table; fields as `entries.2.name`."""
    if len(entries) > MAX_ENTRIES:
        return [Fault("entries", "too-many", (("most", str(MAX_ENTRIES)),))]
    faults: list[Fault] = []
    seen: set[date] = set()
    for index, entry in enumerate(entries):
        if entry.day in seen:
            faults.append(Fault(f"entries.{index}.day", "twice", (("day", entry.day.isoformat()),)))
        seen.add(entry.day)
        if len(entry.name) > MAX_NAME:
            facts = (("most", str(MAX_NAME)), ("length", str(len(entry.name))))
            faults.append(Fault(f"entries.{index}.name", "too-long", facts))
        if not entry.name.isprintable():
            faults.append(Fault(f"entries.{index}.name", "control-characters"))
        if entry.kind is DayKind.HOLIDAY and not entry.name.strip():
            faults.append(Fault(f"entries.{index}.name", "missing"))
    return faults
