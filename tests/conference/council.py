"""Conferences with a store in memory and a clock that the test moves, as a whole service; the engine is on paper."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from broadcast.domain.conference.media import EngineEvent
from broadcast.domain.conference.model import Conference
from broadcast.domain.officers import Officer, Role
from broadcast.service.conference.bookings import Bookings
from broadcast.service.conference.doors import Doors
from broadcast.service.conference.media import Media
from broadcast.service.conference.reconciler import Reconciler
from broadcast.service.conference.rooms import Conferences
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ports import Account
from tests.conference.hall import CITY, T0, TOWNS, plan
from tests.conference.paper import PaperEngine
from tests.domain.conference.townships import TREE
from tests.memory_store import MemoryStore

BOSS = Officer("boss", "值班长", Role.DUTY, CITY)
TOWN = Officer("zhen", "镇值班员", Role.DUTY, TOWNS[0])
OTHER = Officer("bie", "别镇", Role.DUTY, TOWNS[5])
LOOKER = Officer("kan", "观察员", Role.VIEWER, CITY)


class HandClock:
    """It stands still until a test moves it."""

    def __init__(self) -> None:
        self.ms = T0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.ms / 1000, UTC)

    def now_ms(self) -> int:
        return self.ms

    def now_us(self) -> int:
        return self.ms * 1_000

    def monotonic(self) -> float:
        return self.ms / 1_000

    async def sleep_until(self, deadline: float) -> None:
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1_000)


class Council:
    def __init__(self) -> None:
        self.clock, self.store, self.engine = HandClock(), MemoryStore(), PaperEngine()
        self.estate = Estate(store=self.store, master=b"m" * 32)
        self.make()

    def make(self) -> None:
        """The services, as after a restart of the server."""
        self.conferences = Conferences(clock=self.clock, store=self.store, estate=self.estate)
        self.doors = Doors(clock=self.clock, store=self.store, conferences=self.conferences)
        self.bookings = Bookings(clock=self.clock, store=self.store, estate=self.estate, conferences=self.conferences)

        self.health = Health(self.clock.now_ms)
        self.said: list[tuple[str, str, str]] = []
        self.reconciler = Reconciler(
            clock=self.clock,
            engine=self.engine,
            conferences=self.conferences,
            health=self.health,
            sound_of=lambda sha256: f"{sha256}.opus",
            renegotiate=lambda conference, site: self.said.append((conference, site, "renegotiate")),
        )
        self.media = Media(
            clock=self.clock,
            engine=self.engine,
            conferences=self.conferences,
            tell=lambda conference, site, message: self.said.append((conference, site, str(message["type"]))),
            started=self.reconciler.forget,
            news=self.reconciler.poke,
        )

    def _hear(self, event: EngineEvent) -> None:
        """Of the services as they are now: a restart of the server makes others."""
        self.media.hear(event)

    async def settle(self) -> None:
        """What was heard becomes state, and what changed reaches the engine."""
        await self.media.drain()
        await self.media.tick()
        await self.conferences.tick()
        await self.reconciler.step()
        await self.media.drain()
        await self.reconciler.step()

    async def begin(self) -> None:
        await self.store.write(lambda tx: tx.areas.replace(TREE))
        for one in (BOSS, TOWN, OTHER, LOOKER):
            await self.store.write(lambda tx, one=one: tx.accounts.add(Account(one, "")))  # type: ignore[misc]
        await self.estate.load()
        await self.conferences.load()
        await self.engine.start(self._hear)
        await self.settle()

    async def start(self, **changes: object) -> Conference:
        return await self.conferences.start(plan(**changes), by=BOSS, call=False)

    async def sit(self, conference: str, *sites: str) -> None:
        """By tickets of the chair's."""
        for site in sites:
            secret, _ = await self.doors.ticket(conference, site, by=BOSS)
            await self.doors.enter(conference, secret, address=site)


@asynccontextmanager
async def council() -> AsyncIterator[Council]:
    there = Council()
    await there.begin()
    yield there
