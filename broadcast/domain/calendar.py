"""Which days are worked and which are holidays (节假日与调休), announced by the State Council year by year. Pure.

What has been announced comes in as a table (`transport.holidays` reads it from a package); the operator's own entries stand on
top. Of a year that nobody has announced yet only the weekday is known, and that is said, never hidden.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from broadcast.domain.programmes import DayRule


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

    @property
    def worked(self) -> bool:
        return self.kind is DayKind.WORKDAY

    def meets(self, rule: DayRule) -> bool: ...


@dataclass(frozen=True, slots=True)
class Announced:
    """What has been announced.

    :param years: for which years; of the others it says nothing.
    """

    entries: Mapping[date, DayEntry] = field(default_factory=dict)
    years: frozenset[int] = frozenset()


class Calendar:
    """Every day of every year, as far as it is known."""

    def __init__(self, announced: Announced = Announced(), entries: Iterable[DayEntry] = ()) -> None:
        raise NotImplementedError

    def day(self, day: date) -> Day:
        raise NotImplementedError

    def meets(self, rule: DayRule, day: date) -> bool:
        raise NotImplementedError

    def unannounced(self, first: date, last: date) -> tuple[int, ...]:
        """The years from first to last of which only weekdays are known. The page shows them beside every day rule."""
        raise NotImplementedError
