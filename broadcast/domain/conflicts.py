"""What a new or changed programme does to the plan, shown before it is saved (冲突预览). Pure.

Who wins is not decided here: each contended span is played through with `endpoints.arbitration.choose`, as a speaker does.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time

from broadcast.domain.areas import AreaTree
from broadcast.domain.audience import Audience, Place, Where
from broadcast.domain.broadcasts import day_of
from broadcast.domain.budgets import OverBudget, over_budget
from broadcast.domain.calendar import Calendar
from broadcast.domain.clashes import Plan
from broadcast.domain.contention import Cause, Effect
from broadcast.domain.occurrences import Span, sound_ms
from broadcast.domain.programmes import NOTHING_YET, AreaPlan, Content, DayRule, Programme
from broadcast.domain.quiet_spans import quiet_spans
from broadcast.domain.wall_time import WallClock, wall_time
from endpoints.arbitration import DAY_MS, QuietHours
from endpoints.protocol import Order, OrderRule

__all__ = [
    "Cause",
    "Claim",
    "Clash",
    "Effect",
    "InQuietHours",
    "OverBudget",
    "Overrun",
    "Preview",
    "When",
    "Where",
    "clashes",
    "preview",
]

USUAL_QUIET_HOURS = QuietHours()
SECOND_MS = 1_000
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class When:
    """The same span of wall time on several days.

    :param begins, ends: in the zone of the new programme; an end that is not after the beginning lies on the next day.
    :param days: on which it begins, in order.
    """

    begins: time
    ends: time
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One side of a clash.

    :param programmes: ids; several where the same happens to the own programmes of many places.
    :param order: instead, the id of a broadcast that is live.
    """

    programmes: tuple[str, ...]
    order: str = ""


@dataclass(frozen=True, slots=True)
class Clash:
    """Two want the air.

    :param facts: `winner` and `loser`, what each has of the cause: a band, severity or level by name.
    """

    winner: Claim
    loser: Claim
    cause: Cause
    facts: tuple[tuple[str, str], ...]
    effect: Effect
    when: When
    where: Where


@dataclass(frozen=True, slots=True)
class InQuietHours:
    """A part of its slot in which no speaker sounds routine."""

    when: When


@dataclass(frozen=True, slots=True)
class Overrun:
    """Its sound is longer than its slot: cut, faded, or going on after it, by its end policy."""

    slot_ms: int
    sound_ms: int


@dataclass(frozen=True, slots=True)
class Preview:
    """All that an officer should see before saving.

    :param count: occurrences in the span looked at.
    :param villages: how many it means.
    :param from_ms, until_ms: the span that was looked at; of what lies outside it nothing is said.
    :param goes_on: it may sound after that, too.
    :param unannounced: years in which it may sound, of those looked at, whose holidays nobody has announced, when its day
        rule needs them.
    :param over: it never begins again: saving it would be refused.
    """

    count: int
    villages: int
    from_ms: int
    until_ms: int
    goes_on: bool
    clashes: tuple[Clash, ...] = ()
    quiet: tuple[InQuietHours, ...] = ()
    over_budget: tuple[OverBudget, ...] = ()
    overrun: Overrun | None = None
    unannounced: tuple[int, ...] = ()
    over: bool = False


def preview(
    programme: Programme,
    others: Iterable[Programme],
    *,
    tree: AreaTree,
    calendar: Calendar,
    from_ms: int,
    until_ms: int,
    contents: Mapping[str, Content] | None = None,
    plans: Iterable[AreaPlan] = (),
    live: Iterable[Order] = (),
    speakers: Mapping[str, str] | None = None,
    quiet: QuietHours = USUAL_QUIET_HOURS,
    rule: OrderRule = OrderRule.SEVERITY_FIRST,
) -> Preview:
    """What the programme, new or changed, meets in from ≤ start < until.

    :param others: the plan; an older revision of the same programme in it is left out.
    :param contents: what sources have become, by programme id; without one, a programme fills its slot.
    :param live: broadcasts on the boards.
    :param speakers: area by id of every speaker that a programme names by itself.
    :param quiet, rule: as at the speakers.
    """
    contents = contents or {}
    plan = Plan(
        [programme, *(one for one in others if one.id != programme.id)],
        Span(calendar, from_ms, until_ms),
        contents=contents,
        live=list(live),
        quiet=quiet,
        rule=rule,
    )
    audience = Audience(tree.on(day_of(from_ms)), speakers or {})
    groups = {
        meant: places
        for meant, places in audience.by_what_is_meant([*plan.programmes, *plan.live]).items()
        if 0 in meant
    }
    clock = WallClock(programme.zone, from_ms, until_ms)
    slots = [plan.slot(index) for index in plan.slots_of(0)]
    sounds_ms = sound_ms(programme, contents.get(programme.id, NOTHING_YET))
    too_long = sounds_ms > programme.length_ms and not programme.loop
    return Preview(
        count=sum(len(slot.starts) for slot in slots),
        villages=audience.where(place for places in groups.values() for place in places).villages,
        from_ms=from_ms,
        until_ms=until_ms,
        goes_on=_goes_on(programme, until_ms),
        clashes=tuple(_folded(plan, _lines(plan, groups, clock, about=0), audience, about=0)),
        quiet=tuple(_in_quiet_hours(programme, [start for slot in slots for start in slot.starts], quiet, clock)),
        over_budget=over_budget(plan, groups, audience, plans, about=0, quiet=quiet),
        overrun=Overrun(programme.length_ms, sounds_ms) if too_long else None,
        unannounced=_unannounced(programme, calendar, from_ms, until_ms),
    )


def clashes(
    programmes: Sequence[Programme],
    *,
    tree: AreaTree,
    calendar: Calendar,
    from_ms: int,
    until_ms: int,
    zone: str,
    contents: Mapping[str, Content] | None = None,
    speakers: Mapping[str, str] | None = None,
    quiet: QuietHours = USUAL_QUIET_HOURS,
    rule: OrderRule = OrderRule.SEVERITY_FIRST,
) -> tuple[Clash, ...]:
    """Every clash of a whole plan with itself; wall times in that zone."""
    span = Span(calendar, from_ms, until_ms)
    plan = Plan(programmes, span, contents=contents or {}, live=(), quiet=quiet, rule=rule)
    audience = Audience(tree.on(day_of(from_ms)), speakers or {})
    groups = audience.by_what_is_meant(programmes)
    return tuple(_folded(plan, _lines(plan, groups, WallClock(zone, from_ms, until_ms), None), audience, None))


Groups = Mapping[tuple[int, ...], Sequence[Place]]


@dataclass(frozen=True, slots=True)
class _Line:
    """What makes two contests the same to a reader, days and places apart. Times of day in milliseconds."""

    begins: int
    ends: int
    winner: int
    loser: int
    cause: Cause
    facts: tuple[tuple[str, str], ...]
    effect: Effect


Days = tuple[int, ...]  # since 1970


def _lines(plan: Plan, groups: Groups, clock: WallClock, about: int | None) -> dict[tuple[_Line, Days], list[Place]]:
    """All contests, those of the same days together; and where."""
    wall = _Wall(clock)
    places_of: dict[tuple[_Line, Days], list[Place]] = defaultdict(list)
    for meant, places in groups.items():
        days_of: dict[_Line, Days] = {}
        for found in plan.found(meant, places[0], about):
            one = found.contest
            for begins, ends, days in wall.spans(found.starts, one.from_ms, one.until_ms):
                line = _Line(begins, ends, found.winner, found.loser, one.cause, one.facts, one.effect)
                days_of[line] = tuple(sorted(days_of[line] + days)) if line in days_of else days
        for line, days in days_of.items():
            places_of[line, days] += places
    return places_of


class _Wall:
    """The same spans from many beginnings, as times of day and days. What is asked again, as 690 villages do, is known."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._known: dict[tuple[int, int, int], list[tuple[int, int, Days]]] = {}

    def spans(self, starts: tuple[int, ...], from_ms: int, until_ms: int) -> list[tuple[int, int, Days]]:
        """:param starts: kept by the caller: it is known again by being the same object."""
        asked = id(starts), from_ms, until_ms
        if asked not in self._known:
            days_of: dict[int, list[int]] = defaultdict(list)
            for start in starts:
                day, begins = divmod(self._clock.local_ms(start + from_ms), DAY_MS)
                days_of[begins].append(day)
            length_ms = until_ms - from_ms
            self._known[asked] = [(at, (at + length_ms) % DAY_MS, tuple(days)) for at, days in days_of.items()]
        return self._known[asked]


def _folded(
    plan: Plan, lines: Mapping[tuple[_Line, Days], list[Place]], audience: Audience, about: int | None
) -> Iterator[Clash]:
    """One clash for what a reader would call the same: the own programmes of many places, of one level, become one side."""
    sides: dict[tuple[object, ...], list[tuple[_Line, Days, list[Place]]]] = defaultdict(list)
    for (line, days), places in lines.items():
        kinds = _side(plan, line.winner, about), _side(plan, line.loser, about)
        sides[(line.begins, line.ends, *kinds, line.cause, line.facts, line.effect, days)].append((line, days, places))
    made = [_clash(plan, alike, audience) for alike in sides.values()]
    yield from sorted(
        made, key=lambda one: (one.when.begins, -one.where.villages, one.winner.programmes, one.loser.programmes)
    )


def _side(plan: Plan, owner: int, about: int | None) -> object:
    """What others may stand in for it."""
    if about is None or owner == about or owner >= len(plan.programmes):
        return owner
    return plan.programmes[owner].level.name


def _clash(plan: Plan, alike: Sequence[tuple[_Line, Days, list[Place]]], audience: Audience) -> Clash:
    line, days, _ = alike[0]
    dates = tuple(date.fromordinal(EPOCH_ORDINAL + day) for day in days)
    return Clash(
        winner=_claim(plan, {one.winner for one, _, _ in alike}),
        loser=_claim(plan, {one.loser for one, _, _ in alike}),
        cause=line.cause,
        facts=line.facts,
        effect=line.effect,
        when=When(_time_of_day(line.begins), _time_of_day(line.ends), dates),
        where=audience.where(place for _, _, places in alike for place in places),
    )


def _claim(plan: Plan, owners: Iterable[int]) -> Claim:
    programmes = [owner for owner in owners if owner < len(plan.programmes)]
    live = [owner for owner in owners if owner >= len(plan.programmes)]
    order = plan.live[live[0] - len(plan.programmes)].id if live else ""
    return Claim(tuple(sorted(plan.programmes[owner].id for owner in programmes)), order)


def _time_of_day(ms: int) -> time:
    seconds = ms // SECOND_MS
    return time(seconds // 3_600, seconds // 60 % 60, seconds % 60)


def _in_quiet_hours(
    programme: Programme, starts: Iterable[int], quiet: QuietHours, clock: WallClock
) -> Iterator[InQuietHours]:
    days_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    for start in starts:
        for from_ms, until_ms in quiet_spans(start, start + programme.length_ms, quiet):
            day, begins = divmod(clock.local_ms(from_ms), DAY_MS)
            days_of[begins, (begins + until_ms - from_ms) % DAY_MS].append(day)
    for (begins, ends), days in sorted(days_of.items()):
        dates = tuple(date.fromordinal(EPOCH_ORDINAL + day) for day in sorted(days))
        yield InQuietHours(When(_time_of_day(begins), _time_of_day(ends), dates))


def _unannounced(programme: Programme, calendar: Calendar, from_ms: int, until_ms: int) -> tuple[int, ...]:
    """By the days on which it may sound, not by those found: in a year without its holidays none is found."""
    pattern = programme.pattern
    if pattern.rule is DayRule.EVERY:
        return ()
    first = max(pattern.first, wall_time(programme.zone, from_ms).date())
    last = wall_time(programme.zone, until_ms - 1).date()
    return calendar.unannounced(first, last if pattern.last is None else min(last, pattern.last))


def _goes_on(programme: Programme, until_ms: int) -> bool:
    pattern = programme.pattern
    day = wall_time(programme.zone, until_ms).date()
    if not pattern.weekdays:
        return any(one >= day for one in pattern.dates_in)
    return pattern.last is None or pattern.last >= day
