"""Keeps for how long speakers are online, and makes the figures of a month (月度统计) for an officer."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, day_of
from broadcast.domain.drills import Run
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.domain.statistics import Observed, SpeakerDay, Standing, Statistics, failures_of, reached, together
from broadcast.service.estate import Estate
from broadcast.service.ports import Store, Tx
from broadcast.service.presence import Presence, Speakers
from endpoints.area_codes import TOWNSHIP, covers, padded, significant

SAMPLE_S = 60.0
WRITE_AFTER = 5  # samples; so many minutes are lost in a crash, and count as not observed
LONGEST_SAMPLE_S = 150  # after a sleep of the machine nobody knows what was
KEEP_DAYS = 800
MOST_BROADCASTS = 2_000
PAGE = 200
STARTS_AFTER_MS = 31 * 86_400_000  # a broadcast may be ordered so long before it begins


class PresenceHistory:
    """Watches who is there and writes it down by day. What is unknown counts as not observed."""

    def __init__(self, *, clock: Clock, store: Store, speakers: Speakers, estate: Estate) -> None:
        self._clock, self._store, self._speakers, self._estate = clock, store, speakers, estate
        self._last: float | None = None
        self._day, self._samples = "", 0
        self._seen: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))

    async def tick(self) -> None:
        """Call every SAMPLE_S. :raises StoreUnavailable: it is kept for the next time."""
        now, day = self._clock.monotonic(), day_of(self._clock.now_ms()).isoformat()
        passed = 0 if self._last is None else round(now - self._last)
        self._last = now
        if 0 < passed <= LONGEST_SAMPLE_S:
            self._look(passed)
        self._day = self._day or day
        if self._seen and (self._samples >= WRITE_AFTER or day != self._day):
            await self._write()
        if not self._seen:
            self._day = day

    def _look(self, passed_s: int) -> None:
        self._samples += 1
        for name in self._estate.speakers:
            presence = self._speakers.status(name).presence
            if presence is not Presence.UNKNOWN:
                known, online = self._seen[name]
                self._seen[name] = known + passed_s, online + passed_s * (presence is Presence.ONLINE)

    async def _write(self) -> None:
        rows = [SpeakerDay(self._day, name, *seen) for name, seen in self._seen.items()]
        oldest = (day_of(self._clock.now_ms()) - timedelta(days=KEEP_DAYS)).isoformat()

        def work(tx: Tx) -> None:
            tx.speaker_days.add(rows)
            tx.speaker_days.forget_before(oldest)

        await self._store.write(work)
        self._seen.clear()
        self._samples = 0


class Figures:
    """Makes them from the tables, on the store's thread."""

    def __init__(self, *, clock: Clock, store: Store, estate: Estate) -> None:
        self._clock, self._store, self._estate = clock, store, estate

    async def of(self, area: str, from_ms: int, until_ms: int, *, by: Officer) -> Statistics:
        """Broadcasts of officers that began in from ≤ t < until, and the days of Beijing that it touches.

        :raises AreaNotGranted: the area is none of the officer's.
        """
        may(by, Verb.READ, areas=[area], now_ms=self._clock.now_ms())
        areas = {name: one.area for name, one in self._estate.speakers.items() if covers(area, one.area)}
        found = await self._store.read(lambda tx: _broadcasts(tx, from_ms, until_ms))
        standing: list[tuple[Broadcast, list[Standing]]] = []
        for one in found:  # each in a transaction of its own: a trigger does not wait for a month
            rows = await self._store.read(lambda tx, one=one: _standing(tx, one.id, areas))  # type: ignore[misc]
            if rows:
                standing.append((one, rows))
        first, last = day_of(from_ms).isoformat(), day_of(until_ms - 1).isoformat()
        days, townships = await self._store.read(lambda tx: _observed(tx, first, last, areas))
        drills = await self._store.read(lambda tx: _drills(tx, from_ms, until_ms))
        over = [rows for one, rows in standing if not one.order.exercise and not one.is_live(self._clock.now_ms())]
        return Statistics(
            total=Observed(area, sum(d.known_s for d in days), sum(d.online_s for d in days)),
            days=days,
            townships=townships,
            broadcasts=[
                reached(one.id, one.headline, one.order.not_before_ms, one.order.exercise, rows)
                for one, rows in standing
            ],
            failures=failures_of(row for rows in over for row in rows),
            drills=[one for one in drills if covers(area, one.area) or covers(one.area, area)],
        )


def _broadcasts(tx: Tx, from_ms: int, until_ms: int) -> list[Broadcast]:
    """Oldest first."""
    found: list[Broadcast] = []
    before: str | None = None
    while len(found) < MOST_BROADCASTS:
        page = tx.broadcasts.page(before=before, limit=PAGE)
        found += [one for one in page if from_ms <= one.order.not_before_ms < until_ms]
        if len(page) < PAGE or page[-1].order.not_before_ms < from_ms - STARTS_AFTER_MS:
            break
        before = page[-1].id
    return found[:MOST_BROADCASTS][::-1]


def _standing(tx: Tx, order: str, areas: dict[str, str]) -> list[Standing]:
    return [
        Standing(order, row.speaker, row.state, row.reason, row.started_ms)
        for row in tx.deliveries.of(order)
        if row.speaker in areas
    ]


def _observed(tx: Tx, first: str, last: str, areas: dict[str, str]) -> tuple[list[Observed], list[Observed]]:
    rows = [row for row in tx.speaker_days.between(first, last) if row.speaker in areas]
    by_day = together((row.day, row) for row in rows)
    return by_day, together((padded(significant(areas[row.speaker])[:TOWNSHIP]), row) for row in rows)


def _drills(tx: Tx, from_ms: int, until_ms: int) -> Sequence[Run]:
    """Newest first, those that have ended."""
    found: list[Run] = []
    before: str | None = None
    while True:
        page = tx.drills.page(before=before, limit=PAGE)
        found += [one for one in page if from_ms <= one.began_ms < until_ms and one.is_over]
        if len(page) < PAGE or page[-1].began_ms < from_ms:
            return found
        before = page[-1].id
