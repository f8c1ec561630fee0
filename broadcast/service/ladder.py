"""The ladder (回执阶梯): where each live order stands at each speaker it means, and what silence means.

Reports come here after they are in the table, so nothing shown here can be lost. What is derived (the delivery rows, UNREACHED) is
written behind, coalesced; after a crash it is derived again from the reports.
"""

import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, Life
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ports import DeliveryRow, ReportRow, Store, Tx
from endpoints.delivery import Changed, Delivery, ImpossibleReport, State
from endpoints.protocol import TONE_MS, Reason, Resume, Stage

log = logging.getLogger(__name__)

START_WITHIN_S = 20.0  # an online speaker starts within 1 s; one that lost its link is back within 3 s of jitter
END_GRACE_S = 120.0  # every broadcast × speaker ends in one terminal state by not-after + this
AFTER_STOP_S = 15.0
CALM_S, BEHIND_AT_MOST_S = 0.4, 5.0
CLOCKS_DIFFER_MS = 2_000  # a speaker's time is right to half a round trip, at most 2.5 s after a bad line
KEEP_BROADCASTS = 100  # ladders of officers in memory; older ones are read from the table
LOAD_AT_ONCE = 20
KEEP_ROUTINE = 60_000  # deliveries of programmes in memory: a day of a county in which every village has its own


@dataclass(slots=True)
class _Rung:
    """One broadcast in memory."""

    broadcast: Broadcast
    deliveries: dict[str, Delivery]
    counts: Counter[State]
    changed_ms: dict[str, int] = field(default_factory=dict)
    started_ms: dict[str, int] = field(default_factory=dict)
    in_place: set[str] = field(default_factory=set)  # speakers at which the fallback sounds
    wake_at: float = 0.0

    def began(self, row: ReportRow) -> bool:
        """It said that it sounds; whether that is news beside its state: the first time, or something else in its place."""
        instead = row.reason is Reason.FALLBACK and row.speaker not in self.in_place
        if instead:
            self.in_place.add(row.speaker)
        first = row.speaker not in self.started_ms
        self.started_ms.setdefault(row.speaker, row.at_ms)
        return first or instead

    def row(self, name: str) -> DeliveryRow:
        one = self.deliveries[name]
        start = Reason.FALLBACK if name in self.in_place else Reason.NONE
        moments = self.changed_ms.get(name, 0), self.started_ms.get(name, 0)
        return DeliveryRow(one.order, name, one.state, one.reason, *moments, start)

    def must_be_possible(self, row: ReportRow, before: State) -> None:
        """:raises ImpossibleReport: it tells of the future, of a time before the order, or of an end before it can have come."""
        order = self.broadcast.order
        if row.revision > order.revision:
            raise ImpossibleReport(row.speaker, before, row.stage)
        if row.at_ms and not order.issued_at_ms - CLOCKS_DIFFER_MS <= row.at_ms <= row.received_ms + CLOCKS_DIFFER_MS:
            raise ImpossibleReport(row.speaker, before, row.stage)
        if row.stage not in (Stage.SOUNDING, Stage.FINISHED):
            return
        if row.at_ms < order.not_before_ms - CLOCKS_DIFFER_MS:  # also 0: without the time nothing is played
            raise ImpossibleReport(row.speaker, before, row.stage)
        if row.stage is Stage.SOUNDING or row.speaker in self.in_place:  # the length of a fallback is its own
            return
        started_ms = self.started_ms.get(row.speaker, order.not_before_ms)
        in_tone = started_ms - order.not_before_ms < TONE_MS[order.tone]
        if order.resume is Resume.REJOIN or in_tone:  # who comes late begins in the middle, in step with the neighbours
            started_ms = min(started_ms, order.not_before_ms)
        known = row.revision == order.revision and not order.stream  # a stream ends when whoever speaks has ended
        sound_ms = order.sound_ms if known else TONE_MS[order.tone]
        if row.at_ms - started_ms < sound_ms - CLOCKS_DIFFER_MS:
            raise ImpossibleReport(row.speaker, before, row.stage)


class Ladder:
    """All deliveries of the broadcasts in memory.

    :param on_change: told (broadcast id, speaker ids) after each batch of changes; the feed shows them.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        health: Health,
        on_change: Callable[[str, Sequence[str]], None],
    ) -> None:
        self._clock, self._store, self._estate, self._health = clock, store, estate, health
        self._on_change = on_change
        self._rungs: dict[str, _Rung] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._taken_at = self._written_at = float("-inf")
        self._unexpected: list[str] = []  # broadcasts whose rows have still to be made

    async def load(self, carried: Iterable[Broadcast]) -> None:
        """After a start: the rows as they are, and every report told again; what it leads to is the same."""
        wanted = list(carried)
        for at in range(0, len(wanted), LOAD_AT_ONCE):
            some = wanted[at : at + LOAD_AT_ONCE]
            told = await self._store.read(_told([one.id for one in some]))
            for broadcast, (rows, reports) in zip(some, told, strict=True):
                if broadcast.id not in self._rungs:  # nobody else was quicker
                    self._load(broadcast, rows, reports)
        self.tick()

    def _load(self, broadcast: Broadcast, rows: Sequence[DeliveryRow], reports: Sequence[ReportRow]) -> None:
        names = [row.speaker for row in rows] or [one.id for one in self._estate.meant_by(broadcast.order)]
        rung = self._open(broadcast, names)
        if not rows:
            self._unexpected.append(broadcast.id)
        self._remember(rung, rows, {report.speaker for report in reports})
        self.take(reports)

    def _remember(self, rung: _Rung, rows: Iterable[DeliveryRow], told: Container[str]) -> None:
        """Where it stood at speakers whose reports are not kept any more."""
        for row in rows:
            delivery = rung.deliveries[row.speaker]
            if row.speaker in told or row.state is delivery.state:
                continue
            start_by, end_by = _times(rung.broadcast)
            rung.deliveries[row.speaker] = Delivery.kept(
                row.order, row.speaker, row.state, row.reason, start_by=start_by, end_by=end_by
            )
            rung.counts[delivery.state] -= 1
            rung.counts[row.state] += 1
            rung.changed_ms[row.speaker] = row.changed_ms
            if row.started_ms:
                rung.started_ms[row.speaker] = row.started_ms
            if row.start_reason is Reason.FALLBACK:
                rung.in_place.add(row.speaker)

    def open(self, broadcast: Broadcast) -> None:
        """A new broadcast is committed and published: expect it at each speaker it means."""
        if broadcast.id in self._rungs:  # a report was quicker, and had it fetched
            return
        self._taken_at = self._clock.monotonic()
        self._open(broadcast, [one.id for one in self._estate.meant_by(broadcast.order)])
        self._unexpected.append(broadcast.id)

    def change(self, broadcast: Broadcast) -> None:
        """It was stopped, or areas were taken out: nothing more is waited for there."""
        rung = self._rungs.get(broadcast.id)
        if rung is None:
            return
        rung.broadcast = broadcast
        end_by = self._clock.now_ms() / 1000 + AFTER_STOP_S
        speakers = self._estate.speakers
        for name, delivery in rung.deliveries.items():
            area = speakers[name].area if name in speakers else ""
            if broadcast.life is not Life.LIVE or (area and not broadcast.means(name, area)):
                delivery.shorten(end_by=end_by)
        rung.wake_at = 0.0

    def note(self, broadcast: Broadcast) -> None:
        """Its record changed, its deliveries did not."""
        if (rung := self._rungs.get(broadcast.id)) is not None:
            rung.broadcast = broadcast

    def _open(self, broadcast: Broadcast, names: Iterable[str]) -> _Rung:
        order = broadcast.order
        start_by, end_by = _times(broadcast)
        made = {name: Delivery(order.id, name, start_by=start_by, end_by=end_by) for name in names}
        rung = _Rung(broadcast, made, Counter({State.EXPECTED: len(made)}), wake_at=start_by)
        self._rungs[order.id] = rung
        self._make_room(routine=bool(broadcast.programme))
        return rung

    def _make_room(self, *, routine: bool) -> None:
        """Forget the oldest that are over, while there are too many: officers' are counted by themselves, routine by deliveries."""
        kept = [one for one in self._rungs.values() if bool(one.broadcast.programme) is routine]
        size = sum(len(one.deliveries) for one in kept) if routine else len(kept)
        most = KEEP_ROUTINE if routine else KEEP_BROADCASTS
        if size <= most:
            return
        now_ms = self._clock.now_ms()
        unwritten = {order for order, _ in self._dirty}.union(self._unexpected)
        for one in kept:
            if size <= most or one.broadcast.is_live(now_ms):
                break
            if one.broadcast.id not in unwritten:
                size -= len(one.deliveries) if routine else 1
                del self._rungs[one.broadcast.id]

    # ---- what happens ---------------------------------------------------------------------------------------------------

    def knows(self, order: str) -> bool:
        """Whether this broadcast's ladder is in memory."""
        return order in self._rungs

    def take(self, rows: Iterable[ReportRow]) -> None:
        """Reports that are in the table now."""
        changed: dict[str, list[str]] = {}
        self._taken_at = self._clock.monotonic()
        for row in rows:
            rung = self._rungs.get(row.order)
            delivery = rung.deliveries.get(row.speaker) if rung else None
            if rung is None or delivery is None:
                self._health.count("reports_unexpected")
                continue
            before = delivery.state
            try:
                rung.must_be_possible(row, before)
                step = delivery.hear(row.stage, row.reason)
            except ImpossibleReport as err:
                self._health.count("reports_impossible")
                log.warning("order %s: %s", row.order, err)
                continue
            if row.stage is Stage.SOUNDING and rung.began(row):
                self._dirty.add((row.order, row.speaker))
            if step is not None:
                self._moved(rung, before, step, row.received_ms)
                changed.setdefault(row.order, []).append(row.speaker)
        for order, speakers in changed.items():
            self._on_change(order, speakers)

    def _moved(self, rung: _Rung, before: State, step: Changed, at_ms: int) -> None:
        rung.counts[before] -= 1
        rung.counts[step.state] += 1
        rung.changed_ms[step.speaker] = at_ms
        delivery = rung.deliveries[step.speaker]
        if delivery.wake_at is not None:
            rung.wake_at = min(rung.wake_at, delivery.wake_at)
        self._dirty.add((step.order, step.speaker))

    def tick(self) -> None:
        """Draw the conclusions from silence; call about once a second."""
        now_ms = self._clock.now_ms()
        for order, rung in self._rungs.items():
            if now_ms / 1000 < rung.wake_at:
                continue
            changed = []
            wake_at = float("inf")
            for name, delivery in rung.deliveries.items():
                before = delivery.state
                step = delivery.tick(now_ms / 1000)
                if step is not None:
                    self._moved(rung, before, step, now_ms)
                    changed.append(name)
                if delivery.wake_at is not None:
                    wake_at = min(wake_at, delivery.wake_at)
            rung.wake_at = wake_at
            if changed:
                self._on_change(order, changed)

    async def write_behind(self, *, at_once: bool = False) -> None:
        """Write what has changed since the last call; on failure it is kept for the next.

        While reports pour in it waits: these rows follow from them, and the writer has the reports to keep first.
        """
        now = self._clock.monotonic()
        if not at_once and now - self._taken_at < CALM_S and now - self._written_at < BEHIND_AT_MOST_S:
            return
        self._written_at = now
        made, self._unexpected = self._unexpected, []
        dirty, self._dirty = self._dirty, set()
        if not made and not dirty:
            return
        rows = [row for order, name in dirty if (row := self.row(order, name)) is not None]
        names = {order: list(self._rungs[order].deliveries) for order in made if order in self._rungs}
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> None:
            for order, speakers in names.items():
                tx.deliveries.expect(order, speakers, at_ms=now_ms)
            tx.deliveries.keep(rows)

        try:
            await self._store.write(work)
        except BaseException:
            self._unexpected = made + self._unexpected
            self._dirty |= dirty
            raise

    def row(self, order: str, name: str) -> DeliveryRow | None:
        """Where the order stands at one speaker; None when it is not in memory or not meant."""
        rung = self._rungs.get(order)
        return None if rung is None or name not in rung.deliveries else rung.row(name)

    # ---- what is asked --------------------------------------------------------------------------------------------------

    def counts(self, order: str) -> Mapping[State, int] | None:
        """How many speakers are in each state; None when the ladder is not in memory."""
        rung = self._rungs.get(order)
        return None if rung is None else {state: count for state, count in rung.counts.items() if count}

    def rows(self, order: str) -> list[DeliveryRow] | None:
        """Where the order stands at each speaker; None when the ladder is not in memory."""
        rung = self._rungs.get(order)
        if rung is None:
            return None
        return [rung.row(name) for name in rung.deliveries]

    def state(self, order: str, speaker: str) -> State | None:
        rung = self._rungs.get(order)
        delivery = rung.deliveries.get(speaker) if rung else None
        return delivery.state if delivery else None


def _times(broadcast: Broadcast) -> tuple[float, float]:
    """By when it has begun at a speaker that is there, and by when it has ended; seconds since 1970."""
    end_by, order = _end_by(broadcast), broadcast.order
    return min(max(order.not_before_ms, order.start_by_ms) / 1000 + START_WITHIN_S, end_by), end_by


def _end_by(broadcast: Broadcast) -> float:
    """When every speaker is in a terminal state at the latest, seconds since 1970."""
    end_by = broadcast.order.not_after_ms / 1000 + END_GRACE_S
    if broadcast.life in (Life.STOPPED, Life.REPLACED, Life.CLEARED) and broadcast.ended_at_ms is not None:
        end_by = min(end_by, broadcast.ended_at_ms / 1000 + AFTER_STOP_S)
    return end_by


def waited_until_ms(broadcast: Broadcast) -> int:
    """Until when something may still have been open about it, with the rows that were written behind."""
    return int((_end_by(broadcast) + 2 * BEHIND_AT_MOST_S) * 1000)


def _told(orders: Sequence[str]) -> Callable[[Tx], list[tuple[Sequence[DeliveryRow], Sequence[ReportRow]]]]:
    return lambda tx: [(tx.deliveries.of(order), tx.reports.of(order)) for order in orders]
