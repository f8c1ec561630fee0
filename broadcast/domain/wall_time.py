"""From wall time to instants: gaps and folds of zones whose clocks change (夏令时). Pure; the zone database is Python's.

A time of day that the clock jumps over (gap) becomes the first instant after the jump: a programme that vanished one morning a
year would be skipped without a reason that anyone sees, and an hour later would be another slot. A day that the zone left out
altogether (Samoa, 2011-12-30) has no such instant. A time that comes twice (fold) is meant once, the first time. RFC 5545 §3.3.5
says the same of the fold; a time in a gap it reads with the offset before, which would move the programme by an hour.
"""

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAY_MS = 86_400_000


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
    jump = _first_after_gap(meant, here)
    return _ms(jump) if jump.astimezone(here).date() == day else None


def wall_time(zone: str, instant_ms: int) -> datetime:
    """What the clock on the wall shows there, without a zone."""
    return (EPOCH + timedelta(milliseconds=instant_ms)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _first_after_gap(meant: datetime, here: ZoneInfo) -> datetime:
    """The first instant with the new offset, in UTC. By the old offset the time lies behind the jump, by the new one before it."""
    before, after = meant.replace(fold=1).astimezone(UTC), meant.replace(fold=0).astimezone(UTC)
    return EPOCH + timedelta(milliseconds=_change_ms(here, _ms(before), _ms(after)))


def _ms(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)


class WallClock:
    """What the clock on the wall shows in one zone between two instants, many times over."""

    def __init__(self, zone: str, from_ms: int, until_ms: int) -> None:
        here = ZoneInfo(zone)
        self._changes: list[int] = []
        self._offsets: list[int] = [_offset_ms(here, from_ms)]
        for at_ms in (*range(from_ms + DAY_MS, until_ms, DAY_MS), until_ms):
            if (offset := _offset_ms(here, at_ms)) != self._offsets[-1]:
                self._changes.append(_change_ms(here, at_ms - DAY_MS, at_ms))
                self._offsets.append(offset)

    def local_ms(self, instant_ms: int) -> int:
        """Milliseconds since 1970-01-01 as the wall clock counts."""
        if not self._changes:
            return instant_ms + self._offsets[0]
        return instant_ms + self._offsets[bisect_right(self._changes, instant_ms)]


def _offset_ms(here: ZoneInfo, instant_ms: int) -> int:
    return _ms((EPOCH + timedelta(milliseconds=instant_ms)).astimezone(here).replace(tzinfo=UTC)) - instant_ms


def _change_ms(here: ZoneInfo, before_ms: int, after_ms: int) -> int:
    """The first millisecond with the later offset."""
    new = _offset_ms(here, after_ms)
    while after_ms - before_ms > 1:
        middle = (before_ms + after_ms) // 2
        if _offset_ms(here, middle) == new:
            after_ms = middle
        else:
            before_ms = middle
    return after_ms
