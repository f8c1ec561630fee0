"""From programmes to what sounds when: occurrences (场次) with UTC instants, and the order that each becomes. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, time
from functools import lru_cache
from itertools import compress, repeat
from operator import itemgetter
from typing import NamedTuple

from broadcast.domain.calendar import MEANT, Calendar, DayKind
from broadcast.domain.programmes import NOTHING_YET, Content, DayRule, EndPolicy, Pattern, Programme, StartPolicy
from broadcast.domain.wall_time import instant_ms, midnight_ms, wall_time
from endpoints.protocol import MAX_REPEATS, TONE_MS, Kind, Order, Part, Severity, Tone

FADE_MS = 3_000
SEARCHED_MS = 2 * 366 * 86_400_000  # a pattern with weekdays, and at most 366 dates out, has begun by then
LONGEST_MS = 25 * 3_600_000  # the longest slot and the latest start behind each other
ORDER_ID = re.compile(r"P([0-7][0-9A-HJKMNP-TV-Z]{25})-([0-9]{12})")
KINDS = tuple(DayKind)
NO_FILE = Part(b"", 0, 0)


class Occurrence(NamedTuple):
    """One time that a programme sounds.

    :param start_ms: UTC.
    :param day, at: its nominal wall time in the programme's zone; where the clock jumps over it, the one that does not exist.
    """

    start_ms: int
    programme: Programme
    day: date
    at: time

    @property
    def id(self) -> str:
        """`P` + ULID + `-` + yymmddhhmmss in wall time: exactly the 40 characters of an order id.

        Two servers derive the same, and a wall time that the clock passes twice is one occurrence.
        """
        return f"P{self.programme.id}-{self.day:%y%m%d}{self.at:%H%M%S}"

    @property
    def end_ms(self) -> int:
        """The end of its slot."""
        return self.start_ms + self.programme.length_ms


def programme_id(order_id: str) -> str:
    """The programme that an order id belongs to, or "" when it belongs to none."""
    found = ORDER_ID.fullmatch(order_id)
    return found[1] if found else ""


def nominal_time(order_id: str) -> datetime | None:
    """The wall time in the zone of its programme at which an order was due, by its id; None when it is no programme's."""
    found = ORDER_ID.fullmatch(order_id)
    try:
        return datetime.strptime(f"20{found[2]}", "%Y%m%d%H%M%S") if found else None  # noqa: DTZ007  wall time
    except ValueError:
        return None


def occurrences(programmes: Iterable[Programme], calendar: Calendar, from_ms: int, until_ms: int) -> list[Occurrence]:
    """All that begin in from ≤ start < until, by start and then by programme id.

    What began before `from_ms` may still sound: ask from `LONGEST_MS` earlier and look at `end_ms`.
    """
    span = Span(calendar, from_ms, until_ms)
    found: list[Occurrence] = []
    for programme in sorted(programmes, key=lambda one: one.id):
        for at, starts, days in span.starts(programme):
            rows = zip(starts, repeat(programme), days, repeat(at))
            found.extend(map(tuple.__new__, repeat(Occurrence), rows))  # half a million: a third of calling the class
    found.sort(key=itemgetter(0))
    return found


def next_start_ms(programme: Programme, calendar: Calendar, from_ms: int) -> int | None:
    """When it begins first from then on, paused or not; None when it never does, or nobody knows yet on which days."""
    pattern, zone = programme.pattern, programme.zone
    wanted = replace(programme, paused=False)
    now = wall_time(zone, from_ms).date()
    later = sorted(day for day in pattern.dates_in if day >= now)
    begins = [max(pattern.first, now), *([later[0]] if later else ())]
    spans = [(max(from_ms, _midnight_ms(zone, day)), _midnight_ms(zone, day) + SEARCHED_MS) for day in begins]
    starts = [one for span in spans for one in Span(calendar, *span).starts(wanted) if one.instants]
    return min((one.instants[0] for one in starts), default=None)


def is_over(programme: Programme, calendar: Calendar, now_ms: int) -> bool:
    """It never begins again; what could begin now, if late, still does. A day that may yet be announced is none that is over."""
    pattern = programme.pattern
    if next_start_ms(programme, calendar, now_ms - programme.latest_start_s * 1_000) is not None:
        return False
    if pattern.rule is DayRule.EVERY or not pattern.weekdays:
        return True
    first = max(pattern.first, wall_time(programme.zone, now_ms).date())
    return pattern.last is not None and not calendar.unannounced(first, pattern.last)


def _midnight_ms(zone: str, day: date) -> int:
    """When the day begins there; of a day that the zone left out, when it would have in Greenwich."""
    found = instant_ms(zone, day, time())
    return found if found is not None else (day.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000


class Starts(NamedTuple):
    """When something begins at one time of day.

    :param instants: UTC milliseconds, in order.
    :param days: the nominal day of each.
    """

    at: time
    instants: tuple[int, ...]
    days: tuple[date, ...]


class Span:
    """The days from one instant to another, and what all programmes of a zone share of them."""

    def __init__(self, calendar: Calendar, from_ms: int, until_ms: int) -> None:
        self._calendar, self._from_ms, self._until_ms = calendar, from_ms, until_ms
        self._zones: dict[str, _Days] = {}
        self._known: dict[tuple[str, Pattern], tuple[Starts, ...]] = {}

    def starts(self, programme: Programme) -> tuple[Starts, ...]:
        """For each of its times of day. Programmes of the same pattern and zone get the same objects."""
        if programme.paused or self._until_ms <= self._from_ms:
            return ()
        alike = programme.zone, programme.pattern
        if alike not in self._known:
            self._known[alike] = tuple(self._starts(*alike))
        return self._known[alike]

    def _starts(self, zone: str, pattern: Pattern) -> Iterator[Starts]:
        days = self._days(zone)
        chosen = days.chosen(pattern)
        changing = [day for day in days.changing if chosen[day.toordinal() - days.first]]
        for day in changing:
            chosen[day.toordinal() - days.first] = 0
        midnights, dates = list(compress(days.midnights, chosen)), list(compress(days.dates, chosen))
        for at in sorted(pattern.times):
            after_ms = ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000
            starts = [midnight + after_ms for midnight in midnights]
            on = dates
            if changing:
                starts, on = _with(starts, on, [(instant_ms(zone, day, at), day) for day in changing])
            low, high = bisect_left(starts, self._from_ms), bisect_left(starts, self._until_ms)
            yield Starts(at, tuple(starts[low:high]), tuple(on[low:high]))

    def _days(self, zone: str) -> "_Days":
        if zone not in self._zones:
            self._zones[zone] = _Days(zone, self._calendar, self._from_ms, self._until_ms)
        return self._zones[zone]


class _Days:
    """All days of a zone that can have to do with a span, as columns; index 0 is the day `first` (`date.toordinal`)."""

    def __init__(self, zone: str, calendar: Calendar, from_ms: int, until_ms: int) -> None:
        # A day more at both ends: where the clock goes back over midnight, the date does too.
        self.first = wall_time(zone, from_ms).toordinal() - 1
        last = wall_time(zone, until_ms).toordinal() + 1
        self.dates = [date.fromordinal(ordinal) for ordinal in range(self.first, last + 1)]
        begins = [midnight_ms(zone, ordinal) for ordinal in range(self.first, last + 1)]
        self.changing = [day for day, midnight in zip(self.dates, begins, strict=True) if midnight is None]
        self.midnights = [midnight or 0 for midnight in begins]  # of changing days it is not asked for
        kinds = calendar.kinds(self.first, last)
        self._classes = bytes(
            KINDS.index(kind) * 7 + day.weekday() for kind, day in zip(kinds, self.dates, strict=True)
        )

    def chosen(self, pattern: Pattern) -> bytearray:
        """1 for each day on which it sounds, 0 for the others."""
        chosen = bytearray(self._classes.translate(_table(pattern.weekdays, pattern.rule)))
        self._set(chosen, pattern.dates_in, 1)
        self._clear_outside(chosen, pattern)
        self._set(chosen, pattern.dates_out, 0)
        return chosen

    def _set(self, chosen: bytearray, days: Iterable[date], value: int) -> None:
        for day in days:
            at = day.toordinal() - self.first
            if 0 <= at < len(chosen):
                chosen[at] = value

    def _clear_outside(self, chosen: bytearray, pattern: Pattern) -> None:
        before = min(max(0, pattern.first.toordinal() - self.first), len(chosen))
        chosen[:before] = bytes(before)
        if pattern.last is not None:
            after = min(max(0, pattern.last.toordinal() + 1 - self.first), len(chosen))
            chosen[after:] = bytes(len(chosen) - after)


@lru_cache(maxsize=4_096)
def _table(weekdays: frozenset[int], rule: DayRule) -> bytes:
    """For `bytes.translate`: from the class of a day to whether it is chosen."""
    return bytes(n < 7 * len(KINDS) and n % 7 + 1 in weekdays and KINDS[n // 7] in MEANT[rule] for n in range(256))


def _with(starts: list[int], days: list[date], more: list[tuple[int | None, date]]) -> tuple[list[int], list[date]]:
    """With those of days on which the clock changes, in order."""
    both = sorted([*zip(starts, days, strict=True), *((at, day) for at, day in more if at is not None)])
    return [at for at, _ in both], [day for _, day in both]


def passes(programme: Programme, content: Content) -> int:
    """How often its sound is begun: a loop until the slot is over, within what an order can say."""
    if not programme.loop or not content.length_ms:
        return 1
    room_ms = programme.length_ms - TONE_MS[programme.opening]
    return min(MAX_REPEATS, max(1, -(-room_ms // content.length_ms)))


def sound_ms(programme: Programme, content: Content) -> int:
    """How long it sounds when it is not cut; 0 when it is not known, or a stream that sounds as long as it may."""
    if not content.length_ms:
        return 0
    return TONE_MS[programme.opening] + content.length_ms * passes(programme, content) + TONE_MS[programme.closing]


def to_order(occurrence: Occurrence, content: Content = NOTHING_YET) -> Order:
    """The order that an occurrence becomes; the same on two servers with the same tables.

    Its targets are the programme's as they are: call `as_of_today` on the programme first.

    :param content: what its source has become; without files and stream the order has no sound,
        nor a tone, and its window is the slot.
    """
    programme, start_ms = occurrence.programme, occurrence.start_ms
    ends_ms, start_by_ms = occurrence.end_ms, start_ms + programme.latest_start_s * 1_000
    if programme.end is EndPolicy.FINISH:
        ends_ms = min(max(ends_ms, start_by_ms + sound_ms(programme, content)), start_ms + LONGEST_MS)
    first, *more = content.parts or (NO_FILE,)
    nothing = not content.parts and not content.stream  # no tone either: it would pass for the programme
    return Order(
        id=occurrence.id,
        revision=programme.revision,
        kind=Kind.ROUTINE,
        band=programme.band,
        severity=Severity.UNKNOWN,
        level=programme.level,
        exercise=False,
        issued_at_ms=programme.created_at_ms,
        not_before_ms=start_ms,
        not_after_ms=ends_ms,
        areas=programme.areas,
        excluded=programme.excluded,
        speakers=programme.speakers,
        tone=Tone.NONE if nothing else programme.opening,
        asset=first.asset,
        asset_bytes=first.asset_bytes,
        asset_ms=first.asset_ms,
        repeats=passes(programme, content),
        gap_ms=0,
        resume=programme.resumes,
        volume_percent=programme.volume_percent,
        closing=Tone.NONE if nothing else programme.closing,
        more=tuple(more),
        start_by_ms=min(start_by_ms, ends_ms),
        hard_at_ms=_hard_at_ms(programme, start_ms),
        fade_ms=FADE_MS if programme.end is EndPolicy.FADE else 0,
        ceiling_percent=programme.ceiling_percent,
        stream=content.stream,
    )


def _hard_at_ms(programme: Programme, start_ms: int) -> int:
    if programme.start is StartPolicy.NEXT:
        return 0
    return start_ms + (programme.grace_s * 1_000 if programme.start is StartPolicy.GRACE else 0)
