"""Shifts (值班): who has the watch, and how it goes from one officer to the next.

Who has it offers it to a colleague by name, with the checklist gone through; the colleague signs in, goes through the same list and
takes it. Both names, what stood on the list and what was said are kept. Whoever has to take it without an offer says why, and that
rings.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import time

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.alarms import Signal
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, holds, may
from broadcast.domain.shifts import Item, NotOffered, NotOnDuty, Shift, ShiftTaken, check_list, taken
from broadcast.service.ports import ActRow, Store, Tx

MOST_PAGE = 100
MOST_REASON = 300


@dataclass(frozen=True, slots=True)
class Watch:
    """Who has the watch now, and to whom it is offered."""

    current: Shift | None
    offered: Shift | None


class Shifts:
    """The watch in the county's duty room.

    :param state: what stands on the checklist now, by item, as short facts (`3`, `12 min`); asked at every hand-over.
    :param ring: an alarm for what must not go unseen.
    :param county: whose duty room it is; the 12-digit code.
    :param changes: of day, local time, at which shifts change by plan: no scheduled test begins about then.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        state: Callable[[], Mapping[Item, str]],
        ring: Callable[[Signal], None],
        county: str,
        changes: Collection[time] = (),
    ) -> None:
        self.changes = tuple(changes)
        self._clock, self._store, self._state, self._ring, self._county = clock, store, state, ring, county

    async def now(self, *, by: Officer) -> Watch:
        """:raises RoleNotGranted: a machine's token may not even hold this."""
        may(by, Verb.READ, exercise=None, now_ms=self._clock.now_ms())
        return await self._store.read(self._watch)

    async def page(self, *, before: str | None, limit: int, by: Officer) -> tuple[list[Shift], str | None]:
        """All there were, newest first, and the cursor of the next page."""
        may(by, Verb.READ, exercise=None, now_ms=self._clock.now_ms())
        many = min(limit, MOST_PAGE)
        found = await self._store.read(lambda tx: tx.shifts.page(before=before, limit=many + 1))
        return list(found[:many]), found[many - 1].id if len(found) > many else None

    def checklist(self, *, by: Officer) -> Mapping[Item, str]:
        """What both look at, as it stands now."""
        may(by, Verb.READ, exercise=None, now_ms=self._clock.now_ms())
        return self._state()

    async def offer(self, to: str, *, checked: Collection[Item], note: str, by: Officer) -> Shift:
        """Hand the watch over to that officer, who has to take it within the hour. A second offer takes the first's place.

        :raises NotOnDuty, InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        now_ms = self._may(by)
        faults = check_list(checked, note)
        state = self._state()

        def work(tx: Tx) -> Shift:
            watch = self._watch(tx)
            if watch.current is None or watch.current.officer != by.name:
                raise NotOnDuty(by.name, watch.current.officer if watch.current else "")
            if found := [*faults, *self._check_colleague(tx, to, by, now_ms)]:
                raise InvalidRequest(found)
            self._end_offers(tx, now_ms)
            made = Shift(str(ULID()), to, by.name, now_ms, note=note.strip(), checked=dict(state))
            tx.shifts.save(made)
            tx.acts.add(ActRow(now_ms, by.name, "offer shift", made.id, to))
            return made

        return await self._store.write(work)

    async def withdraw(self, *, by: Officer) -> None:
        """Take the offer back. :raises NotOffered: there is none by this officer."""
        now_ms = self._may(by)

        def work(tx: Tx) -> None:
            offered = self._watch(tx).offered
            if offered is None or offered.relieved != by.name:
                raise NotOffered(by.name)
            tx.shifts.save(replace(offered, ended_ms=now_ms))
            tx.acts.add(ActRow(now_ms, by.name, "withdraw shift", offered.id, offered.officer))

        await self._store.write(work)

    async def take(self, *, checked: Collection[Item], reason: str = "", by: Officer) -> Shift:
        """Take the watch: what was offered, or what nobody has, or, with a reason, what somebody has not handed over.

        :raises ShiftTaken: somebody has it, has not offered it, and no reason is given; or this officer has it already.
        :raises InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        now_ms = self._may(by)
        reason = reason.strip()
        faults = check_list(checked, "")
        if len(reason) > MOST_REASON:
            faults.append(Fault("reason", "too-long", (("most", str(MOST_REASON)), ("length", str(len(reason))))))
        state = self._state()

        def work(tx: Tx) -> Shift:
            watch = self._watch(tx)
            current = watch.current
            mine = watch.offered if watch.offered and watch.offered.officer == by.name else None
            if current is not None and (current.officer == by.name or (mine is None and not reason)):
                raise ShiftTaken(current.officer)
            if faults:
                raise InvalidRequest(faults)
            if mine is not None:
                begun = taken(mine, now_ms)
            else:
                relieved = current.officer if current else ""
                begun = Shift(str(ULID()), by.name, relieved, 0, now_ms, reason=reason, checked=dict(state))
                self._end_offers(tx, now_ms)
            if current is not None:
                tx.shifts.save(replace(current, ended_ms=now_ms))
            tx.shifts.save(begun)
            tx.acts.add(
                ActRow(now_ms, by.name, "take shift", begun.id, begun.relieved + (f": {reason}" if reason else ""))
            )
            return begun

        begun = await self._store.write(work)
        if begun.relieved and not begun.offered_ms:
            facts = {"officer": by.name, "relieved": begun.relieved, "reason": reason}
            self._ring(Signal("shift-taken", begun.id, self._county, by.title or by.name, None, facts))
        return begun

    def _may(self, by: Officer) -> int:
        now_ms = self._clock.now_ms()
        may(by, Verb.HAND_OVER, areas=(self._county,), exercise=None, now_ms=now_ms)
        return now_ms

    def _watch(self, tx: Tx) -> Watch:
        last = tx.shifts.unended()
        now_ms = self._clock.now_ms()
        current = next((one for one in last if one.is_current), None)
        return Watch(current, next((one for one in last if one.waits(now_ms)), None))

    def _end_offers(self, tx: Tx, now_ms: int) -> None:
        for one in tx.shifts.unended():
            if one.began_ms is None:
                tx.shifts.save(replace(one, ended_ms=now_ms))

    def _check_colleague(self, tx: Tx, to: str, by: Officer, now_ms: int) -> list[Fault]:
        account = tx.accounts.get(to)
        if account is None or account.disabled:
            return [Fault("to", "unknown-officer", (("officer", to[:100]),))]
        if to == by.name:
            return [Fault("to", "not-oneself")]
        if not holds(account.officer, Verb.HAND_OVER, areas=(self._county,), now_ms=now_ms):
            return [Fault("to", "may-not-hold-the-watch", (("officer", to),))]
        return []
