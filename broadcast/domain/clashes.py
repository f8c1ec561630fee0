"""Where a plan contends with itself: every span in which two programmes want the air of the same place (时段冲突). Pure.

A year of 718 areas has half a million occurrences, so the work is done once for what is alike: places that hear the same
programmes, and clusters of occurrences that lie to each other, and to the hours of the day, as others do.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time

from broadcast.domain.audience import Place
from broadcast.domain.contention import Contest, contests, play_through
from broadcast.domain.occurrences import Occurrence, Span, to_order
from broadcast.domain.programmes import NOTHING_YET, Content, Programme
from endpoints.arbitration import DAY_MS, Listener, QuietHours
from endpoints.protocol import Order, OrderRule

Shape = tuple[
    int, tuple[tuple[int, int], ...]
]  # milliseconds after midnight UTC; which slot, and how long after the first
Clusters = Mapping[Shape, tuple[int, ...]]  # when the clusters of each shape begin


@dataclass(frozen=True, slots=True)
class Slot:
    """One time of day of a programme with all its days, or one broadcast that is live.

    :param owner: index among the programmes, then the live orders.
    :param window_ms: from its beginning to the end of its order.
    :param sounds_ms: how long it sounds when nothing is in its way.
    :param starts: in order, UTC milliseconds.
    :param days: its nominal days.
    """

    owner: int
    at: time | None
    window_ms: int
    sounds_ms: int
    starts: tuple[int, ...]
    days: tuple[date, ...]
    hours: frozenset[int]  # at which milliseconds after midnight UTC it begins: one, or two where the clocks change


@dataclass(frozen=True, slots=True)
class Found:
    """One contest that repeats itself at one group of places.

    :param contest: its instants are counted from the beginning of the cluster, its sides are no use outside it.
    :param winner, loser: by index in the plan.
    :param starts: when the clusters begin.
    """

    contest: Contest
    winner: int
    loser: int
    starts: tuple[int, ...]


class Plan:
    """Programmes and live broadcasts over a span, by index: the programmes first, in their order."""

    def __init__(
        self,
        programmes: Sequence[Programme],
        span: Span,
        *,
        contents: Mapping[str, Content],
        live: Sequence[Order],
        quiet: QuietHours,
        rule: OrderRule,
    ) -> None:
        self.programmes, self.live = programmes, live
        self._span, self._contents, self._quiet, self._rule = span, contents, quiet, rule
        self._slots: list[Slot] = []
        self._slots_of: dict[int, list[int]] = {}
        self._clustered: dict[tuple[tuple[int, int], ...], Clusters] = {}
        self._played: dict[tuple[tuple[int, ...], Shape], list[Contest]] = {}

    def slot(self, index: int) -> Slot:
        return self._slots[index]

    def slots_of(self, owner: int) -> list[int]:
        """Its slots by index; made when they are first asked for."""
        if owner not in self._slots_of:
            first = len(self._slots)
            self._slots += self._made(owner)
            self._slots_of[owner] = list(range(first, len(self._slots)))
        return self._slots_of[owner]

    def _made(self, owner: int) -> Iterator[Slot]:
        if owner >= len(self.programmes):
            order = self.live[owner - len(self.programmes)]
            yield _slot(owner, None, order, (order.not_before_ms,), ())
            return
        programme = self.programmes[owner]
        for starts in self._span.starts(programme):
            if starts.instants:
                order = self._order(programme, starts.instants[0], starts.days[0], starts.at)
                yield _slot(owner, starts.at, order, starts.instants, starts.days)

    def _order(self, programme: Programme, start_ms: int, day: date, at: time) -> Order:
        return to_order(Occurrence(start_ms, programme, day, at), self._contents.get(programme.id, NOTHING_YET))

    def found(self, owners: Iterable[int], place: Place, about: int | None = None) -> list[Found]:
        """Every contest at a place that hears these, or those that have to do with one of them."""
        slots = [index for owner in owners for index in self.slots_of(owner)]
        result: list[Found] = []
        for group in touching([self._slots[index] for index in slots]):
            members = tuple(slots[n] for n in group)
            if about is None or any(self._slots[index].owner == about for index in members):
                for shape, starts in self._clusters(members).items():
                    result += self._contests(members, shape, starts, place, about)
        return result

    def _clusters(self, members: Sequence[int]) -> Clusters:
        """Occurrences whose windows touch, by how they lie to each other. Of slots that are alike it is found out once."""
        slots = [self._slots[index] for index in members]
        alike = tuple((id(slot.starts), slot.window_ms) for slot in slots)
        if alike not in self._clustered:
            found: dict[Shape, list[int]] = defaultdict(list)
            for cluster in _runs(slots):
                first = cluster[0][0]
                found[first % DAY_MS, tuple((n, start - first) for start, n in cluster)].append(first)
            self._clustered[alike] = {shape: tuple(starts) for shape, starts in found.items()}
        return self._clustered[alike]

    def _contests(
        self, members: tuple[int, ...], shape: Shape, starts: tuple[int, ...], place: Place, about: int | None
    ) -> Iterator[Found]:
        owners = [self._slots[members[n]].owner for n, _ in shape[1]]
        if about is not None and about not in owners:
            return
        if (members, shape) not in self._played:
            self._played[members, shape] = self._play(members, shape, starts[0], place)
        for contest in self._played[members, shape]:
            winner, loser = owners[contest.winner], owners[contest.loser]
            if about is None or about in (winner, loser):
                yield Found(contest, winner, loser, starts)

    def _play(self, members: Sequence[int], shape: Shape, first_ms: int, place: Place) -> list[Contest]:
        """:returns: with instants counted from the first beginning."""
        orders = [self._order_at(members[n], first_ms + after_ms) for n, after_ms in shape[1]]
        listener = Listener(place.speaker, place.area, quiet=self._quiet, rule=self._rule)
        return [
            replace(one, from_ms=one.from_ms - first_ms, until_ms=one.until_ms - first_ms)
            for one in contests(orders, play_through(orders, listener), self._rule)
        ]

    def _order_at(self, index: int, start_ms: int) -> Order:
        """The order of a slot that begins then."""
        slot = self._slots[index]
        if slot.at is None:
            return self.live[slot.owner - len(self.programmes)]
        day = slot.days[bisect_right(slot.starts, start_ms) - 1]
        return self._order(self.programmes[slot.owner], start_ms, day, slot.at)


def _slot(owner: int, at: time | None, order: Order, starts: tuple[int, ...], days: tuple[date, ...]) -> Slot:
    hours = frozenset(start % DAY_MS for start in starts)
    window_ms = order.not_after_ms - order.not_before_ms
    sounds_ms = min(window_ms, order.sound_ms) if order.asset else window_ms
    return Slot(owner, at, window_ms, sounds_ms, starts, days, hours)


def touching(slots: Sequence[Slot]) -> list[list[int]]:
    """Groups of slots, by index, that may come into each other's way on some day or other, by the hours of the day alone."""
    group = list(range(len(slots)))
    alone = [True] * len(slots)
    end, last = -1, 0
    for begin, until, n in sorted(
        (hour + turn, hour + turn + slot.window_ms, n)  # twice round the clock: some go over midnight
        for n, slot in enumerate(slots)
        for hour in slot.hours
        for turn in (0, DAY_MS)
    ):
        if begin < end and (group[n] != group[last] or until - begin > DAY_MS):
            alone[n] = alone[last] = False
            merged, into = group[n], group[last]
            group = [into if one == merged else one for one in group]
        last = n
        end = max(end, until)
    members: dict[int, list[int]] = defaultdict(list)
    for n, one in enumerate(group):
        if not alone[n]:
            members[one].append(n)
    return list(members.values())


def _runs(slots: Sequence[Slot]) -> Iterator[list[tuple[int, int]]]:
    """Occurrences, as their beginning and the index of their slot, that touch each other; those that touch none are left out."""
    rows = sorted((start, n) for n, slot in enumerate(slots) for start in slot.starts)
    windows = [slot.window_ms for slot in slots]
    first, end = 0, 0
    for at, (start, n) in enumerate(rows):
        if start >= end:
            if at - first > 1:
                yield rows[first:at]
            first = at
        end = max(end, start + windows[n])
    if len(rows) - first > 1:
        yield rows[first:]
