"""The conferences that are on: every change is stored first, then told, then made so in the engine.

One lock a conference: acts of many at once happen one after the other, each on what the one before has left.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.conference import roster
from broadcast.domain.conference.acting import OF_SITES, Actor, allowed, apply, numbered
from broadcast.domain.conference.acts import AnyAct, Kick, Mute
from broadcast.domain.conference.errors import ConferenceOver, UnknownConference
from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Plan, begin, check
from broadcast.domain.conference.telling import Viewer, full, partial, plain
from broadcast.domain.conference.ticking import tick, wake_at
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, holds, may
from broadcast.service.estate import Estate
from broadcast.service.ports import ActRow, Store, StoreUnavailable, Tx
from endpoints.area_codes import covers

log = logging.getLogger(__name__)

PAST = 256  # changes that are kept for readers; who was away longer takes the full state
MOST_DETAIL = 300
Change = Callable[[Conference], Conference]
Also = Callable[[Tx, Conference], None]


class Room:
    """One conference that is on, with who waits for its next change."""

    def __init__(self, conference: Conference) -> None:
        self.now = conference
        self.turn = asyncio.Lock()
        self.past: deque[tuple[Conference, Conference]] = deque(maxlen=PAST)
        self.waiting: set[asyncio.Future[None]] = set()

    def become(self, after: Conference) -> None:
        self.past.append((self.now, after))
        self.now = after
        for one in self.waiting:
            if not one.done():
                one.set_result(None)
        self.waiting.clear()


class Conferences:
    """All of them. `changed` is told of every conference that has become another one: the reconciler listens."""

    def __init__(self, *, clock: Clock, store: Store, estate: Estate) -> None:
        self._clock, self._store, self._estate = clock, store, estate
        self._rooms: dict[str, Room] = {}
        self._listeners: list[Callable[[Conference, Conference], None]] = []

    def listen(self, changed: Callable[[Conference, Conference], None]) -> None:
        """:param changed: called with before and after, after it is stored."""
        self._listeners.append(changed)

    async def load(self) -> None:
        """After a start: what was on is on, as it was; who was in has to come again with its key."""
        for one in await self._store.read(lambda tx: tx.conferences.live()):
            self._rooms[one.id] = Room(one)

    # ---- questions --------------------------------------------------------------------------------------------------------

    @property
    def live(self) -> list[Conference]:
        return [room.now for room in self._rooms.values() if room.now.is_live]

    def now(self, conference: str) -> Conference:
        """:raises UnknownConference, ConferenceOver."""
        room = self._rooms.get(conference)
        if room is None:
            raise UnknownConference(conference)
        if not room.now.is_live:
            raise ConferenceOver(conference)
        return room.now

    async def get(self, conference: str, *, by: Officer) -> Conference:
        """On or over. :raises UnknownConference: none that the officer may see."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        room = self._rooms.get(conference)
        found = room.now if room else await self._store.read(lambda tx: tx.conferences.get(conference))
        if found is None or not self.sees(by, found):
            raise UnknownConference(conference)
        return found

    async def page(self, *, before: str | None, limit: int, by: Officer) -> Sequence[Conference]:
        """Newest first; those that the officer may see."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        return await self._store.read(lambda tx: self._seen(tx, before, limit, by))

    def _seen(self, tx: Tx, before: str | None, limit: int, by: Officer) -> list[Conference]:
        """As many as were asked for, if there are: what the officer may not see makes no page shorter."""
        seen: list[Conference] = []
        while len(seen) < limit:
            found = tx.conferences.page(before=before, limit=limit)
            seen += [one for one in found if self.sees(by, one)]
            if len(found) < limit:
                break
            before = found[-1].id
        return seen[:limit]

    @staticmethod
    def sees(by: Officer, conference: Conference) -> bool:
        """Whoever holds its area, is its creator, or has a seat of the own area in it."""
        return (
            covers(by.area, conference.area)
            or by.name == conference.creator
            or any(one.officer == by.name or covers(by.area, one.area) for one in conference.sites)
        )

    def actor(self, conference: Conference, by: Officer) -> Actor:
        """What an officer is there: by its right over the area, and by the seat that it sits in."""
        now_ms = self._clock.now_ms()
        areas = (conference.area,)
        seat = next((one.id for one in conference.sites if one.identity == by.name), "")
        return Actor(by.name, seat, administers=holds(by, Verb.HOLD_CONFERENCE, areas=areas, now_ms=now_ms))

    def viewer(self, conference: Conference, actor: Actor) -> Viewer:
        return Viewer(actor.site, all=allowed(conference, Mute, actor))

    # ---- acts -------------------------------------------------------------------------------------------------------------

    async def start(
        self, plan: Plan, *, by: Officer, call: bool, ends_ms: int = 0, reservation: str = "", also: Also | None = None
    ) -> Conference:
        """Begin it now; with `call` everybody rings (一键调度). :raises InvalidRequest, RoleNotGranted, AreaNotGranted."""
        self.must_hold(plan, by=by)
        check(plan, self._estate.tree)
        now_ms = self._clock.now_ms()
        made = begin(
            plan,
            conference=str(ULID()),
            creator=by.name,
            now_ms=now_ms,
            ends_ms=ends_ms,
            reservation=reservation,
        )
        if call:
            made = roster.call_unconnected(made, now_ms)

        def work(tx: Tx) -> None:
            tx.conferences.save(made)
            tx.acts.add(ActRow(now_ms, by.name, "start conference", made.id, made.title))
            if also is not None:
                also(tx, made)

        await self._store.write(work)
        self._rooms[made.id] = Room(made)
        self._tell(made, made)
        return made

    def must_hold(self, plan: Plan, *, by: Officer) -> None:
        """The right over its area and over everywhere that it calls. :raises RoleNotGranted, AreaNotGranted, ExerciseOnly."""
        now_ms = self._clock.now_ms()
        areas = [plan.area, *(one.area for one in plan.seats if one.area in self._estate.tree)]
        known = [one for one in areas if one in self._estate.tree]
        may(by, Verb.HOLD_CONFERENCE, areas=known, exercise=plan.exercise, now_ms=now_ms)

    async def act(self, conference: str, act: AnyAct, *, by: Officer) -> Conference:
        """An officer's act, from the desk or a seat. :raises what `domain.conference.acting.apply` raises."""
        verb = Verb.JOIN_CONFERENCE if type(act) in OF_SITES else Verb.HOLD_CONFERENCE
        now = self.now(conference)
        if not self.sees(by, now):
            raise UnknownConference(conference)
        actor = self.actor(now, by)
        if not (actor.site or actor.administers):  # a chair needs no right beside its seat
            may(by, verb, areas=(now.area,), exercise=now.exercise, now_ms=self._clock.now_ms())
        return await self.act_as(conference, act, by=actor)

    async def act_as(self, conference: str, act: AnyAct, *, by: Actor) -> Conference:
        """:param by: settled: an officer here, or who came by a ticket."""
        now_ms = self._clock.now_ms()
        chairs = type(act) not in OF_SITES
        row = ActRow(now_ms, by.name, f"conference {act.act}", conference, _detail(act)) if chairs else None

        def also(tx: Tx, after: Conference) -> None:
            if row is not None:
                tx.acts.add(row)
            if isinstance(act, Kick):
                tx.conference_doors.drop_keys(conference, act.site)

        return await self.change(conference, lambda now: apply(now, act, by=by, now_ms=now_ms), also)

    async def change(self, conference: str, change: Change, also: Also | None = None) -> Conference:
        """Make it another one, durably; what changes nothing writes nothing.

        :raises UnknownConference, ConferenceOver, StoreUnavailable and those of the change: it is as it was.
        """
        room = self._rooms.get(conference)
        if room is None:
            raise UnknownConference(conference)
        async with room.turn:
            before = room.now
            if not before.is_live:
                raise ConferenceOver(conference)
            after = numbered(before, change(before))
            if after is before:
                return after

            def work(tx: Tx) -> None:
                tx.conferences.save(after)
                if not after.is_live:
                    tx.conference_doors.drop_keys(conference)
                if also is not None:
                    also(tx, after)

            await self._store.write(work)
            room.become(after)
        self._tell(before, after)
        return after

    async def tick(self) -> None:
        """What time does; call several times a second. One whose row can't be written waits for the next call."""
        now_ms = self._clock.now_ms()
        for name, room in list(self._rooms.items()):
            if not room.now.is_live:
                if now_ms - room.now.ended_ms > 60_000:
                    del self._rooms[name]
                continue
            if now_ms < wake_at(room.now):
                continue
            try:
                await self.change(name, lambda now: tick(now, now_ms))
            except ConferenceOver:
                continue
            except StoreUnavailable as err:
                log.warning("conference %s waits: %s", name, err.cause)

    # ---- telling ----------------------------------------------------------------------------------------------------------

    def state(self, conference: str, viewer: Callable[[Conference], Viewer]) -> dict[str, object]:
        """:raises UnknownConference."""
        room = self._rooms.get(conference)
        if room is None:
            raise UnknownConference(conference)
        return full(room.now, viewer(room.now))

    def since(self, conference: str, version: int, viewer: Callable[[Conference], Viewer]) -> list[dict[str, object]]:
        """The changes after that version; where some are forgotten, or the viewer became another, the full state alone."""
        room = self._rooms.get(conference)
        if room is None:
            raise UnknownConference(conference)
        if version == room.now.version:
            return []
        news = [(before, after) for before, after in room.past if after.version > version]
        whole = bool(news) and news[0][0].version == version
        same = whole and all(viewer(before) == viewer(after) for before, after in news)
        if not same:
            return [full(room.now, viewer(room.now))]
        return [partial(before, after, viewer(after)) for before, after in news]

    async def wait(self, conference: str, version: int, *, timeout_s: float) -> None:
        """Until there is something after that version, or the time has passed."""
        room = self._rooms.get(conference)
        if room is None or room.now.version != version:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        room.waiting.add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return
        finally:
            room.waiting.discard(future)

    def _tell(self, before: Conference, after: Conference) -> None:
        for one in self._listeners:
            one(before, after)


def _detail(act: AnyAct) -> str:
    said = {one.name: plain(getattr(act, one.name)) for one in fields(act) if one.name != "act"}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))[:MOST_DETAIL] if said else ""
