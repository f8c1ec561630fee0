"""The as-run log (播出日志): every occurrence at every speaker against the plan, all the time; what does not match is an alarm.

Ladders of occurrences are opened shortly before their time and not when they are planned: 1,500 of them wait in two days, and a
few are about to sound. Outcomes are read from the ladder while it is in memory and from the table afterwards.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from broadcast.clock import Clock
from broadcast.domain.as_run import Outcome, contradicted, is_late, is_mismatch, outcome_of, relay_cause
from broadcast.domain.broadcasts import Broadcast, Life
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.service.boards import Boards
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder, waited_until_ms
from broadcast.service.places import told_by_township
from broadcast.service.ports import AsRunRow, DeliveryRow, Store, Tally, Tx
from broadcast.service.presence import Presence, Speakers
from broadcast.service.programme_boards import ProgrammeBoards
from endpoints.arbitration import Listener, choose
from endpoints.area_codes import covers, significant
from endpoints.protocol import OrderRule, Reason

log = logging.getLogger(__name__)

OPEN_BEFORE_MS = 75_000  # speakers speak of an occurrence from 60 s before its time on
FORGET_ALARM_MS = 24 * 3_600_000
ORDERS_AT_ONCE = 200  # in one question to the table
FORGET_AT_ONCE = 50  # occurrences in one transaction: 36,000 lines of evidence
MOST_RUNS = 2_000
SLICE_S = 0.02


@dataclass(frozen=True, slots=True)
class Run:
    """One occurrence against the plan, in one area.

    :param counts: speakers by outcome.
    :param reasons: of those that are not on time.
    :param meant: all of them.
    :param cause: what the server knows against it: `relay-lost`.
    """

    broadcast: Broadcast
    counts: Mapping[Outcome, int]
    reasons: Mapping[tuple[Outcome, Reason], int]
    meant: int
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One occurrence at one speaker.

    :param late_ms: after its time; 0 for one that has not begun.
    """

    broadcast: Broadcast
    speaker: str
    outcome: Outcome
    reason: Reason
    started_ms: int
    late_ms: int


@dataclass(slots=True)
class _Counted:
    cause: str = ""
    counts: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[tuple[Outcome, Reason]] = field(default_factory=Counter)

    def add(self, outcome: Outcome, reason: Reason, count: int = 1) -> None:
        outcome, reason = contradicted(outcome, reason, self.cause)
        self.counts[outcome] += count
        if outcome not in (Outcome.ON_TIME, Outcome.UNKNOWN):
            self.reasons[outcome, reason] += count


@dataclass(frozen=True, slots=True)
class _Bad:
    outcome: Outcome
    title: str
    due_ms: int


class AsRun:
    """Opens ladders in time, watches how occurrences go, answers for the record.

    :param keep_reports_days: the line-by-line evidence of routine.
    :param keep_days: the record itself.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        boards: ProgrammeBoards,
        live: Boards,
        ladder: Ladder,
        speakers: Speakers,
        health: Health,
        rule: OrderRule,
        keep_reports_days: int,
        keep_days: int,
    ) -> None:
        self._clock, self._store, self._estate, self._boards = clock, store, estate, boards
        self._live, self._ladder, self._speakers, self._health, self._rule = live, ladder, speakers, health, rule
        self._keep_reports_days, self._keep_days = keep_reports_days, keep_days
        self._rows: Mapping[str, Broadcast] = {}  # as they were when `_due` was made
        self._opened: set[str] = set()
        self._due: list[Broadcast] = []  # to be opened, the next one last
        self._bad: dict[str, _Bad] = {}  # by speaker: its last occurrence, when that did not match
        self._lost: dict[str, str] = {}  # by occurrence: what the server's own record says against it
        self._settled: dict[str, int] = {}  # by speaker: when the last occurrence was due of which the end is known

    async def load(self, seen_ms: int) -> None:
        """After a start: what was due while nobody looked is looked at now, the newest first.

        :param seen_ms: when the last run was alive.
        """
        now_ms = self._clock.now_ms()
        from_ms = min(seen_ms, now_ms - FORGET_ALARM_MS)
        rows = await self._store.read(lambda tx: tx.broadcasts.occurrences(from_ms, now_ms + OPEN_BEFORE_MS))
        over = [one.id for one in rows if waited_until_ms(one) < seen_ms]
        titles = {one.id: one.headline for one in rows}
        for at in range(0, len(over), ORDERS_AT_ONCE):
            for row in await self._store.read(_everywhere(over[at : at + ORDERS_AT_ONCE])):
                self._note(row.speaker, titles[row.order], row.due_ms, *_outcome_of_row(row))
        for one in reversed(rows):
            if waited_until_ms(one) >= seen_ms and one.life is not Life.REPLACED:
                await self._ladder.load([one])
                self._opened.add(one.id)
                self._look_at(one, (row.speaker for row in self._ladder.rows(one.id) or ()))

    # ---- what happens ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Open the ladders of what is about to sound; call every second. Without anything to do it costs nothing."""
        if self._boards.rows is not self._rows:
            self._rows = self._boards.rows
            self._opened &= self._rows.keys()
            self._due = [one for one in self._rows.values() if one.life is Life.LIVE and one.id not in self._opened]
            self._due.sort(key=lambda one: one.order.not_before_ms, reverse=True)
        now_ms = self._clock.now_ms()
        until = self._clock.monotonic() + SLICE_S
        while self._due and self._due[-1].order.not_before_ms - OPEN_BEFORE_MS <= now_ms:
            if self._clock.monotonic() > until:  # every village has one at ten past seven: the rest has its turn soon
                return
            one = self._due.pop()
            self._opened.add(one.id)
            if waited_until_ms(one) > now_ms:
                self._ladder.open(one)  # unless a report was quicker, and had it fetched

    def moved(self, order: str, speakers: Iterable[str]) -> None:
        """The ladder says that these stand elsewhere now."""
        occurrence = self._boards.find(order)
        if occurrence is not None:
            self._look_at(occurrence, speakers)

    async def compare(self) -> None:
        """Hold what speakers say of relays against what was sent, for the alarms as for the log; call before `watch`."""
        now_ms = self._clock.now_ms()
        relays = [one for one in self._rows.values() if one.order.not_before_ms <= now_ms < waited_until_ms(one)]
        causes = await self._causes(relays)
        before, self._lost = self._lost, {name: why for name, why in self._lost.items() if name in self._rows} | causes
        for one in relays:
            if self._lost.get(one.id, "") != before.get(one.id, ""):
                self._look_at(one, [row.speaker for row in self._ladder.rows(one.id) or ()])

    def watch(self) -> None:
        """Three alarms at most, however many speakers: nothing sounded, nothing was heard of, something else sounded."""
        since_ms = self._clock.now_ms() - FORGET_ALARM_MS
        self._bad = {
            name: one for name, one in self._bad.items() if one.due_ms >= since_ms and name in self._estate.speakers
        }
        groups: dict[str, list[str]] = {"programme-silent": [], "programme-unreached": [], "programme-fallback": []}
        for name, bad in self._bad.items():
            if bad.outcome is Outcome.FALLBACK:
                groups["programme-fallback"].append(name)
            elif bad.outcome is Outcome.UNREACHED and self._speakers.status(name).presence is not Presence.ONLINE:
                groups["programme-unreached"].append(name)
            else:
                groups["programme-silent"].append(name)
        for condition, names in groups.items():
            if names:
                titles = Counter(self._bad[name].title for name in names)
                told = told_by_township(self._estate, names)
                self._health.raise_(condition, title=titles.most_common(1)[0][0], **told)
            else:
                self._health.clear(condition)

    async def forget(self) -> None:
        """Let go of what the settings don't ask to keep; call every hour."""
        now_ms, day_ms = self._clock.now_ms(), 24 * 3_600_000
        reports_ms, all_ms = now_ms - self._keep_reports_days * day_ms, now_ms - self._keep_days * day_ms
        while count := await self._store.write(lambda tx: tx.as_run.forget_reports(reports_ms, at_most=FORGET_AT_ONCE)):
            self._health.count("routine_evidence_forgotten", count)
        while count := await self._store.write(lambda tx: tx.as_run.forget_occurrences(all_ms, at_most=FORGET_AT_ONCE)):
            self._health.count("routine_forgotten", count)

    # ---- what is asked --------------------------------------------------------------------------------------------------

    async def runs(self, *, by: Officer, area: str, from_ms: int, until_ms: int) -> list[Run]:
        """The occurrences that reach into a time, and how they went in an area of the officer's; by start.

        :raises AreaNotGranted: the area is not inside the officer's.
        """
        may(by, Verb.READ, areas=[area], now_ms=self._clock.now_ms())
        rows = await self._occurrences(area, from_ms, until_ms)
        causes = await self._causes(rows)
        counted = {one.id: _Counted(causes.get(one.id, "")) for one in rows}
        kept = []
        for one in rows:
            found = self._told(one)
            if found is None:
                kept.append(one.id)
            for row in found or ():
                if self._stands_in(row.speaker, area):
                    counted[row.order].add(*_outcome_of_delivery(row, one.order.not_before_ms))
        for at in range(0, len(kept), ORDERS_AT_ONCE):
            for tally in await self._store.read(_tally(kept[at : at + ORDERS_AT_ONCE], significant(area))):
                counted[tally.order].add(*_outcome_of_tally(tally), tally.speakers)
        return [self._run(one, counted[one.id], area) for one in rows]

    async def lines(self, *, by: Officer, area: str, from_ms: int, until_ms: int) -> list[Line]:
        """Likewise, each occurrence at each speaker. :raises AreaNotGranted: as `runs`."""
        may(by, Verb.READ, areas=[area], now_ms=self._clock.now_ms())
        rows = {one.id: one for one in await self._occurrences(area, from_ms, until_ms)}
        causes = await self._causes(rows.values())
        found: list[Line] = []
        kept = []
        for one in rows.values():
            told = self._told(one)
            if told is None:
                kept.append(one.id)
            for row in told or ():
                if self._stands_in(row.speaker, area):
                    how = contradicted(*_outcome_of_delivery(row, one.order.not_before_ms), causes.get(one.id, ""))
                    found.append(_line(one, row.speaker, row.started_ms, *how))
        for at in range(0, len(kept), ORDERS_AT_ONCE):
            some = kept[at : at + ORDERS_AT_ONCE]
            for run in await self._store.read(_at_speakers(some, significant(area))):
                how = contradicted(*_outcome_of_row(run), causes.get(run.order, ""))
                found.append(_line(rows[run.order], run.speaker, run.started_ms, *how))
        return sorted(found, key=lambda one: (one.broadcast.order.not_before_ms, one.broadcast.id, one.speaker))

    # ---- inside ---------------------------------------------------------------------------------------------------------

    async def _occurrences(self, area: str, from_ms: int, until_ms: int) -> list[Broadcast]:
        rows = await self._store.read(lambda tx: tx.broadcasts.occurrences(from_ms, until_ms))
        found = [one for one in rows if one.life is not Life.REPLACED and self._concerns(one, area)]
        return found[:MOST_RUNS]

    async def _causes(self, rows: Iterable[Broadcast]) -> dict[str, str]:
        """What the server's own record says against relays among them, by id."""
        relays = [one for one in rows if one.order.stream]
        if not relays:
            return {}
        sent = await self._store.read(lambda tx: {one.id: tx.live.of(one.id) for one in relays})
        now_ms = self._clock.now_ms()
        return {one.id: relay_cause(one.order, one.life, sent[one.id], now_ms) for one in relays}

    def _told(self, one: Broadcast) -> list[DeliveryRow] | None:
        """Where it stands at each speaker while something is open about it; what is long over is asked of the table."""
        over = waited_until_ms(one) < self._clock.now_ms()
        return None if over else self._ladder.rows(one.id)

    def _concerns(self, occurrence: Broadcast, area: str) -> bool:
        places = [*occurrence.order.areas]
        places += [self._estate.speaker(name).area for name in occurrence.order.speakers if name in self._estate]
        return any(covers(area, place) or covers(place, area) for place in places)

    def _run(self, one: Broadcast, counted: _Counted, area: str) -> Run:
        meant = sum(counted.counts.values())
        if not meant:  # its ladder is opened shortly before its time
            meant = sum(covers(area, speaker.area) for speaker in self._estate.meant_by(one.order))
            counted.add(Outcome.STOPPED if one.life is Life.STOPPED else Outcome.UNKNOWN, Reason.NONE, meant)
        counts = {o: counted.counts[o] for o in Outcome if counted.counts[o]}
        return Run(one, counts, dict(counted.reasons), meant, counted.cause)

    def _stands_in(self, speaker: str, area: str) -> bool:
        found = self._estate.speakers.get(speaker)
        return found is not None and covers(area, found.area)

    def _look_at(self, occurrence: Broadcast, speakers: Iterable[str]) -> None:
        due_ms = occurrence.order.not_before_ms
        for name in speakers:
            row = self._ladder.row(occurrence.id, name)
            if row is None:
                continue
            outcome, reason = contradicted(*_outcome_of_delivery(row, due_ms), self._lost.get(occurrence.id, ""))
            if reason is Reason.TOO_LATE and self._had_no_air(occurrence, name):
                reason = Reason.BUSY
            self._note(name, occurrence.headline, due_ms, outcome, reason)

    def _note(self, speaker: str, title: str, due_ms: int, outcome: Outcome, reason: Reason) -> None:
        """The last occurrence of a speaker is what its alarm is about."""
        if outcome is Outcome.UNKNOWN or self._settled.get(speaker, 0) > due_ms:
            return
        self._settled[speaker] = due_ms
        if is_mismatch(outcome, reason):
            self._bad[speaker] = _Bad(outcome, title, due_ms)
        else:
            self._bad.pop(speaker, None)

    def _had_no_air(self, occurrence: Broadcast, speaker: str) -> bool:
        """Whether something higher had the air there from its time to its latest start: the plan said so beforehand."""
        found, due = self._estate.speakers.get(speaker), occurrence.order
        if found is None:
            return False
        last_ms = (due.start_by_ms or due.not_after_ms) - 1
        others = (*self._rows.values(), *self._live.carried.values())
        orders = [
            o
            for o in (one.order for one in others)
            if o.not_before_ms <= last_ms and o.not_after_ms > due.not_before_ms
        ]
        listener = Listener(speaker, found.area, found.exercise, rule=self._rule)
        winners = [choose(orders, at_ms, listener) for at_ms in (due.not_before_ms, last_ms)]
        return all(winner is not None and winner.id != due.id for winner in winners)


def _everywhere(orders: Sequence[str]) -> Callable[[Tx], Sequence[AsRunRow]]:
    return lambda tx: tx.as_run.at_speakers(orders, "")


def _tally(orders: Sequence[str], area_digits: str) -> Callable[[Tx], Sequence[Tally]]:
    return lambda tx: tx.as_run.tally(orders, area_digits)


def _at_speakers(orders: Sequence[str], area_digits: str) -> Callable[[Tx], Sequence[AsRunRow]]:
    return lambda tx: tx.as_run.at_speakers(orders, area_digits)


def _outcome_of_delivery(row: DeliveryRow, due_ms: int) -> tuple[Outcome, Reason]:
    began = row.started_ms > 0
    late = began and is_late(row.started_ms, due_ms)
    return outcome_of(row.state, row.reason, row.start_reason, began=began, late=late), row.reason


def _outcome_of_row(row: AsRunRow) -> tuple[Outcome, Reason]:
    began = row.started_ms > 0
    late = began and is_late(row.started_ms, row.due_ms)
    return outcome_of(row.state, row.reason, row.start_reason, began=began, late=late), row.reason


def _outcome_of_tally(row: Tally) -> tuple[Outcome, Reason]:
    return outcome_of(row.state, row.reason, row.start_reason, began=row.began, late=row.late), row.reason


def _line(occurrence: Broadcast, speaker: str, started_ms: int, outcome: Outcome, reason: Reason) -> Line:
    late_ms = max(0, started_ms - occurrence.order.not_before_ms) if started_ms else 0
    return Line(occurrence, speaker, outcome, reason, started_ms, late_ms)
