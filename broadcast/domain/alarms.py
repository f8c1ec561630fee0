"""Alarms (告警): what is wrong becomes something that sounds until somebody answers for it by name, and few enough to be answered.

Sources say again and again what is wrong now (`Signal`, by a key that stays the same); `step` compares that with the open alarms
and says which begin, grow, end. So a restart or a reload of the page raises nothing anew. Of one cause there are at most a few
alarms in ten minutes; what comes beyond is gathered: first by township, then all of it (ISA-18.2 calls more than 10 in 10 minutes
a flood: nobody reads them). 690 speakers that drop out at once, or one after the other, are three alarms at most.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from broadcast.domain.errors import BroadcastError
from endpoints.area_codes import COUNTY, TOWNSHIP, covers, padded, significant

WINDOW_MS = 600_000
FLOOD = 10  # alarms in one window, of all causes together
MOST_REASON = 500
MOST_NAMED = 20  # members by name in an answer; the console asks for the others


class Rank(IntEnum):
    """How it sounds. A share of about 5, 15 and 80 % is usual (IEC 62682)."""

    URGENT = 1  # 紧急: people may be left unwarned, or rules were set aside
    HIGH = 2  # 重要: something does not do what it should
    LOW = 3  # 提示: somebody should look today


class Scope(StrEnum):
    """What an alarm stands for."""

    ONE = "one"  # a single thing
    TOWNSHIP = "township"  # several in one township
    ALL = "all"  # several in several townships


class UnknownAlarm(BroadcastError):
    """No alarm has this id, or none that this officer may see."""

    def __init__(self, alarm: str) -> None:
        self.alarm = alarm
        super().__init__(f"there is no alarm {alarm}")


class AlreadyAcknowledged(BroadcastError):
    """Somebody has answered for this alarm."""

    def __init__(self, alarm: str, officer: str, at_ms: int) -> None:
        self.alarm, self.officer, self.at_ms = alarm, officer, at_ms
        super().__init__(f"{officer} has acknowledged this alarm already")


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind of alarm.

    :param apart: so many of it may stand side by side within ten minutes; more are gathered.
    :param lasts: it holds until its source says no more that it does; otherwise it is an event, over when it is told.
    """

    rank: Rank
    apart: int = FLOOD
    lasts: bool = True


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that is wrong now.

    :param kind: stable; the console has a sentence for `alarm.<kind>`.
    :param key: of this one thing, for as long as it is wrong: a speaker, a broadcast, a condition.
    :param name: for people.
    :param facts: what the sentence needs.
    :param rank: where it is not that of its cause.
    """

    kind: str
    key: str
    area: str
    name: str = ""
    rank: Rank | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """One thing that an alarm stands for; it stays named when it is well again."""

    key: str
    area: str
    name: str
    since_ms: int
    well_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm; the record of it is kept.

    :param rank: now; it rises while nobody answers.
    :param ranked_ms: since when it has that rank.
    :param cleared_ms: what it stands for is well again; it sounds on until it is acknowledged.
    :param into: the id of the alarm that has taken it in.
    """

    id: str
    kind: str
    rank: Rank
    scope: Scope
    area: str
    facts: Mapping[str, str]
    members: tuple[Member, ...]
    raised_ms: int
    ranked_ms: int
    cleared_ms: int | None = None
    acked_ms: int | None = None
    acked_by: str = ""
    reason: str = ""
    into: str = ""

    @property
    def sounds(self) -> bool:
        return self.acked_ms is None and not self.into

    @property
    def is_open(self) -> bool:
        return not self.into and (self.acked_ms is None or self.cleared_ms is None)

    @property
    def closed_ms(self) -> int | None:
        """When nothing was left to do about it."""
        return None if self.is_open else max(self.cleared_ms or 0, self.acked_ms or 0)

    @property
    def ill(self) -> int:
        """So many of its members are still as they were."""
        return sum(one.well_ms is None for one in self.members)

    @property
    def townships(self) -> frozenset[str]:
        return frozenset(township_of(one.area) for one in self.members)

    def concerns(self, area: str) -> bool:
        """Whether something of it lies in this area."""
        return covers(area, self.area) or any(covers(area, one.area) for one in self.members)


def township_of(area: str) -> str:
    return padded(significant(area)[:TOWNSHIP])


def step(
    alarms: Iterable[Alarm],
    signals: Iterable[Signal],
    causes: Mapping[str, Cause],
    *,
    now_ms: int,
    new_id: Callable[[], str],
    is_unsure: Callable[[str, str], bool] = lambda kind, key: False,
) -> list[Alarm]:
    """Every alarm that is new or has changed.

    :param alarms: the open ones, and those of the last ten minutes.
    :param signals: all that is wrong now.
    :param is_unsure: (kind, key) of what nothing is known about at the moment: it stays as it is.
    """
    books = _Books(alarms, causes, now_ms, new_id)
    by_kind: dict[str, list[Signal]] = {}
    now: dict[tuple[str, str], Signal] = {}
    for signal in signals:
        if (signal.kind, signal.key) not in now:
            now[signal.kind, signal.key] = signal
            if not books.knows(signal):
                by_kind.setdefault(signal.kind, []).append(signal)
    books.look_at_members(now, is_unsure)
    for kind, fresh in by_kind.items():
        books.take_in(kind, fresh)
    return list(books.changed.values())


def escalate(alarms: Iterable[Alarm], *, after_ms: int, now_ms: int) -> list[Alarm]:
    """Those that nobody has answered for in this time, one rank higher."""
    return [
        replace(one, rank=Rank(one.rank - 1), ranked_ms=now_ms)
        for one in alarms
        if one.sounds and one.rank > Rank.URGENT and now_ms - one.ranked_ms >= after_ms
    ]


def acknowledge(alarm: Alarm, *, by: str, reason: str, now_ms: int) -> Alarm:
    """:raises AlreadyAcknowledged: by whom."""
    if alarm.acked_ms is not None:
        raise AlreadyAcknowledged(alarm.id, alarm.acked_by, alarm.acked_ms)
    return replace(alarm, acked_ms=now_ms, acked_by=by, reason=reason)


class _Books:
    """The alarms while one step is made."""

    def __init__(
        self, alarms: Iterable[Alarm], causes: Mapping[str, Cause], now_ms: int, new_id: Callable[[], str]
    ) -> None:
        self._causes, self._now_ms, self._new_id = causes, now_ms, new_id
        self._all = {one.id: one for one in alarms}
        self._holder = {
            (one.kind, member.key): one.id for one in self._all.values() if one.is_open for member in one.members
        }
        self.changed: dict[str, Alarm] = {}

    def _keep(self, alarm: Alarm) -> Alarm:
        self._all[alarm.id] = self.changed[alarm.id] = alarm
        if alarm.is_open:
            self._holder.update({(alarm.kind, member.key): alarm.id for member in alarm.members})
        return alarm

    def knows(self, signal: Signal) -> bool:
        return (signal.kind, signal.key) in self._holder

    def look_at_members(self, now: Mapping[tuple[str, str], Signal], is_unsure: Callable[[str, str], bool]) -> None:
        """What is well again, and what is ill again, of the open alarms."""
        for alarm in [one for one in self._all.values() if one.is_open and self._cause(one.kind).lasts]:
            members = tuple(self._member(alarm.kind, one, now, is_unsure) for one in alarm.members)
            ill = any(one.well_ms is None for one in members)
            cleared_ms = None if ill else alarm.cleared_ms or self._now_ms
            facts = alarm.facts
            if alarm.scope is Scope.ONE and (signal := now.get((alarm.kind, alarm.members[0].key))):
                facts = dict(signal.facts)
            if (members, cleared_ms, facts) != (alarm.members, alarm.cleared_ms, alarm.facts):
                self._keep(replace(alarm, members=members, cleared_ms=cleared_ms, facts=facts))

    def _member(
        self,
        kind: str,
        member: Member,
        now: Mapping[tuple[str, str], Signal],
        is_unsure: Callable[[str, str], bool],
    ) -> Member:
        if (kind, member.key) in now:
            return member if member.well_ms is None else replace(member, well_ms=None)
        if member.well_ms is None and not is_unsure(kind, member.key):
            return replace(member, well_ms=self._now_ms)
        return member

    def take_in(self, kind: str, fresh: Sequence[Signal]) -> None:
        """New signals of one kind: into an alarm that still sounds, into new ones, or, when they are too many, into one."""
        recent = [one for one in self._all.values() if self._now_ms - one.raised_ms < WINDOW_MS]
        mine = [one for one in recent if one.kind == kind]
        joinable = [one for one in mine if one.sounds]
        everything = next((one for one in joinable if one.scope is Scope.ALL), None)
        if everything is not None:
            self._grow(everything, fresh)
            return
        by_township: dict[str, list[Signal]] = {}
        for signal in fresh:
            by_township.setdefault(township_of(signal.area), []).append(signal)
        if self._cause(kind).apart >= FLOOD:  # each of these counts by itself until there are too many of them
            apart = [[signal] for signal in fresh]
        else:
            for alarm in joinable:
                for township in alarm.townships & by_township.keys():
                    self._grow(alarm, by_township.pop(township))
            apart = list(by_township.values())
        room = self._cause(kind).apart - len(mine)
        if self._cause(kind).rank is not Rank.URGENT:
            room = min(room, FLOOD - len(recent))
        if len(apart) <= room:
            for signals in apart:
                self._raise(kind, signals)
        elif apart:
            self._gather(kind, [signal for signals in apart for signal in signals], joinable)

    def _grow(self, alarm: Alarm, signals: Sequence[Signal]) -> None:
        if not signals:
            return
        members = (*alarm.members, *map(self._as_member, signals))
        self._keep(_shaped(replace(alarm, members=members, cleared_ms=self._over(alarm.kind))))

    def _raise(self, kind: str, signals: Sequence[Signal]) -> Alarm:
        facts = dict(signals[0].facts) if len(signals) == 1 else {}
        alarm = Alarm(
            id=self._new_id(),
            kind=kind,
            rank=min(one.rank or self._cause(kind).rank for one in signals),
            scope=Scope.ONE,
            area=signals[0].area,
            facts=facts,
            members=tuple(map(self._as_member, signals)),
            raised_ms=self._now_ms,
            ranked_ms=self._now_ms,
            cleared_ms=self._over(kind),
        )
        return self._keep(_shaped(alarm))

    def _gather(self, kind: str, signals: Sequence[Signal], joinable: Sequence[Alarm]) -> None:
        """One for all: the newest that still sounds takes the others in."""
        if not joinable:
            self._raise(kind, signals)
            return
        *others, one = [self._all[alarm.id] for alarm in sorted(joinable, key=lambda each: each.id)]
        for other in others:
            self._keep(replace(other, into=one.id, cleared_ms=self._now_ms))
        members = [member for other in others for member in other.members] + [*one.members]
        members += map(self._as_member, signals)
        rank = min([one.rank, *(other.rank for other in others)])
        grown = replace(one, members=tuple(members), rank=rank, cleared_ms=self._over(kind))
        self._keep(_shaped(replace(grown, scope=Scope.ALL)))

    def _over(self, kind: str) -> int | None:
        return None if self._cause(kind).lasts else self._now_ms

    def _as_member(self, signal: Signal) -> Member:
        return Member(signal.key, signal.area, signal.name, self._now_ms)

    def _cause(self, kind: str) -> Cause:
        return self._causes.get(kind, Cause(Rank.LOW))


def _shaped(alarm: Alarm) -> Alarm:
    """Scope and area as its members have them; one for all stays that."""
    if len(alarm.members) == 1:
        return alarm
    townships = alarm.townships
    if len(townships) == 1 and alarm.scope is not Scope.ALL:
        return replace(alarm, scope=Scope.TOWNSHIP, area=next(iter(townships)), facts={})
    return replace(alarm, scope=Scope.ALL, area=_common(townships), facts={})


def _common(areas: Collection[str]) -> str:
    """The county of them all; where there are several, the first: a county's server has one."""
    return padded(significant(min(areas))[:COUNTY])
