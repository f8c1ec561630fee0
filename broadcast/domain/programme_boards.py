"""From the plan to programme boards (节目单): which occurrences the coming days have, and what stands on whose board. Pure.

Two servers with the same tables derive the same: everything here follows from the plan, the rows of occurrences that are there,
and the hour.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from broadcast.domain.areas import AreaTree
from broadcast.domain.boards import ROOM_BYTES, for_scope, scopes_of, size_of
from broadcast.domain.broadcasts import LINGER_MS, Broadcast, Life
from broadcast.domain.calendar import Calendar
from broadcast.domain.occurrences import LONGEST_MS, Occurrence, occurrences, to_order
from broadcast.domain.programme_versions import Version
from broadcast.domain.programmes import AreaPlan, Programme, Speech, as_of_today
from endpoints.protocol import MAX_SLOTS, Order, Part

HOUR_MS = 3_600_000
AHEAD_MS = 48 * HOUR_MS
AT_LEAST_MS = 40 * HOUR_MS  # a board on which nothing changes is written again when it says nothing of the 40th hour
JUST_NOW_MS = 60_000  # a programme that is saved at 7:00:30 for 7:00 begins at once


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that boards are derived from, beside the rows of occurrences.

    :param versions: the newest of each programme.
    :param plans: by area.
    """

    versions: Mapping[str, Version]
    calendar: Calendar
    plans: Mapping[str, AreaPlan]
    tree: AreaTree

    def in_force(self) -> list[Programme]:
        """Those that can have occurrences, with the targets of today."""
        return [as_of_today(one.programme, self.tree) for one in self.versions.values() if one.in_force]


@dataclass(frozen=True, slots=True)
class Content:
    """What a programme board says, apart from its number and when it was written."""

    orders: tuple[Order, ...]
    until_ms: int
    volume_by_hour: tuple[int, ...] = ()
    budget_min: int = 0
    fallback: Part | None = None

    @property
    def is_empty(self) -> bool:
        return self == Content((), self.until_ms)

    def says_more_than(self, old: "Content", now_ms: int) -> bool:
        """Whether it has to be written: something on it changed, or the old one runs out."""
        if replace(old, until_ms=self.until_ms) != self:
            return True
        return not self.is_empty and old.until_ms < now_ms + AT_LEAST_MS


@dataclass(frozen=True, slots=True)
class Derived:
    """The rows of occurrences as they should be.

    :param fresh: to be added.
    :param changed: to be saved: planned anew, taken out of the plan, or back in it.
    """

    fresh: tuple[Broadcast, ...]
    changed: tuple[Broadcast, ...]


def horizon_ms(now_ms: int) -> int:
    """Until when the boards of this hour speak: 48 h at the end of the hour."""
    return now_ms // HOUR_MS * HOUR_MS + HOUR_MS + AHEAD_MS


def derive(plan: Plan, rows: Iterable[Broadcast], now_ms: int, *, since_ms: int) -> Derived:
    """What is planned until the horizon, against the rows that there are.

    What has begun stays as it was announced: an edit counts from the next occurrence on. What an officer stopped stays stopped.

    :param rows: of all occurrences whose window reaches beyond an hour ago.
    :param since_ms: up to when occurrences were derived before. What was due since then and is over gets its row too: the time
        without a plan shall be seen in the record.
    """
    known = {row.id: row for row in rows}
    fresh: list[Broadcast] = []
    changed: list[Broadcast] = []
    planned: set[str] = set()
    for one in occurrences(plan.in_force(), plan.calendar, min(since_ms, now_ms) - LONGEST_MS, horizon_ms(now_ms)):
        version = plan.versions[one.programme.id]
        made = _broadcast(one, version)
        planned.add(made.id)
        row = known.get(made.id)
        if row is None:
            if _is_due(made, version, now_ms, since_ms):
                fresh.append(made)
        elif row.order.not_before_ms > now_ms and row.life in (Life.LIVE, Life.REPLACED) and row != made:
            changed.append(made)
    for row in known.values():
        if row.id not in planned and row.life is Life.LIVE and row.order.not_before_ms > now_ms:
            by = plan.versions[row.programme].saved_by if row.programme in plan.versions else ""
            changed.append(replace(row, life=Life.REPLACED, ended_at_ms=now_ms, ended_by=by))
    return Derived(tuple(fresh), tuple(changed))


def _broadcast(occurrence: Occurrence, version: Version) -> Broadcast:
    source = version.programme.source
    text = source.text if isinstance(source, Speech) else ""
    order = to_order(occurrence, version.content)
    return Broadcast(order, version.programme.title, text, version.saved_by, programme=version.programme.id)


def _is_due(made: Broadcast, version: Version, now_ms: int, since_ms: int) -> bool:
    """Whether an occurrence without a row gets one: not what was planned after its time."""
    begins_ms = made.order.not_before_ms
    if begins_ms < version.saved_at_ms - JUST_NOW_MS:
        return False
    return begins_ms >= since_ms or made.on_boards(now_ms)


# ---- boards -------------------------------------------------------------------------------------------------------------------


def contents(
    carried: Iterable[Broadcast], plan: Plan, now_ms: int, *, scopes: Iterable[str] = ()
) -> dict[str, Content]:
    """What every programme board says, by scope.

    :param carried: rows of occurrences; those that stand on boards are chosen from them.
    :param scopes: of boards that were written before: what is not there any more is said by an empty one.
    """
    orders: dict[str, list[Order]] = {scope: [] for scope in chain(scopes, plan.plans)}
    for one in carried:
        if one.on_boards(now_ms):
            for scope in scopes_of(one.order):
                orders.setdefault(scope, []).append(for_scope(one.order, scope))
    return {scope: _content(plan.plans.get(scope), here, now_ms) for scope, here in orders.items()}


def _content(plan: AreaPlan | None, orders: list[Order], now_ms: int) -> Content:
    orders.sort(key=lambda order: (order.not_before_ms, order.id))
    fit, until_ms = what_fits(orders), horizon_ms(now_ms)
    if len(fit) < len(orders):
        until_ms = max(now_ms, orders[len(fit)].not_before_ms)
    if plan is None:
        return Content(tuple(fit), until_ms)
    return Content(tuple(fit), until_ms, plan.volume_by_hour, plan.budget_min, plan.fallback)


def what_fits(orders: list[Order]) -> list[Order]:
    """Of orders in the order of their times, the first ones that one board can carry."""
    room = ROOM_BYTES
    for count, order in enumerate(orders):
        room -= size_of(order)
        if room < 0 or count == MAX_SLOTS:
            return orders[:count]
    return orders


@dataclass(frozen=True, slots=True)
class Overfull:
    """A board that would have to carry more than it can.

    :param slots: occurrences in the fullest 48 hours, beginning at `from_ms`.
    """

    scope: str
    from_ms: int
    slots: int
    bytes: int


def overfull(plan: Plan, from_ms: int, until_ms: int, *, scopes: Iterable[str]) -> Overfull | None:
    """Whether one of these boards would ever be too full in that time: the first that would.

    Every time of a programme takes as many bytes as its first, and boards with the same programmes are looked at once.
    """
    wanted = frozenset(scopes)
    mine = [one for one in plan.in_force() if not wanted.isdisjoint((*one.areas, *one.speakers))]
    found = occurrences(mine, plan.calendar, from_ms - HOUR_MS, until_ms)
    firsts: dict[str, Order] = {}
    for one in found:
        if one.programme.id not in firsts:
            firsts[one.programme.id] = to_order(one, plan.versions[one.programme.id].content)
    stands_on = {name: wanted.intersection(scopes_of(order)) for name, order in firsts.items()}
    seen: set[tuple[tuple[str, int], ...]] = set()
    for scope in sorted(wanted):
        load = tuple((name, size_of(for_scope(firsts[name], scope))) for name, on in stands_on.items() if scope in on)
        if load not in seen:
            seen.add(load)
            sizes = dict(load)
            here = [one for one in found if one.programme.id in sizes]
            lasts = {name: firsts[name].not_after_ms - firsts[name].not_before_ms + LINGER_MS for name in sizes}
            if (full := _overfull(scope, here, sizes, lasts)) is not None:
                return full
    return None


def _overfull(
    scope: str, found: list[Occurrence], sizes: Mapping[str, int], lasts: Mapping[str, int]
) -> Overfull | None:
    """A window of the longest time that one board speaks of, moved over the occurrences.

    :param sizes, lasts: bytes, and milliseconds for which one stays on the board from its beginning, by programme.
    """
    span_ms = AHEAD_MS + 2 * HOUR_MS
    first, room = 0, 0
    for last, one in enumerate(found):
        room += sizes[one.programme.id]
        while found[first].start_ms + lasts[found[first].programme.id] < one.start_ms - span_ms - LINGER_MS:
            room -= sizes[found[first].programme.id]
            first += 1
        if room > ROOM_BYTES or last - first + 1 > MAX_SLOTS:
            return Overfull(scope, found[first].start_ms, last - first + 1, room)
    return None
