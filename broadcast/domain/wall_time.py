"""From wall time to instants: gaps and folds of zones whose clocks change (夏令时). Pure; the zone database is Python's.

A time of day that the clock jumps over (gap) becomes the first instant after the jump: a programme that vanished one morning a
year would be skipped without a reason that anyone sees, and an hour later would be another slot. A day that the zone left out
altogether (Samoa, 2011-12-30) has no such instant. A time that comes twice (fold) is meant once, the first time. RFC 5545 §3.3.5
says the same of the fold; a time in a gap it reads with the offset before, which would move the programme by an hour.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@lru_cache(maxsize=65_536)
def midnight_ms(zone: str, ordinal: int) -> int | None:
    """When a day begins, if every time of day is just so much later: there is no gap and no fold in it. None if there is.

    :param ordinal: of the day, `date.toordinal`.
    """
    here, day = ZoneInfo(zone), date.fromordinal(ordinal)
    midnight = datetime.combine(day, time(), here)
    following = datetime.combine(day + DAY, time(), here)
    # No zone changes its clock twice in a day; if one did, to and fro, this would not see it.
    return _ms(midnight) if midnight.utcoffset() == following.utcoffset() else None


def instant_ms(zone: str, day: date, at: time) -> int | None:
    """When it is that time of that day there; None on a day that the zone left out."""
    here = ZoneInfo(zone)
    meant = datetime.combine(day, at, here)
    if meant.astimezone(UTC).astimezone(here).replace(tzinfo=None) == meant.replace(tzinfo=None):
        return _ms(meant)
    jump = _first_after_gap(meant)
    return _ms(jump) if jump.astimezone(here).date() == day else None


def wall_time(zone: str, instant_ms: int) -> datetime:
    """What the clock on the wall shows there, without a zone."""
    return (EPOCH + timedelta(milliseconds=instant_ms)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _first_after_gap(meant: datetime) -> datetime:
    """The first second with the new offset, in UTC. By the old offset the time lies behind the jump, by the new one before it."""
    here = meant.tzinfo
    before, after = meant.replace(fold=1).astimezone(UTC), meant.replace(fold=0).astimezone(UTC)
    new = after.astimezone(here).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if middle.astimezone(here).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after


def _ms(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)
