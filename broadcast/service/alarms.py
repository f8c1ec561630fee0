"""Alarms (告警): raised from what is wrong, kept over restarts, sounding until somebody answers for them by name.

What sources say is compared with the open alarms every second (`domain.alarms`). Without the database they go on in memory and
are written when it is back: that it is away is an alarm too.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.alarms import (
    MOST_REASON,
    WINDOW_MS,
    Alarm,
    Rank,
    Scope,
    Signal,
    UnknownAlarm,
    acknowledge,
    escalate,
    step,
)
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, may
from broadcast.service.alarm_sources import CAUSES
from broadcast.service.ports import ActRow, Store, StoreUnavailable, Tx

log = logging.getLogger(__name__)

GRACE_S = 60.0  # after a start nothing is well again before it was looked at: a speaker is unknown for 50 s
MOST_PAGE = 200
SYSTEM = "lianbo"  # who raises alarms, in the duty log
MOST_ACTS = 1_000


class Source(Protocol):
    """Something that knows what is wrong. It answers from memory, at once."""

    def signals(self, now_ms: int) -> Iterable[Signal]: ...
    def is_unsure(self, kind: str, key: str) -> bool: ...  # of what nothing is known at the moment


@dataclass(frozen=True, slots=True)
class Ringing:
    """What stands in the head of every page.

    :param sounding: how many nobody has answered for; `rank` the highest of them, None: silence; `newest` its id.
    """

    sounding: int = 0
    open: int = 0
    rank: Rank | None = None
    newest: str = ""


@dataclass(slots=True)
class _Unwritten:
    alarms: set[str] = field(default_factory=set)
    acts: list[ActRow] = field(default_factory=list)


class Alarms:
    """The alarms of one server.

    :param escalate_min: unanswered for so long, an alarm rises by a rank.
    :param changed: told after each change, so that pages look again.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        sources: Sequence[Source],
        escalate_min: int,
        changed: Callable[[], None],
    ) -> None:
        self._clock, self._store, self._sources = clock, store, list(sources)
        self._escalate_ms, self._changed = escalate_min * 60_000, changed
        self._alarms: dict[str, Alarm] = {}
        self._told: dict[tuple[str, str], Signal] = {}  # events since the last look
        self._unwritten = _Unwritten()
        self._lock = asyncio.Lock()
        self._began = clock.monotonic()

    async def load(self) -> None:
        """The open ones, as the last run has left them."""
        after_ms = self._clock.now_ms() - WINDOW_MS
        found = await self._store.read(lambda tx: tx.alarms.current(after_ms))
        self._alarms = {one.id: one for one in found}
        self._began = self._clock.monotonic()

    # ---- what is wrong --------------------------------------------------------------------------------------------------

    def tell(self, signal: Signal) -> None:
        """Something has happened that does not last: it rings at the next look, within a second."""
        self._told[signal.kind, signal.key] = signal

    async def tick(self) -> None:
        """Look at every source; call every second."""
        async with self._lock:
            now_ms = self._clock.now_ms()
            told, self._told = list(self._told.values()), {}
            signals = [*told, *(signal for source in self._sources for signal in source.signals(now_ms))]
            fresh = now_ms - WINDOW_MS
            self._alarms = {name: one for name, one in self._alarms.items() if one.is_open or one.raised_ms >= fresh}
            changed = step(
                self._alarms.values(),
                signals,
                CAUSES,
                now_ms=now_ms,
                new_id=lambda: str(ULID()),
                is_unsure=self._is_unsure,
            )
            begun = [one for one in changed if one.id not in self._alarms]
            self._keep(changed, [_act(one, now_ms, "raise alarm") for one in begun])
            risen = escalate(self._alarms.values(), after_ms=self._escalate_ms, now_ms=now_ms)
            self._keep(risen, [_act(one, now_ms, "escalate alarm") for one in risen])
            await self._write()

    def _is_unsure(self, kind: str, key: str) -> bool:
        if self._clock.monotonic() - self._began < GRACE_S:
            return True
        return any(source.is_unsure(kind, key) for source in self._sources)

    def _keep(self, changed: Sequence[Alarm], acts: Sequence[ActRow]) -> None:
        if not changed:
            return
        self._alarms |= {one.id: one for one in changed}
        self._unwritten.alarms |= {one.id for one in changed}
        self._unwritten.acts += acts[: MOST_ACTS - len(self._unwritten.acts)]
        self._changed()

    async def _write(self) -> None:
        """What is not in the tables yet; on failure it stays in memory for the next time."""
        if not self._unwritten.alarms:
            return
        waiting, self._unwritten = self._unwritten, _Unwritten()
        alarms = [self._alarms[name] for name in sorted(waiting.alarms) if name in self._alarms]

        def work(tx: Tx) -> None:
            tx.alarms.save(alarms)
            for act in waiting.acts:
                tx.acts.add(act)

        try:
            await self._store.write(work)
        except StoreUnavailable:
            self._unwritten.alarms |= waiting.alarms
            self._unwritten.acts = waiting.acts + self._unwritten.acts
            raise

    # ---- answers --------------------------------------------------------------------------------------------------------

    async def acknowledge(self, alarm: str, reason: str, *, by: Officer) -> Alarm:
        """Answer for it by name: it is silent from here on.

        Without the database the answer stands in memory and is written when it is back.

        :raises UnknownAlarm, AlreadyAcknowledged, InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        reason = reason.strip()
        now_ms = self._clock.now_ms()
        may(by, Verb.ACKNOWLEDGE_ALARM, exercise=None, now_ms=now_ms)
        async with self._lock:
            found = await self._find(alarm, by)
            may(by, Verb.ACKNOWLEDGE_ALARM, areas=(found.area,), exercise=None, now_ms=now_ms)
            if faults := _check_reason(reason):
                raise InvalidRequest(faults)
            done = acknowledge(found, by=by.name, reason=reason, now_ms=now_ms)
            self._keep([done], [ActRow(now_ms, by.name, "acknowledge alarm", done.id, f"{done.kind}: {reason}")])
            try:
                await self._write()
            except StoreUnavailable as err:
                log.warning("the answer to alarm %s is not in the table yet: %s", alarm, err)
        return done

    # ---- looking --------------------------------------------------------------------------------------------------------

    async def get(self, alarm: str, *, by: Officer) -> Alarm:
        """:raises UnknownAlarm: there is none that this officer may see."""
        may(by, Verb.READ, exercise=None, now_ms=self._clock.now_ms())
        return await self._find(alarm, by)

    async def _find(self, alarm: str, by: Officer) -> Alarm:
        found = self._alarms.get(alarm) or await self._store.read(lambda tx: tx.alarms.get(alarm))
        if found is None or not found.concerns(by.area):
            raise UnknownAlarm(alarm)
        return found

    def open(self, *, by: Officer) -> list[Alarm]:
        """What sounds first, in order of rank, the oldest first; then what is answered and goes on."""
        may(by, Verb.READ, exercise=None, now_ms=self._clock.now_ms())
        mine = [one for one in self._alarms.values() if one.is_open and one.concerns(by.area)]
        return sorted(mine, key=lambda one: (not one.sounds, one.rank, one.raised_ms, one.id))

    async def page(self, *, before: str | None, limit: int, by: Officer) -> tuple[list[Alarm], str | None]:
        """All there were, newest first, and the cursor of the next page."""
        may(by, Verb.READ, exercise=None, now_ms=self._clock.now_ms())
        many = min(limit, MOST_PAGE)
        found = await self._store.read(lambda tx: tx.alarms.page(before=before, limit=many + 1))
        after = found[many - 1].id if len(found) > many else None
        return [one for one in found[:many] if one.concerns(by.area)], after

    @property
    def sounding(self) -> dict[Rank, int]:
        """How many sound, by rank; every rank is there."""
        counts = dict.fromkeys(Rank, 0)
        for one in self._alarms.values():
            counts[one.rank] += one.sounds
        return counts

    def ringing(self, area: str) -> Ringing:
        """For the head of a page of an officer of this area."""
        mine = [one for one in self._alarms.values() if one.is_open and one.concerns(area)]
        sounding = sorted((one for one in mine if one.sounds), key=lambda one: (one.rank, -one.raised_ms, one.id))
        if not sounding:
            return Ringing(0, len(mine))
        return Ringing(len(sounding), len(mine), sounding[0].rank, max(one.id for one in sounding))


def _act(alarm: Alarm, now_ms: int, verb: str) -> ActRow:
    name = alarm.members[0].name or alarm.members[0].key
    what = name if alarm.scope is Scope.ONE else f"{len(alarm.members)}"
    return ActRow(now_ms, SYSTEM, verb, alarm.id, f"{alarm.kind} {alarm.area} {alarm.rank.name.lower()}: {what}")


def _check_reason(reason: str) -> list[Fault]:
    if not reason:
        return [Fault("reason", "missing")]
    if len(reason) > MOST_REASON:
        return [Fault("reason", "too-long", (("most", str(MOST_REASON)), ("length", str(len(reason)))))]
    if any(ord(char) < 32 and char not in "\n\t\r" for char in reason):
        return [Fault("reason", "control-characters")]
    return []
