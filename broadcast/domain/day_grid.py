"""One day of one area as its programmes share it: which spans are taken, by which level, and which are free (时段). Pure.

County, township and village speak through the same horns, so they divide the day: 08:00–08:30 the county, 08:35–09:10 the township.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import pairwise

from broadcast.domain.broadcasts import Targeted
from broadcast.domain.calendar import Calendar
from broadcast.domain.occurrences import LONGEST_MS, Occurrence, occurrences, sound_ms
from broadcast.domain.programmes import BEIJING, NOTHING_YET, Content, EndPolicy, Programme
from broadcast.domain.quiet_spans import quiet_spans
from broadcast.domain.wall_time import instant_ms
from endpoints.arbitration import QuietHours
from endpoints.area_codes import covers
from endpoints.protocol import Level

NO_SPEAKERS: Mapping[str, str] = {}
USUAL_QUIET_HOURS = QuietHours()


@dataclass(frozen=True, slots=True)
class Holder:
    """A programme that has a span.

    :param everywhere: in the whole area, not only in a part of it.
    """

    programme: str
    level: Level
    everywhere: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """One time of a programme that concerns the area (时段).

    :param from_ms, until_ms: of the whole slot, though it begins on the day before or ends on the day after.
    :param everywhere: as in `Holder`.
    """

    id: str
    programme: str
    from_ms: int
    until_ms: int
    everywhere: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of the day in which the same holds.

    :param holders: highest level first; none: the span is free. Two: see `conflicts` for who is heard.
    :param quiet: it lies in the quiet hours, so nothing routine is heard whoever has it.
    """

    from_ms: int
    until_ms: int
    holders: tuple[Holder, ...]
    quiet: bool

    @property
    def is_free(self) -> bool:
        return not self.holders and not self.quiet


def day_grid(
    area: str,
    day: date,
    programmes: Collection[Programme],
    calendar: Calendar,
    *,
    zone: str = BEIJING,
    contents: Mapping[str, Content] | None = None,
    speakers: Mapping[str, str] = NO_SPEAKERS,
    quiet: QuietHours = USUAL_QUIET_HOURS,
) -> tuple[Stretch, ...]:
    """The whole day of an area in its zone, span by span, without gaps; empty for a day that the zone left out.

    :param contents: as in `conflicts.preview`.
    :param speakers: area by id of every speaker that a programme names by itself.
    """
    span = _span(zone, day)
    if span is None:
        return ()
    from_ms, until_ms = span
    reach = _reached(programmes, area, speakers)
    mine = [one for one in programmes if one.id in reach]
    taken = [
        (one.start_ms, _end_ms(one, contents or {}), one.programme)
        for one in occurrences(mine, calendar, from_ms - LONGEST_MS, until_ms)
    ]
    silent = list(quiet_spans(from_ms, until_ms, quiet))
    spans = [*silent, *((start, stop) for start, stop, _ in taken)]
    edges = {edge for span in spans for edge in span if from_ms < edge < until_ms}
    stretches = (
        Stretch(
            begin,
            end,
            _holders([one for start, stop, one in taken if start < end and stop > begin], reach),
            any(start < end and stop > begin for start, stop in silent),
        )
        for begin, end in pairwise([from_ms, *sorted(edges), until_ms])
    )
    return tuple(_joined(stretches))


def day_slots(
    area: str,
    day: date,
    programmes: Collection[Programme],
    calendar: Calendar,
    *,
    zone: str = BEIJING,
    contents: Mapping[str, Content] | None = None,
    speakers: Mapping[str, str] = NO_SPEAKERS,
) -> tuple[Slot, ...]:
    """Every time of every programme that has a part of that day there, by its beginning, whoever is heard in the end.

    :param contents, speakers: as in `day_grid`.
    """
    span = _span(zone, day)
    if span is None:
        return ()
    from_ms, until_ms = span
    reach = _reached(programmes, area, speakers)
    mine = [one for one in programmes if one.id in reach]
    found = [
        Slot(one.id, one.programme.id, one.start_ms, _end_ms(one, contents or {}), reach[one.programme.id])
        for one in occurrences(mine, calendar, from_ms - LONGEST_MS, until_ms)
    ]
    return tuple(one for one in found if one.until_ms > from_ms)


def _span(zone: str, day: date) -> tuple[int, int] | None:
    """A day from midnight to midnight; None for one that the zone left out."""
    from_ms = instant_ms(zone, day, time())
    following = (instant_ms(zone, day + timedelta(days=n), time()) for n in (1, 2))
    until_ms = next((at for at in following if at is not None), None)
    return None if from_ms is None or until_ms is None else (from_ms, until_ms)


def _reached(programmes: Iterable[Programme], area: str, speakers: Mapping[str, str]) -> dict[str, bool]:
    return {one.id: reached for one in programmes if (reached := _reach(one, area, speakers)) is not None}


def _reach(programme: Targeted, area: str, speakers: Mapping[str, str]) -> bool | None:
    """Whether it sounds in the whole area (True), in a part of it (False), or not at all (None)."""
    if any(covers(code, area) for code in programme.excluded):
        return False if _names_one_in(programme, area, speakers) else None
    if any(covers(code, area) for code in programme.areas):
        return not any(covers(area, code) for code in programme.excluded)
    inside = [code for code in programme.areas if covers(area, code)]
    heard = any(not any(covers(gone, code) for gone in programme.excluded) for code in inside)
    return False if heard or _names_one_in(programme, area, speakers) else None


def _names_one_in(programme: Targeted, area: str, speakers: Mapping[str, str]) -> bool:
    return any(one in speakers and covers(area, speakers[one]) for one in programme.speakers)


def _end_ms(occurrence: Occurrence, contents: Mapping[str, Content]) -> int:
    programme = occurrence.programme
    if programme.end is not EndPolicy.FINISH:
        return occurrence.end_ms
    return max(occurrence.end_ms, occurrence.start_ms + sound_ms(programme, contents.get(programme.id, NOTHING_YET)))


def _holders(programmes: Iterable[Programme], reach: Mapping[str, bool]) -> tuple[Holder, ...]:
    held = {Holder(one.id, one.level, reach[one.id]) for one in programmes}
    return tuple(sorted(held, key=lambda one: (-one.level, one.programme)))


def _joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    last: Stretch | None = None
    for one in stretches:
        if last is not None and (last.holders, last.quiet) == (one.holders, one.quiet):
            last = Stretch(last.from_ms, one.until_ms, one.holders, one.quiet)
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last
